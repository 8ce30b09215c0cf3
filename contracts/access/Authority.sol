// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {AssetToken} from "../token/AssetToken.sol";
import {Roles} from "./Roles.sol";

/// @title Every permission of the suite.
/// @notice OpenZeppelin's AccessManager plus what it cannot express: the asset registry may bind the functions of a token
/// that it made itself, once, to the roles of that asset (it holds no role and can bind nothing else); granting a role again
/// never shortens a delay; UPGRADER is never granted with less than the upgrade delay; and a token's upgrades stay with that
/// role and its permissions with this contract, whatever ADMIN wants.
contract Authority is AccessManager {
    /// @notice The only caller of `bindAsset`.
    address public immutable ASSET_REGISTRY;

    /// @notice Least delay of an UPGRADER, seconds: longer than an exit takes, so that whoever dislikes an upgrade is gone.
    uint32 public immutable UPGRADE_DELAY;

    /// @notice Whether a token was bound; what the admin changes afterwards stays changed.
    mapping(address token => bool) public isBound;

    error NotAssetRegistry(address caller);
    error AlreadyBound(address token);
    error TokenStaysHere(address token);
    error UpgradesAreOfUpgrader(address token, uint64 role);

    /// @notice An asset's token is governed from now on.
    event AssetBound(uint16 indexed asset, address indexed token);

    /// @param initialAdmin Holds ADMIN until the handover.
    /// @param assetRegistry The only caller of `bindAsset`.
    /// @param upgradeDelay Least delay of an UPGRADER, seconds; at least the exit delay and two settlement cycles.
    constructor(address initialAdmin, address assetRegistry, uint32 upgradeDelay) AccessManager(initialAdmin) {
        ASSET_REGISTRY = assetRegistry;
        UPGRADE_DELAY = upgradeDelay;
    }

    /// @notice Binds the functions of a token to the roles of its asset. Caller: the asset registry.
    /// @dev The token's address is computed here from the registry's own CREATE2, so no other contract can be the target.
    /// The holders of the global role administer that of the asset. The ERC-7943 form of a forced transfer, which names no
    /// order, is left to ADMIN. Errors: NotAssetRegistry, AlreadyBound.
    /// @param asset Asset id; also the CREATE2 salt.
    /// @param initCodeHash Hash of the token proxy's creation code and arguments.
    /// @return token The address that was bound.
    function bindAsset(uint16 asset, bytes32 initCodeHash) external returns (address token) {
        if (msg.sender != ASSET_REGISTRY) revert NotAssetRegistry(msg.sender);
        token = Create2.computeAddress(bytes32(uint256(asset)), initCodeHash, ASSET_REGISTRY);
        if (isBound[token]) revert AlreadyBound(token);
        isBound[token] = true;

        _bind(token, AssetToken.pause.selector, asset, Roles.PAUSER);
        _bind(token, AssetToken.unpause.selector, asset, Roles.UNPAUSER);
        _bind(token, AssetToken.setFrozenTokens.selector, asset, Roles.FREEZER);
        _bind(token, AssetToken.setFrozenIf.selector, asset, Roles.FREEZER);
        _bind(token, AssetToken.forcedTransferWithDocument.selector, asset, Roles.ENFORCER);
        _bind(token, AssetToken.recover.selector, asset, Roles.ENFORCER);
        _setTargetFunctionRole(token, AssetToken(token).upgradeToAndCall.selector, Roles.UPGRADER);
        _setRoleAdmin(Roles.ofAsset(Roles.ISSUER, asset), Roles.ISSUER);
        _setRoleAdmin(Roles.ofAsset(Roles.DISTRIBUTOR, asset), Roles.DISTRIBUTOR);
        emit AssetBound(asset, token);
    }

    /// @notice Moves a contract to another authority; never a token, which would leave the upgrade delay behind. Caller:
    /// ADMIN.
    /// @dev Errors: TokenStaysHere.
    function updateAuthority(address target, address newAuthority) public override {
        if (isBound[target]) revert TokenStaysHere(target);
        super.updateAuthority(target, newAuthority);
    }

    /// @notice Whether a call may be made now, or after a delay. Nobody hands a token to another authority by `execute`,
    /// in which this contract would be the caller.
    function canCall(
        address caller,
        address target,
        bytes4 selector
    ) public view override returns (bool immediate, uint32 delay) {
        // The selector first: every restricted call comes by here.
        if (selector == IAccessManaged.setAuthority.selector && isBound[target]) return (false, 0);
        return super.canCall(caller, target, selector);
    }

    /// @dev Upgrades of a token stay with UPGRADER, the one role that always waits. Errors of `setTargetFunctionRole`:
    /// UpgradesAreOfUpgrader.
    function _setTargetFunctionRole(address target, bytes4 selector, uint64 roleId) internal override {
        bool isUpgrade = isBound[target] && selector == UUPSUpgradeable.upgradeToAndCall.selector;
        if (isUpgrade && roleId != Roles.UPGRADER) revert UpgradesAreOfUpgrader(target, roleId);
        super._setTargetFunctionRole(target, selector, roleId);
    }

    /// @dev The larger delay wins: a role must be revoked before it can be granted with a shorter one, and both are seen.
    function _grantRole(
        uint64 roleId,
        address account,
        uint32 grantDelay,
        uint32 executionDelay
    ) internal override returns (bool) {
        (uint48 since, uint32 current, uint32 pending, ) = getAccess(roleId, account);
        uint32 delay = executionDelay;
        if (since != 0 && current > delay) delay = current;
        if (since != 0 && pending > delay) delay = pending;
        if (roleId == Roles.UPGRADER && delay < UPGRADE_DELAY) delay = UPGRADE_DELAY;
        return super._grantRole(roleId, account, grantDelay, delay);
    }

    function _bind(address token, bytes4 selector, uint16 asset, uint64 role) private {
        uint64 assetRole = Roles.ofAsset(role, asset);
        _setTargetFunctionRole(token, selector, assetRole);
        _setRoleAdmin(assetRole, role);
    }
}
