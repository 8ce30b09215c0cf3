// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Arithmetic on a packed word: three lanes of 72 bits, lane 0 lowest, and 40 flag bits on top.
/// @notice A lane holds 0 … 2⁶³−1 atoms; its upper nine bits guard it. A sum of two lanes stays below 2⁶⁴ and a borrow sets
/// the guard of the lane that went below zero, so one AND finds any lane that left its range.
/// @dev Every function but `isIn` expects words whose guard bits are clear, which is what `isIn` establishes.
library Lanes {
    uint256 internal constant LANE_BITS = 72;
    uint256 internal constant FLAGS_SHIFT = 216;
    uint256 internal constant MAX_AMOUNT = (1 << 63) - 1;

    /// @dev 1 in the lowest bit of each lane.
    uint256 internal constant ONES = 1 | (1 << 72) | (1 << 144);
    uint256 internal constant AMOUNTS = MAX_AMOUNT * ONES;
    uint256 internal constant ALL = (1 << FLAGS_SHIFT) - 1;
    uint256 internal constant GUARDS = ALL ^ AMOUNTS;
    /// @dev Bits of a record's legs that mean nothing: all guards but the one that tells a credit from a debit.
    uint256 internal constant STRAY_BITS = GUARDS ^ (ONES << 64);

    /// @notice Splits the legs of a record into credits and debits by lane; the bits above the lanes do not matter.
    /// @param legs Three legs of 72 bits: a credit byte (0 or 1) and an amount below 2⁶³.
    /// @return credits Amounts to add, by lane.
    /// @return debits Amounts to subtract, by lane.
    /// @return credited 1 in the lowest bit of each lane that is credited.
    /// @return wellFormed False for a stray bit, a credit of zero or no amount at all.
    function split(
        uint256 legs
    ) internal pure returns (uint256 credits, uint256 debits, uint256 credited, bool wellFormed) {
        unchecked {
            credited = (legs >> 64) & ONES;
            uint256 amounts = legs & AMOUNTS;
            credits = amounts & ((credited << 63) - credited);
            debits = amounts ^ credits;
            // Zero exactly when no stray bit is set and the credited lanes are those with a credit.
            uint256 faults = (legs & STRAY_BITS) | (nonZero(credits) ^ credited);
            wellFormed = (faults == 0) && (amounts != 0);
        }
    }

    /// @notice 1 in the lowest bit of each lane that holds something.
    function nonZero(uint256 word) internal pure returns (uint256) {
        unchecked {
            return (((word & AMOUNTS) + AMOUNTS) >> 63) & ONES;
        }
    }

    /// @notice Adds and subtracts by lane. Test the result with `isIn` before it is used.
    function move(uint256 word, uint256 credits, uint256 debits) internal pure returns (uint256) {
        unchecked {
            return word + credits - debits;
        }
    }

    /// @notice Whether every lane is within its range.
    function isIn(uint256 word) internal pure returns (bool) {
        return word & GUARDS == 0;
    }

    /// @notice One lane of a word.
    function amountAt(uint256 word, uint256 lane) internal pure returns (uint256) {
        unchecked {
            return (word >> (lane * LANE_BITS)) & ((1 << LANE_BITS) - 1);
        }
    }

    /// @notice 1 when a lane holds something, otherwise 0.
    function heldAt(uint256 word, uint256 lane) internal pure returns (uint256 held) {
        uint256 amount = amountAt(word, lane);
        assembly ("memory-safe") {
            held := iszero(iszero(amount))
        }
    }

    /// @notice A word that holds an amount in one lane. The amount must be within range.
    function inLane(uint256 amount, uint256 lane) internal pure returns (uint256) {
        unchecked {
            return amount << (lane * LANE_BITS);
        }
    }
}
