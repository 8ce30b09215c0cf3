// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Move} from "../IPolicyModule.sol";
import {PolicyEngine} from "../PolicyEngine.sol";
import {PolicyModule} from "../PolicyModule.sol";

/// @title How much of an asset an account may hold in its wallets together.
contract MaxBalance is PolicyModule {
    /// @notice The code of a refusal.
    uint8 public constant CODE = 3;

    /// @notice The limit of an asset, atoms; 0: nobody receives.
    mapping(uint16 asset => uint256) public limitOf;

    /// @notice An account may hold so much of an asset in its wallets; atoms.
    event LimitSet(uint16 indexed asset, uint256 limit);

    constructor(address authority, PolicyEngine engine) PolicyModule(authority, engine) {}

    /// @notice Sets the limit of an asset; what is above it already may stay or leave. Caller: POLICY_ADMIN.
    /// @dev Errors: none of its own.
    /// @param asset Asset id.
    /// @param limit Atoms.
    function setLimit(uint16 asset, uint256 limit) external restricted {
        limitOf[asset] = limit;
        emit LimitSet(asset, limit);
    }

    /// @notice Bit 0: checks only.
    function capabilities() external pure returns (uint8) {
        return CHECKS;
    }

    /// @notice `CODE` when the receiving account would hold more than the limit; the vault may hold anything.
    function check(Move calldata move) external view returns (uint8) {
        if (!_isTransfer(move)) return 0;
        if (move.receiver.account() == 0) return 0;
        unchecked {
            // Neither is above the supply of the asset.
            return _heldByReceiver(move) + move.amount <= limitOf[move.asset] ? 0 : CODE;
        }
    }
}
