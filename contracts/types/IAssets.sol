// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What other contracts ask about assets. Implemented by the AssetRegistry.
interface IAssets {
    /// @notice The token of an asset, zero when there is none.
    function tokenOf(uint16 asset) external view returns (address);

    /// @notice Whether the asset's token is not of this suite.
    function isExternal(uint16 asset) external view returns (bool);
}
