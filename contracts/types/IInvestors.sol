// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What payouts ask about investors. Implemented by the InvestorRegistry.
interface IInvestors {
    /// @notice The account that a wallet belongs to, 0 when it belongs to none.
    function accountOf(address wallet) external view returns (uint32);

    /// @notice The wallet of an account that is paid, zero when it has none.
    function walletOf(uint32 account) external view returns (address);

    /// @notice Whether nothing may leave the account.
    function isFrozen(uint32 account) external view returns (bool);
}
