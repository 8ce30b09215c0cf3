// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

/// @title ERC-7943 for fungible tokens; interface id 0x3edbb4c4. Amounts are token units.
interface IERC7943Fungible is IERC165 {
    /// @notice Tokens were taken from one address and given to another.
    event ForcedTransfer(address indexed from, address indexed to, uint256 amount);
    /// @notice So much of an account is frozen from now on; may exceed its balance.
    event Frozen(address indexed account, uint256 amount);

    error ERC7943CannotSend(address account);
    error ERC7943CannotReceive(address account);
    error ERC7943CannotTransfer(address from, address to, uint256 amount);
    error ERC7943InsufficientUnfrozenBalance(address account, uint256 amount, uint256 unfrozen);

    /// @notice Moves tokens without the holder's consent.
    /// @dev Errors: ERC7943CannotReceive, and the token's own.
    function forcedTransfer(address from, address to, uint256 amount) external returns (bool result);

    /// @notice Replaces the frozen amount of an account.
    /// @dev Errors: the token's own.
    function setFrozenTokens(address account, uint256 amount) external returns (bool result);

    /// @notice Whether an account may send at all.
    function canSend(address account) external view returns (bool allowed);

    /// @notice Whether an account may receive at all.
    function canReceive(address account) external view returns (bool allowed);

    /// @notice The frozen amount of an account; may exceed its balance.
    function getFrozenTokens(address account) external view returns (uint256 amount);

    /// @notice Whether a transfer would pass every rule.
    function canTransfer(address from, address to, uint256 amount) external view returns (bool allowed);
}
