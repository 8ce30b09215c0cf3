// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Move} from "../IPolicyModule.sol";
import {PolicyEngine} from "../PolicyEngine.sol";
import {PolicyModule} from "../PolicyModule.sol";

/// @title How much of an asset an account must keep in its wallets until a date.
/// @notice Also a deposit into the clearing house waits for that date. What is in lanes already is the ledger's matter.
contract LockUp is PolicyModule {
    /// @param amount Atoms to keep.
    /// @param until Unix seconds from which on they are free.
    struct Lock {
        uint128 amount;
        uint64 until;
    }

    /// @notice The code of a refusal.
    uint8 public constant CODE = 4;

    /// @notice What an account must keep of an asset.
    mapping(uint16 asset => mapping(uint32 account => Lock)) public lockOf;

    /// @notice An account must keep so many atoms until then; Unix seconds.
    event LockSet(uint16 indexed asset, uint32 indexed account, uint128 amount, uint64 until);

    constructor(address authority, PolicyEngine engine) PolicyModule(authority, engine) {}

    /// @notice Replaces the lock of an account. Caller: POLICY_ADMIN.
    /// @dev Errors: none of its own.
    /// @param asset Asset id.
    /// @param account Account id.
    /// @param amount Atoms; may exceed what the account holds.
    /// @param until Unix seconds.
    function setLock(uint16 asset, uint32 account, uint128 amount, uint64 until) external restricted {
        lockOf[asset][account] = Lock(amount, until);
        emit LockSet(asset, account, amount, until);
    }

    /// @notice Bit 0: checks only.
    function capabilities() external pure returns (uint8) {
        return CHECKS;
    }

    /// @notice `CODE` when the sending account would keep less than it must.
    function check(Move calldata move) external view returns (uint8) {
        Lock storage lock = lockOf[move.asset][move.sender.account()];
        (uint256 amount, uint256 until) = (lock.amount, lock.until);
        if (block.timestamp >= until || !_isTransfer(move)) return 0;
        return _heldBySender(move) >= move.amount + amount ? 0 : CODE;
    }
}
