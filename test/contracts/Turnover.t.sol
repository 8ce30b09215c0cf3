// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LaneStore} from "../../contracts/settlement/LaneStore.sol";
import {Turnover} from "../../contracts/settlement/Turnover.sol";
import {Check, vm} from "./Vm.sol";

contract TurnoverHarness is Turnover {
    function count(uint256 group, uint64[3] calldata credits) external {
        _count(group, uint256(credits[0]) | (uint256(credits[1]) << 72) | (uint256(credits[2]) << 144));
    }

    function setCap(uint16 asset, uint64 cap) external returns (uint64) {
        return _setCap(asset, cap);
    }

    function turnover(uint16 asset) external view returns (uint256 cap, uint256 used) {
        return _turnover(asset);
    }
}

/// @notice The packed caps of a group against plain numbers.
contract TurnoverTest {
    uint64 private constant MAX = (1 << 63) - 1;
    uint16 private constant FIRST = 9;

    TurnoverHarness private store;
    uint256 private time = 1_800_000_000;
    uint64[3] private caps;
    uint256[3] private used;

    function setUp() external {
        store = new TurnoverHarness();
        vm.warp(time);
    }

    function test_UpTo511AndTwoDigitsAreKeptExactly() external {
        for (uint64 cap = 0; cap < 512; ++cap) Check.same(store.setCap(FIRST, cap), cap);
        for (uint64 power = 1; power < 1e17; power *= 10) {
            for (uint64 digits = 10; digits < 100; ++digits)
                Check.same(store.setCap(FIRST, digits * power), digits * power);
        }
        Check.same(store.setCap(FIRST, 999), 990);
        Check.same(store.setCap(FIRST, 512_345), 510_000);
        Check.same(store.setCap(FIRST, MAX), 92e17);
        vm.expectRevert(abi.encodeWithSelector(LaneStore.AmountOutOfRange.selector, MAX + 1));
        store.setCap(FIRST, MAX + 1);
    }

    function testFuzz_ACapIsRoundedDownByLessThanATwentiethPart(uint64 cap) external {
        vm.assume(cap <= MAX);
        uint256 kept = store.setCap(FIRST + 1, cap);
        Check.isTrue(kept <= cap && (cap - kept) * 20 <= cap, "close below");
        (uint256 read, uint256 counted) = store.turnover(FIRST + 1);
        Check.same(read, kept);
        Check.same(counted, 0);
    }

    /// @dev Caps change, hours pass and batches come in any order; each asset behaves as if it had a word of its own.
    function testFuzz_ThreeAssetsInAWordDoNotTouchEachOther(uint256 seed) external {
        for (uint256 step = 0; step < 24; ++step) {
            uint256 draw = uint256(keccak256(abi.encode(seed, step)));
            uint256 lane = draw % 3;
            if (draw & (3 << 8) == 0) {
                // Every size of cap; a new one in the fourth part of the steps.
                caps[lane] = store.setCap(FIRST + uint16(lane), uint64(draw >> 16) >> uint8(1 + ((draw >> 80) % 63)));
            } else if (draw & (15 << 10) == 0) {
                time += 1 hours;
                vm.warp(time);
                delete used;
            } else {
                _countRandomly(draw >> 16);
            }
            _requireModel();
        }
    }

    function _countRandomly(uint256 draw) private {
        uint64[3] memory credits;
        int256 refused = -1;
        for (uint256 lane = 0; lane < 3; ++lane) {
            uint256 room = caps[lane] > used[lane] ? caps[lane] - used[lane] : 0;
            uint256 amount = uint64(draw >> (lane * 64)) % (room + 2);
            // Without a cap nothing is counted, whatever the amount.
            if (caps[lane] == 0) amount = uint64(draw >> (lane * 64)) >> 1;
            if ((draw >> (200 + lane)) & 1 == 0) amount = 0;
            credits[lane] = uint64(amount);
            if (caps[lane] != 0 && amount > room && refused < 0) refused = int256(lane);
        }
        if (refused < 0) {
            store.count(FIRST / 3, credits);
            for (uint256 lane = 0; lane < 3; ++lane) if (caps[lane] != 0) used[lane] += credits[lane];
            return;
        }
        uint256 over = uint256(refused);
        uint256 above = used[over] + credits[over];
        vm.expectRevert(abi.encodeWithSelector(Turnover.TurnoverExceeded.selector, FIRST + over, above, caps[over]));
        store.count(FIRST / 3, credits);
    }

    function _requireModel() private view {
        for (uint16 lane = 0; lane < 3; ++lane) {
            (uint256 cap, uint256 counted) = store.turnover(FIRST + lane);
            Check.same(cap, caps[lane]);
            Check.same(counted, used[lane]);
        }
        (uint256 none, uint256 nothing) = store.turnover(FIRST + 3);
        Check.same(none | nothing, 0);
    }
}
