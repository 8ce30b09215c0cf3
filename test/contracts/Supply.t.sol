// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Roles} from "../../contracts/access/Roles.sol";
import {AssetGoverned} from "../../contracts/access/AssetGoverned.sol";
import {Redemptions} from "../../contracts/supply/Redemptions.sol";
import {SupplyController} from "../../contracts/supply/SupplyController.sol";
import {BatchHeader} from "../../contracts/types/Batch.sol";
import {Encoder} from "./Encoder.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice A wallet that agrees to everything.
contract AgreeingWallet is IERC1271 {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return IERC1271.isValidSignature.selector;
    }
}

/// @notice How far and how fast supply grows, and how wallets redeem.
contract SupplyTest is Suite {
    address private constant ISSUER = address(0x155);
    uint128 private constant PRICE = 700;
    uint128 private constant LEAST = 650;

    function setUp() public override {
        super.setUp();
        _grantOfAsset(Roles.ISSUER, GOLD, ISSUER, 0);
        cash.mint(ISSUER, 1_000_000);
        vm.prank(ISSUER);
        cash.approve(address(supply), type(uint256).max);
    }

    function _refuseMint(int64 change, bytes memory reason) private {
        bytes memory records = bytes.concat(Encoder.group(GOLD / 3), Encoder.single(ALICE_ID, 0, GOLD, change));
        BatchHeader memory header = _supplyHeader(GOLD, change, records);
        vm.prank(SETTLER);
        vm.expectRevert(reason);
        vault.settle(header, records, new bytes[](0));
    }

    function _ceiling() private view returns (uint64 ceiling) {
        (, ceiling, ) = supply.supplyOf(GOLD);
    }

    function _line(uint64 maximum, uint64 gap, uint32 ttl) private {
        vm.prank(OFFICER);
        supply.setLine(GOLD, maximum, gap, ttl);
    }

    function test_Pitfall13_RaisingWaitsForItsTimeAndStopsAtTheMaximum() external {
        _line(250, 100, 1 hours);
        Check.same(_ceiling(), 100);
        _mint(GOLD, ALICE_ID, 80);
        _refuseMint(21, abi.encodeWithSelector(SupplyController.CeilingExceeded.selector, GOLD, 101, 100));
        uint256 raisableAt = block.timestamp + 1 hours;
        bytes memory tooEarly = abi.encodeWithSelector(
            SupplyController.CeilingNotRaisable.selector,
            GOLD,
            100,
            raisableAt
        );
        vm.expectRevert(tooEarly);
        supply.raiseCeiling(GOLD);
        vm.warp(raisableAt);
        vm.prank(STRANGER);
        Check.same(supply.raiseCeiling(GOLD), 180);
        _mint(GOLD, ALICE_ID, 100);
        // A raise starts the time anew.
        vm.warp(block.timestamp + 1 hours - 1);
        vm.expectPartialRevert(SupplyController.CeilingNotRaisable.selector);
        supply.raiseCeiling(GOLD);
        vm.warp(block.timestamp + 1 hours);
        Check.same(supply.raiseCeiling(GOLD), 250);
        vm.warp(block.timestamp + 1 hours);
        // At the maximum there is nothing left to raise.
        vm.expectPartialRevert(SupplyController.CeilingNotRaisable.selector);
        supply.raiseCeiling(GOLD);
    }

    function test_Pitfall13_LoweringIsImmediateAndOnlyDown() external {
        vm.startPrank(PAUSER);
        supply.lowerCeiling(GOLD, 10);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.CeilingNotLower.selector, 10, 10));
        supply.lowerCeiling(GOLD, 10);
        vm.stopPrank();
        Check.same(_ceiling(), 10);
        _refuseMint(11, abi.encodeWithSelector(SupplyController.CeilingExceeded.selector, GOLD, 11, 10));
        vm.expectPartialRevert(SupplyController.CeilingNotRaisable.selector);
        supply.raiseCeiling(GOLD);
    }

    function test_Pitfall13_NobodyRaisesWhatPauserLowered() external {
        _line(1_000, 100, 0);
        vm.expectEmit(address(supply));
        emit SupplyController.LineSet(GOLD, 1_000, 0, 0);
        vm.prank(PAUSER);
        supply.lowerCeiling(GOLD, 0);
        vm.warp(block.timestamp + 30 days);
        vm.prank(STRANGER);
        vm.expectPartialRevert(SupplyController.CeilingNotRaisable.selector);
        supply.raiseCeiling(GOLD);
        Check.same(_ceiling(), 0);
        _line(1_000, 100, 0);
        Check.same(_ceiling(), 100);
    }

    function test_Pitfall13_NobodyRaisesWhatSupplyAdminSet() external {
        _line(250, 100, 1 hours);
        vm.prank(OFFICER);
        supply.setCeiling(GOLD, 50);
        vm.warp(block.timestamp + 1 hours);
        vm.expectPartialRevert(SupplyController.CeilingNotRaisable.selector);
        supply.raiseCeiling(GOLD);
    }

    function test_NobodyLowersTheCeilingByRaisingIt() external {
        _line(1_000, 100, 0);
        _mint(GOLD, ALICE_ID, 100);
        supply.raiseCeiling(GOLD);
        _mint(GOLD, ALICE_ID, -50);
        vm.expectPartialRevert(SupplyController.CeilingNotRaisable.selector);
        supply.raiseCeiling(GOLD);
        Check.same(_ceiling(), 200);
    }

    function test_ALineNeedsAGapAndAKnownAsset() external {
        vm.startPrank(OFFICER);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.CeilingOutOfRange.selector, 0));
        supply.setLine(GOLD, 5, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.CeilingOutOfRange.selector, 1 << 63));
        supply.setLine(GOLD, 1 << 63, 1, 1);
        bytes memory unknown = abi.encodeWithSelector(Redemptions.UnknownAsset.selector, 9);
        vm.expectRevert(unknown);
        supply.setLine(9, 5, 1, 1);
        vm.expectRevert(unknown);
        supply.setRate(9, 5, 1);
        vm.stopPrank();
        vm.expectRevert(unknown);
        supply.raiseCeiling(9);
    }

    function test_TheRateLimitsMintsNotBurns() external {
        vm.prank(OFFICER);
        supply.setRate(GOLD, 100, 1_000);
        _mint(GOLD, ALICE_ID, 100);
        _refuseMint(1, abi.encodeWithSelector(SupplyController.RateExceeded.selector, GOLD, 1, 0));
        _mint(GOLD, ALICE_ID, -60);
        Check.same(supply.mintableOf(GOLD), 0);
        vm.warp(block.timestamp + 500);
        Check.same(supply.mintableOf(GOLD), 50);
        _mint(GOLD, ALICE_ID, 50);
        vm.prank(OFFICER);
        supply.setRate(GOLD, 0, 0);
        Check.same(supply.mintableOf(GOLD), type(uint256).max);
        _mint(GOLD, ALICE_ID, 1_000);
    }

    function test_WhatRefilledBeforeANewRateDidSoAtTheOldOne() external {
        vm.prank(OFFICER);
        supply.setRate(GOLD, 100, 1_000);
        _mint(GOLD, ALICE_ID, 100);
        vm.warp(block.timestamp + 500);
        vm.prank(OFFICER);
        supply.setRate(GOLD, 1_000, 1_000);
        // Of the 100 that were taken 50 are still to refill, now by one a second.
        Check.same(supply.mintableOf(GOLD), 950);
        vm.warp(block.timestamp + 49);
        Check.same(supply.mintableOf(GOLD), 999);
    }

    /// @dev Whatever the times, no more than capacity + what refilled can be minted.
    function testFuzz_TheBucketNeverGivesMoreThanCapacityAndRefill(uint64 capacity, uint32[6] calldata waits) external {
        uint64 size = capacity % 100_000;
        vm.prank(OFFICER);
        supply.setRate(GOLD, size, 1 days);
        uint256 start = block.timestamp;
        uint256 minted = 0;
        for (uint256 i = 0; i < waits.length; ++i) {
            vm.warp(block.timestamp + (waits[i] % 2 days));
            uint256 available = supply.mintableOf(GOLD);
            uint64 amount = uint64(available > i ? available - i : available);
            if (amount == 0) continue;
            _mint(GOLD, ALICE_ID, int64(amount));
            minted += amount;
            Check.isTrue(minted <= size + ((block.timestamp - start) * size) / 1 days, "bucket");
        }
        Check.same(gold.totalSupply(), minted);
    }

    function test_OnlyTheirRolesMoveCeilingsAndRates() external {
        bytes memory unauthorized = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
        vm.startPrank(STRANGER);
        vm.expectRevert(unauthorized);
        supply.setLine(GOLD, 1, 1, 1);
        vm.expectRevert(unauthorized);
        supply.lowerCeiling(GOLD, 1);
        vm.expectRevert(unauthorized);
        supply.setRate(GOLD, 1, 1);
        vm.stopPrank();
        vm.prank(PAUSER);
        vm.expectPartialRevert(IAccessManaged.AccessManagedUnauthorized.selector);
        supply.setCeiling(GOLD, type(uint64).max);
    }

    function _request(uint256 amount) private returns (uint256 id) {
        _mint(GOLD, ALICE_ID, 1_000);
        vm.prank(SETTLER);
        vault.withdraw("gold", ALICE_ID, GOLD, 1_000);
        vm.startPrank(ALICE);
        gold.approve(address(supply), amount);
        id = supply.requestRedeem(GOLD, amount, LEAST);
        vm.stopPrank();
    }

    function test_ARedemptionIsRequestedSettledAndClaimed() external {
        uint256 id = _request(400);
        Check.same(gold.balanceOf(ALICE), 600);
        Check.same(supply.pendingRedeemRequest(id), 400);
        vm.prank(ISSUER);
        supply.settleRedeem(id, 400, PRICE, "price");
        Check.same(gold.totalSupply(), 600);
        Check.same(gold.balanceOf(address(supply)), 0);
        Check.same(vault.totalOf(GOLD), 0);
        Check.same(supply.pendingRedeemRequest(id), 0);
        Check.same(supply.claimableRedeemRequest(id), 400);
        vm.prank(ALICE);
        supply.claimRedeem(id);
        Check.same(cash.balanceOf(ALICE), PRICE);
        Check.same(supply.claimableRedeemRequest(id), 0);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.WrongStage.selector, id, Redemptions.Stage.Closed));
        supply.claimRedeem(id);
    }

    function test_ARedemptionIsCancelledBeforeItsSettlementOnly() external {
        uint256 id = _request(400);
        vm.prank(ALICE);
        supply.cancelRedeem(id);
        Check.same(gold.balanceOf(ALICE), 1_000);
        bytes memory closed = abi.encodeWithSelector(Redemptions.WrongStage.selector, id, Redemptions.Stage.Closed);
        vm.prank(ISSUER);
        vm.expectRevert(closed);
        supply.settleRedeem(id, 400, PRICE, "price");
        vm.startPrank(ALICE);
        gold.approve(address(supply), 1);
        uint256 second = supply.requestRedeem(GOLD, 1, 1);
        vm.stopPrank();
        vm.prank(ISSUER);
        supply.settleRedeem(second, 1, 1, "price");
        vm.prank(ALICE);
        vm.expectPartialRevert(Redemptions.WrongStage.selector);
        supply.cancelRedeem(second);
    }

    function test_ARedemptionIsItsHoldersAndTheIssuersOfItsAssetOnly() external {
        uint256 id = _request(400);
        uint64 role = Roles.ofAsset(Roles.ISSUER, GOLD);
        vm.startPrank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(AssetGoverned.AssetRoleMissing.selector, STRANGER, role));
        supply.settleRedeem(id, 400, PRICE, "price");
        vm.expectRevert(abi.encodeWithSelector(Redemptions.NotRedeemer.selector, STRANGER, id));
        supply.cancelRedeem(id);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.Unregistered.selector, STRANGER));
        supply.requestRedeem(GOLD, 1, 1);
        vm.stopPrank();
        // The issuer of another asset is a stranger here.
        _create(2, "TWO", 6, false);
        _grantOfAsset(Roles.ISSUER, 2, OFFICER, 0);
        vm.prank(OFFICER);
        vm.expectPartialRevert(AssetGoverned.AssetRoleMissing.selector);
        supply.settleRedeem(id, 400, PRICE, "price");
        vm.prank(ISSUER);
        supply.settleRedeem(id, 400, PRICE, "price");
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.NotRedeemer.selector, BOB, id));
        supply.claimRedeem(id);
    }

    function test_AnyWalletOfTheAccountActsButThePrimaryIsPaid() external {
        uint256 id = _request(400);
        address second = address(new AgreeingWallet());
        vm.etch(ALICE, second.code);
        registry.linkWallet(ALICE_ID, second, block.timestamp, "", "");
        vm.prank(second);
        supply.cancelRedeem(id);
        Check.same(gold.balanceOf(ALICE), 1_000);
        Check.same(gold.balanceOf(second), 0);
        vm.startPrank(ALICE);
        gold.approve(address(supply), 400);
        id = supply.requestRedeem(GOLD, 400, LEAST);
        vm.stopPrank();
        vm.prank(ISSUER);
        supply.settleRedeem(id, 400, PRICE, "price");
        vm.prank(second);
        supply.claimRedeem(id);
        Check.same(cash.balanceOf(ALICE), PRICE);
        Check.same(cash.balanceOf(second), 0);
    }

    function test_NoTokensAreBurnedForLessThanTheHolderAskedFor() external {
        uint256 id = _request(400);
        (, , , , uint128 asked) = supply.redemptionOf(id);
        Check.same(asked, LEAST);
        vm.startPrank(ISSUER);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.CashBelowMinimum.selector, id, 0, LEAST));
        supply.settleRedeem(id, 400, 0, "price");
        vm.expectRevert(abi.encodeWithSelector(Redemptions.CashBelowMinimum.selector, id, LEAST - 1, LEAST));
        supply.settleRedeem(id, 400, LEAST - 1, "price");
        Check.same(gold.totalSupply(), 1_000);
        supply.settleRedeem(id, 400, LEAST, "price");
        vm.stopPrank();
        Check.same(gold.totalSupply(), 600);
        vm.prank(ALICE);
        supply.claimRedeem(id);
        Check.same(cash.balanceOf(ALICE), LEAST);
    }

    function test_AnotherRequestThanTheIssuerMeantIsNotSettled() external {
        uint256 id = _request(400);
        vm.startPrank(ALICE);
        gold.approve(address(supply), 1);
        uint256 small = supply.requestRedeem(GOLD, 1, 1);
        vm.stopPrank();
        vm.startPrank(ISSUER);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.AmountDiffers.selector, small, 400, 1));
        supply.settleRedeem(small, 400, PRICE, "price");
        vm.expectRevert(abi.encodeWithSelector(Redemptions.AmountDiffers.selector, id, 399, 400));
        supply.settleRedeem(id, 399, PRICE, "price");
        // What is asked for has 64 bits; all of the amount counts.
        vm.expectPartialRevert(Redemptions.AmountDiffers.selector);
        supply.settleRedeem(id, (1 << 64) + 400, PRICE, "price");
        Check.same(cash.balanceOf(address(supply)), 0);
        supply.settleRedeem(id, 400, PRICE, "price");
        vm.stopPrank();
        Check.same(supply.pendingRedeemRequest(small), 1);
    }

    function test_AnIssuerWithADelayedRoleIsRefused() external {
        uint256 id = _request(400);
        _grantOfAsset(Roles.ISSUER, GOLD, OFFICER, 1 days);
        vm.prank(OFFICER);
        vm.expectPartialRevert(AssetGoverned.AssetRoleMissing.selector);
        supply.settleRedeem(id, 400, PRICE, "price");
    }

    function test_WhatCannotBeRedeemedIsRefused() external {
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.UnknownAsset.selector, 0));
        supply.requestRedeem(0, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.ZeroRedemption.selector));
        supply.requestRedeem(GOLD, 0, 1);
        // A holder asks for something, so that nothing is never enough.
        vm.expectRevert(abi.encodeWithSelector(Redemptions.ZeroRedemption.selector));
        supply.requestRedeem(GOLD, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.AmountOutOfRange.selector, 1 << 63));
        supply.requestRedeem(GOLD, 1 << 63, 1);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.WrongStage.selector, 5, Redemptions.Stage.None));
        supply.claimRedeem(5);
        vm.stopPrank();
    }
}
