// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Accounts} from "../types/Accounts.sol";
import {Books} from "./Books.sol";
import {Lanes} from "./Lanes.sol";

/// @title Where balances, flags, class rules and the books of assets live.
/// @notice One word per (account, group of three assets); group = asset / 3, lane = asset % 3. The 40 flag bits of an
/// account's group-0 word hold its class (8 bits), the hour its registration ends (24 bits, 0 = never), whether it is
/// frozen (1 bit) and 7 spare bits.
/// @dev Slots are computed: a keccak base with its low 48 bits cleared, OR account · 2¹⁶ + group (or the asset for books).
/// Reaching that range from a mapping would take about 2²⁰⁸ work. A group's rule word has bit class · 3 + lane set where
/// the class may be credited.
abstract contract LaneStore {
    using Books for uint256;
    using Lanes for uint256;

    uint256 private constant SLOT_BITS = 48;
    uint256 internal constant LANES_BASE = (uint256(keccak256("mooring.lanes.v1")) >> SLOT_BITS) << SLOT_BITS;
    uint256 internal constant RULES_BASE = (uint256(keccak256("mooring.rules.v1")) >> SLOT_BITS) << SLOT_BITS;
    uint256 private constant BOOKS_BASE = (uint256(keccak256("mooring.books.v1")) >> SLOT_BITS) << SLOT_BITS;

    uint256 private constant FROZEN_BIT = 1 << 32;
    uint256 private constant SPARE_FLAGS = 0xfe << 32;

    error ClassRefused(uint32 account, uint16 asset, uint8 class);
    error LaneOutOfRange(uint32 account, uint16 group);
    error AmountOutOfRange(uint256 amount);
    error TotalOutOfRange(uint16 asset);

    /// @dev Adds atoms to one lane of an account and to the asset's sum. `book` is the asset's word as it stands.
    function _credit(uint32 account, uint16 asset, uint256 amount, uint256 book) internal {
        if (amount > Lanes.MAX_AMOUNT) revert AmountOutOfRange(amount);
        _moveLane(account, asset, amount, 0, book);
    }

    /// @dev The opposite of `_credit`.
    function _debit(uint32 account, uint16 asset, uint256 amount, uint256 book) internal {
        if (amount > Lanes.MAX_AMOUNT) revert AmountOutOfRange(amount);
        _moveLane(account, asset, 0, amount, book);
    }

    function _moveLane(uint32 account, uint16 asset, uint256 credit, uint256 debit, uint256 book) private {
        uint256 lane = asset % 3;
        uint256 slot = _laneSlot(account, asset);
        uint256 word = _sload(slot);
        uint256 next = word.move(Lanes.inLane(credit, lane), Lanes.inLane(debit, lane));
        if (!next.isIn()) revert LaneOutOfRange(account, asset / 3);
        _sstore(slot, next);
        unchecked {
            int256 holdersChange = int256(next.heldAt(lane)) - int256(word.heldAt(lane));
            _moveBook(asset, book, credit, debit, holdersChange);
        }
    }

    /// @dev Changes the sum (atoms, each below 2⁶³) and the number of holders in the book of an asset and writes it.
    function _moveBook(uint16 asset, uint256 book, uint256 credit, uint256 debit, int256 holdersChange) internal {
        (uint256 next, bool inRange) = book.move(credit, debit, holdersChange);
        if (!inRange) revert TotalOutOfRange(asset);
        _sstore(BOOKS_BASE | asset, next);
    }

    function _openBook(uint16 asset, address token, uint64 scale) internal {
        _sstore(BOOKS_BASE | asset, Books.open(token, scale));
    }

    /// @dev The word of an asset, zero while it is not listed. Read it with `Books`.
    function _book(uint16 asset) internal view returns (uint256) {
        return _sload(BOOKS_BASE | asset);
    }

    /// @dev Class, expiry (Unix seconds, rounded down to the hour, 0 = never) and freeze of an account.
    function _flagsOf(uint32 account) internal view returns (uint8 class, uint256 expiresAt, bool frozen) {
        uint256 flags = _sload(_laneSlot(account, 0)) >> Lanes.FLAGS_SHIFT;
        unchecked {
            return (uint8(flags), ((flags >> 8) & type(uint24).max) * 1 hours, flags & FROZEN_BIT != 0);
        }
    }

    /// @dev An expiry within the first hour of 1970 still counts as an expiry, one past the 24 bits as the last hour.
    function _setFlags(uint32 account, uint8 class, uint64 expiresAt, bool frozen) internal {
        uint256 expiryHour = expiresAt / 1 hours;
        if (expiresAt != 0 && expiryHour == 0) expiryHour = 1;
        if (expiryHour > type(uint24).max) expiryHour = type(uint24).max;
        uint256 slot = _laneSlot(account, 0);
        uint256 word = _sload(slot);
        uint256 flags = ((word >> Lanes.FLAGS_SHIFT) & SPARE_FLAGS) | (expiryHour << 8) | class;
        if (frozen) flags |= FROZEN_BIT;
        _sstore(slot, (flags << Lanes.FLAGS_SHIFT) | (word & Lanes.ALL));
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

    function _requireClass(uint32 account, uint16 asset, uint8 class) internal view {
        unchecked {
            uint256 allowed = _sload(RULES_BASE | (asset / 3)) >> (uint256(class) * 3);
            if ((allowed >> (asset % 3)) & 1 == 0) revert ClassRefused(account, asset, class);
        }
    }

    function _lane(uint32 account, uint16 asset) internal view returns (uint256) {
        return _sload(_laneSlot(account, asset)).amountAt(asset % 3);
    }

    function _laneSlot(uint32 account, uint16 asset) private pure returns (uint256) {
        return LANES_BASE | (uint256(account) << 16) | (asset / 3);
    }

    function _sload(uint256 slot) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(slot)
        }
    }

    function _sstore(uint256 slot, uint256 word) internal {
        assembly ("memory-safe") {
            sstore(slot, word)
        }
    }
}
