import type { Fault } from './fault.ts'

const CUSTODY = 'settlement/Custody.sol'
const EXIT = 'settlement/Exit.sol'
const HOUSE = 'settlement/ClearingHouse.sol'
const RECORDS = 'settlement/Records.sol'
const TOKEN = 'token/AssetToken.sol'
const SUPPLY = 'supply/SupplyController.sol'
const INVESTORS = 'compliance/InvestorRegistry.sol'

/** Each of the twelve invariants finds at least one of these by itself. */
export const INVARIANT_FAULTS: readonly Fault[] = [
  {
    file: CUSTODY,
    find: 'safeTransfer(wallet, amount * book.scale());',
    replace: 'safeTransfer(wallet, amount);',
    invariant: 1,
  },
  {
    file: RECORDS,
    find: 'bool balanced = credits == debits;',
    replace: 'bool balanced = credits >= debits;',
    invariant: 2,
  },
  {
    file: RECORDS,
    find: 'balanced = declared ? (credits == minted && debits == burned) : (credits | debits) == 0;',
    replace: 'balanced = credits + (declared ? burned : 0) == debits + (declared ? minted : 0);',
    invariant: 2,
  },
  {
    file: RECORDS,
    find: 'and(or(or(moved, xor(add(word, FILL), add(moved, FILL))), amounts), GUARDS)',
    replace: 'and(amounts, GUARDS)',
    invariant: 3,
  },
  {
    file: HOUSE,
    find: 'if (next == current) return;',
    replace: 'if (next == current) { _applyRecords(records); return; }',
    invariant: 4,
  },
  {
    file: HOUSE,
    find: 'if (header.prevHead != current) revert WrongHead(current, header.prevHead);',
    replace: '',
    invariant: 5,
  },
  { file: TOKEN, find: 'if (from == to) revert SelfTransfer(from);', replace: '', invariant: 6 },
  {
    file: SUPPLY,
    find: 'if (next > supply.ceiling) revert',
    replace: 'if (next > MAX_CEILING) revert',
    invariant: 7,
  },
  {
    file: SUPPLY,
    find: 'if (next > reserve) revert',
    replace: 'if (next > 2 * reserve) revert',
    invariant: 7,
  },
  {
    file: SUPPLY,
    find: 'if (supply.isRated) _consumeRate(asset, uint64(change));',
    replace: 'if (supply.isRated) _consumeRate(asset, uint64(change) / 2);',
    invariant: 8,
  },
  {
    file: EXIT,
    find: 'if (!isExitMode) _requireServed(account);',
    replace: '_requireServed(account);',
    invariant: 9,
  },
  {
    file: EXIT,
    find: 'safeTransfer(wallet, amount * book.scale());',
    replace: 'safeTransfer(wallet, amount);',
    invariant: 9,
  },
  {
    file: RECORDS,
    find: 'next.nonZero() - word.nonZero()',
    replace: 'next.nonZero() & ~word.nonZero()',
    invariant: 10,
  },
  {
    file: RECORDS,
    find: 'or(moved, xor(add(word, FILL), add(moved, FILL)))',
    replace: 'moved',
    invariant: 10,
  },
  {
    file: CUSTODY,
    find: ') external restricted whenOpen nonReentrant {',
    replace: ') external restricted nonReentrant {',
    invariant: 11,
  },
  {
    file: INVESTORS,
    find: 'function unfreeze(uint32 account, bytes32 documentHash) external restricted {',
    replace: 'function unfreeze(uint32 account, bytes32 documentHash) external {',
    invariant: 12,
  },
  {
    file: SUPPLY,
    find: 'if (msg.sender != CLEARING_HOUSE) revert NotClearingHouse(msg.sender);',
    replace: '',
    invariant: 12,
  },
  {
    file: TOKEN,
    find: '_isOfSuite(to) ? msg.sender == to : receiver',
    replace: '_isOfSuite(to) ? true : receiver',
    invariant: 1,
  },
]
