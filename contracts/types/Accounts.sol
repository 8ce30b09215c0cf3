// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Account ids and classes that mean something to the contracts.
library Accounts {
    /// @dev Receives trading fees.
    uint32 internal constant FEES = 1;
    uint32 internal constant FIRST_USER = 16;
    /// @dev Class of accounts 1 to 15; every listed asset allows it.
    uint8 internal constant SYSTEM_CLASS = 84;

    /// @notice Whether an account is one of those that exist from deployment on.
    function isSystem(uint32 account) internal pure returns (bool) {
        return account != 0 && account < FIRST_USER;
    }
}
