// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetGoverned} from "../access/AssetGoverned.sol";
import {Roles} from "../access/Roles.sol";

/// @title The calendar of corporate actions.
/// @notice An announcement binds the issuer before the record: who holds what after batch `recordSequence` follows from the
/// chain, so anybody can recompute who gets what. Payment is a netted batch of the node for balances in the clearing house,
/// and a claim at the Distributor for wallets.
abstract contract CorporateActions is AssetGoverned {
    enum Kind {
        None,
        Dividend,
        Coupon,
        Split,
        Redemption,
        Vote,
        Other
    }

    /// @param kind What happens.
    /// @param recordSequence Settlement batch after which the holders are taken down.
    /// @param effectiveAt When it takes effect, Unix seconds; it can be cancelled until then.
    /// @param numerator With `denominator`, the ratio: new atoms for old ones, or atoms of cash for atoms held.
    /// @param denominator Never zero.
    /// @param root Merkle root of who gets what; zero while the record is to come.
    /// @param documentHash Hash of the document that announces it.
    struct Terms {
        Kind kind;
        uint64 recordSequence;
        uint64 effectiveAt;
        uint64 numerator;
        uint64 denominator;
        bytes32 root;
        bytes32 documentHash;
    }

    /// @param asset Whose action it is.
    /// @param isCancelled Whether it was called off.
    struct Action {
        Terms terms;
        uint16 asset;
        bool isCancelled;
    }

    /// @notice Number of announcements so far; also the id of the last one.
    uint256 public actions;

    mapping(uint256 id => Action) private _actions;

    error MalformedAction(Kind kind, uint64 denominator, uint64 effectiveAt);
    error UnknownAction(uint256 id);
    error ActionInEffect(uint256 id, uint64 effectiveAt);
    error ActionIsCancelled(uint256 id);

    /// @notice An issuer announced something.
    event ActionAnnounced(uint256 indexed id, uint16 indexed asset, Terms terms);
    /// @notice An announcement was called off.
    event ActionCancelled(uint256 indexed id, uint16 indexed asset);

    /// @notice Announces a corporate action. Caller: ISSUER of the asset.
    /// @dev Errors: MalformedAction, AssetRoleMissing.
    /// @param asset Asset id.
    /// @param terms What happens; `effectiveAt` must lie ahead.
    /// @return id The action.
    function announceAction(
        uint16 asset,
        Terms calldata terms
    ) external onlyAssetRole(Roles.ISSUER, asset) returns (uint256 id) {
        bool impossible = terms.kind == Kind.None || terms.denominator == 0 || terms.effectiveAt <= block.timestamp;
        if (impossible) revert MalformedAction(terms.kind, terms.denominator, terms.effectiveAt);
        id = ++actions;
        _actions[id] = Action({terms: terms, asset: asset, isCancelled: false});
        emit ActionAnnounced(id, asset, terms);
    }

    /// @notice Calls an action off before it takes effect. Caller: ISSUER of its asset.
    /// @dev Errors: UnknownAction, ActionIsCancelled, ActionInEffect, AssetRoleMissing.
    /// @param id An announced action.
    function cancelAction(uint256 id) external {
        Action storage action = _actions[id];
        if (action.terms.kind == Kind.None) revert UnknownAction(id);
        _requireAssetRole(Roles.ISSUER, action.asset);
        if (action.isCancelled) revert ActionIsCancelled(id);
        if (action.terms.effectiveAt <= block.timestamp) revert ActionInEffect(id, action.terms.effectiveAt);
        action.isCancelled = true;
        emit ActionCancelled(id, action.asset);
    }

    /// @notice One announcement; kind None when there is none.
    function actionOf(uint256 id) external view returns (Action memory) {
        return _actions[id];
    }
}
