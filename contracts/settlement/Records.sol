// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";
import {Turnover} from "./Turnover.sol";

/// @title How a batch changes the lanes.
/// @notice One pass, one write per word. Sums and holders are kept per group of three assets in memory.
abstract contract Records is Turnover {
    using Lanes for uint256;

    /// @dev The constants of `Lanes` and `LaneStore` as literals, the only form that assembly reads.
    uint256 internal constant ONES = 0x1000000000000000001000000000000000001;
    uint256 internal constant AMOUNTS = 0x7fffffffffffffff007fffffffffffffff007fffffffffffffff;
    uint256 internal constant GUARDS = 0xff8000000000000000ff8000000000000000ff8000000000000000;
    uint256 internal constant STRAY = 0xfe8000000000000000fe8000000000000000fe8000000000000000;
    /// @dev A product with it has bit 72 · i of the other factor at 253 + i.
    uint256 internal constant GATHER = 0x2000000000000000004000000000000000008000000000000000000000000000;

    /// @dev Not below any record of account 0, which does not exist, and below those of account 1.
    uint256 private constant FIRST = 0xff << Lanes.FLAGS_SHIFT;
    /// @dev Added to a word it sets bit 63 of each lane that holds something. Its top bit, which is among the flags, makes it
    /// a constant of its own: one that is used often is compiled to a slow read of the code.
    uint256 internal constant FILL = 0x1007fffffffffffffff007fffffffffffffff007fffffffffffffff;
    uint256 internal constant MAX = 0x7fffffffffffffff;
    /// @dev Bytes of a row of the group table and where its words are: credits, credits and debits, the group's slot of
    /// account 0, the classes that it refuses, and by lane the holders that came less those that left, around a bias that
    /// no batch can use up.
    uint256 private constant ROW = 0xa0;
    uint256 private constant CREDITS = 0x00;
    uint256 private constant AMOUNTS_SUM = 0x20;
    uint256 private constant SLOT = 0x40;
    uint256 private constant REFUSED = 0x60;
    uint256 private constant HOLDERS = 0x80;
    uint256 private constant BIAS = Lanes.ONES << 40;

    error MalformedRecords(uint256 length);
    error GroupsNotAscending(uint256 place);
    error RecordsNotAscending(uint32 account, uint256 place);
    error PlaceOutOfRange(uint32 account, uint256 place);
    error MalformedRecord(uint32 account, uint16 group);
    error SumOutOfRange(uint16 group);
    error Unbalanced(uint16 group, uint256 credits, uint256 debits);
    error SupplyGroupMissing(uint16 asset);

    /// @dev One pass over the records: order, form, class and range of each. Returns the group table with the sums; the
    /// caller must check them.
    function _applyRecords(bytes calldata records) internal returns (uint256[] memory table) {
        (uint256 cursor, uint256 end) = _copy(records);
        (table, cursor) = _readGroups(cursor, end);
        (uint256 rows, uint256 limit) = _rows(table);
        uint256 known = 0;
        unchecked {
            // The last record once more, where the pass ends because nothing ascends, without a cold read.
            _setWord(end, 0, _word(end - 0x20, 0));
            for (; cursor != end; cursor += 0x20) {
                (cursor, known) = _applyPlain(cursor, known, rows, limit);
                if (cursor == end) break;
                known = _applyOther(cursor, known, rows, limit);
            }
        }
    }

    /// @dev Applies records and adds each to the row of its group, until one is not plain, at the latest the one behind the
    /// last. Plain are those that pass every test, start or end no holding, and whose class is at hand; the tests of a
    /// record are joined into one, and `_applyOther` says by name what this only finds.
    /// @param cursor Where the next record is.
    /// @param known account · 2¹⁶ + class · 3 of the account whose class was read last.
    /// @return next Where the first record is that was not applied.
    /// @return last `known` from then on.
    // solhint-disable-next-line function-max-lines
    function _applyPlain(
        uint256 cursor,
        uint256 known,
        uint256 rows,
        uint256 limit
    ) private returns (uint256 next, uint256 last) {
        assembly ("memory-safe") {
            mstore(0x00, rows)
            mstore(0x20, limit)
            next, last := pass(cursor, known)

            // A function with a `leave` is not inlined, so that the loop has the stack for itself.
            function pass(start, before) -> place, class {
                place := start
                class := before
                for {} 1 {
                    place := add(place, 0x20)
                } {
                    let record := mload(place)
                    let row := add(mload(0x00), mul(byte(4, record), ROW))
                    let plain := gt(shr(216, record), shr(216, mload(sub(place, 0x20))))
                    plain := and(plain, lt(row, mload(0x20)))

                    // Legs, as `Lanes.split` has it; a credit of zero less one sets stray bits.
                    let credited := and(shr(64, record), ONES)
                    let amounts := and(record, AMOUNTS)
                    let fault := or(iszero(mul(plain, amounts)), and(sub(record, credited), STRAY))

                    let account := and(shr(208, record), 0xffffffff0000)
                    let word := mload(add(row, SLOT))
                    let group := and(word, 0xffff)
                    word := sload(or(word, account))
                    // The class stands in the group-0 word. While that of another account is known every shift is too far,
                    // so that any credit looks refused; then it is read and the record taken again.
                    if iszero(group) {
                        class := or(account, mul(byte(4, word), 3))
                    }
                    let refused := sar(xor(class, account), mload(add(row, REFUSED)))
                    fault := or(fault, and(shr(253, mul(credited, GATHER)), refused))

                    // The sums need the guards as much as the lanes: without them enough large credits carry into the
                    // next asset.
                    let credits := and(amounts, mul(credited, MAX))
                    let moved := sub(add(word, shl(1, credits)), amounts)
                    amounts := add(mload(add(row, AMOUNTS_SUM)), amounts)
                    if or(fault, and(or(or(moved, xor(add(word, FILL), add(moved, FILL))), amounts), GUARDS)) {
                        if or(iszero(credited), iszero(gt(account, class))) {
                            leave
                        }
                        word := shl(16, shr(16, mload(add(row, SLOT))))
                        class := or(account, mul(byte(4, sload(or(word, account))), 3))
                        place := sub(place, 0x20)
                        continue
                    }
                    sstore(or(mload(add(row, SLOT)), account), moved)
                    mstore(row, add(mload(row), credits))
                    mstore(add(row, AMOUNTS_SUM), amounts)
                }
            }
        }
    }

    /// @dev Applies one record of any kind, or says what is wrong with it.
    /// @return last `known` of `_applyPlain` from then on.
    function _applyOther(uint256 cursor, uint256 known, uint256 rows, uint256 limit) private returns (uint256 last) {
        unchecked {
            uint256 record = _word(cursor, 0);
            uint32 account = uint32(record >> 224);
            uint256 place = uint8(record >> Lanes.FLAGS_SHIFT);
            uint256 row = rows + place * ROW;
            if (record >> Lanes.FLAGS_SHIFT <= _word(cursor - 0x20, 0) >> Lanes.FLAGS_SHIFT) {
                revert RecordsNotAscending(account, place);
            }
            if (row >= limit) revert PlaceOutOfRange(account, place);
            uint256 group = uint16(_word(row, SLOT));
            (uint256 credits, uint256 debits, uint256 credited, bool wellFormed) = Lanes.split(record);
            if (!wellFormed) revert MalformedRecord(account, uint16(group));
            last = credited == 0 || known >> 16 == account ? known : _classOf(account);
            uint256 refused = uint256(int256(_word(row, REFUSED)) >> (last & 0xffff));
            if (((credited * GATHER) >> 253) & refused != 0) _refuseClass(account, group, credited);

            uint256 slot = LANES_BASE | (uint256(account) << 16) | group;
            uint256 word = _sload(slot);
            uint256 next = word.move(credits, debits);
            if (!next.isIn()) revert LaneOutOfRange(account, uint16(group));
            _sstore(slot, next);
            _addToRow(row, credits, debits, next.nonZero() - word.nonZero());
        }
    }

    function _addToRow(uint256 row, uint256 credits, uint256 debits, uint256 holdersChange) private pure {
        unchecked {
            uint256 amounts = _word(row, AMOUNTS_SUM) + credits + debits;
            credits += _word(row, CREDITS);
            // Credits and debits each stay below 2⁶³ by lane, so that nothing here carries.
            if (!(credits | (amounts - credits)).isIn()) revert SumOutOfRange(uint16(_word(row, SLOT)));
            _setWord(row, CREDITS, credits);
            _setWord(row, AMOUNTS_SUM, amounts);
            _setWord(row, HOLDERS, _word(row, HOLDERS) + holdersChange);
        }
    }

    /// @dev account · 2¹⁶ + class · 3.
    function _classOf(uint32 account) private view returns (uint256) {
        (uint8 class, , ) = _flagsOf(account);
        unchecked {
            return (uint256(account) << 16) | (uint256(class) * 3);
        }
    }

    /// @dev Names the first credited lane of an asset that the account's class may not hold.
    function _refuseClass(uint32 account, uint256 group, uint256 credited) private view {
        (uint8 class, , ) = _flagsOf(account);
        for (uint256 lane = 0; lane < 3; ++lane) {
            if (credited.amountAt(lane) != 0) _requireClass(account, uint16(group * 3 + lane), class);
        }
    }

    /// @dev Copies the records into memory, with room for a word before them and behind them.
    function _copy(bytes calldata records) private pure returns (uint256 start, uint256 end) {
        assembly ("memory-safe") {
            start := add(mload(0x40), 0x20)
            end := add(start, records.length)
            calldatacopy(start, records.offset, records.length)
            mstore(0x40, and(add(end, 0x3f), not(0x1f)))
        }
    }

    /// @dev Reads count and groups, loads each group's rule word. Returns the table and where the records begin; the word
    /// before that becomes a record that is below every other.
    function _readGroups(uint256 start, uint256 end) private view returns (uint256[] memory table, uint256 first) {
        unchecked {
            uint256 length = end - start;
            if (length == 0) revert MalformedRecords(0);
            uint256 count = _word(start, 0) >> 248;
            first = start + 1 + 2 * count;
            if (first > end || (end - first) % 32 != 0) revert MalformedRecords(length);
            table = new uint256[]((count * ROW) / 0x20);
            (uint256 row, uint256 limit) = _rows(table);
            uint256 previous = 0;
            for (uint256 place = 0; row < limit; ++place) {
                uint256 group = _word(start, 1 + 2 * place) >> 240;
                if (place != 0 && group <= previous) revert GroupsNotAscending(place);
                previous = group;
                _setWord(row, SLOT, LANES_BASE | group);
                // Bit 255 belongs to no class, so that a class beyond the rules is refused by sign extension.
                _setWord(row, REFUSED, ~_sload(RULES_BASE | group));
                _setWord(row, HOLDERS, BIAS);
                row += ROW;
            }
            _setWord(first - 0x20, 0, FIRST);
        }
    }

    /// @dev Credits must equal debits for every asset, or, with a `change`, nothing but that may move: a supply batch that
    /// moved more would do so past the turnover limit.
    function _requireSums(uint256[] memory table, uint16 asset, int64 change) internal pure {
        unchecked {
            bool found = change == 0;
            // The lowest change is refused before, so it has its opposite.
            uint256 minted = change > 0 ? Lanes.inLane(uint64(change), asset % 3) : 0;
            uint256 burned = change < 0 ? Lanes.inLane(uint64(-change), asset % 3) : 0;
            (uint256 row, uint256 limit) = _rows(table);
            for (; row < limit; row += ROW) {
                uint256 group = uint16(_word(row, SLOT));
                uint256 credits = _word(row, CREDITS);
                uint256 debits = _word(row, AMOUNTS_SUM) - credits;
                bool balanced = credits == debits;
                if (change != 0) {
                    bool declared = group == asset / 3;
                    if (declared) found = true;
                    balanced = declared ? (credits == minted && debits == burned) : (credits | debits) == 0;
                }
                if (!balanced) revert Unbalanced(uint16(group), credits, debits);
            }
            if (!found) revert SupplyGroupMissing(asset);
        }
    }

    /// @dev Writes how many holders came or left, for the assets where that is not nothing.
    function _countHolders(uint256[] memory table) internal {
        unchecked {
            (uint256 row, uint256 limit) = _rows(table);
            for (; row < limit; row += ROW) {
                uint256 counts = _word(row, HOLDERS);
                if (counts == BIAS) continue;
                uint256 asset = (_word(row, SLOT) & 0xffff) * 3;
                for (uint256 lane = 0; lane < 3; ++lane) {
                    int256 change = int256(counts.amountAt(lane)) - int256(BIAS.amountAt(lane));
                    uint16 id = uint16(asset + lane);
                    if (change != 0) _moveBook(id, _book(id), 0, 0, change);
                }
            }
        }
    }

    /// @dev Counts the credits of a batch against the hourly caps of its groups.
    function _countTurnover(uint256[] memory table) internal {
        unchecked {
            (uint256 row, uint256 limit) = _rows(table);
            for (; row < limit; row += ROW) _count(uint16(_word(row, SLOT)), _word(row, CREDITS));
        }
    }

    /// @dev Where the first row begins and the last ends.
    function _rows(uint256[] memory table) private pure returns (uint256 first, uint256 limit) {
        assembly ("memory-safe") {
            first := add(table, 0x20)
            limit := add(first, shl(5, mload(table)))
        }
    }

    function _word(uint256 row, uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(row, place))
        }
    }

    function _setWord(uint256 row, uint256 place, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(add(row, place), word)
        }
    }
}
