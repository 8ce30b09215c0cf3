// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {Roles} from "./Roles.sol";

/// @title Functions whose permission depends on the asset that they are called for.
/// @notice AccessManager binds a role to a function, whatever its arguments; here the role is looked up per asset. A holder
/// with an execution delay is refused: such calls cannot be scheduled.
abstract contract AssetGoverned is AccessManaged {
    error AssetRoleMissing(address caller, uint64 role);

    modifier onlyAssetRole(uint64 role, uint16 asset) {
        _requireAssetRole(role, asset);
        _;
    }

    function _requireAssetRole(uint64 role, uint16 asset) internal view {
        uint64 assetRole = Roles.ofAsset(role, asset);
        (bool isMember, uint32 delay) = IAccessManager(authority()).hasRole(assetRole, msg.sender);
        if (!isMember || delay != 0) revert AssetRoleMissing(msg.sender, assetRole);
    }
}
