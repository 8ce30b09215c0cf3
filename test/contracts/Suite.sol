// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Authority} from "../../contracts/access/Authority.sol";
import {Roles} from "../../contracts/access/Roles.sol";
import {InvestorRegistry} from "../../contracts/compliance/InvestorRegistry.sol";
import {PolicyEngine} from "../../contracts/compliance/PolicyEngine.sol";
import {CashToken} from "../../contracts/mocks/CashToken.sol";
import {ClearingHouse} from "../../contracts/settlement/ClearingHouse.sol";
import {ReserveGate} from "../../contracts/supply/ReserveGate.sol";
import {SupplyController} from "../../contracts/supply/SupplyController.sol";
import {AssetRegistry} from "../../contracts/token/AssetRegistry.sol";
import {AssetToken} from "../../contracts/token/AssetToken.sol";
import {Distributor} from "../../contracts/token/Distributor.sol";
import {Batch, BatchHeader} from "../../contracts/types/Batch.sol";
import {Encoder} from "./Encoder.sol";
import {Check, vm} from "./Vm.sol";

/// @notice The whole suite as deployed: the test is the admin; asset 0 is cash, asset 1 GOLD for classes 1 and 2.
abstract contract Suite {
    address internal constant SETTLER = address(0x5e1);
    address internal constant REGISTRAR = address(0x4e9);
    address internal constant PAUSER = address(0x9a5);
    address internal constant UNPAUSER = address(0x9a6);
    address internal constant OFFICER = address(0x0ff);
    address internal constant FREEZER = address(0xf4e);
    address internal constant ENFORCER = address(0xef0);
    address internal constant RECOVERER = address(0x4ec);
    address internal constant STRANGER = address(0xbad);
    address internal constant ALICE = address(0xa11ce);
    address internal constant BOB = address(0xb0b);
    uint32 internal constant ALICE_ID = 16;
    uint32 internal constant BOB_ID = 17;
    uint128 internal constant ALL_CLASSES = (1 << 84) - 2;
    uint16 internal constant GOLD = 1;
    uint64 internal constant CEILING = 1_000_000;
    uint64 internal constant EXIT_DELAY = 1 days;
    uint64 internal constant EXIT_MODE_AFTER = 7 days;
    uint32 internal constant UPGRADE_DELAY = 26 hours;

    Authority internal authority;
    InvestorRegistry internal registry;
    PolicyEngine internal policy;
    AssetRegistry internal assets;
    SupplyController internal supply;
    ClearingHouse internal vault;
    ReserveGate internal gate;
    Distributor internal distributor;
    CashToken internal cash;
    AssetToken internal gold;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        _deploy();
        _bind(address(vault), Roles.SETTLER, SETTLER, vault.settle.selector);
        _bind(address(vault), Roles.SETTLER, SETTLER, vault.withdraw.selector);
        _bind(address(vault), Roles.PAUSER, PAUSER, vault.pause.selector);
        _bind(address(vault), Roles.UNPAUSER, UNPAUSER, vault.unpause.selector);
        _bind(address(vault), Roles.ATTESTOR_ADMIN, OFFICER, vault.setAttestors.selector);
        _bind(address(vault), Roles.RISK_ADMIN, OFFICER, vault.setTurnoverCap.selector);
        _bind(address(registry), Roles.REGISTRAR, REGISTRAR, registry.register.selector);
        _bind(address(registry), Roles.REGISTRAR, REGISTRAR, registry.setClass.selector);
        _bindCompliance();
        _bind(address(assets), Roles.REGISTRAR, REGISTRAR, assets.createAsset.selector);
        _bind(address(supply), Roles.SUPPLY_ADMIN, OFFICER, supply.setCeiling.selector);
        _bind(address(supply), Roles.SUPPLY_ADMIN, OFFICER, supply.setReserveGate.selector);
        _bind(address(supply), Roles.SUPPLY_ADMIN, OFFICER, supply.setLine.selector);
        _bind(address(supply), Roles.SUPPLY_ADMIN, OFFICER, supply.setRate.selector);
        _bind(address(supply), Roles.PAUSER, PAUSER, supply.lowerCeiling.selector);
        _bind(address(gate), Roles.RESERVE_ADMIN, OFFICER, gate.setRule.selector);
        _bind(address(gate), Roles.RESERVE_ADMIN, OFFICER, gate.setAttestors.selector);

        assets.listExternal(0, address(cash), 1, ALL_CLASSES);
        gold = AssetToken(_create(GOLD, "GOLD", 6, false));
        authority.grantRole(Roles.ENFORCER, ENFORCER, 0);
        vm.prank(FREEZER);
        authority.grantRole(Roles.ofAsset(Roles.FREEZER, GOLD), FREEZER, 0);
        vm.prank(ENFORCER);
        authority.grantRole(Roles.ofAsset(Roles.ENFORCER, GOLD), ENFORCER, 0);
        _register(ALICE_ID, ALICE, 1, 0);
        _register(BOB_ID, BOB, 2, 0);
    }

    function _bindCompliance() private {
        _bind(address(registry), Roles.REGISTRAR, REGISTRAR, registry.registerWithClaims.selector);
        _bind(address(registry), Roles.REGISTRAR, REGISTRAR, registry.revokeWallet.selector);
        _bind(address(registry), Roles.FREEZER, FREEZER, registry.freeze.selector);
        _bind(address(registry), Roles.FREEZER, FREEZER, registry.unfreeze.selector);
        _bind(address(registry), Roles.FREEZER, FREEZER, registry.vetoRecovery.selector);
        _bind(address(registry), Roles.RECOVERY, RECOVERER, registry.proposeRecovery.selector);
        _bind(address(registry), Roles.RECOVERY, RECOVERER, registry.executeRecovery.selector);
        _bind(address(registry), Roles.POLICY_ADMIN, OFFICER, registry.trustIssuer.selector);
        _bind(address(policy), Roles.POLICY_ADMIN, OFFICER, policy.addModule.selector);
        _bind(address(policy), Roles.POLICY_ADMIN, OFFICER, policy.removeModule.selector);
        _bind(address(policy), Roles.POLICY_ADMIN, OFFICER, policy.forceRemoveModule.selector);
    }

    function _deploy() private {
        uint256 nonce = vm.getNonce(address(this));
        address registryAt = vm.computeCreateAddress(address(this), nonce + 1);
        address assetsAt = vm.computeCreateAddress(address(this), nonce + 4);
        address supplyAt = vm.computeCreateAddress(address(this), nonce + 5);
        address vaultAt = vm.computeCreateAddress(address(this), nonce + 6);
        address root = _new("Authority", abi.encode(this, assetsAt, UPGRADE_DELAY));
        registry = InvestorRegistry(_new("InvestorRegistry", abi.encode(root, vaultAt)));
        policy = PolicyEngine(_new("PolicyEngine", abi.encode(root, registryAt, assetsAt, vaultAt)));
        address token = _new("AssetToken", abi.encode(root, registryAt, vaultAt, supplyAt, policy));
        assets = AssetRegistry(_new("AssetRegistry", abi.encode(root, token, vaultAt, supplyAt)));
        supply = SupplyController(_new("SupplyController", abi.encode(root, vaultAt, assetsAt, registryAt)));
        vault = ClearingHouse(
            _new("ClearingHouse", abi.encode(root, registryAt, assetsAt, supplyAt, EXIT_DELAY, EXIT_MODE_AFTER))
        );
        cash = CashToken(_new("CashToken", ""));
        gate = ReserveGate(_new("ReserveGate", abi.encode(root, assets)));
        distributor = Distributor(_new("Distributor", abi.encode(root, assets, registry)));
        authority = Authority(root);
    }

    /// @dev Creates a contract from its artifact; `new` would compile its code into every test.
    function _new(string memory name, bytes memory arguments) internal returns (address made) {
        bytes memory code = bytes.concat(vm.getCode(string.concat(name, ".sol:", name)), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
        }
        Check.isTrue(made != address(0), name);
    }

    function _bind(address target, uint64 role, address holder, bytes4 selector) internal {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = selector;
        authority.setTargetFunctionRole(target, selectors, role);
        authority.grantRole(role, holder, 0);
    }

    /// @dev Gives a role of one asset through the holders of the global role, as an operator would.
    function _grantOfAsset(uint64 role, uint16 asset, address holder, uint32 delay) internal {
        authority.grantRole(role, address(this), 0);
        authority.grantRole(Roles.ofAsset(role, asset), holder, delay);
    }

    function _create(uint16 id, string memory symbol, uint8 decimals, bool attested) internal returns (address) {
        vm.prank(REGISTRAR);
        return assets.createAsset(id, symbol, symbol, decimals, 6, attested, CEILING);
    }

    function _register(uint32 account, address wallet, uint8 class, uint64 expiry) internal {
        vm.prank(REGISTRAR);
        registry.register(account, wallet, class, expiry, bytes32(uint256(account)));
    }

    function _fund(address wallet, uint256 amount) internal {
        cash.mint(wallet, amount);
        vm.startPrank(wallet);
        cash.approve(address(vault), amount);
        vault.deposit(0, amount);
        vm.stopPrank();
    }

    function _header(uint8 kind, bytes memory records) internal view returns (BatchHeader memory header) {
        header.prevHead = vault.head();
        header.sequence = vault.sequence() + 1;
        header.kind = kind;
        header.closeTime = uint64(block.timestamp);
        header.recordsHash = keccak256(records);
        header.journalHash = keccak256("journal");
    }

    function _settle(BatchHeader memory header, bytes memory records) internal {
        vm.prank(SETTLER);
        vault.settle(header, records, new bytes[](0));
    }

    function _trade(bytes memory records) internal {
        _settle(_header(Batch.TRADE, records), records);
    }

    function _supplyHeader(
        uint16 asset,
        int64 change,
        bytes memory records
    ) internal view returns (BatchHeader memory) {
        BatchHeader memory header = _header(Batch.SUPPLY, records);
        (header.supplyAsset, header.supplyChange) = (asset, change);
        return header;
    }

    /// @dev Changes the supply of an asset into or out of one account.
    function _mint(uint16 asset, uint32 account, int64 change) internal {
        bytes memory records = bytes.concat(Encoder.group(asset / 3), Encoder.single(account, 0, asset, change));
        _settle(_supplyHeader(asset, change, records), records);
    }
}
