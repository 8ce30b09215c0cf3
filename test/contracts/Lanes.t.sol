// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "../../contracts/settlement/Lanes.sol";
import {Check, vm} from "./Vm.sol";

/// @notice The packed arithmetic against three plain integers.
contract LanesTest {
    uint256 private constant MAX = (1 << 63) - 1;

    function _pack(uint64[3] memory amounts, uint40 flags) private pure returns (uint256 word) {
        word = uint256(flags) << 216;
        for (uint256 i = 0; i < 3; ++i) word |= (amounts[i] & MAX) << (72 * i);
    }

    function testFuzz_MoveAgreesWithThreeIntegers(
        uint64[3] memory held,
        uint64[3] memory sizes,
        uint8 signs,
        uint40 flags
    ) external pure {
        _requireAgreement(held, sizes, signs, flags);
    }

    /// @dev Small numbers meet zero and each other far more often than random ones.
    function testFuzz_MoveAgreesNearTheEdges(uint16 pick, uint8 signs, uint40 flags) external pure {
        uint64[4] memory edges = [uint64(0), 1, uint64(MAX - 1), uint64(MAX)];
        uint64[3] memory held;
        uint64[3] memory sizes;
        for (uint256 i = 0; i < 3; ++i) {
            held[i] = edges[(pick >> (2 * i)) & 3];
            sizes[i] = edges[(pick >> (6 + 2 * i)) & 3];
        }
        _requireAgreement(held, sizes, signs, flags);
    }

    function _requireAgreement(uint64[3] memory held, uint64[3] memory sizes, uint8 signs, uint40 flags) private pure {
        uint256 credits;
        uint256 debits;
        uint256 expected = uint256(flags) << 216;
        bool inRange = true;
        for (uint256 i = 0; i < 3; ++i) {
            uint256 size = sizes[i] & MAX;
            bool isCredit = (signs >> i) & 1 == 1;
            if (isCredit) credits |= size << (72 * i);
            else debits |= size << (72 * i);
            int256 next = int256(held[i] & MAX) + (isCredit ? int256(size) : -int256(size));
            if (next < 0 || next > int256(MAX)) inRange = false;
            else expected |= uint256(next) << (72 * i);
        }
        uint256 word = Lanes.move(_pack(held, flags), credits, debits);
        Check.isTrue(Lanes.isIn(word) == inRange, "range");
        if (inRange) Check.same(word, expected);
    }

    function testFuzz_SplitAgreesWithReadingByteByByte(uint256 raw, bool tidy) external pure {
        uint256 legs = raw & ((1 << 216) - 1);
        // Random bytes are nearly always malformed, so half of the runs start from a legal shape.
        if (tidy) legs &= (MAX | (1 << 64)) * (1 | (1 << 72) | (1 << 144));
        uint256 credits;
        uint256 debits;
        bool legal = true;
        bool any = false;
        for (uint256 i = 0; i < 3; ++i) {
            uint256 leg = (legs >> (72 * i)) & ((1 << 72) - 1);
            (uint256 kind, uint256 amount) = (leg >> 64, leg & type(uint64).max);
            if (kind > 1 || amount > MAX || (kind == 1 && amount == 0)) legal = false;
            if (amount != 0) any = true;
            if (kind == 1) credits |= amount << (72 * i);
            else debits |= amount << (72 * i);
        }
        (uint256 c, uint256 d, uint256 credited, bool wellFormed) = Lanes.split(legs | (raw << 216));
        Check.isTrue(wellFormed == (legal && any), "form");
        if (!wellFormed) return;
        Check.same(credited, Lanes.nonZero(credits));
        Check.same(c, credits);
        Check.same(d, debits);
    }

    function testFuzz_NonZeroNamesTheLanes(uint64[3] memory amounts, uint8 mask) external pure {
        uint256 expected;
        for (uint256 i = 0; i < 3; ++i) {
            if ((mask >> i) & 1 == 0) amounts[i] = 0;
            if (amounts[i] & MAX != 0) expected |= 1 << (72 * i);
        }
        Check.same(Lanes.nonZero(_pack(amounts, type(uint40).max)), expected);
    }

    function testFuzz_OneLaneIsReadAndWritten(uint64 amount, uint8 lane) external pure {
        vm.assume(lane < 3);
        Check.same(Lanes.amountAt(Lanes.inLane(amount, lane), lane), amount);
    }
}
