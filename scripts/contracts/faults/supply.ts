import type { Fault } from './fault.ts'

const SUPPLY = 'supply/SupplyController.sol'
const REDEEM = 'supply/Redemptions.sol'
const GATE = 'supply/ReserveGate.sol'

/** What the Solidity tests must find in contracts/supply. */
export const SUPPLY_FAULTS: readonly Fault[] = [
  {
    file: SUPPLY,
    find: 'if (ceiling >= current) revert',
    replace: 'if (ceiling == current) revert',
  },
  { file: SUPPLY, find: '_setLine(asset, ceiling, 0, 0);', replace: '' },
  { file: SUPPLY, find: 'lineOf[asset].raisedAt = uint64(block.timestamp);', replace: '' },
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
  { file: REDEEM, find: 'if (amount != redemption.amount) revert', replace: 'if (false) revert' },
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
    file: REDEEM,
    find: 'redemptionOf[id].stage = Stage.Closed;\n        emit RedemptionClaimed',
    replace: 'emit RedemptionClaimed',
  },
  {
    file: REDEEM,
    find: 'if (received != amount) revert ShortPayment',
    replace: 'if (false) revert ShortPayment',
  },
  { file: SUPPLY, find: 'if (_supplies[asset].isRated) _buckets[asset].sync(KEY);', replace: '' },
  { file: GATE, find: 'if (reserve.asOf < last.asOf) revert', replace: 'if (false) revert' },
  { file: GATE, find: 'if (reserve.asOf > block.timestamp) revert', replace: 'if (false) revert' },
  { file: GATE, find: 'if (last.term != term) return 0;', replace: '' },
  {
    file: REDEEM,
    find: 'if (cash < redemption.cash) revert',
    replace: 'if (cash + 1 < redemption.cash) revert',
  },
  {
    file: REDEEM,
    find: 'if (amount == 0 || minimumCash == 0) revert',
    replace: 'if (amount == 0) revert',
  },
  {
    file: REDEEM,
    find: 'wallet = INVESTOR_REGISTRY.walletOf(account);',
    replace: 'wallet = msg.sender;',
  },
  {
    file: REDEEM,
    find: 'safeTransfer(wallet, redemption.amount);',
    replace: 'safeTransfer(msg.sender, redemption.amount);',
  },
  {
    file: REDEEM,
    find: 'safeTransfer(wallet, redemption.cash);',
    replace: 'safeTransfer(msg.sender, redemption.cash);',
  },
]
