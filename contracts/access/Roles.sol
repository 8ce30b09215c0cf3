// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Role ids of the Authority. ADMIN is 0, as in OpenZeppelin's AccessManager.
library Roles {
    uint64 internal constant ADMIN = 0;
    /// @dev Sends batches and pays withdrawals.
    uint64 internal constant SETTLER = 1;
    /// @dev Registers investors, changes classes, creates assets.
    uint64 internal constant REGISTRAR = 2;
    /// @dev Stops deposits, settlement, withdrawals and tokens; cannot start them again.
    uint64 internal constant PAUSER = 3;
    uint64 internal constant UNPAUSER = 4;
    uint64 internal constant FREEZER = 5;
    uint64 internal constant ENFORCER = 6;
    /// @dev Ceilings and the reserve gate.
    uint64 internal constant SUPPLY_ADMIN = 7;
    uint64 internal constant ATTESTOR_ADMIN = 8;
    /// @dev Turnover caps.
    uint64 internal constant RISK_ADMIN = 9;
    /// @dev Token implementations.
    uint64 internal constant UPGRADER = 10;

    /// @notice The id of a role that holds for one asset only, so that two assets never share a role.
    /// @param role One of the ids above.
    /// @param asset Asset id.
    function ofAsset(uint64 role, uint16 asset) internal pure returns (uint64) {
        return ((uint64(asset) + 1) << 16) | role;
    }
}
