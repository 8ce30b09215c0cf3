// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Roles} from "../../contracts/access/Roles.sol";
import {Custody} from "../../contracts/settlement/Custody.sol";
import {Exit} from "../../contracts/settlement/Exit.sol";
import {LaneStore} from "../../contracts/settlement/LaneStore.sol";
import {Turnover} from "../../contracts/settlement/Turnover.sol";
import {Redemptions} from "../../contracts/supply/Redemptions.sol";
import {Reserve} from "../../contracts/supply/ReserveGate.sol";
import {SupplyController} from "../../contracts/supply/SupplyController.sol";
import {AssetToken} from "../../contracts/token/AssetToken.sol";
import {Distributor} from "../../contracts/token/Distributor.sol";
import {Batch, BatchHeader} from "../../contracts/types/Batch.sol";
import {Encoder} from "./Encoder.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice A token that keeps one unit of every transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, from == address(0) ? amount : amount - 1);
    }
}

/// @notice Bounds that a seeded fault moved by one, and ways that no other test took.
contract EdgesTest is Suite {
    uint256 private constant KEY = 0xca401;

    function test_ADepositThatArrivesShortIsRefused() external {
        FeeToken fee = new FeeToken();
        assets.listExternal(3, address(fee), 1, ALL_CLASSES);
        fee.mint(ALICE, 100);
        vm.startPrank(ALICE);
        fee.approve(address(vault), 100);
        vm.expectRevert(abi.encodeWithSelector(Custody.ShortTransfer.selector, 50, 49));
        vault.deposit(3, 50);
        vm.stopPrank();
    }

    function test_CashThatArrivesShortSettlesNoRedemption() external {
        _grantOfAsset(Roles.ISSUER, GOLD, OFFICER, 0);
        _mint(GOLD, ALICE_ID, 50);
        vm.prank(SETTLER);
        vault.withdraw("gold", ALICE_ID, GOLD, 50);
        vm.startPrank(ALICE);
        gold.approve(address(supply), 50);
        uint256 id = supply.requestRedeem(GOLD, 50, 1);
        vm.stopPrank();
        // Cash that once took nothing now takes its fee; both keep their balances in the same places.
        vm.etch(address(cash), address(new FeeToken()).code);
        FeeToken(address(cash)).mint(OFFICER, 10);
        vm.startPrank(OFFICER);
        cash.approve(address(supply), 10);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.ShortPayment.selector, 10, 9));
        supply.settleRedeem(id, 50, 10, "price");
        vm.stopPrank();
    }

    function test_FundingThatArrivesShortOpensNoDistribution() external {
        _grantOfAsset(Roles.DISTRIBUTOR, GOLD, OFFICER, 0);
        FeeToken fee = new FeeToken();
        assets.listExternal(3, address(fee), 1, ALL_CLASSES);
        fee.mint(OFFICER, 10);
        Distributor.Terms memory terms = Distributor.Terms(
            GOLD,
            3,
            "root",
            10,
            uint64(block.timestamp) + 1 days,
            0,
            OFFICER
        );
        vm.startPrank(OFFICER);
        fee.approve(address(distributor), 10);
        vm.expectRevert(abi.encodeWithSelector(Distributor.ShortFunding.selector, 10, 9));
        distributor.open(terms);
        vm.stopPrank();
    }

    function test_ADepositByPermitNeedsNoApproval() external {
        address carol = vm.addr(KEY);
        _register(18, carol, 1, 0);
        cash.mint(carol, 100);
        (uint8 v, bytes32 r, bytes32 s) = _permit(carol, 60);
        vm.startPrank(carol);
        vault.depositWithPermit(0, 60, block.timestamp, v, r, s);
        Check.same(vault.balanceOf(18, 0), 60);
        vm.expectRevert(abi.encodeWithSelector(Custody.AllowanceTooLow.selector, 60, 0));
        vault.depositWithPermit(0, 60, block.timestamp, v, r, s);
        vm.stopPrank();
        // Who sends the permit first spoils nothing.
        (v, r, s) = _permit(carol, 40);
        vm.prank(STRANGER);
        cash.permit(carol, address(vault), 40, block.timestamp, v, r, s);
        vm.prank(carol);
        vault.depositWithPermit(0, 40, block.timestamp, v, r, s);
        Check.same(vault.balanceOf(18, 0), 100);
    }

    function test_ADepositByPermitStopsWithEveryOther() external {
        vm.prank(PAUSER);
        vault.pause();
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        vault.depositWithPermit(0, 1, 0, 0, 0, 0);
        vm.prank(UNPAUSER);
        vault.unpause();
        _trade(hex"00");
        vm.warp(block.timestamp + EXIT_MODE_AFTER);
        vault.enterExitMode();
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Custody.InExitMode.selector));
        vault.depositWithPermit(0, 1, 0, 0, 0, 0);
    }

    function test_WhoIsNotRegisteredIsCreditedByNoMask() external {
        assets.listExternal(3, address(cash), 1, type(uint128).max);
        cash.mint(ALICE, 10);
        vm.startPrank(ALICE);
        cash.approve(address(vault), 10);
        vault.deposit(3, 10);
        vm.stopPrank();
        bytes memory records = bytes.concat(
            Encoder.group(1),
            Encoder.single(ALICE_ID, 0, 3, -10),
            Encoder.single(99, 0, 3, 10)
        );
        BatchHeader memory header = _header(Batch.TRADE, records);
        vm.prank(SETTLER);
        vm.expectRevert(abi.encodeWithSelector(LaneStore.ClassRefused.selector, 99, 3, 0));
        vault.settle(header, records, new bytes[](0));
    }

    function _permit(address owner, uint256 amount) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 typehash = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
        );
        bytes32 statement = keccak256(
            abi.encode(typehash, owner, address(vault), amount, cash.nonces(owner), block.timestamp)
        );
        return vm.sign(KEY, keccak256(abi.encodePacked(hex"1901", cash.DOMAIN_SEPARATOR(), statement)));
    }

    function test_ARefusedTurnoverNamesItsAsset() external {
        vm.startPrank(OFFICER);
        vm.expectRevert(abi.encodeWithSelector(LaneStore.AmountOutOfRange.selector, 1 << 63));
        vault.setTurnoverCap(GOLD, 1 << 63);
        vault.setTurnoverCap(GOLD, 10);
        vm.stopPrank();
        _mint(GOLD, ALICE_ID, 11);
        bytes memory records = bytes.concat(
            Encoder.group(0),
            Encoder.single(ALICE_ID, 0, GOLD, -11),
            Encoder.single(BOB_ID, 0, GOLD, 11)
        );
        BatchHeader memory header = _header(Batch.TRADE, records);
        vm.prank(SETTLER);
        vm.expectRevert(abi.encodeWithSelector(Turnover.TurnoverExceeded.selector, GOLD, 11, 10));
        vault.settle(header, records, new bytes[](0));
    }

    function test_AnExpiryBeyondTheLastHourIsTheLastHourAndTouchesNoOtherFlag() external {
        vm.startPrank(address(registry));
        vault.syncFlags(ALICE_ID, 3, type(uint64).max, false);
        (uint8 class, uint256 expiresAt) = vault.flagsOf(ALICE_ID);
        Check.same(class, 3);
        Check.same(expiresAt, uint256(type(uint24).max) * 1 hours);
        Check.isTrue(!vault.isFrozen(ALICE_ID), "frozen");
        // Within the first hour of 1970 the account has ended, and 0 alone is never.
        vault.syncFlags(ALICE_ID, 3, 1, false);
        (, expiresAt) = vault.flagsOf(ALICE_ID);
        Check.same(expiresAt, 1 hours);
        vm.stopPrank();
    }

    function test_WhatTheVaultDoesNotHaveReadsAsNothing() external view {
        (address token, uint64 scale) = vault.listingOf(9);
        Check.same(token, address(0));
        Check.same(scale, 0);
        Check.same(vault.threshold(), 0);
        (uint64 requestedAt, uint64 readyAt, bool isSettled) = vault.exitOf(ALICE_ID);
        Check.same(requestedAt, 0);
        Check.same(readyAt, 0);
        Check.isTrue(!isSettled, "settled");
    }

    function test_LoweringACeilingNeverRaisesIt() external {
        vm.startPrank(PAUSER);
        supply.lowerCeiling(GOLD, CEILING - 10);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.CeilingNotLower.selector, CEILING - 9, CEILING - 10));
        supply.lowerCeiling(GOLD, CEILING - 9);
        vm.stopPrank();
    }

    function test_ACeilingRisesAtTheEndOfItsTimeAndNoSecondEarlier() external {
        vm.prank(OFFICER);
        supply.setLine(GOLD, CEILING, 100, 1 hours);
        _mint(GOLD, ALICE_ID, 50);
        uint256 raisable = block.timestamp + 1 hours;
        vm.warp(raisable - 1);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.CeilingNotRaisable.selector, GOLD, 100, raisable));
        supply.raiseCeiling(GOLD);
        vm.warp(raisable);
        Check.same(supply.raiseCeiling(GOLD), 150);
    }

    function test_ARequestThatWasServedEndsNothing() external {
        vm.prank(ALICE);
        vault.requestExit();
        uint256 requestedAt = block.timestamp;
        vm.warp(requestedAt + 1 hours);
        uint64 settledAt = uint64(block.timestamp);
        _settle(_header(Batch.HEARTBEAT, hex"00"), hex"00");
        vm.warp(requestedAt + EXIT_MODE_AFTER);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Exit.SettlementAlive.selector, settledAt));
        vault.enterExitMode();
    }

    function test_AWalletThatStillActsIsNotRecovered() external {
        vm.prank(ENFORCER);
        vm.expectRevert(abi.encodeWithSelector(AssetToken.NotRecoverable.selector, ALICE, ALICE));
        gold.recover(ALICE, ALICE, "evidence");
    }

    function test_AFrozenAccountClaimsNoRedemption() external {
        _grantOfAsset(Roles.ISSUER, GOLD, OFFICER, 0);
        _mint(GOLD, ALICE_ID, 50);
        vm.prank(SETTLER);
        vault.withdraw("gold", ALICE_ID, GOLD, 50);
        vm.startPrank(ALICE);
        gold.approve(address(supply), 50);
        uint256 id = supply.requestRedeem(GOLD, 50, 1);
        vm.stopPrank();
        cash.mint(OFFICER, 10);
        vm.startPrank(OFFICER);
        cash.approve(address(supply), 10);
        supply.settleRedeem(id, 50, 10, "price");
        vm.stopPrank();
        vm.prank(FREEZER);
        registry.freeze(ALICE_ID, "order");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.AccountFrozen.selector, ALICE_ID));
        supply.claimRedeem(id);
    }

    function test_AStatementInTheDecimalsOfAnEarlierRuleCountsAsNothing() external {
        address[] memory attestors = new address[](1);
        attestors[0] = vm.addr(7);
        vm.startPrank(OFFICER);
        gate.setAttestors(attestors, 1);
        gate.setRule(GOLD, 6, 1 days);
        vm.stopPrank();
        Reserve memory reserve = Reserve(GOLD, 1, uint64(block.timestamp), 6, 5_000, "report");
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Mooring"),
                keccak256("1"),
                block.chainid,
                address(gate)
            )
        );
        bytes32 typehash = keccak256(
            "Reserve(uint16 asset,uint64 nonce,uint64 asOf,uint8 decimals,int256 amount,bytes32 documentHash)"
        );
        bytes32 statement = keccak256(abi.encode(typehash, reserve));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(7, keccak256(abi.encodePacked(hex"1901", domain, statement)));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = abi.encodePacked(r, s, v);
        gate.attest(reserve, signatures);
        Check.same(gate.reserveOf(GOLD), 5_000);
        vm.prank(OFFICER);
        gate.setRule(GOLD, 4, 1 days);
        Check.same(gate.reserveOf(GOLD), 0);
    }
}
