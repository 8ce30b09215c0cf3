// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Party} from "../compliance/Party.sol";

/// @title What payouts ask about investors. Implemented by the InvestorRegistry.
interface IInvestors {
    /// @notice The account that a wallet belongs to, 0 when it belongs to none.
    function accountOf(address wallet) external view returns (uint32);

    /// @notice The standing of a wallet, also of one that no longer acts for its account (layout: Party.sol).
    function partyOf(address wallet) external view returns (Party);

    /// @notice The wallet of an account that is paid, zero when it has none.
    function walletOf(uint32 account) external view returns (address);

    /// @notice Whether nothing may leave the account.
    function isFrozen(uint32 account) external view returns (bool);
}
