/** A deliberate mistake in a contract: `find` must occur exactly once in the file. */
export interface Fault {
  /** Below contracts/. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Number of the invariant that must find it alone. */
  readonly invariant?: number
}

const AUTHORITY = 'access/Authority.sol'
const CUSTODY = 'settlement/Custody.sol'
const ORDERS = 'settlement/DvpOrders.sol'
const EXIT = 'settlement/Exit.sol'
const HOUSE = 'settlement/ClearingHouse.sol'
const RECORDS = 'settlement/Records.sol'
const TURNOVER = 'settlement/Turnover.sol'
const TOKEN = 'token/AssetToken.sol'
const SUPPLY = 'supply/SupplyController.sol'
const REDEEM = 'supply/Redemptions.sol'
const GATE = 'supply/ReserveGate.sol'
const INVESTORS = 'compliance/InvestorRegistry.sol'
const WALLETS = 'compliance/WalletBook.sol'
const POLICY = 'compliance/PolicyEngine.sol'
const DISTRIBUTOR = 'token/Distributor.sol'

/** Each of the twelve invariants finds at least one of these by itself. */
const INVARIANT_FAULTS: readonly Fault[] = [
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
]

/** What the rest of the Solidity tests must find. */
const FURTHER_FAULTS: readonly Fault[] = [
  { file: CUSTODY, find: 'if (isWithdrawn[id]) revert AlreadyWithdrawn(id);', replace: '' },
  { file: CUSTODY, find: 'if (atoms * scale != amount) revert', replace: 'if (atoms == 0) revert' },
  {
    file: CUSTODY,
    find: 'block.timestamp >= expiresAt) revert Expired',
    replace: 'block.timestamp > expiresAt + 1 hours) revert Expired',
  },
  {
    file: CUSTODY,
    find: 'if (received != amount) revert ShortTransfer(amount, received);',
    replace: '',
  },
  {
    file: CUSTODY,
    find: 'if (allowed < amount) revert AllowanceTooLow(amount, allowed);',
    replace: 'revert AllowanceTooLow(amount, allowed);',
  },
  { file: CUSTODY, find: '        _requireClass(account, asset, class);\n', replace: '' },
  {
    file: EXIT,
    find: 'if (closeTime <= requestedAt) revert',
    replace: 'if (closeTime < requestedAt) revert',
  },
  {
    file: EXIT,
    find: 'if (block.timestamp < readyAt) revert',
    replace: 'if (block.timestamp + 1 < readyAt) revert',
  },
  {
    file: EXIT,
    find: 'if (requestedAt != 0) revert ExitAlreadyOpen(account, requestedAt);',
    replace: '',
  },
  {
    file: EXIT,
    find: 'bool ignored = requestedAt != 0 && clock.closeTime <= requestedAt;',
    replace: 'bool ignored = requestedAt != 0;',
  },
  {
    file: HOUSE,
    find: 'if (header.sequence != expected) revert WrongSequence(expected, header.sequence);',
    replace: '',
  },
  {
    file: HOUSE,
    find: 'if (header.recordsHash != recordsHash) revert WrongRecords(recordsHash, header.recordsHash);',
    replace: '',
  },
  { file: HOUSE, find: 'if (header.kind == Batch.TRADE) _countTurnover(table);', replace: '' },
  {
    file: HOUSE,
    find: 'if (header.kind != Batch.SUPPLY) clock.closeTime',
    replace: 'clock.closeTime',
  },
  {
    file: 'settlement/Attestation.sol',
    find: 'if (!_isAttestor[signer]) revert NotAttestor(signer);',
    replace: '',
  },
  {
    file: 'settlement/Attestation.sol',
    find: 'if (signer <= previous) revert',
    replace: 'if (signer < previous) revert',
  },
  { file: HOUSE, find: 'if (closeTime < earlier) closeTime = earlier;', replace: '' },
  {
    file: HOUSE,
    find: 'declared < block.timestamp ? declared : uint64(block.timestamp)',
    replace: 'declared',
  },
  { file: RECORDS, find: 'if (!found) revert SupplyGroupMissing(asset);', replace: '' },
  {
    file: RECORDS,
    find: 'or(or(moved, xor(add(word, FILL), add(moved, FILL))), amounts)',
    replace: 'or(moved, xor(add(word, FILL), add(moved, FILL)))',
  },
  {
    file: RECORDS,
    find: 'if (!(credits | (amounts - credits)).isIn()) revert',
    replace: 'if (false) revert',
  },
  { file: RECORDS, find: 'if (!next.isIn()) revert', replace: 'if (false) revert' },
  { file: RECORDS, find: 'and(sub(record, credited), STRAY)', replace: 'and(record, STRAY)' },
  { file: RECORDS, find: 'sar(xor(class, account),', replace: 'sar(and(class, 0xffff),' },
  {
    file: TURNOVER,
    find: 'if (amount == 0 || cap == 0) continue;',
    replace: 'if (cap == 0) continue;',
  },
  {
    file: TURNOVER,
    find: 'if (word >> HOUR_SHIFT == hour) return word;',
    replace: 'if (word >> HOUR_SHIFT != 0) return word;',
  },
  {
    file: TURNOVER,
    find: 'word &= ~(EXPONENT_MASK << _exponentShift(lane));',
    replace: '',
  },
  {
    file: RECORDS,
    find: 'if (place != 0 && group <= previous) revert',
    replace: 'if (place != 0 && group < previous) revert',
  },
  {
    file: RECORDS,
    find: 'gt(shr(216, record), shr(216, mload(sub(place, 0x20))))',
    replace: 'iszero(lt(shr(216, record), shr(216, mload(sub(place, 0x20)))))',
  },
  {
    file: 'settlement/LaneStore.sol',
    find: 'if (!inRange) revert TotalOutOfRange(asset);',
    replace: '',
  },
  { file: 'settlement/LaneStore.sol', find: 'if (frozen) flags |= FROZEN_BIT;', replace: '' },
  {
    file: 'settlement/Books.sol',
    find: 'inRange = sum <= MAX_TOTAL;',
    replace: 'inRange = sum <= MAX_TOTAL + 1;',
  },
  {
    file: TOKEN,
    find: 'if (value > unfrozen) revert',
    replace: 'if (value > unfrozen + 1) revert',
  },
  { file: TOKEN, find: 'if (_isOfSuite(from)) revert SuiteAsHolder(from);', replace: '' },
  {
    file: TOKEN,
    find: 'if (actual != expected) revert FrozenChanged(account, expected, actual);',
    replace: '',
  },
  { file: TOKEN, find: 'if (_isOfSuite(lost)) revert SuiteAsHolder(lost);', replace: '' },
  {
    file: TOKEN,
    find: 'if (former.isActive() || !current.isActive() || !isSameAccount)',
    replace: 'if (!current.isActive() || !isSameAccount)',
  },
  { file: TOKEN, find: 'if (!canSend(owner)) revert ERC7943CannotSend(owner);', replace: '' },
  {
    file: TOKEN,
    find: 'if (code != 0) revert ERC7943CannotTransfer(from, to, value);',
    replace: '',
  },
  {
    file: 'compliance/Party.sol',
    find: '(end == 0 || block.timestamp < end)',
    replace: '(end == 0 || block.timestamp <= end + 1)',
  },
  {
    file: SUPPLY,
    find: 'if (ceiling >= current) revert',
    replace: 'if (ceiling == current) revert',
  },
  { file: SUPPLY, find: 'line.maximum, 0, line', replace: 'line.maximum, line.gap, line' },
  {
    file: SUPPLY,
    find: 'block.timestamp < raisableAt) {',
    replace: 'block.timestamp + 1 < raisableAt) {',
  },
  {
    file: SUPPLY,
    find: 'return target < maximum ? uint64(target) : maximum;',
    replace: 'return uint64(target);',
  },
  { file: REDEEM, find: '_requireAssetRole(Roles.ISSUER, redemption.asset);', replace: '' },
  {
    file: REDEEM,
    find: 'if (INVESTOR_REGISTRY.accountOf(msg.sender) != account) revert',
    replace: 'if (account == 0) revert',
  },
  { file: REDEEM, find: '_requireNotFrozen(redemption.account);', replace: '' },
  {
    file: GATE,
    find: 'if (reserve.nonce <= last.nonce) revert',
    replace: 'if (reserve.nonce < last.nonce) revert',
  },
  {
    file: GATE,
    find: 'block.timestamp - last.asOf > rule.maxAgeSeconds) return 0;',
    replace: 'false) return 0;',
  },
  { file: GATE, find: 'last.decimals != rule.decimals) return 0;', replace: 'false) return 0;' },
  {
    file: GATE,
    find: 'amount: reserve.amount < 0 ? 0 : uint128(uint256(reserve.amount)),',
    replace: 'amount: uint128(uint256(reserve.amount)),',
  },
  {
    file: INVESTORS,
    find: 'if (block.timestamp > claim.deadline) revert DeadlinePassed(claim.deadline);',
    replace: '',
  },
  {
    file: INVESTORS,
    find: 'if (block.timestamp < recovery.readyAt || block.timestamp >= endsAt)',
    replace: 'if (block.timestamp >= endsAt)',
  },
  {
    file: INVESTORS,
    find: 'if (isNonceUsed[issuer][nonce]) revert NonceUsed(issuer, nonce);',
    replace: '',
  },
  { file: INVESTORS, find: ' || !party.maySend()) _checkCanCall', replace: ') _checkCanCall' },
  { file: WALLETS, find: 'if (_isOfSuite(wallet)) revert SuiteAsWallet(wallet);', replace: '' },
  { file: WALLETS, find: '_requireSigned(wallet, digest, walletSignature);', replace: '' },
  { file: WALLETS, find: 'linkNonceOf[account]++', replace: 'linkNonceOf[account]' },
  {
    file: POLICY,
    find: 'if (msg.sender != token) revert NotToken(msg.sender, move.asset);',
    replace: '',
  },
  {
    file: POLICY,
    find: 'if (isPayment) _tellQuietly(word, move);',
    replace: 'if (isPayment) IPolicyModule(_module(word)).record(move);',
  },
  {
    file: DISTRIBUTOR,
    find: 'if (_claimed[id].get(index)) revert AlreadyClaimed(id, index);',
    replace: '',
  },
  {
    file: DISTRIBUTOR,
    find: 'if (withheld > amount) revert WithheldTooMuch(amount, withheld);',
    replace: '',
  },
  { file: DISTRIBUTOR, find: 'if (terms.taxCollector == address(0))', replace: 'if (false)' },
  {
    file: DISTRIBUTOR,
    find: 'party.isFrozen()',
    replace: '(party.isFrozen() && party.isActive())',
  },
  { file: DISTRIBUTOR, find: 'if (distribution.isSwept) revert AlreadySwept(id);', replace: '' },
  { file: DISTRIBUTOR, find: 'distribution.withheld = 0;', replace: '' },
  {
    file: AUTHORITY,
    find: 'if (since != 0 && current > delay) delay = current;',
    replace: '',
  },
  { file: AUTHORITY, find: 'if (isUpgrade && roleId', replace: 'if (false && roleId' },
  { file: AUTHORITY, find: 'if (isBound[target]) revert TokenStaysHere(target);', replace: '' },
  {
    file: AUTHORITY,
    find: 'if (selector == IAccessManaged',
    replace: 'if (false && selector == IAccessManaged',
  },
  {
    file: 'access/AssetGoverned.sol',
    find: 'if (!isMember || delay != 0) revert',
    replace: 'if (!isMember) revert',
  },
  {
    file: ORDERS,
    find: 'if (used & bit != 0) revert OrderUsed(signer, order.nonce);',
    replace: '',
  },
  {
    file: ORDERS,
    find: 'if (block.timestamp > order.deadline) revert',
    replace: 'if (block.timestamp > order.deadline + 1) revert',
  },
  { file: ORDERS, find: 'if (msg.sender != VAULT) revert NotVault(msg.sender);', replace: '' },
]

export const FAULTS: readonly Fault[] = [...INVARIANT_FAULTS, ...FURTHER_FAULTS]
