// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPolicyModule, Move} from "./IPolicyModule.sol";
import {InvestorRegistry} from "./InvestorRegistry.sol";
import {Party} from "./Party.sol";
import {PolicyEngine} from "./PolicyEngine.sol";

/// @title What every module needs: the engine as the only caller, and what an account holds over its wallets.
abstract contract PolicyModule is AccessManaged, IPolicyModule {
    uint8 internal constant CHECKS = 1;
    uint8 internal constant RECORDS = 2;

    PolicyEngine public immutable ENGINE;
    InvestorRegistry public immutable INVESTOR_REGISTRY;

    error NotEngine(address caller);

    modifier onlyEngine() {
        if (msg.sender != address(ENGINE)) revert NotEngine(msg.sender);
        _;
    }

    constructor(address authority, PolicyEngine engine) AccessManaged(authority) {
        ENGINE = engine;
        INVESTOR_REGISTRY = engine.INVESTOR_REGISTRY();
    }

    /// @inheritdoc IPolicyModule
    function record(Move calldata) external virtual onlyEngine {}

    /// @inheritdoc IPolicyModule
    function detached(uint16) external virtual onlyEngine {}

    /// @dev Whether a move changes what an account holds: not between the wallets of one account.
    function _isTransfer(Move calldata move) internal pure returns (bool) {
        uint32 sender = move.sender.account();
        // What is nearly always so comes first.
        if (sender != move.receiver.account()) return move.amount != 0;
        return sender == 0 && move.amount != 0;
    }

    /// @dev What the sending account holds in all its wallets, atoms.
    function _heldBySender(Move calldata move) internal view returns (uint256) {
        return _held(move.token, move.sender, move.fromBalance);
    }

    /// @dev What the receiving account holds in all its wallets, atoms.
    function _heldByReceiver(Move calldata move) internal view returns (uint256) {
        return _held(move.token, move.receiver, move.toBalance);
    }

    function _held(address token, Party party, uint256 balance) private view returns (uint256 held) {
        if (party.wallets() < 2) return balance;
        address[] memory wallets = INVESTOR_REGISTRY.walletsOf(party.account());
        for (uint256 i = 0; i < wallets.length; ++i) held += IERC20(token).balanceOf(wallets[i]);
    }
}
