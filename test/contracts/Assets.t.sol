// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Authority} from "../../contracts/access/Authority.sol";
import {Roles} from "../../contracts/access/Roles.sol";
import {Books} from "../../contracts/settlement/Books.sol";
import {IReserveGate} from "../../contracts/supply/IReserveGate.sol";
import {Redemptions} from "../../contracts/supply/Redemptions.sol";
import {SupplyController} from "../../contracts/supply/SupplyController.sol";
import {AssetRegistry} from "../../contracts/token/AssetRegistry.sol";
import {AssetToken} from "../../contracts/token/AssetToken.sol";
import {IERC7943Fungible} from "../../contracts/token/IERC7943.sol";
import {BatchHeader} from "../../contracts/types/Batch.sol";
import {Encoder} from "./Encoder.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

contract FixedReserve is IReserveGate {
    uint256 private immutable RESERVE;

    constructor(uint256 reserve) {
        RESERVE = reserve;
    }

    function reserveOf(uint16) external view returns (uint256) {
        return RESERVE;
    }
}

/// @notice Assets from creation to supply: registry, authority, token, controller.
contract AssetsTest is Suite {
    uint16 private constant SILVER = 7;

    function _unauthorized(address caller) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller);
    }

    function test_AnAssetGetsATokenThatItsRulesApplyTo() external {
        address token = _create(SILVER, "SLV", 8, false);
        Check.same(assets.tokenOf(SILVER), token);
        Check.same(assets.scaleOf(SILVER), 1);
        Check.isTrue(!assets.isExternal(SILVER) && assets.isExternal(0), "external");
        AssetToken silver = AssetToken(token);
        Check.same(silver.decimals(), 8);
        Check.same(silver.asset(), SILVER);
        Check.same(silver.allowedClasses(), 6);
        Check.same(keccak256(bytes(silver.symbol())), keccak256("SLV"));
        Check.same(keccak256(bytes(silver.name())), keccak256("SLV"));
        (address known, uint64 ceiling, bool attested) = supply.supplyOf(SILVER);
        Check.same(known, token);
        Check.same(ceiling, CEILING);
        Check.isTrue(!attested, "attested");
    }

    function test_CreatingAnAssetAgainIsQuietWithTheSameTermsOnly() external {
        Check.same(_create(GOLD, "GOLD", 6, false), address(gold));
        vm.startPrank(REGISTRAR);
        bytes memory refused = abi.encodeWithSelector(AssetRegistry.Refused.selector, GOLD);
        vm.expectRevert(refused);
        assets.createAsset(GOLD, "GOLD", "GOLD", 5, 6, false, CEILING);
        vm.expectRevert(refused);
        assets.createAsset(GOLD, "GOLD", "GOLD", 6, 6, false, CEILING + 1);
        vm.expectRevert(refused);
        assets.createAsset(GOLD, "GOLD", "GOLD", 6, 6, true, CEILING);
        vm.expectRevert(refused);
        assets.createAsset(GOLD, "GOLD", "GOLD", 6, 2, false, CEILING);
        vm.expectRevert(refused);
        assets.createAsset(GOLD, "GOLD", "Gold", 6, 6, false, CEILING);
        vm.expectRevert(refused);
        assets.createAsset(GOLD, "AU", "GOLD", 6, 6, false, CEILING);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.Refused.selector, 0));
        assets.createAsset(0, "CASH", "CASH", 6, 6, false, CEILING);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.DecimalsOutOfRange.selector, 9));
        assets.createAsset(SILVER, "SLV", "SLV", 9, 6, false, CEILING);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.CeilingOutOfRange.selector, 1 << 63));
        assets.createAsset(SILVER, "SLV", "SLV", 8, 6, false, 1 << 63);
        vm.stopPrank();
    }

    function test_ListingAnExternalTokenIsForTheAdminAndOnce() external {
        assets.listExternal(0, address(cash), 1, ALL_CLASSES);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.Refused.selector, 0));
        assets.listExternal(0, address(cash), 2, ALL_CLASSES);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.Refused.selector, 0));
        assets.listExternal(0, address(cash), 1, 2);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.NotToken.selector, STRANGER));
        assets.listExternal(3, STRANGER, 1, ALL_CLASSES);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.ZeroScale.selector));
        assets.listExternal(3, address(cash), 0, ALL_CLASSES);
        vm.expectRevert(abi.encodeWithSelector(Books.ScaleNotPowerOfTen.selector, 20));
        assets.listExternal(3, address(cash), 20, ALL_CLASSES);
        vm.startPrank(REGISTRAR);
        vm.expectRevert(_unauthorized(REGISTRAR));
        assets.listExternal(3, address(cash), 1, ALL_CLASSES);
        vm.stopPrank();
        vm.prank(STRANGER);
        vm.expectRevert(_unauthorized(STRANGER));
        assets.createAsset(SILVER, "SLV", "SLV", 8, 6, false, CEILING);
    }

    function test_ATokenOfTheSuiteIsNotListedAsOneFromOutside() external {
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.SuiteToken.selector, address(gold)));
        assets.listExternal(SILVER, address(gold), 1, ALL_CLASSES);
        address implementation = assets.TOKEN_IMPLEMENTATION();
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.SuiteToken.selector, implementation));
        assets.listExternal(SILVER, implementation, 1, ALL_CLASSES);
        Check.same(assets.tokenOf(SILVER), address(0));
        assets.listExternal(SILVER, _new("CashToken", ""), 1, ALL_CLASSES);
    }

    function test_NoTwoTokensHaveTheSameSymbol() external {
        vm.startPrank(REGISTRAR);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.SymbolTaken.selector, "GOLD"));
        assets.createAsset(SILVER, "GOLD", "Silver", 8, 6, false, CEILING);
        // What was refused takes no symbol.
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.DecimalsOutOfRange.selector, 9));
        assets.createAsset(SILVER, "SLV", "GOLD", 9, 6, false, CEILING);
        assets.createAsset(SILVER, "SLV", "GOLD", 8, 6, false, CEILING);
        Check.same(assets.createAsset(GOLD, "GOLD", "GOLD", 6, 6, false, CEILING), address(gold));
        vm.stopPrank();
    }

    function test_TheRegistryBindsWhatItMadeAndNothingElse() external {
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(Authority.NotAssetRegistry.selector, STRANGER));
        authority.bindAsset(SILVER, "code");
        // Whatever hash the registry names, the address is one that only its own CREATE2 can fill.
        vm.prank(address(assets));
        address other = authority.bindAsset(SILVER, "code");
        Check.same(other.code.length, 0);
        vm.prank(address(assets));
        vm.expectRevert(abi.encodeWithSelector(Authority.AlreadyBound.selector, other));
        authority.bindAsset(SILVER, "code");
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = vault.settle.selector;
        vm.prank(address(assets));
        vm.expectPartialRevert(bytes4(keccak256("AccessManagerUnauthorizedAccount(address,uint64)")));
        authority.setTargetFunctionRole(address(vault), selectors, Roles.REGISTRAR);
    }

    function test_ATokensFunctionsBelongToTheRolesOfItsAsset() external {
        uint64 goldPauser = Roles.ofAsset(Roles.PAUSER, GOLD);
        Check.same(authority.getTargetFunctionRole(address(gold), gold.pause.selector), goldPauser);
        Check.same(authority.getRoleAdmin(goldPauser), Roles.PAUSER);
        Check.isTrue(goldPauser != Roles.ofAsset(Roles.PAUSER, SILVER), "shared");
        vm.startPrank(PAUSER);
        vm.expectRevert(_unauthorized(PAUSER));
        gold.pause();
        authority.grantRole(goldPauser, PAUSER, 0);
        gold.pause();
        vm.expectRevert(_unauthorized(PAUSER));
        gold.unpause();
        vm.stopPrank();
    }

    function test_APausedTokenMovesAndApprovesNothing() external {
        _giveAlice(100);
        vm.prank(PAUSER);
        authority.grantRole(Roles.ofAsset(Roles.PAUSER, GOLD), address(this), 0);
        vm.prank(UNPAUSER);
        authority.grantRole(Roles.ofAsset(Roles.UNPAUSER, GOLD), address(this), 0);
        gold.pause();
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        gold.transfer(BOB, 1);
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        gold.approve(BOB, 1);
        vm.stopPrank();
        gold.unpause();
        vm.prank(ALICE);
        gold.transfer(BOB, 1);
        Check.same(gold.balanceOf(BOB), 1);
    }

    function _giveAlice(int64 amount) private {
        _mint(GOLD, ALICE_ID, amount);
        vm.prank(SETTLER);
        vault.withdraw("gold", ALICE_ID, GOLD, uint64(amount));
    }

    function test_AWalletReceivesOnlyWhenRegisteredCurrentAndAllowed() external {
        _giveAlice(100);
        _register(18, address(0xc), 3, 0);
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, STRANGER));
        gold.transfer(STRANGER, 1);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, address(0xc)));
        gold.transfer(address(0xc), 1);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, STRANGER));
        gold.transfer(STRANGER, 0);
        gold.transfer(BOB, 10);
        gold.approve(address(vault), 5);
        vault.deposit(GOLD, 5);
        vm.stopPrank();
        Check.same(vault.balanceOf(ALICE_ID, GOLD), 5);
        vm.prank(REGISTRAR);
        registry.setClass(BOB_ID, 2, uint64(block.timestamp));
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, BOB));
        gold.transfer(BOB, 1);
    }

    function test_ASupplyStaysUnderItsCeiling() external {
        _mint(GOLD, ALICE_ID, int64(CEILING));
        _refuseMint(
            GOLD,
            1,
            abi.encodeWithSelector(SupplyController.CeilingExceeded.selector, GOLD, CEILING + 1, CEILING)
        );
        vm.prank(OFFICER);
        supply.setCeiling(GOLD, CEILING - 1);
        _mint(GOLD, ALICE_ID, -1);
        _refuseMint(
            GOLD,
            1,
            abi.encodeWithSelector(SupplyController.CeilingExceeded.selector, GOLD, CEILING, CEILING - 1)
        );
        vm.prank(OFFICER);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.CeilingOutOfRange.selector, 1 << 63));
        supply.setCeiling(GOLD, 1 << 63);
        vm.prank(OFFICER);
        vm.expectRevert(abi.encodeWithSelector(Redemptions.UnknownAsset.selector, 9));
        supply.setCeiling(9, 1);
    }

    function test_AnAttestedReserveThatIsUnsetCountsAsNothing() external {
        _create(SILVER, "SLV", 8, true);
        _refuseMint(SILVER, 1, abi.encodeWithSelector(SupplyController.ReserveExceeded.selector, SILVER, 1, 0));
        FixedReserve gate = new FixedReserve(10);
        vm.prank(OFFICER);
        supply.setReserveGate(gate);
        _mint(SILVER, ALICE_ID, 10);
        _refuseMint(SILVER, 1, abi.encodeWithSelector(SupplyController.ReserveExceeded.selector, SILVER, 11, 10));
        vm.prank(OFFICER);
        supply.setReserveGate(IReserveGate(address(0)));
        _mint(SILVER, ALICE_ID, -10);
        Check.same(AssetToken(assets.tokenOf(SILVER)).totalSupply(), 0);
    }

    function test_ExternalTokensHaveNoSupplyBatch() external {
        _refuseMint(0, 5, abi.encodeWithSelector(Redemptions.UnknownAsset.selector, 0));
    }

    function test_OnlyTheRightContractsChangeSupply() external {
        vm.startPrank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.NotClearingHouse.selector, STRANGER));
        supply.applySupply(GOLD, 1);
        vm.expectRevert(abi.encodeWithSelector(SupplyController.NotAssetRegistry.selector, STRANGER));
        supply.open(9, gold, 1, false);
        vm.expectRevert(abi.encodeWithSelector(AssetToken.NotSupplyController.selector, STRANGER));
        gold.mint(1);
        vm.expectRevert(abi.encodeWithSelector(AssetToken.NotSupplyController.selector, STRANGER));
        gold.burn(1);
        vm.expectRevert(_unauthorized(STRANGER));
        supply.setCeiling(GOLD, 1);
        vm.expectRevert(_unauthorized(STRANGER));
        supply.setReserveGate(IReserveGate(address(0)));
        vm.expectRevert(_unauthorized(STRANGER));
        gold.pause();
        vm.expectRevert(_unauthorized(STRANGER));
        gold.unpause();
        vm.stopPrank();
    }

    function test_ATokenIsInitializedOnceAndItsImplementationNever() external {
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        gold.initialize(STRANGER, 2, "x", "x", 0, 0);
        AssetToken implementation = AssetToken(assets.TOKEN_IMPLEMENTATION());
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        implementation.initialize(STRANGER, 2, "x", "x", 0, 0);
    }

    function test_AnUpgradeWaitsForItsDelayAndKeepsBalances() external {
        _giveAlice(100);
        address next = _new("AssetToken", abi.encode(authority, registry, vault, supply, policy));
        vm.prank(STRANGER);
        vm.expectRevert(_unauthorized(STRANGER));
        gold.upgradeToAndCall(next, "");

        authority.grantRole(Roles.UPGRADER, OFFICER, 2 days);
        bytes memory call = abi.encodeCall(gold.upgradeToAndCall, (next, ""));
        vm.startPrank(OFFICER);
        vm.expectPartialRevert(bytes4(keccak256("AccessManagerNotScheduled(bytes32)")));
        gold.upgradeToAndCall(next, "");
        authority.schedule(address(gold), call, 0);
        vm.warp(block.timestamp + 2 days);
        authority.execute(address(gold), call);
        vm.stopPrank();
        Check.same(gold.balanceOf(ALICE), 100);
        Check.same(gold.decimals(), 6);
    }

    function test_TheStorageSlotIsTheOneOfItsName() external view {
        bytes32 slot = keccak256(abi.encode(uint256(keccak256("mooring.AssetToken")) - 1)) & ~bytes32(uint256(0xff));
        // asset 1, decimals 6, classes 1 and 2, packed from the right.
        uint256 packed = uint256(GOLD) | (6 << 16) | (6 << 24);
        Check.same(uint256(vm.load(address(gold), slot)), packed);
    }

    function _refuseMint(uint16 asset, int64 change, bytes memory reason) private {
        bytes memory records = bytes.concat(Encoder.group(asset / 3), Encoder.single(ALICE_ID, 0, asset, change));
        BatchHeader memory header = _supplyHeader(asset, change, records);
        vm.prank(SETTLER);
        vm.expectRevert(reason);
        vault.settle(header, records, new bytes[](0));
    }
}
