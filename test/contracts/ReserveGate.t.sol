// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Attestation} from "../../contracts/settlement/Attestation.sol";
import {IReserveGate} from "../../contracts/supply/IReserveGate.sol";
import {Reserve, ReserveGate} from "../../contracts/supply/ReserveGate.sol";
import {SupplyController} from "../../contracts/supply/SupplyController.sol";
import {BatchHeader} from "../../contracts/types/Batch.sol";
import {Encoder} from "./Encoder.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice Attested reserves: who may state them, when they count, and what they allow to mint.
contract ReserveGateTest is Suite {
    uint16 private constant SILVER = 7;
    uint32 private constant MAX_AGE = 1 days;
    bytes32 private constant DOMAIN = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    /// @dev Keys of the attestors, ascending by address.
    uint256[] private _keys;

    function setUp() public override {
        super.setUp();
        _create(SILVER, "SLV", 6, true);
        _keys = _ascending();
        address[] memory signers = new address[](3);
        for (uint256 i = 0; i < 3; ++i) signers[i] = vm.addr(_keys[i]);
        vm.startPrank(OFFICER);
        gate.setAttestors(signers, 2);
        gate.setRule(SILVER, 8, MAX_AGE);
        supply.setReserveGate(gate);
        vm.stopPrank();
    }

    function _ascending() private pure returns (uint256[] memory keys) {
        keys = new uint256[](3);
        (keys[0], keys[1], keys[2]) = (11, 12, 13);
        for (uint256 i = 0; i < 2; ++i) {
            for (uint256 j = 0; j < 2; ++j) {
                if (vm.addr(keys[j]) > vm.addr(keys[j + 1])) (keys[j], keys[j + 1]) = (keys[j + 1], keys[j]);
            }
        }
    }

    function _reserve(uint64 nonce, int256 amount) private view returns (Reserve memory) {
        return Reserve(SILVER, nonce, uint64(block.timestamp), 8, amount, keccak256("report"));
    }

    function _digest(Reserve memory reserve, address verifier, uint256 chainId) private pure returns (bytes32) {
        bytes32 separator = keccak256(abi.encode(DOMAIN, keccak256("Mooring"), keccak256("1"), chainId, verifier));
        bytes32 typehash = keccak256(
            "Reserve(uint16 asset,uint64 nonce,uint64 asOf,uint8 decimals,int256 amount,bytes32 documentHash)"
        );
        return keccak256(abi.encodePacked(hex"1901", separator, keccak256(abi.encode(typehash, reserve))));
    }

    function _sign(bytes32 digest, uint256 first, uint256 second) private view returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        signatures[0] = _signature(_keys[first], digest);
        signatures[1] = _signature(_keys[second], digest);
    }

    function _signature(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _signed(Reserve memory reserve) private view returns (bytes[] memory) {
        return _sign(_digest(reserve, address(gate), block.chainid), 0, 2);
    }

    function _attest(Reserve memory reserve) private {
        gate.attest(reserve, _signed(reserve));
    }

    function _refuse(Reserve memory reserve, bytes memory reason) private {
        bytes[] memory signatures = _signed(reserve);
        vm.expectRevert(reason);
        gate.attest(reserve, signatures);
    }

    function _refuseMint(int64 change, uint256 reserve) private {
        bytes memory records = bytes.concat(Encoder.group(SILVER / 3), Encoder.single(ALICE_ID, 0, SILVER, change));
        BatchHeader memory header = _supplyHeader(SILVER, change, records);
        uint256 next = uint64(change) + _silver().totalSupply();
        vm.prank(SETTLER);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.ReserveExceeded.selector, SILVER, next, reserve));
        vault.settle(header, records, new bytes[](0));
    }

    function _silver() private view returns (IERC20) {
        return IERC20(assets.tokenOf(SILVER));
    }

    function test_TwoOfThreeAttestorsMakeAReserveThatSupplyMayGrowTo() external {
        _refuseMint(1, 0);
        _attest(_reserve(1, 1_234_567));
        // 0.01234567 in 8 decimals is 12345 atoms of 6 decimals, the rest is lost.
        Check.same(gate.reserveOf(SILVER), 12_345);
        Check.same(gate.headroom(SILVER), 12_345);
        _mint(SILVER, ALICE_ID, 12_345);
        Check.same(gate.headroom(SILVER), 0);
        _refuseMint(1, 12_345);
    }

    function test_Pitfall12_UnsetReservesCountAsNothing() external {
        Check.same(gate.reserveOf(SILVER), 0);
        Check.same(gate.headroom(SILVER), 0);
        Check.same(gate.reserveOf(GOLD), 0);
        Reserve memory reserve = _reserve(1, 10);
        reserve.asset = GOLD;
        _refuse(reserve, abi.encodeWithSelector(ReserveGate.UnknownAsset.selector, GOLD));
        vm.prank(OFFICER);
        supply.setReserveGate(IReserveGate(address(0)));
        _refuseMint(1, 0);
    }

    function test_Pitfall12_AStaleReserveCountsAsNothingAndMaxAgeZeroIsNotForever() external {
        _attest(_reserve(1, 100_000));
        vm.warp(block.timestamp + MAX_AGE);
        Check.same(gate.reserveOf(SILVER), 1_000);
        vm.warp(block.timestamp + 1);
        Check.same(gate.reserveOf(SILVER), 0);
        _refuseMint(1, 0);
        vm.prank(OFFICER);
        gate.setRule(SILVER, 8, 0);
        Check.same(gate.reserveOf(SILVER), 0);
        _refuse(_reserve(2, 5), abi.encodeWithSelector(ReserveGate.UnknownAsset.selector, SILVER));
    }

    function test_Pitfall12_ANegativeReserveCountsAsNothing() external {
        _attest(_reserve(1, 100_000));
        _attest(_reserve(2, -1));
        Check.same(gate.reserveOf(SILVER), 0);
        _refuseMint(1, 0);
        _attest(_reserve(3, type(int256).min));
        Check.same(gate.reserveOf(SILVER), 0);
    }

    function test_Pitfall12_AFutureDatedReserveIsRefusedAndCountsAsNothing() external {
        Reserve memory reserve = _reserve(1, 100_000);
        reserve.asOf += 1;
        _refuse(reserve, abi.encodeWithSelector(ReserveGate.FutureStatement.selector, reserve.asOf, block.timestamp));
        vm.warp(block.timestamp + 1);
        _attest(reserve);
        Check.same(gate.reserveOf(SILVER), 1_000);
        // The chain may be reorganised to an earlier time.
        vm.warp(block.timestamp - 1);
        Check.same(gate.reserveOf(SILVER), 0);
    }

    function test_Pitfall12_OtherDecimalsAreRefusedAndCountAsNothing() external {
        Reserve memory reserve = _reserve(1, 100_000);
        reserve.decimals = 18;
        _refuse(reserve, abi.encodeWithSelector(ReserveGate.WrongDecimals.selector, 18, 8));
        reserve.decimals = 8;
        _attest(reserve);
        vm.prank(OFFICER);
        gate.setRule(SILVER, 18, MAX_AGE);
        Check.same(gate.reserveOf(SILVER), 0);
        _refuseMint(1, 0);
    }

    function test_Pitfall12_BurningIsNeverGated() external {
        _attest(_reserve(1, 100_000));
        _mint(SILVER, ALICE_ID, 1_000);
        _attest(_reserve(2, -5));
        _mint(SILVER, ALICE_ID, -400);
        Check.same(_silver().totalSupply(), 600);
        Check.same(gate.headroom(SILVER), 0);
    }

    function test_Pitfall11_AStatementCountsOnceOnOneChainInOneContract() external {
        Reserve memory reserve = _reserve(7, 100_000);
        bytes[] memory elsewhere = _sign(_digest(reserve, address(vault), block.chainid), 0, 1);
        vm.expectRevert();
        gate.attest(reserve, elsewhere);
        elsewhere = _sign(_digest(reserve, address(gate), block.chainid + 1), 0, 1);
        vm.expectRevert();
        gate.attest(reserve, elsewhere);
        _attest(reserve);
        _refuse(reserve, abi.encodeWithSelector(ReserveGate.StaleNonce.selector, 7, 7));
        _refuse(_reserve(6, 1), abi.encodeWithSelector(ReserveGate.StaleNonce.selector, 6, 7));
        Reserve memory older = _reserve(8, 1);
        older.asOf -= 1;
        _refuse(older, abi.encodeWithSelector(ReserveGate.OlderStatement.selector, older.asOf, reserve.asOf));
    }

    function test_OneAttestorOrAStrangerOrTheSameTwiceIsNotEnough() external {
        Reserve memory reserve = _reserve(1, 100_000);
        bytes32 digest = _digest(reserve, address(gate), block.chainid);
        bytes[] memory one = new bytes[](1);
        one[0] = _signature(_keys[0], digest);
        vm.expectRevert(abi.encodeWithSelector(Attestation.AttestationCount.selector, 1, 2));
        gate.attest(reserve, one);
        bytes[] memory twice = _sign(digest, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(Attestation.AttestorsNotAscending.selector, vm.addr(_keys[1])));
        gate.attest(reserve, twice);
        bytes[] memory strange = _sign(digest, 0, 1);
        strange[vm.addr(99) > vm.addr(_keys[0]) ? 1 : 0] = _signature(99, digest);
        if (vm.addr(99) < vm.addr(_keys[0])) strange[1] = _signature(_keys[0], digest);
        vm.expectRevert(abi.encodeWithSelector(Attestation.NotAttestor.selector, vm.addr(99)));
        gate.attest(reserve, strange);
    }

    function test_WithoutAttestorsNothingCanBeStated() external {
        vm.prank(OFFICER);
        gate.setAttestors(new address[](0), 0);
        vm.expectRevert(abi.encodeWithSelector(ReserveGate.NoAttestors.selector));
        gate.attest(_reserve(1, 100_000), new bytes[](0));
    }

    function test_Pitfall12_WhatReplacedAttestorsStatedCountsAsUnset() external {
        Reserve memory stated = _reserve(1, 100_000);
        bytes[] memory signatures = _signed(stated);
        gate.attest(stated, signatures);
        Check.same(gate.reserveOf(SILVER), 1_000);
        // The second goes; the two who signed stay.
        address[] memory two = new address[](2);
        (two[0], two[1]) = (vm.addr(_keys[0]), vm.addr(_keys[2]));
        vm.prank(OFFICER);
        gate.setAttestors(two, 2);
        Check.same(gate.reserveOf(SILVER), 0);
        Check.same(gate.headroom(SILVER), 0);
        _refuseMint(1, 0);
        // What was stated before does not come back, a new statement counts at once.
        vm.expectRevert(abi.encodeWithSelector(ReserveGate.StaleNonce.selector, 1, 1));
        gate.attest(stated, signatures);
        _attest(_reserve(2, 200_000));
        Check.same(gate.reserveOf(SILVER), 2_000);
        // The same attestors set again are others as well.
        vm.prank(OFFICER);
        gate.setAttestors(two, 2);
        Check.same(gate.reserveOf(SILVER), 0);
    }

    function test_OnlyTheReserveAdminSetsRulesAndAttestors() external {
        bytes memory unauthorized = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
        vm.startPrank(STRANGER);
        vm.expectRevert(unauthorized);
        gate.setRule(SILVER, 8, 1);
        vm.expectRevert(unauthorized);
        gate.setAttestors(new address[](0), 0);
        vm.stopPrank();
    }

    function test_ARuleNeedsATokenAndLimits() external {
        vm.startPrank(OFFICER);
        vm.expectRevert(abi.encodeWithSelector(ReserveGate.UnknownAsset.selector, 9));
        gate.setRule(9, 8, 1);
        vm.expectRevert(abi.encodeWithSelector(ReserveGate.RuleOutOfRange.selector, 37, 1));
        gate.setRule(SILVER, 37, 1);
        vm.expectRevert(abi.encodeWithSelector(ReserveGate.RuleOutOfRange.selector, 8, 367 days));
        gate.setRule(SILVER, 8, 367 days);
        vm.stopPrank();
        _refuse(
            _reserve(1, int256(1) << 128),
            abi.encodeWithSelector(ReserveGate.AmountOutOfRange.selector, int256(1) << 128)
        );
    }

    /// @dev A reserve is the exact quotient, rounded down, whatever the decimals are.
    function testFuzz_AReserveIsScaledExactlyAndDown(uint128 amount, uint8 decimals) external {
        uint8 stated = decimals % 37;
        vm.prank(OFFICER);
        gate.setRule(SILVER, stated, MAX_AGE);
        Reserve memory reserve = _reserve(1, int256(uint256(amount)));
        reserve.decimals = stated;
        _attest(reserve);
        uint256 atoms = gate.reserveOf(SILVER);
        if (stated >= 6) {
            uint256 unit = 10 ** (stated - 6);
            Check.isTrue(atoms * unit <= amount && uint256(amount) - atoms * unit < unit, "floor");
        } else {
            Check.same(atoms, uint256(amount) * 10 ** (6 - stated));
        }
    }
}
