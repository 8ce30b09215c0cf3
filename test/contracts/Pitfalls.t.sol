// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Attestation} from "../../contracts/settlement/Attestation.sol";
import {ClearingHouse} from "../../contracts/settlement/ClearingHouse.sol";
import {Custody} from "../../contracts/settlement/Custody.sol";
import {Records} from "../../contracts/settlement/Records.sol";
import {Turnover} from "../../contracts/settlement/Turnover.sol";
import {Batch, BatchHeader} from "../../contracts/types/Batch.sol";
import {Encoder} from "./Encoder.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice A token that calls the vault back while it is being moved.
contract CallingToken is ERC20("Calling", "CALL") {
    address private target;
    bytes private data;
    bytes4 public answer;

    function aim(address vault, bytes calldata call) external {
        (target, data) = (vault, call);
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (target == address(0) || from == address(0)) return;
        (bool done, bytes memory reason) = target.call(data);
        answer = done ? bytes4(0) : bytes4(reason);
    }
}

/// @notice What went wrong elsewhere, tried on the vault.
contract PitfallsTest is Suite {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    uint256 private constant ATTESTOR = 91;

    function _payment(int256 amount) private pure returns (bytes memory) {
        return
            bytes.concat(
                Encoder.group(0),
                Encoder.single(ALICE_ID, 0, 0, -amount),
                Encoder.single(BOB_ID, 0, 0, amount)
            );
    }

    function _attest() private {
        address[] memory one = new address[](1);
        one[0] = vm.addr(ATTESTOR);
        vm.prank(OFFICER);
        vault.setAttestors(one, 1);
    }

    function _signFor(BatchHeader memory header, uint256 chain, address target) private pure returns (bytes[] memory) {
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("Mooring"), keccak256("1"), chain, target));
        bytes32 hash = keccak256(abi.encode(Batch.TYPEHASH, header));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ATTESTOR, keccak256(abi.encodePacked(hex"1901", domain, hash)));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = abi.encodePacked(r, s, v);
        return signatures;
    }

    function _settleSigned(BatchHeader memory header, bytes[] memory signatures) private {
        vm.prank(SETTLER);
        vault.settle(header, hex"00", signatures);
    }

    function test_Pitfall8_NothingThatAUserDoesMakesABatchFail() external {
        _fund(ALICE, 100);
        bytes memory records = _payment(30);
        BatchHeader memory header = _header(Batch.TRADE, records);
        vm.startPrank(ALICE);
        cash.approve(address(vault), 0);
        vault.requestExit();
        vault.DVP_ORDERS().cancel(1);
        vm.stopPrank();
        vm.startPrank(BOB);
        vault.requestExit();
        vault.cancelExit();
        vm.stopPrank();
        vm.prank(FREEZER);
        registry.freeze(BOB_ID, "order");
        vm.prank(REGISTRAR);
        registry.setClass(ALICE_ID, 1, uint64(block.timestamp) + 1);
        vm.warp(block.timestamp + 2 days);
        _settle(header, records);
        Check.same(vault.balanceOf(BOB_ID, 0), 30);
    }

    function test_Pitfall10_TheLowestInt64IsNoSupplyChange() external {
        bytes memory records = bytes.concat(Encoder.group(0), Encoder.single(ALICE_ID, 0, GOLD, 5));
        BatchHeader memory header = _supplyHeader(GOLD, type(int64).min, records);
        vm.prank(SETTLER);
        vm.expectPartialRevert(ClearingHouse.MalformedHeader.selector);
        vault.settle(header, records, new bytes[](0));
    }

    function test_Pitfall11_AnAttestationHoldsForOneChainOneVaultAndOneHead() external {
        _attest();
        BatchHeader memory header = _header(Batch.HEARTBEAT, hex"00");
        bytes[] memory elsewhere = _signFor(header, block.chainid, address(registry));
        bytes[] memory forked = _signFor(header, block.chainid + 1, address(vault));
        bytes[] memory here = _signFor(header, block.chainid, address(vault));
        vm.expectPartialRevert(Attestation.NotAttestor.selector);
        _settleSigned(header, elsewhere);
        vm.expectPartialRevert(Attestation.NotAttestor.selector);
        _settleSigned(header, forked);
        _settleSigned(header, here);
        BatchHeader memory next = _header(Batch.HEARTBEAT, hex"00");
        _settleSigned(next, _signFor(next, block.chainid, address(vault)));
        bytes memory stale = abi.encodeWithSelector(ClearingHouse.WrongHead.selector, vault.head(), header.prevHead);
        vm.expectRevert(stale);
        _settleSigned(header, here);
    }

    function test_Pitfall15_AFreezeHoldsForWhatArrivesAfterIt() external {
        _fund(ALICE, 100);
        vm.prank(FREEZER);
        registry.freeze(BOB_ID, "order");
        _trade(_payment(30));
        bytes memory frozen = abi.encodeWithSelector(Custody.Frozen.selector, BOB_ID);
        vm.prank(SETTLER);
        vm.expectRevert(frozen);
        vault.withdraw("late", BOB_ID, 0, 30);
        vm.prank(BOB);
        vm.expectRevert(frozen);
        vault.requestExit();
        Check.same(vault.balanceOf(BOB_ID, 0), 30);
    }

    function makeVault(uint64 exitDelay, uint64 exitModeAfter) external returns (address) {
        bytes memory terms = abi.encode(authority, registry, assets, supply, exitDelay, exitModeAfter);
        return _new("ClearingHouse", terms);
    }

    function test_Pitfall17_AnExitIsShorterThanAnUpgradeAndThanTheWayIntoExitMode() external {
        Check.isTrue(authority.UPGRADE_DELAY() >= vault.EXIT_DELAY() + 2 hours, "upgrade delay");
        this.makeVault(1 days, 1 days + 1);
        bytes memory refused = abi.encodeWithSelector(Check.NotTrue.selector, "ClearingHouse");
        vm.expectRevert(refused);
        this.makeVault(1 days, 1 days);
        vm.expectRevert(refused);
        this.makeVault(0, 1 days);
    }

    function test_Pitfall23_ATokenThatCallsBackCannotReenterAndTheGuardEndsWithTheCall() external {
        CallingToken token = new CallingToken();
        assets.listExternal(3, address(token), 1, ALL_CLASSES);
        _register(30, address(token), 1, 0);
        token.mint(ALICE, 10);
        uint16[] memory list = new uint16[](1);
        list[0] = 3;
        bytes[3] memory calls = [
            abi.encodeCall(vault.deposit, (3, 1)),
            abi.encodeCall(vault.executeExit, (list)),
            abi.encodeCall(vault.depositWithPermit, (3, 1, block.timestamp, 27, "", ""))
        ];
        vm.startPrank(ALICE);
        token.approve(address(vault), 10);
        for (uint256 i = 0; i < calls.length; ++i) {
            token.aim(address(vault), calls[i]);
            vault.deposit(3, 1);
            Check.same(
                bytes32(token.answer()),
                bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
            );
        }
        vm.stopPrank();
        Check.same(vault.balanceOf(ALICE_ID, 3), 3);
    }

    function test_Pitfall26_AStolenSettlerKeyIsBoundedByAttestorsCapsAndPauses() external {
        _fund(ALICE, 1_000);
        vm.prank(OFFICER);
        vault.setTurnoverCap(0, 100);
        BatchHeader memory header = _header(Batch.TRADE, _payment(101));
        vm.prank(SETTLER);
        vm.expectRevert(abi.encodeWithSelector(Turnover.TurnoverExceeded.selector, 0, 101, 100));
        vault.settle(header, _payment(101), new bytes[](0));
        _attest();
        header = _header(Batch.HEARTBEAT, hex"00");
        vm.expectRevert(abi.encodeWithSelector(Attestation.AttestationCount.selector, 0, 1));
        _settleSigned(header, new bytes[](0));
        vm.prank(PAUSER);
        vault.pause();
        bytes[4] memory calls = [
            abi.encodeCall(vault.unpause, ()),
            abi.encodeCall(vault.setTurnoverCap, (0, 0)),
            abi.encodeCall(vault.setAttestors, (new address[](0), 0)),
            abi.encodeCall(vault.setAuthority, (SETTLER))
        ];
        bytes memory refusal = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, SETTLER);
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(SETTLER);
            (bool done, bytes memory reason) = address(vault).call(calls[i]);
            Check.isTrue(!done, "refused");
            Check.same(keccak256(reason), keccak256(refusal));
        }
    }

    function testFuzz_Pitfall28_LanesTotalsAndTokensAgree(uint64 paid, uint64 traded, uint64 minted) external {
        vm.assume(paid > 0 && paid < 1 << 60 && minted > 0 && minted <= CEILING);
        int256 moved = int256(uint256(traded % paid)) + 1;
        _fund(ALICE, paid);
        _trade(_payment(moved));
        _mint(GOLD, BOB_ID, int64(minted));
        _requireAgreement();
        vm.startPrank(SETTLER);
        vault.withdraw("cash", BOB_ID, 0, uint256(moved));
        vault.withdraw("gold", BOB_ID, GOLD, minted);
        vm.stopPrank();
        _requireAgreement();
        Check.same(gold.balanceOf(BOB), uint256(minted) * assets.scaleOf(GOLD));
    }

    function _requireAgreement() private view {
        uint256 cashLanes;
        uint256 goldLanes;
        for (uint32 account = 1; account <= BOB_ID; ++account) {
            cashLanes += vault.balanceOf(account, 0);
            goldLanes += vault.balanceOf(account, GOLD);
        }
        Check.same(vault.totalOf(0), cashLanes);
        Check.same(vault.totalOf(GOLD), goldLanes);
        Check.same(cash.balanceOf(address(vault)), cashLanes);
        Check.same(gold.balanceOf(address(vault)), goldLanes * assets.scaleOf(GOLD));
    }
}
