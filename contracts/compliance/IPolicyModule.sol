// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Party} from "./Party.sol";

/// @notice A move of wallet tokens as the modules see it, before any balance changed. Amounts are atoms.
/// @param token The token of the asset.
/// @param asset Asset id.
/// @param from Sending wallet.
/// @param to Receiving wallet.
/// @param amount At most `fromBalance`.
/// @param sender Standing of `from`; empty for the vault and the supply controller.
/// @param receiver Standing of `to`; empty for those too.
/// @param fromBalance What `from` holds.
/// @param toBalance What `to` holds.
struct Move {
    address token;
    uint16 asset;
    address from;
    address to;
    uint256 amount;
    Party sender;
    Party receiver;
    uint256 fromBalance;
    uint256 toBalance;
}

/// @title One rule about moves of wallet tokens, for every asset that it was added to.
interface IPolicyModule {
    /// @notice What the engine calls: bit 0 `check`, bit 1 `record`.
    function capabilities() external view returns (uint8);

    /// @notice Why a move is refused, 0 = it is not. Must not revert.
    function check(Move calldata move) external view returns (uint8 code);

    /// @notice A move happens; also a forced one, a recovery or a payment of the vault, which nobody checked.
    /// Caller: the policy engine.
    /// @dev Errors: NotEngine.
    function record(Move calldata move) external;

    /// @notice The asset no longer has this rule. Caller: the policy engine.
    /// @dev Errors: NotEngine.
    function detached(uint16 asset) external;
}
