// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ClearingHouse} from "../../contracts/settlement/ClearingHouse.sol";
import {Attestation} from "../../contracts/settlement/Attestation.sol";
import {Custody} from "../../contracts/settlement/Custody.sol";
import {LaneStore} from "../../contracts/settlement/LaneStore.sol";
import {Records} from "../../contracts/settlement/Records.sol";
import {Turnover} from "../../contracts/settlement/Turnover.sol";
import {Batch, BatchHeader} from "../../contracts/types/Batch.sol";
import {Encoder} from "./Encoder.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice The vault with the whole suite around it: deposits, batches, withdrawals.
contract ClearingHouseTest is Suite {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    function _pay(uint32 from, uint32 to, uint16 asset, int256 amount) private pure returns (bytes memory) {
        (uint32 low, uint32 high, int256 change) = from < to ? (from, to, -amount) : (to, from, amount);
        return
            bytes.concat(
                Encoder.group(asset / 3),
                Encoder.single(low, 0, asset, change),
                Encoder.single(high, 0, asset, -change)
            );
    }

    function test_ADepositCreditsTheCallersAccount() external {
        _fund(ALICE, 100);
        Check.same(vault.balanceOf(ALICE_ID, 0), 100);
        Check.same(vault.totalOf(0), 100);
        Check.same(cash.balanceOf(address(vault)), 100);
    }

    function test_ADepositOfNothingOrOfAnUnknownAssetIsRefused() external {
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Custody.ZeroAmount.selector));
        vault.deposit(0, 0);
        vm.expectRevert(abi.encodeWithSelector(Custody.UnknownAsset.selector, 9));
        vault.deposit(9, 5);
        vm.stopPrank();
    }

    function test_ADepositMustDivideByTheScale() external {
        assets.listExternal(3, address(cash), 1_000, ALL_CLASSES);
        cash.mint(ALICE, 5_500);
        vm.startPrank(ALICE);
        cash.approve(address(vault), 5_500);
        vm.expectRevert(abi.encodeWithSelector(Custody.NotDivisible.selector, 5_500, 1_000));
        vault.deposit(3, 5_500);
        vault.deposit(3, 5_000);
        vm.stopPrank();
        Check.same(vault.balanceOf(ALICE_ID, 3), 5);
        vm.prank(SETTLER);
        vault.withdraw("scaled", ALICE_ID, 3, 2);
        Check.same(cash.balanceOf(ALICE), 2_500);
        Check.same(assets.scaleOf(3), 1_000);
    }

    function test_ADepositNeedsACurrentAccountOfAnAllowedClass() external {
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(Custody.Unregistered.selector, STRANGER));
        vault.deposit(0, 5);
        uint64 expiry = uint64(block.timestamp) + 7_200;
        _register(18, address(0xc), 3, expiry);
        vm.prank(address(0xc));
        vm.expectRevert(abi.encodeWithSelector(LaneStore.ClassRefused.selector, 18, GOLD, 3));
        vault.deposit(GOLD, 5);
        vm.warp(expiry);
        vm.prank(address(0xc));
        vm.expectRevert(abi.encodeWithSelector(Custody.Expired.selector, 18, (expiry / 3_600) * 3_600));
        vault.deposit(0, 5);
    }

    function test_ADepositMayNotPushTheSumOfLanesOutOfRange() external {
        uint256 most = (1 << 63) - 1;
        _fund(ALICE, most);
        cash.mint(BOB, 1);
        vm.startPrank(BOB);
        cash.approve(address(vault), 1);
        vm.expectRevert(abi.encodeWithSelector(LaneStore.TotalOutOfRange.selector, 0));
        vault.deposit(0, 1);
        vm.stopPrank();
    }

    function test_ATradeMovesLanesAndTheHead() external {
        _fund(ALICE, 100);
        bytes memory records = _pay(ALICE_ID, BOB_ID, 0, 30);
        BatchHeader memory header = _header(Batch.TRADE, records);
        bytes32 head = keccak256(abi.encode(Batch.TYPEHASH, header));
        vm.expectEmit(address(vault));
        emit ClearingHouse.BatchSettled(1, head, header.journalHash);
        _settle(header, records);
        Check.same(vault.head(), head);
        Check.same(vault.sequence(), 1);
        Check.same(vault.balanceOf(ALICE_ID, 0), 70);
        Check.same(vault.balanceOf(BOB_ID, 0), 30);
        Check.same(vault.totalOf(0), 100);
    }

    function test_TheSameBatchAgainChangesNothing() external {
        _fund(ALICE, 100);
        bytes memory records = _pay(ALICE_ID, BOB_ID, 0, 30);
        BatchHeader memory header = _header(Batch.TRADE, records);
        _settle(header, records);
        bytes32 head = vault.head();
        vm.prank(PAUSER);
        vault.pause();
        _settle(header, records);
        Check.same(vault.head(), head);
        Check.same(vault.balanceOf(BOB_ID, 0), 30);
        // Access is checked first.
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        vault.settle(header, records, new bytes[](0));
    }

    function test_AHeaderMustContinueTheChain() external {
        bytes memory none = hex"00";
        BatchHeader memory header = _header(Batch.TRADE, none);
        header.prevHead = "elsewhere";
        bytes32 head = vault.head();
        _refuse(header, none, abi.encodeWithSelector(ClearingHouse.WrongHead.selector, head, bytes32("elsewhere")));
        header = _header(Batch.TRADE, none);
        header.sequence = 2;
        _refuse(header, none, abi.encodeWithSelector(ClearingHouse.WrongSequence.selector, 1, 2));
        header = _header(Batch.TRADE, none);
        header.recordsHash = "other";
        bytes memory wrong = abi.encodeWithSelector(
            ClearingHouse.WrongRecords.selector,
            keccak256(none),
            bytes32("other")
        );
        _refuse(header, none, wrong);
    }

    function test_KindAndSupplyFieldsMustAgree() external {
        bytes memory none = hex"00";
        for (uint8 kind = 0; kind < 6; ++kind) {
            BatchHeader memory header = _header(kind, none);
            if (kind == Batch.TRADE || kind == Batch.HEARTBEAT) (header.supplyChange, header.supplyAsset) = (1, 0);
            bytes memory reason = abi.encodeWithSelector(
                ClearingHouse.MalformedHeader.selector,
                kind,
                0,
                header.supplyChange
            );
            _refuse(header, none, reason);
        }
        BatchHeader memory named = _header(Batch.TRADE, none);
        named.supplyAsset = GOLD;
        _refuse(named, none, abi.encodeWithSelector(ClearingHouse.MalformedHeader.selector, 1, GOLD, 0));
    }

    function _refuseSum(
        BatchHeader memory header,
        bytes memory records,
        uint16 group,
        uint256 credits,
        uint256 debits
    ) private {
        _refuse(header, records, abi.encodeWithSelector(Records.Unbalanced.selector, group, credits, debits));
    }

    function test_AHeartbeatHasNoRecords() external {
        _fund(ALICE, 100);
        bytes memory records = _pay(ALICE_ID, BOB_ID, 0, 30);
        BatchHeader memory header = _header(Batch.HEARTBEAT, records);
        _refuse(header, records, abi.encodeWithSelector(ClearingHouse.HeartbeatWithRecords.selector, records.length));
        vm.warp(block.timestamp + 86_400);
        _settle(_header(Batch.HEARTBEAT, hex"00"), hex"00");
        (uint64 closeTime, uint64 settledAt) = vault.lastBatch();
        Check.same(closeTime, block.timestamp);
        Check.same(settledAt, block.timestamp);
    }

    function test_ASupplyBatchMintsToTheVaultAndBurnsFromIt() external {
        _mint(GOLD, ALICE_ID, 500);
        Check.same(vault.balanceOf(ALICE_ID, GOLD), 500);
        Check.same(gold.totalSupply(), 500);
        Check.same(gold.balanceOf(address(vault)), 500);
        Check.same(vault.totalOf(GOLD), 500);
        _mint(GOLD, ALICE_ID, -200);
        Check.same(gold.totalSupply(), 300);
        Check.same(vault.totalOf(GOLD), 300);
    }

    function test_ASupplyBatchMovesNothingButTheDeclaredChange() external {
        _fund(ALICE, 1_000);
        _mint(GOLD, BOB_ID, 10);
        int256[3] memory legs = [int256(1_000), -1, 0];
        bytes memory records = bytes.concat(
            Encoder.group(0),
            Encoder.single(ALICE_ID, 0, 0, -1_000),
            Encoder.record(BOB_ID, 0, legs)
        );
        // However balanced, it would pass the turnover limit.
        _refuseSum(_supplyHeader(GOLD, -1, records), records, 0, 1_000, 1_000 | (uint256(1) << 72));
        records = bytes.concat(
            Encoder.group(0),
            Encoder.single(ALICE_ID, 0, GOLD, 9),
            Encoder.single(BOB_ID, 0, GOLD, -8)
        );
        _refuseSum(_supplyHeader(GOLD, 1, records), records, 0, uint256(9) << 72, uint256(8) << 72);
    }

    /// @dev After a reorganisation the same batch may meet a block that is older than the one it names.
    function test_ABatchKnowsOfNothingAfterItsOwnBlock() external {
        BatchHeader memory header = _header(Batch.HEARTBEAT, hex"00");
        header.closeTime = type(uint64).max;
        _settle(header, hex"00");
        (uint64 closeTime, ) = vault.lastBatch();
        assert(closeTime == block.timestamp);

        header = _header(Batch.HEARTBEAT, hex"00");
        header.closeTime = closeTime - 1;
        _settle(header, hex"00");
        (uint64 afterwards, ) = vault.lastBatch();
        assert(afterwards == closeTime);
    }

    function test_ASupplyBatchOfAnUnlistedGroupOrAssetIsRefused() external {
        bytes memory records = hex"00";
        BatchHeader memory header = _supplyHeader(GOLD, 5, records);
        _refuse(header, records, abi.encodeWithSelector(Records.SupplyGroupMissing.selector, GOLD));
        records = bytes.concat(Encoder.group(3), Encoder.single(1, 0, 9, 5));
        header = _supplyHeader(9, 5, records);
        _refuse(header, records, abi.encodeWithSelector(LaneStore.ClassRefused.selector, 1, 9, 84));
    }

    function test_AWithdrawalPaysTheRegisteredWalletOncePerId() external {
        _fund(ALICE, 100);
        vm.startPrank(SETTLER);
        vm.expectEmit(address(vault));
        emit Custody.Withdrawn("one", ALICE_ID, 0, 60);
        vault.withdraw("one", ALICE_ID, 0, 60);
        Check.same(cash.balanceOf(ALICE), 60);
        Check.same(vault.balanceOf(ALICE_ID, 0), 40);
        Check.same(vault.totalOf(0), 40);
        vm.expectRevert(abi.encodeWithSelector(Custody.AlreadyWithdrawn.selector, bytes32("one")));
        vault.withdraw("one", ALICE_ID, 0, 10);
        vm.expectRevert(abi.encodeWithSelector(LaneStore.LaneOutOfRange.selector, BOB_ID, 0));
        vault.withdraw("two", BOB_ID, 0, 10);
        vm.expectRevert(abi.encodeWithSelector(Custody.NoWallet.selector, 1));
        vault.withdraw("three", 1, 0, 10);
        vm.expectRevert(abi.encodeWithSelector(Custody.ZeroAmount.selector));
        vault.withdraw("four", ALICE_ID, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Custody.UnknownAsset.selector, 9));
        vault.withdraw("five", ALICE_ID, 9, 1);
        vm.stopPrank();
    }

    function test_AnExpiredOrReclassedAccountIsStillPaidAndSettled() external {
        _fund(ALICE, 100);
        _mint(GOLD, ALICE_ID, 100);
        vm.prank(REGISTRAR);
        registry.setClass(ALICE_ID, 9, uint64(block.timestamp) + 3_600);
        vm.warp(block.timestamp + 90_000);
        _trade(_pay(ALICE_ID, BOB_ID, 0, 30));
        vm.prank(SETTLER);
        vault.withdraw("gold", ALICE_ID, GOLD, 100);
        Check.same(gold.balanceOf(ALICE), 100);
    }

    function test_PauseStopsDepositSettleAndWithdraw() external {
        _fund(ALICE, 100);
        vm.prank(PAUSER);
        vault.pause();
        bytes memory paused = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        vm.prank(ALICE);
        vm.expectRevert(paused);
        vault.deposit(0, 5);
        bytes memory records = _pay(ALICE_ID, BOB_ID, 0, 30);
        _refuse(_header(Batch.TRADE, records), records, paused);
        vm.prank(SETTLER);
        vm.expectRevert(paused);
        vault.withdraw("one", ALICE_ID, 0, 5);

        vm.prank(PAUSER);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, PAUSER));
        vault.unpause();
        vm.prank(UNPAUSER);
        vault.unpause();
        _trade(records);
    }

    function test_ATurnoverCapHoldsForAnHour() external {
        _fund(ALICE, 1_000);
        vm.startPrank(OFFICER);
        vault.setTurnoverCap(0, 100);
        vm.expectRevert(abi.encodeWithSelector(Custody.UnknownAsset.selector, 9));
        vault.setTurnoverCap(9, 100);
        vm.stopPrank();
        _mint(GOLD, ALICE_ID, 5_000);
        _trade(_pay(ALICE_ID, BOB_ID, 0, 60));
        _trade(_pay(ALICE_ID, BOB_ID, GOLD, 5_000));
        (uint256 cap, uint256 used) = vault.turnoverOf(0);
        Check.same(cap, 100);
        Check.same(used, 60);
        bytes memory records = _pay(ALICE_ID, BOB_ID, 0, 41);
        BatchHeader memory header = _header(Batch.TRADE, records);
        _refuse(header, records, abi.encodeWithSelector(Turnover.TurnoverExceeded.selector, 0, 101, 100));
        vm.warp(block.timestamp + 3_600);
        _trade(records);
    }

    function test_ACapBelowWhatTheHourHasUsedStopsOneAssetOnly() external {
        _fund(ALICE, 1_000);
        vm.prank(OFFICER);
        vault.setTurnoverCap(0, 100);
        _mint(GOLD, ALICE_ID, 5_000);
        _trade(_pay(ALICE_ID, BOB_ID, 0, 60));
        vm.prank(OFFICER);
        vault.setTurnoverCap(0, 50);
        bytes memory records = _pay(ALICE_ID, BOB_ID, 0, 1);
        BatchHeader memory header = _header(Batch.TRADE, records);
        _refuse(header, records, abi.encodeWithSelector(Turnover.TurnoverExceeded.selector, 0, 61, 50));
        _trade(_pay(ALICE_ID, BOB_ID, GOLD, 5_000));
    }

    function test_NOfMAttestationsAreNeededOnceAttestorsExist() external {
        bytes memory none = hex"00";
        BatchHeader memory header = _header(Batch.HEARTBEAT, none);
        bytes[] memory signatures = new bytes[](2);
        vm.prank(SETTLER);
        vm.expectRevert(abi.encodeWithSelector(Attestation.AttestationCount.selector, 2, 0));
        vault.settle(header, none, signatures);

        uint256[3] memory keys = _setAttestors();
        bytes32 digest = _digest(header);
        signatures[0] = _sign(keys[2], digest);
        signatures[1] = _sign(keys[0], digest);
        _refuseSigned(header, signatures, Attestation.AttestorsNotAscending.selector);
        signatures[1] = signatures[0];
        _refuseSigned(header, signatures, Attestation.AttestorsNotAscending.selector);
        signatures[0] = _sign(keys[0], keccak256("something else"));
        _refuseSigned(header, signatures, Attestation.NotAttestor.selector);
        _refuseSigned(header, new bytes[](1), Attestation.AttestationCount.selector);
        signatures[0] = _sign(keys[0], digest);
        vm.prank(SETTLER);
        vault.settle(header, none, signatures);
        Check.same(vault.sequence(), 1);
    }

    function test_AReplacedAttestorNoLongerCounts() external {
        uint256[3] memory keys = _setAttestors();
        address[] memory two = new address[](2);
        (two[0], two[1]) = (vm.addr(keys[0]), vm.addr(keys[2]));
        vm.prank(OFFICER);
        vault.setAttestors(two, 2);
        BatchHeader memory header = _header(Batch.HEARTBEAT, hex"00");
        bytes32 digest = _digest(header);
        bytes[] memory signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (_sign(keys[0], digest), _sign(keys[1], digest));
        vm.prank(SETTLER);
        vm.expectRevert(abi.encodeWithSelector(Attestation.NotAttestor.selector, vm.addr(keys[1])));
        vault.settle(header, hex"00", signatures);
        signatures[1] = _sign(keys[2], digest);
        vm.prank(SETTLER);
        vault.settle(header, hex"00", signatures);
        Check.same(vault.sequence(), 1);
    }

    function test_AttestorsAndThresholdMustMakeSense() external {
        address[] memory two = new address[](2);
        (two[0], two[1]) = (address(2), address(1));
        vm.startPrank(OFFICER);
        vm.expectRevert(abi.encodeWithSelector(Attestation.AttestorsNotAscending.selector, address(1)));
        vault.setAttestors(two, 1);
        vm.expectRevert(abi.encodeWithSelector(Attestation.ThresholdOutOfRange.selector, 3, 2));
        vault.setAttestors(two, 3);
        vm.expectRevert(abi.encodeWithSelector(Attestation.ThresholdOutOfRange.selector, 0, 2));
        vault.setAttestors(two, 0);
        (two[0], two[1]) = (address(1), address(2));
        vault.setAttestors(two, 2);
        vault.setAttestors(new address[](0), 0);
        vm.stopPrank();
        Check.same(vault.attestors().length, 0);
        _settle(_header(Batch.HEARTBEAT, hex"00"), hex"00");
    }

    function test_ThirtyTwoAttestorsAreTheMost() external {
        address[] memory most = new address[](32);
        address[] memory more = new address[](33);
        for (uint160 i = 0; i < 32; ++i) (most[i], more[i]) = (address(i + 1), address(i + 1));
        more[32] = address(33);
        vm.startPrank(OFFICER);
        vault.setAttestors(most, 32);
        vm.expectRevert(abi.encodeWithSelector(Attestation.ThresholdOutOfRange.selector, 32, 33));
        vault.setAttestors(more, 32);
        vm.stopPrank();
        Check.same(vault.attestors().length, 32);
    }

    function test_BalancesAreReadPairwise() external {
        _fund(ALICE, 100);
        _mint(GOLD, BOB_ID, 7);
        uint32[] memory accounts = new uint32[](2);
        uint16[] memory ids = new uint16[](2);
        (accounts[0], accounts[1], ids[0], ids[1]) = (ALICE_ID, BOB_ID, 0, GOLD);
        uint256[] memory balances = vault.balancesOf(accounts, ids);
        Check.isTrue(balances[0] == 100 && balances[1] == 7, "pairs");
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.LengthMismatch.selector, 2, 1));
        vault.balancesOf(accounts, new uint16[](1));
    }

    function test_EveryRestrictedFunctionRefusesAStranger() external {
        bytes[7] memory calls = [
            abi.encodeCall(vault.settle, (_header(3, hex"00"), hex"00", new bytes[](0))),
            abi.encodeCall(vault.withdraw, ("id", ALICE_ID, 0, 1)),
            abi.encodeCall(vault.pause, ()),
            abi.encodeCall(vault.unpause, ()),
            abi.encodeCall(vault.setAttestors, (new address[](0), 0)),
            abi.encodeCall(vault.setTurnoverCap, (0, 1)),
            abi.encodeCall(vault.setAuthority, (STRANGER))
        ];
        for (uint256 i = 0; i < calls.length; ++i) _refuseStranger(address(vault), calls[i]);
        vm.startPrank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotAssetRegistry.selector, STRANGER));
        vault.listAsset(5, address(cash), 1, ALL_CLASSES);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotInvestorRegistry.selector, STRANGER));
        vault.syncFlags(18, 1, 0, false);
        vm.expectRevert(abi.encodeWithSelector(ClearingHouse.NotInvestorRegistry.selector, STRANGER));
        vault.syncWallet(STRANGER, 18);
        vm.stopPrank();
    }

    function _refuseStranger(address target, bytes memory data) private {
        vm.prank(STRANGER);
        (bool done, bytes memory reason) = target.call(data);
        Check.isTrue(!done, "refused");
        bytes memory expected = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
        Check.same(keccak256(reason), keccak256(expected));
    }

    function _refuse(BatchHeader memory header, bytes memory records, bytes memory reason) private {
        vm.prank(SETTLER);
        vm.expectRevert(reason);
        vault.settle(header, records, new bytes[](0));
    }

    function _refuseSigned(BatchHeader memory header, bytes[] memory signatures, bytes4 reason) private {
        vm.prank(SETTLER);
        vm.expectPartialRevert(reason);
        vault.settle(header, hex"00", signatures);
    }

    function _setAttestors() private returns (uint256[3] memory keys) {
        keys = [uint256(1), 2, 3];
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(keys[j]) < vm.addr(keys[i])) (keys[i], keys[j]) = (keys[j], keys[i]);
            }
        }
        address[] memory three = new address[](3);
        for (uint256 i = 0; i < 3; ++i) three[i] = vm.addr(keys[i]);
        vm.prank(OFFICER);
        vault.setAttestors(three, 2);
    }

    function _digest(BatchHeader memory header) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256("Mooring"), keccak256("1"), block.chainid, address(vault))
        );
        return keccak256(abi.encodePacked(hex"1901", domain, keccak256(abi.encode(Batch.TYPEHASH, header))));
    }

    function _sign(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
