// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {AssetToken} from "../token/AssetToken.sol";
import {Roles} from "./Roles.sol";

/// @title Every permission of the suite.
/// @notice OpenZeppelin's AccessManager plus one right that it cannot express: the asset registry may bind the functions
/// of a token that it made itself, once, to the roles of that asset. It holds no role and can bind nothing else.
contract Authority is AccessManager {
    /// @notice The only caller of `bindAsset`.
    address public immutable ASSET_REGISTRY;

    /// @notice Whether a token was bound; what the admin changes afterwards stays changed.
    mapping(address token => bool) public isBound;

    error NotAssetRegistry(address caller);
    error AlreadyBound(address token);

    /// @notice An asset's token is governed from now on.
    event AssetBound(uint16 indexed asset, address indexed token);

    constructor(address initialAdmin, address assetRegistry) AccessManager(initialAdmin) {
        ASSET_REGISTRY = assetRegistry;
    }

    /// @notice Binds the functions of a token to the roles of its asset. Caller: the asset registry.
    /// @dev The token's address is computed here from the registry's own CREATE2, so no other contract can be the target.
    /// The holders of the global PAUSER and UNPAUSER roles administer those of the asset.
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
        _setTargetFunctionRole(token, AssetToken(token).upgradeToAndCall.selector, Roles.UPGRADER);
        emit AssetBound(asset, token);
    }

    function _bind(address token, bytes4 selector, uint16 asset, uint64 role) private {
        uint64 assetRole = Roles.ofAsset(role, asset);
        _setTargetFunctionRole(token, selector, assetRole);
        _setRoleAdmin(assetRole, role);
    }
}
