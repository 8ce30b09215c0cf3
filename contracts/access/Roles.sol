// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Role ids of the Authority. ADMIN is 0, as in OpenZeppelin's AccessManager.
/// @notice The roles PAUSER, UNPAUSER, FREEZER, ENFORCER, ISSUER and DISTRIBUTOR exist twice: as the id below, whose holders
/// administer, and once for each asset (`ofAsset`), whose holders act on that asset only.
library Roles {
    uint64 internal constant ADMIN = 0;
    /// @dev Sends batches and pays withdrawals.
    uint64 internal constant SETTLER = 1;
    /// @dev Registers investors, changes classes, creates assets.
    uint64 internal constant REGISTRAR = 2;
    /// @dev Stops deposits, settlement, withdrawals and tokens, lowers ceilings; cannot undo any of it.
    uint64 internal constant PAUSER = 3;
    /// @dev Starts again what PAUSER stopped.
    uint64 internal constant UNPAUSER = 4;
    /// @dev Freezes accounts and, per asset, wallets and parts of their balances.
    uint64 internal constant FREEZER = 5;
    /// @dev Moves tokens by force, per asset, with a document hash; cannot lift a freeze.
    uint64 internal constant ENFORCER = 6;
    /// @dev Ceilings, rates and the reserve gate.
    uint64 internal constant SUPPLY_ADMIN = 7;
    /// @dev Who attests batches.
    uint64 internal constant ATTESTOR_ADMIN = 8;
    /// @dev Turnover caps.
    uint64 internal constant RISK_ADMIN = 9;
    /// @dev Token implementations; every call waits at least for the upgrade delay.
    uint64 internal constant UPGRADER = 10;
    /// @dev Modules of the policy engine.
    uint64 internal constant POLICY_ADMIN = 11;
    /// @dev Per asset: documents, corporate actions, redemptions.
    uint64 internal constant ISSUER = 12;
    /// @dev Per asset: dividends and coupons as Merkle claims.
    uint64 internal constant DISTRIBUTOR = 13;
    /// @dev Proposes and vetoes the recovery of lost wallets.
    uint64 internal constant RECOVERY = 14;
    /// @dev Who attests reserves, in which decimals, and how long it holds.
    uint64 internal constant RESERVE_ADMIN = 15;

    /// @notice The id of a role that holds for one asset only, so that two assets never share a role.
    /// @param role One of the ids above.
    /// @param asset Asset id.
    function ofAsset(uint64 role, uint16 asset) internal pure returns (uint64) {
        return ((uint64(asset) + 1) << 16) | role;
    }
}
