import type { Fault } from './fault.ts'

const TOKEN = 'token/AssetToken.sol'
const DISTRIBUTOR = 'token/Distributor.sol'

/** What the Solidity tests must find in contracts/token. */
export const TOKEN_FAULTS: readonly Fault[] = [
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
  { file: TOKEN, find: 'emitEvent && value != 0', replace: 'emitEvent' },
  { file: TOKEN, find: 'emitEvent && value != 0', replace: 'emitEvent && value > 1' },
  {
    file: TOKEN,
    find: 'if (code != 0) revert ERC7943CannotTransfer(from, to, value);',
    replace: '',
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
  { file: DISTRIBUTOR, find: 'safeTransfer(payee, ', replace: 'safeTransfer(wallet, ' },
  { file: DISTRIBUTOR, find: 'if (distribution.isSwept) revert AlreadySwept(id);', replace: '' },
  { file: DISTRIBUTOR, find: 'distribution.withheld = 0;', replace: '' },
  {
    file: 'token/AssetRegistry.sol',
    find: 'if (asset.terms != terms) revert Refused(id);',
    replace: '',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: 'token == TOKEN_IMPLEMENTATION || ',
    replace: '',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: ' || Authority(authority()).isBound(token)) revert',
    replace: ') revert',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: 'if (_isSymbolTaken[symbolHash]) revert SymbolTaken(symbol);',
    replace: '',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: 'if (decimals > MAX_DECIMALS) revert',
    replace: 'if (decimals > MAX_DECIMALS + 1) revert',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: 'if (token.code.length == 0) revert NotToken(token);',
    replace: '',
  },
  {
    file: 'token/CorporateActions.sol',
    find: 'if (action.isCancelled) revert ActionIsCancelled(id);',
    replace: '',
  },
  {
    file: 'token/CorporateActions.sol',
    find: 'if (action.terms.effectiveAt <= block.timestamp) revert',
    replace: 'if (action.terms.effectiveAt < block.timestamp) revert',
  },
  { file: 'token/Documents.sol', find: 'delete _documents[asset][name];', replace: '' },
  {
    file: DISTRIBUTOR,
    find: 'if (block.timestamp >= terms.expiresAt) revert',
    replace: 'if (block.timestamp > terms.expiresAt) revert',
  },
  {
    file: DISTRIBUTOR,
    find: 'if (block.timestamp < expiresAt) revert',
    replace: 'if (false) revert',
  },
  { file: DISTRIBUTOR, find: 'if (paid > terms.total) revert', replace: 'if (false) revert' },
  {
    file: DISTRIBUTOR,
    find: 'if (received != amount) revert ShortFunding',
    replace: 'if (false) revert ShortFunding',
  },
  {
    file: DISTRIBUTOR,
    find: 'other || unknown || action.isCancelled',
    replace: 'other || unknown',
  },
  {
    file: TOKEN,
    find: 'already > WHOLE_WALLET - frozen ? WHOLE_WALLET : already + frozen',
    replace: 'frozen',
  },
  {
    file: TOKEN,
    find: 'if (amount > unfrozen && frozen != WHOLE_WALLET)',
    replace: 'if (amount > unfrozen)',
  },
  { file: TOKEN, find: 'frozen == WHOLE_WALLET) revert', replace: 'false) revert' },
  {
    file: TOKEN,
    find: '        if (_isOfSuite(to) && msg.sender != to) return false;\n',
    replace: '',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: 'abi.encode(symbol, name, decimals, allowedClasses, reserveAttested, ceiling)',
    replace: 'abi.encode(name, decimals, allowedClasses, reserveAttested, ceiling)',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: 'abi.encode(symbol, name, decimals, allowedClasses, reserveAttested, ceiling)',
    replace: 'abi.encode(symbol, decimals, allowedClasses, reserveAttested, ceiling)',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: 'abi.encode(symbol, name, decimals, allowedClasses, reserveAttested, ceiling)',
    replace: 'abi.encode(symbol, name, decimals, reserveAttested, ceiling)',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: 'abi.encode(symbol, name, decimals, allowedClasses, reserveAttested, ceiling)',
    replace: 'abi.encode(symbol, name, decimals, allowedClasses, ceiling)',
  },
  {
    file: 'token/AssetRegistry.sol',
    find: 'abi.encode(token, scale, allowedClasses)',
    replace: 'abi.encode(token, scale)',
  },
  { file: DISTRIBUTOR, find: ' || action.asset != terms.asset', replace: '' },
  { file: TOKEN, find: '_askPolicy(lost, wallet, amount, former, current, false);', replace: '' },
]
