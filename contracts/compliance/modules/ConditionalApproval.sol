// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Move} from "../IPolicyModule.sol";
import {PolicyEngine} from "../PolicyEngine.sol";
import {PolicyModule} from "../PolicyModule.sol";

/// @title Every transfer between accounts needs an approval of its own, which it uses up.
contract ConditionalApproval is PolicyModule {
    /// @notice The code of a refusal.
    uint8 public constant CODE = 5;

    /// @dev When an approval ends, Unix seconds; by the hash of asset, wallets and amount.
    mapping(bytes32 key => uint64) private _deadlines;

    /// @notice One transfer is approved until the deadline, Unix seconds; 0 takes the approval back.
    event Approved(
        uint16 indexed asset,
        address indexed from,
        address indexed to,
        uint256 amount,
        uint64 deadline,
        bytes32 documentHash
    );

    constructor(address authority, PolicyEngine engine) PolicyModule(authority, engine) {}

    /// @notice Approves one transfer of exactly this amount. Caller: ISSUER or POLICY_ADMIN, as the deployment binds it.
    /// @dev Errors: none of its own.
    /// @param asset Asset id.
    /// @param from Sending wallet.
    /// @param to Receiving wallet.
    /// @param amount Atoms.
    /// @param deadline Last second in which it may be used; 0 takes the approval back.
    /// @param documentHash Hash of the decision.
    function approve(
        uint16 asset,
        address from,
        address to,
        uint256 amount,
        uint64 deadline,
        bytes32 documentHash
    ) external restricted {
        _deadlines[_key(asset, from, to, amount)] = deadline;
        emit Approved(asset, from, to, amount, deadline, documentHash);
    }

    /// @inheritdoc PolicyModule
    function record(Move calldata move) external override onlyEngine {
        if (_needsApproval(move)) delete _deadlines[_key(move.asset, move.from, move.to, move.amount)];
    }

    /// @notice Bits 0 and 1: checks and records.
    function capabilities() external pure returns (uint8) {
        return CHECKS | RECORDS;
    }

    /// @notice Until when a transfer is approved, Unix seconds; 0 = it is not.
    function deadlineOf(uint16 asset, address from, address to, uint256 amount) external view returns (uint64) {
        return _deadlines[_key(asset, from, to, amount)];
    }

    /// @notice `CODE` without a running approval; moves of nothing, within an account or with the vault need none.
    function check(Move calldata move) external view returns (uint8) {
        if (!_needsApproval(move)) return 0;
        return block.timestamp <= _deadlines[_key(move.asset, move.from, move.to, move.amount)] ? 0 : CODE;
    }

    function _needsApproval(Move calldata move) private pure returns (bool) {
        return _isTransfer(move) && move.sender.account() != 0 && move.receiver.account() != 0;
    }

    function _key(uint16 asset, address from, address to, uint256 amount) private pure returns (bytes32) {
        return keccak256(abi.encode(asset, from, to, amount));
    }
}
