// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the supply controller asks about attested reserves.
interface IReserveGate {
    /// @notice The reserve that backs an asset now, atoms; zero when unset, stale, negative, dated in the future, in
    /// decimals other than expected or stated by former attestors.
    function reserveOf(uint16 asset) external view returns (uint256);
}
