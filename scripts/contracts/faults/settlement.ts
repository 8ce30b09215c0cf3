import type { Fault } from './fault.ts'

const CUSTODY = 'settlement/Custody.sol'
const ORDERS = 'settlement/DvpOrders.sol'
const EXIT = 'settlement/Exit.sol'
const HOUSE = 'settlement/ClearingHouse.sol'
const RECORDS = 'settlement/Records.sol'
const TURNOVER = 'settlement/Turnover.sol'

/** What the Solidity tests must find in contracts/settlement. */
export const SETTLEMENT_FAULTS: readonly Fault[] = [
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
  {
    file: 'settlement/Attestation.sol',
    find: '            _isAttestor[_attestors[_attestors.length - 1]] = false;\n',
    replace: '',
  },
  {
    file: 'settlement/Attestation.sol',
    find: 'if (attestations.length != required) revert',
    replace: 'if (attestations.length < required) revert',
  },
  {
    file: 'settlement/Attestation.sol',
    find: 'next.length != 0 && nextThreshold == 0',
    replace: 'false',
  },
  {
    file: ORDERS,
    find: '_usedNonces[msg.sender][nonce >> 8] |= 1',
    replace: '_usedNonces[msg.sender][nonce >> 8] = 1',
  },
  {
    file: ORDERS,
    find: 'first.sellAmount == 0 || first.buyAmount == 0',
    replace: 'first.sellAmount == 0',
  },
  {
    file: ORDERS,
    find: 'if (!agree || first.signer == second.signer) revert',
    replace: 'if (!agree) revert',
  },
  {
    file: ORDERS,
    find: 'order.counterparty != address(0) && order.counterparty != counterparty',
    replace: 'false',
  },
  {
    file: ORDERS,
    find: 'first.sellAmount == second.buyAmount &&',
    replace: 'first.sellAmount <= second.buyAmount &&',
  },
  { file: ORDERS, find: '_requireSigned(second, secondSignature);', replace: '' },
  {
    file: 'settlement/Dvp.sol',
    find: ') external whenNotPaused nonReentrant {',
    replace: ') external nonReentrant {',
  },
  { file: 'settlement/Dvp.sol', find: '_requireReceiver(buyer, order.sellAsset);', replace: '' },
  { file: EXIT, find: '            _requireExiting();\n        }', replace: '        }' },
  {
    file: CUSTODY,
    find: '_requireNotFrozen(account);\n        address wallet',
    replace: 'address wallet',
  },
  {
    file: HOUSE,
    find: 'if (header.kind == Batch.HEARTBEAT && records.length != 1) revert HeartbeatWithRecords(records.length);',
    replace: '',
  },
  { file: HOUSE, find: 'clock.settledAt = uint64(block.timestamp);', replace: '' },
  {
    file: 'settlement/LaneStore.sol',
    find: 'if (expiryHour > type(uint24).max) expiryHour = type(uint24).max;',
    replace: '',
  },
  {
    file: 'settlement/LaneStore.sol',
    find: 'if (expiresAt != 0 && expiryHour == 0) expiryHour = 1;',
    replace: '',
  },
  { file: TURNOVER, find: 'if (used > cap) revert', replace: 'if (used > cap + 1) revert' },
  { file: EXIT, find: 'clock.settledAt == 0 || ', replace: '' },
  {
    file: CUSTODY,
    find: 'bytes32 s\n    ) external whenOpen nonReentrant {',
    replace: 'bytes32 s\n    ) external nonReentrant {',
  },
  {
    file: 'settlement/LaneStore.sol',
    find: 'for (uint256 class = 1; class',
    replace: 'for (uint256 class = 0; class',
  },
  {
    file: 'settlement/Attestation.sol',
    find: 'MAX_ATTESTORS = 32;',
    replace: 'MAX_ATTESTORS = 33;',
  },
  {
    file: 'settlement/Attestation.sol',
    find: 'impossible || next.length > MAX_ATTESTORS',
    replace: 'impossible',
  },
]
