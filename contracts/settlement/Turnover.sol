// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LaneStore} from "./LaneStore.sol";
import {Lanes} from "./Lanes.sol";

/// @title What trade batches may credit of an asset per clock hour.
/// @dev One word per group of three assets, so that a batch reads one cold word for it instead of two: in the lanes what
/// the hour has used, in their guard bits (nine each) the digits of the cap, on top the powers of ten of the three caps
/// (five bits each) and the hour (24 bits). A cap of 0 is none.
abstract contract Turnover is LaneStore {
    using Lanes for uint256;

    uint256 private constant TURNOVER_BASE = (uint256(keccak256("mooring.turnover.v1")) >> 48) << 48;
    uint256 private constant DIGITS_SHIFT = 63;
    uint256 private constant MAX_DIGITS = 511;
    uint256 private constant EXPONENT_BITS = 5;
    uint256 private constant EXPONENT_MASK = (1 << EXPONENT_BITS) - 1;
    uint256 private constant HOUR_SHIFT = 232;

    error TurnoverExceeded(uint16 asset, uint256 amount, uint256 cap);

    /// @dev Adds the credits of a batch, by lane and each below 2⁶³, to what the hour has used of the assets with a cap. A
    /// cap lowered below what is used stops its asset, not the neighbours in the word.
    function _count(uint256 group, uint256 credits) internal {
        uint256 slot = TURNOVER_BASE | group;
        uint256 word = _sload(slot);
        if (word & Lanes.GUARDS == 0 || credits == 0) return;
        uint256 next = _ofThisHour(word);
        unchecked {
            for (uint256 lane = 0; lane < 3; ++lane) {
                uint256 amount = credits.amountAt(lane);
                uint256 cap = _capOf(next, lane);
                if (amount == 0 || cap == 0) continue;
                uint256 used = amount + _usedOf(next, lane);
                if (used > cap) revert TurnoverExceeded(uint16(group * 3 + lane), used, cap);
                next += Lanes.inLane(amount, lane);
            }
        }
        if (next != word) _sstore(slot, next);
    }

    /// @dev Keeps what the hour has used. Returns the cap as it holds: the leading digits, at most 511, the rest zero.
    function _setCap(uint16 asset, uint64 cap) internal returns (uint64 kept) {
        if (cap > Lanes.MAX_AMOUNT) revert AmountOutOfRange(cap);
        uint256 slot = TURNOVER_BASE | (asset / 3);
        uint256 lane = asset % 3;
        (uint256 digits, uint256 exponent) = (cap, 0);
        for (; digits > MAX_DIGITS; digits /= 10) ++exponent;
        uint256 word = _sload(slot) & ~(Lanes.inLane(MAX_DIGITS << DIGITS_SHIFT, lane));
        word &= ~(EXPONENT_MASK << _exponentShift(lane));
        word |= Lanes.inLane(digits << DIGITS_SHIFT, lane) | (exponent << _exponentShift(lane));
        _sstore(slot, word);
        return uint64(_capOf(word, lane));
    }

    /// @dev Cap of an asset and what this hour has used of it, atoms.
    function _turnover(uint16 asset) internal view returns (uint256 cap, uint256 used) {
        uint256 word = _ofThisHour(_sload(TURNOVER_BASE | (asset / 3)));
        return (_capOf(word, asset % 3), _usedOf(word, asset % 3));
    }

    /// @dev The word with nothing used when the hour is over.
    function _ofThisHour(uint256 word) private view returns (uint256) {
        uint256 hour = block.timestamp / 1 hours;
        if (word >> HOUR_SHIFT == hour) return word;
        return (hour << HOUR_SHIFT) | (word & ~((type(uint256).max << HOUR_SHIFT) | Lanes.AMOUNTS));
    }

    function _usedOf(uint256 word, uint256 lane) private pure returns (uint256) {
        return word.amountAt(lane) & Lanes.MAX_AMOUNT;
    }

    /// @dev Never above the uint64 that was set, so nothing overflows.
    function _capOf(uint256 word, uint256 lane) private pure returns (uint256) {
        unchecked {
            uint256 digits = word.amountAt(lane) >> DIGITS_SHIFT;
            return digits * 10 ** ((word >> _exponentShift(lane)) & EXPONENT_MASK);
        }
    }

    function _exponentShift(uint256 lane) private pure returns (uint256) {
        unchecked {
            return Lanes.FLAGS_SHIFT + lane * EXPONENT_BITS;
        }
    }
}
