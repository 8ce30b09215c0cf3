// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvestorRegistry} from "../../contracts/compliance/InvestorRegistry.sol";
import {PolicyEngine} from "../../contracts/compliance/PolicyEngine.sol";
import {AssetToken} from "../../contracts/token/AssetToken.sol";

/// @notice A next version with one field more, in a namespace of its own.
contract AssetTokenV2 is AssetToken {
    /// @custom:storage-location erc7201:mooring.AssetTokenV2
    struct NextStorage {
        uint256 multiplier;
    }

    bytes32 private constant NEXT_SLOT =
        keccak256(abi.encode(uint256(keccak256("mooring.AssetTokenV2")) - 1)) & ~bytes32(uint256(0xff));

    constructor(
        address authority,
        InvestorRegistry registry,
        address vault,
        address supply,
        PolicyEngine policy
    ) AssetToken(authority, registry, vault, supply, policy) {}

    function setMultiplier(uint256 next) external reinitializer(2) {
        _next().multiplier = next;
    }

    function multiplier() external view returns (uint256) {
        return _next().multiplier;
    }

    function _next() private pure returns (NextStorage storage $) {
        bytes32 slot = NEXT_SLOT;
        assembly ("memory-safe") {
            $.slot := slot
        }
    }
}
