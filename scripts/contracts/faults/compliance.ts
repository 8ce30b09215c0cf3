import type { Fault } from './fault.ts'

const INVESTORS = 'compliance/InvestorRegistry.sol'
const WALLETS = 'compliance/WalletBook.sol'
const POLICY = 'compliance/PolicyEngine.sol'

/** What the Solidity tests must find in contracts/compliance. */
export const COMPLIANCE_FAULTS: readonly Fault[] = [
  {
    file: 'compliance/Party.sol',
    find: '(end == 0 || block.timestamp < end)',
    replace: '(end == 0 || block.timestamp <= end + 1)',
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
    file: INVESTORS,
    find: 'if (party.account() != account || !party.maySend()) _checkCanCall(msg.sender, msg.data);',
    replace: '',
  },
  {
    file: INVESTORS,
    find: 'identityHashOf[account] = identityHash;',
    replace:
      'identityHashOf[account] = identityHash; identityHashOf[~account] = bytes32(uint256(expiry));',
  },
  {
    file: INVESTORS,
    find: 'block.timestamp < endsAt) revert RecoveryPending',
    replace: 'false) revert RecoveryPending',
  },
  { file: WALLETS, find: 'if (others[i] == next) others[i] = previous;', replace: '' },
  {
    file: WALLETS,
    find: 'if (primary.wallets() >= limit) revert',
    replace: 'if (primary.wallets() > limit) revert',
  },
  {
    file: POLICY,
    find: 'if (isPayment) move.receiver = INVESTOR_REGISTRY.partyOf(move.to);',
    replace: '',
  },
  { file: POLICY, find: 'if (code != 0) break;', replace: '' },
  { file: POLICY, find: 'if (count == MAX_MODULES) revert TooManyModules(asset);', replace: '' },
  {
    file: 'compliance/modules/LockUp.sol',
    find: 'block.timestamp >= until',
    replace: 'block.timestamp > until',
  },
  {
    file: 'compliance/modules/MaxBalance.sol',
    find: '<= limitOf[move.asset]',
    replace: '< limitOf[move.asset]',
  },
  {
    file: 'compliance/modules/MaxBalance.sol',
    find: 'if (move.receiver.account() == 0) return 0;',
    replace: '',
  },
  { file: 'compliance/modules/MaxHolders.sol', find: '< count.limit', replace: '<= count.limit' },
  { file: 'compliance/modules/MaxHolders.sol', find: 'if (joins == leaves) return;', replace: '' },
  {
    file: 'compliance/modules/MaxHolders.sol',
    find: 'else if (count.holders != 0) --count.holders;',
    replace: '',
  },
  {
    file: 'compliance/modules/ConditionalApproval.sol',
    find: 'block.timestamp <= _deadlines',
    replace: 'block.timestamp < _deadlines',
  },
  {
    file: 'compliance/modules/ConditionalApproval.sol',
    find: 'if (_needsApproval(move)) delete',
    replace: 'if (false) delete',
  },
  {
    file: 'compliance/modules/ClassAndCountryMask.sol',
    find: 'return sends && receives ? 0 : CODE;',
    replace: 'return receives ? 0 : CODE;',
  },
  { file: WALLETS, find: 'next.withActive(_parties[others[i]].isActive())', replace: 'next' },
  {
    file: POLICY,
    find: 'if and(and(isDone, gt(returndatasize(), 0x1f)), lt(mload(0), answer)) {',
    replace: 'if and(isDone, gt(returndatasize(), 0x1f)) {',
  },
  {
    file: POLICY,
    find: 'if and(and(isDone, gt(returndatasize(), 0x1f)), lt(mload(0), answer)) {',
    replace: 'if and(isDone, lt(mload(0), answer)) {',
  },
  { file: POLICY, find: 'record{gas: RECORD_GAS}(move)', replace: 'record(move)' },
]
