// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ClearingHouse} from "../../settlement/ClearingHouse.sol";
import {Move} from "../IPolicyModule.sol";
import {PolicyEngine} from "../PolicyEngine.sol";
import {PolicyModule} from "../PolicyModule.sol";

/// @title How many accounts may hold an asset, as far as transfers between wallets go.
/// @notice Holders in wallets are counted here, holders of lanes by the clearing house, the system's accounts among them; an
/// account with both counts twice, so the sum is never below the true number. A transfer between wallets that would take it
/// past the limit is refused. A batch, a payment of the suite and a forced move are counted but never refused, so they can
/// take it past the limit. Add the module before the asset is issued, or say how many hold it.
contract MaxHolders is PolicyModule {
    /// @param limit Most accounts.
    /// @param holders Accounts with wallet tokens, over all their wallets.
    struct Count {
        uint64 limit;
        uint64 holders;
    }

    /// @notice The code of a refusal.
    uint8 public constant CODE = 2;

    /// @notice Limit and holders of an asset; without a limit nobody becomes a holder.
    mapping(uint16 asset => Count) public countOf;

    /// @notice An asset may have so many holders, and has so many in wallets.
    event LimitSet(uint16 indexed asset, uint64 limit, uint64 holders);

    constructor(address authority, PolicyEngine engine) PolicyModule(authority, engine) {}

    /// @notice Sets the limit and the present number of holders. Caller: POLICY_ADMIN.
    /// @dev Errors: none of its own.
    /// @param asset Asset id.
    /// @param limit Most accounts, in wallets and lanes together; below the present number it only stops new holders.
    /// @param holders Accounts with wallet tokens now.
    function setLimit(uint16 asset, uint64 limit, uint64 holders) external restricted {
        countOf[asset] = Count(limit, holders);
        emit LimitSet(asset, limit, holders);
    }

    /// @inheritdoc PolicyModule
    function record(Move calldata move) external override onlyEngine {
        (bool joins, bool leaves) = _change(move);
        if (joins == leaves) return;
        Count storage count = countOf[move.asset];
        if (joins) ++count.holders;
        else if (count.holders != 0) --count.holders;
    }

    /// @inheritdoc PolicyModule
    function detached(uint16 asset) external override onlyEngine {
        delete countOf[asset];
    }

    /// @notice Bits 0 and 1: checks and records.
    function capabilities() external pure returns (uint8) {
        return CHECKS | RECORDS;
    }

    /// @notice `CODE` when the move makes one holder more than the limit.
    function check(Move calldata move) external view returns (uint8) {
        (bool joins, bool leaves) = _change(move);
        if (!joins || leaves) return 0;
        Count memory count = countOf[move.asset];
        uint256 inLanes = ClearingHouse(ENGINE.CLEARING_HOUSE()).holdersOf(move.asset);
        return count.holders + inLanes < count.limit ? 0 : CODE;
    }

    function _change(Move calldata move) private view returns (bool joins, bool leaves) {
        if (!_isTransfer(move)) return (false, false);
        joins = move.receiver.account() != 0 && _heldByReceiver(move) == 0;
        leaves = move.sender.account() != 0 && _heldBySender(move) == move.amount;
    }
}
