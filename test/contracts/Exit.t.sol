// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Custody} from "../../contracts/settlement/Custody.sol";
import {Exit} from "../../contracts/settlement/Exit.sol";
import {Batch, BatchHeader} from "../../contracts/types/Batch.sol";
import {Encoder} from "./Encoder.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice Leaving with and without an operator.
contract ExitTest is Suite {
    function _assets() private pure returns (uint16[] memory list) {
        list = new uint16[](2);
        (list[0], list[1]) = (0, GOLD);
    }

    function _heartbeat(uint64 closeTime) private {
        BatchHeader memory header = _header(Batch.HEARTBEAT, hex"00");
        header.closeTime = closeTime;
        _settle(header, hex"00");
    }

    function _freeze(bool frozen) private {
        vm.prank(address(registry));
        vault.syncFlags(ALICE_ID, 1, 0, frozen);
    }

    function _exit() private {
        vm.prank(ALICE);
        vault.executeExit(_assets());
    }

    function _refuseExit(bytes memory reason) private {
        vm.prank(ALICE);
        vm.expectRevert(reason);
        vault.executeExit(_assets());
    }

    function test_AnExitPaysWholeLanesAfterTheDelayAndALaterBatch() external {
        _fund(ALICE, 100);
        _mint(GOLD, ALICE_ID, 500);
        uint64 start = uint64(block.timestamp);
        _refuseExit(abi.encodeWithSelector(Exit.NoExitOpen.selector, ALICE_ID));
        vm.expectEmit(address(vault));
        emit Exit.ExitRequested(ALICE_ID);
        vm.prank(ALICE);
        vault.requestExit();
        vm.warp(start + EXIT_DELAY - 1);
        _refuseExit(abi.encodeWithSelector(Exit.ExitTooEarly.selector, ALICE_ID, start + EXIT_DELAY));
        vm.warp(start + EXIT_DELAY);
        _heartbeat(start);
        _refuseExit(abi.encodeWithSelector(Exit.ExitUnsettled.selector, ALICE_ID, start, start));
        _mint(GOLD, BOB_ID, 1);
        // A supply batch says nothing about the trades before it.
        _refuseExit(abi.encodeWithSelector(Exit.ExitUnsettled.selector, ALICE_ID, start, start));
        _heartbeat(start + 1);
        (uint64 requestedAt, uint64 readyAt, bool isSettled) = vault.exitOf(ALICE_ID);
        Check.same(requestedAt, start);
        Check.same(readyAt, start + EXIT_DELAY);
        Check.isTrue(isSettled, "settled");
        vm.prank(PAUSER);
        vault.pause();
        vm.expectEmit(address(vault));
        emit Exit.ExitExecuted(ALICE_ID, 0, 100);
        _exit();
        Check.same(cash.balanceOf(ALICE), 100);
        Check.same(gold.balanceOf(ALICE), 500);
        Check.same(vault.totalOf(0), 0);
        Check.same(vault.holdersOf(GOLD), 1);
        _exit();
        Check.same(cash.balanceOf(ALICE), 100);
    }

    function test_Pitfall18_OneOpenExitPerAccount() external {
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Exit.NoExitOpen.selector, ALICE_ID));
        vault.cancelExit();
        vault.requestExit();
        uint256 start = block.timestamp;
        vm.expectRevert(abi.encodeWithSelector(Exit.ExitAlreadyOpen.selector, ALICE_ID, start));
        vault.requestExit();
        vm.warp(start + 3 days);
        vault.cancelExit();
        // A cancelled request leaves no head start.
        vault.requestExit();
        vm.expectRevert(abi.encodeWithSelector(Exit.ExitTooEarly.selector, ALICE_ID, start + 3 days + EXIT_DELAY));
        vault.executeExit(_assets());
        vm.stopPrank();
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(Custody.Unregistered.selector, STRANGER));
        vault.requestExit();
    }

    function test_AFreezeStopsDepositsWithdrawalsAndExitsButNoBatch() external {
        _fund(ALICE, 100);
        _heartbeat(1);
        vm.warp(block.timestamp + EXIT_MODE_AFTER);
        vault.enterExitMode();
        _freeze(true);
        Check.isTrue(vault.isFrozen(ALICE_ID), "frozen");
        bytes memory reason = abi.encodeWithSelector(Custody.Frozen.selector, ALICE_ID);
        _refuseExit(reason);
        vm.prank(ALICE);
        vm.expectRevert(reason);
        vault.requestExit();
        _freeze(false);
        _exit();
        Check.same(cash.balanceOf(ALICE), 100);
    }

    function test_Pitfall16_AFreezeDoesNotStopABatch() external {
        _fund(ALICE, 100);
        _freeze(true);
        _trade(bytes.concat(Encoder.group(0), Encoder.single(ALICE_ID, 0, 0, -30), Encoder.single(BOB_ID, 0, 0, 30)));
        Check.same(vault.balanceOf(ALICE_ID, 0), 70);
        bytes memory reason = abi.encodeWithSelector(Custody.Frozen.selector, ALICE_ID);
        vm.prank(SETTLER);
        vm.expectRevert(reason);
        vault.withdraw("frozen", ALICE_ID, 0, 1);
        vm.prank(ALICE);
        vm.expectRevert(reason);
        vault.deposit(0, 1);
    }

    function test_Pitfall16_AnExpiredAccountExitsToItsRegisteredWallet() external {
        _fund(ALICE, 100);
        vm.prank(REGISTRAR);
        registry.setClass(ALICE_ID, 1, uint64(block.timestamp) + 3_600);
        _heartbeat(1);
        vm.warp(block.timestamp + EXIT_MODE_AFTER);
        vault.enterExitMode();
        _exit();
        Check.same(cash.balanceOf(ALICE), 100);
    }

    function test_ExitModeEndsDepositSettleAndWithdrawForGood() external {
        _fund(ALICE, 100);
        _heartbeat(1);
        uint256 start = block.timestamp;
        vm.warp(start + EXIT_MODE_AFTER - 1);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(Exit.SettlementAlive.selector, start));
        vault.enterExitMode();
        vm.warp(start + EXIT_MODE_AFTER);
        vm.prank(STRANGER);
        vault.enterExitMode();
        bytes memory reason = abi.encodeWithSelector(Custody.InExitMode.selector);
        vm.expectRevert(reason);
        vault.enterExitMode();
        vm.prank(ALICE);
        vm.expectRevert(reason);
        vault.deposit(0, 1);
        vm.prank(SETTLER);
        vm.expectRevert(reason);
        vault.withdraw("late", ALICE_ID, 0, 1);
        BatchHeader memory header = _header(Batch.HEARTBEAT, hex"00");
        vm.prank(SETTLER);
        vm.expectRevert(reason);
        vault.settle(header, hex"00", new bytes[](0));
        _exit();
        Check.same(cash.balanceOf(ALICE), 100);
    }

    function test_AVaultThatNeverSettledIsEndedOnlyByOneWhoWantsOut() external {
        _fund(ALICE, 100);
        uint64 start = uint64(block.timestamp);
        vm.warp(start + 30 days);
        bytes memory alive = abi.encodeWithSelector(Exit.SettlementAlive.selector, 0);
        vm.prank(STRANGER);
        vm.expectRevert(alive);
        vault.enterExitMode();
        vm.startPrank(ALICE);
        vm.expectRevert(alive);
        vault.enterExitMode();
        vault.requestExit();
        vm.warp(start + 30 days + EXIT_MODE_AFTER - 1);
        vm.expectRevert(alive);
        vault.enterExitMode();
        vm.warp(start + 30 days + EXIT_MODE_AFTER);
        vault.enterExitMode();
        vm.stopPrank();
        _exit();
        Check.same(cash.balanceOf(ALICE), 100);
    }

    function test_AnOperatorWhoIgnoresARequestLosesSettlement() external {
        _fund(ALICE, 100);
        uint64 start = uint64(block.timestamp);
        vm.prank(ALICE);
        vault.requestExit();
        vm.warp(start + EXIT_MODE_AFTER);
        _heartbeat(start);
        vm.expectRevert(abi.encodeWithSelector(Exit.SettlementAlive.selector, start + EXIT_MODE_AFTER));
        vault.enterExitMode();
        vm.prank(ALICE);
        vault.enterExitMode();
        _exit();
        Check.same(cash.balanceOf(ALICE), 100);
    }

    function test_AFrozenAccountDoesNotEndSettlement() external {
        uint64 start = uint64(block.timestamp);
        vm.prank(ALICE);
        vault.requestExit();
        _freeze(true);
        vm.warp(start + EXIT_MODE_AFTER);
        _heartbeat(start);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Custody.Frozen.selector, ALICE_ID));
        vault.enterExitMode();
        Check.isTrue(!vault.isExitMode(), "exit mode");
    }

    function test_Pitfall30_DonationsDoNotCountAsLanes() external {
        _fund(ALICE, 100);
        cash.mint(address(vault), 50);
        Check.same(vault.totalOf(0), 100);
        Check.same(vault.balanceOf(ALICE_ID, 0), 100);
    }

    function test_HoldersFollowDepositsBatchesAndWithdrawals() external {
        _fund(ALICE, 100);
        Check.same(vault.holdersOf(0), 1);
        bytes memory records = bytes.concat(
            Encoder.group(0),
            Encoder.single(ALICE_ID, 0, 0, -30),
            Encoder.single(BOB_ID, 0, 0, 30)
        );
        _trade(records);
        Check.same(vault.holdersOf(0), 2);
        records = bytes.concat(Encoder.group(0), Encoder.single(ALICE_ID, 0, 0, -70), Encoder.single(BOB_ID, 0, 0, 70));
        _trade(records);
        Check.same(vault.holdersOf(0), 1);
        vm.prank(SETTLER);
        vault.withdraw("all", BOB_ID, 0, 100);
        Check.same(vault.holdersOf(0), 0);
        Check.same(vault.holdersOf(GOLD), 0);
    }

    function test_Pitfall22_APermitSentByAnotherDoesNotStopTheDeposit() external {
        address wallet = vm.addr(77);
        _register(20, wallet, 1, 0);
        cash.mint(wallet, 10);
        bytes32 typehash = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        uint256 deadline = block.timestamp + 60;
        bytes32 permit = keccak256(abi.encode(typehash, wallet, address(vault), 10, 0, deadline));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", cash.DOMAIN_SEPARATOR(), permit));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(77, digest);
        vm.prank(wallet);
        vm.expectRevert(abi.encodeWithSelector(Custody.AllowanceTooLow.selector, 10, 0));
        vault.depositWithPermit(0, 10, deadline, v, s, r);
        cash.permit(wallet, address(vault), 10, deadline, v, r, s);
        vm.prank(wallet);
        vault.depositWithPermit(0, 10, deadline, v, r, s);
        Check.same(vault.balanceOf(20, 0), 10);
    }
}
