// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";
import {Accounts} from "../types/Accounts.sol";

/// @title Where balances live and how a batch changes them.
/// @notice One word per (account, group of three assets); group = asset / 3, lane = asset % 3. The 40 flag bits of an
/// account's group-0 word hold its class (8 bits), the hour its registration ends (24 bits, 0 = never) and 8 spare bits.
/// @dev Slots are computed: a keccak base with its low 48 bits cleared, OR account · 2¹⁶ + group. Reaching that range from
/// a mapping would take about 2²⁰⁸ work. Word 0 of a group is its rule word (bit class · 3 + lane: the class may be
/// credited), then caps (atoms an hour, 0 = none), used (turnover, hour on top) and totals (Σ lanes).
abstract contract LaneStore {
    using Lanes for uint256;

    uint256 private constant SLOT_BITS = 48;
    uint256 private constant LANES_BASE = (uint256(keccak256("mooring.lanes.v1")) >> SLOT_BITS) << SLOT_BITS;
    uint256 private constant RULES_BASE = (uint256(keccak256("mooring.rules.v1")) >> SLOT_BITS) << SLOT_BITS;
    uint256 private constant CAPS_BASE = (uint256(keccak256("mooring.caps.v1")) >> SLOT_BITS) << SLOT_BITS;
    uint256 private constant USED_BASE = (uint256(keccak256("mooring.used.v1")) >> SLOT_BITS) << SLOT_BITS;
    uint256 private constant TOTALS_BASE = (uint256(keccak256("mooring.totals.v1")) >> SLOT_BITS) << SLOT_BITS;

    uint256 private constant UNREAD = type(uint256).max;
    /// @dev Bytes of a row of the group table: group, rule word, credits, debits.
    uint256 private constant ROW = 128;

    error MalformedRecords(uint256 length);
    error GroupsNotAscending(uint256 place);
    error RecordsNotAscending(uint32 account, uint256 place);
    error PlaceOutOfRange(uint32 account, uint256 place);
    error MalformedRecord(uint32 account, uint16 group);
    error ClassRefused(uint32 account, uint16 asset, uint8 class);
    error LaneOutOfRange(uint32 account, uint16 group);
    error SumOutOfRange(uint16 group);
    error Unbalanced(uint16 group, uint256 credits, uint256 debits);
    error SupplyGroupMissing(uint16 asset);
    error AmountOutOfRange(uint256 amount);
    error TotalOutOfRange(uint16 asset);
    error TurnoverExceeded(uint16 asset, uint256 amount, uint256 cap);

    /// @dev One pass over the records: order, form, class and range of each, one write per word. Returns the group table
    /// with the sums; the caller must check them.
    function _applyRecords(bytes calldata records) internal returns (uint256[] memory table) {
        uint256 cursor;
        uint256 end;
        (table, cursor, end) = _readGroups(records);
        // Below every key of account 1, above every key of account 0, which does not exist.
        uint256 key = 0xff;
        uint256 class = UNREAD;
        unchecked {
            for (; cursor != end; cursor += 32) {
                uint256 record = _calldataWord(cursor);
                uint256 next = record >> Lanes.FLAGS_SHIFT;
                if (next <= key) revert RecordsNotAscending(uint32(next >> 8), next & 0xff);
                if (next >> 8 != key >> 8) class = UNREAD;
                key = next;
                class = _applyRecord(table, record, class);
            }
        }
    }

    /// @dev Applies one record and adds it to the sums of its group. Returns the account's class if it was read.
    function _applyRecord(uint256[] memory table, uint256 record, uint256 class) private returns (uint256) {
        unchecked {
            uint256 account = record >> 224;
            uint256 row = _row(table, account, uint8(record >> Lanes.FLAGS_SHIFT));
            uint256 group = _load(row);
            (uint256 credits, uint256 debits, uint256 credited, bool wellFormed) = Lanes.split(record);
            if (!wellFormed) revert MalformedRecord(uint32(account), uint16(group));

            uint256 slot = LANES_BASE | (account << 16) | group;
            uint256 word = _sload(slot);
            if (credited != 0) {
                if (class == UNREAD) class = _classIn(group == 0 ? word : _sload(LANES_BASE | (account << 16)));
                _requireAllowed(_load(row + 32), account, group, class, credited);
            }
            word = word.move(credits, debits);
            if (!word.isIn()) revert LaneOutOfRange(uint32(account), uint16(group));
            _sstore(slot, word);
            _addSums(row, credits, debits);
            return class;
        }
    }

    /// @dev The sums need the guard test as much as the lanes: without it enough large credits carry into the next asset.
    function _addSums(uint256 row, uint256 credits, uint256 debits) private pure {
        unchecked {
            uint256 creditSum = _load(row + 64) + credits;
            uint256 debitSum = _load(row + 96) + debits;
            if (!(creditSum | debitSum).isIn()) revert SumOutOfRange(uint16(_load(row)));
            _store(row + 64, creditSum);
            _store(row + 96, debitSum);
        }
    }

    /// @dev Reads count and groups, loads each group's rule word. Returns the table and where the records begin and end.
    function _readGroups(
        bytes calldata records
    ) private view returns (uint256[] memory table, uint256 cursor, uint256 end) {
        if (records.length == 0) revert MalformedRecords(0);
        uint256 count = uint8(records[0]);
        uint256 head = 1 + 2 * count;
        if (records.length < head || (records.length - head) % 32 != 0) revert MalformedRecords(records.length);
        table = new uint256[](count * (ROW / 32));
        uint256 start;
        assembly ("memory-safe") {
            start := records.offset
        }
        cursor = start + head;
        end = start + records.length;
        uint256 previous = 0;
        for (uint256 place = 0; place < count; ++place) {
            uint256 group = _calldataWord(start + 1 + 2 * place) >> 240;
            if (place != 0 && group <= previous) revert GroupsNotAscending(place);
            previous = group;
            table[place * 4] = group;
            table[place * 4 + 1] = _sload(RULES_BASE | group);
        }
    }

    /// @dev Credits − debits must be zero for every asset but the one whose supply changes by `change`.
    function _requireSums(uint256[] memory table, uint16 asset, int64 change) internal pure {
        bool found = change == 0;
        for (uint256 i = 0; i < table.length; i += 4) {
            (uint256 group, uint256 credits, uint256 debits) = (table[i], table[i + 2], table[i + 3]);
            if (change != 0 && group == asset / 3) {
                found = true;
                // The sums are below 2⁶³ a lane and so is the change: no carry.
                if (change > 0) debits += Lanes.inLane(uint64(change), asset % 3);
                else credits += Lanes.inLane(uint64(-change), asset % 3);
            }
            if (credits != debits) revert Unbalanced(uint16(group), credits, debits);
        }
        if (!found) revert SupplyGroupMissing(asset);
    }

    /// @dev Counts the credits of a batch against the hourly caps of its groups.
    function _countTurnover(uint256[] memory table) internal {
        uint256 hour = block.timestamp / 1 hours;
        for (uint256 i = 0; i < table.length; i += 4) {
            uint256 group = table[i];
            uint256 caps = _sload(CAPS_BASE | group);
            if (caps == 0) continue;
            uint256 capped = caps.nonZero();
            uint256 used = _sload(USED_BASE | group);
            used = used >> Lanes.FLAGS_SHIFT == hour ? used & Lanes.ALL : 0;
            used += table[i + 2] & ((capped << 63) - capped);
            for (uint256 lane = 0; lane < 3; ++lane) {
                // A cap lowered below what the hour has used stops this asset, not its neighbours in the word.
                if (table[i + 2].amountAt(lane) == 0) continue;
                (uint256 amount, uint256 cap) = (used.amountAt(lane), caps.amountAt(lane));
                if (cap != 0 && amount > cap) revert TurnoverExceeded(uint16(group * 3 + lane), amount, cap);
            }
            _sstore(USED_BASE | group, (hour << Lanes.FLAGS_SHIFT) | used);
        }
    }

    /// @dev Changes one lane of an account and the asset's total by the same amount, atoms.
    function _credit(uint32 account, uint16 asset, uint256 amount) internal {
        _addTotal(asset, amount);
        uint256 slot = _laneSlot(account, asset);
        uint256 word = _sload(slot).move(Lanes.inLane(amount, asset % 3), 0);
        if (!word.isIn()) revert LaneOutOfRange(account, asset / 3);
        _sstore(slot, word);
    }

    /// @dev The opposite of `_credit`.
    function _debit(uint32 account, uint16 asset, uint256 amount) internal {
        _subtractTotal(asset, amount);
        uint256 slot = _laneSlot(account, asset);
        uint256 word = _sload(slot).move(0, Lanes.inLane(amount, asset % 3));
        if (!word.isIn()) revert LaneOutOfRange(account, asset / 3);
        _sstore(slot, word);
    }

    function _addTotal(uint16 asset, uint256 amount) internal {
        _setTotal(asset, _inRange(amount), 0);
    }

    function _subtractTotal(uint16 asset, uint256 amount) internal {
        _setTotal(asset, 0, _inRange(amount));
    }

    function _setTotal(uint16 asset, uint256 credit, uint256 debit) private {
        uint256 slot = TOTALS_BASE | (asset / 3);
        uint256 lane = asset % 3;
        uint256 word = _sload(slot).move(Lanes.inLane(credit, lane), Lanes.inLane(debit, lane));
        if (!word.isIn()) revert TotalOutOfRange(asset);
        _sstore(slot, word);
    }

    /// @dev Class and expiry (Unix seconds, rounded down to the hour, 0 = never) of an account.
    function _flagsOf(uint32 account) internal view returns (uint8 class, uint256 expiresAt) {
        uint256 flags = _sload(_laneSlot(account, 0)) >> Lanes.FLAGS_SHIFT;
        return (uint8(flags), ((flags >> 8) & type(uint24).max) * 1 hours);
    }

    /// @dev An expiry within the first hour of 1970 still counts as an expiry, one past the 24 bits as the last hour.
    function _setFlags(uint32 account, uint8 class, uint64 expiresAt) internal {
        uint256 expiryHour = expiresAt / 1 hours;
        if (expiresAt != 0 && expiryHour == 0) expiryHour = 1;
        if (expiryHour > type(uint24).max) expiryHour = type(uint24).max;
        uint256 slot = _laneSlot(account, 0);
        uint256 spare = (_sload(slot) >> 248) << 248;
        uint256 flags = (expiryHour << 8) | class;
        _sstore(slot, spare | (flags << Lanes.FLAGS_SHIFT) | (_sload(slot) & Lanes.ALL));
    }

    /// @dev Bit c of the mask set: class c may be credited. The system's own class always may.
    function _setRule(uint16 asset, uint128 allowedClasses) internal {
        uint256 rule = 0;
        for (uint256 class = 1; class < Accounts.SYSTEM_CLASS; ++class) {
            rule |= ((uint256(allowedClasses) >> class) & 1) << (class * 3);
        }
        rule |= 1 << (uint256(Accounts.SYSTEM_CLASS) * 3);
        uint256 slot = RULES_BASE | (asset / 3);
        // The three lanes interleave: every third bit is this asset's.
        uint256 own = (((1 << 255) - 1) / 7) << (asset % 3);
        _sstore(slot, (_sload(slot) & ~own) | (rule << (asset % 3)));
    }

    function _setCap(uint16 asset, uint64 cap) internal {
        uint256 slot = CAPS_BASE | (asset / 3);
        uint256 others = _sload(slot) & ~Lanes.inLane((1 << Lanes.LANE_BITS) - 1, asset % 3);
        _sstore(slot, others | Lanes.inLane(_inRange(cap), asset % 3));
    }

    function _requireClass(uint32 account, uint16 asset, uint8 class) internal view {
        uint256 rule = _sload(RULES_BASE | (asset / 3));
        _requireAllowed(rule, account, asset / 3, class, Lanes.inLane(1, asset % 3));
    }

    /// @param credited 1 in the lowest bit of each lane that is credited.
    function _requireAllowed(
        uint256 rule,
        uint256 account,
        uint256 group,
        uint256 class,
        uint256 credited
    ) private pure {
        unchecked {
            // A class is 8 bits, so this shifts by 765 at most, and a shift beyond the word leaves nothing allowed.
            uint256 refused = Lanes.compress(credited) & ~(rule >> (class * 3));
            if (refused == 0) return;
            uint256 lane = refused & 1 != 0 ? 0 : (refused & 2 != 0 ? 1 : 2);
            revert ClassRefused(uint32(account), uint16(group * 3 + lane), uint8(class));
        }
    }

    function _lane(uint32 account, uint16 asset) internal view returns (uint256) {
        return _sload(_laneSlot(account, asset)).amountAt(asset % 3);
    }

    function _total(uint16 asset) internal view returns (uint256) {
        return _sload(TOTALS_BASE | (asset / 3)).amountAt(asset % 3);
    }

    function _turnover(uint16 asset) internal view returns (uint256 cap, uint256 used) {
        uint256 word = _sload(USED_BASE | (asset / 3));
        if (word >> Lanes.FLAGS_SHIFT == block.timestamp / 1 hours) used = word.amountAt(asset % 3);
        cap = _sload(CAPS_BASE | (asset / 3)).amountAt(asset % 3);
    }

    function _inRange(uint256 amount) private pure returns (uint256) {
        if (amount > Lanes.MAX_AMOUNT) revert AmountOutOfRange(amount);
        return amount;
    }

    function _classIn(uint256 word) private pure returns (uint256) {
        return uint8(word >> Lanes.FLAGS_SHIFT);
    }

    function _laneSlot(uint32 account, uint16 asset) private pure returns (uint256) {
        return LANES_BASE | (uint256(account) << 16) | (asset / 3);
    }

    /// @dev Memory address of the row of a place; the place must be in the list.
    function _row(uint256[] memory table, uint256 account, uint256 place) private pure returns (uint256 row) {
        unchecked {
            if (place * 4 >= table.length) revert PlaceOutOfRange(uint32(account), place);
        }
        assembly ("memory-safe") {
            row := add(add(table, 0x20), shl(7, place))
        }
    }

    function _load(uint256 pointer) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(pointer)
        }
    }

    function _store(uint256 pointer, uint256 value) private pure {
        assembly ("memory-safe") {
            mstore(pointer, value)
        }
    }

    function _calldataWord(uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(offset)
        }
    }

    function _sload(uint256 slot) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(slot)
        }
    }

    function _sstore(uint256 slot, uint256 word) private {
        assembly ("memory-safe") {
            sstore(slot, word)
        }
    }
}
