// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetGoverned} from "../../contracts/access/AssetGoverned.sol";
import {Roles} from "../../contracts/access/Roles.sol";
import {CorporateActions} from "../../contracts/token/CorporateActions.sol";
import {Distributor} from "../../contracts/token/Distributor.sol";
import {Documents} from "../../contracts/token/Documents.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice Documents, announcements and Merkle claims of an asset.
contract DistributionTest is Suite {
    address private constant ISSUER = address(0x155);
    address private constant TAX = address(0x7a8);
    uint64 private constant WEEK = 7 days;

    function setUp() public override {
        super.setUp();
        _grantOfAsset(Roles.ISSUER, GOLD, ISSUER, 0);
        _grantOfAsset(Roles.DISTRIBUTOR, GOLD, ISSUER, 0);
        cash.mint(ISSUER, 1_000_000);
        vm.prank(ISSUER);
        cash.approve(address(distributor), type(uint256).max);
    }

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function _terms(bytes32 root, uint128 total) private view returns (Distributor.Terms memory) {
        return Distributor.Terms(GOLD, 0, root, total, uint64(block.timestamp) + WEEK, 0, TAX);
    }

    /// @dev Alice gets 100 of which 15 are withheld, Bob 50 of which nothing is.
    function _open() private returns (uint256 id, bytes32 alice, bytes32 bob) {
        id = distributor.nextIdOf(GOLD);
        alice = distributor.leafOf(id, 0, ALICE, 100, 15);
        bob = distributor.leafOf(id, 1, BOB, 50, 0);
        vm.prank(ISSUER);
        Check.same(distributor.open(_terms(_pair(alice, bob), 150)), id);
    }

    function _proof(bytes32 sibling) private pure returns (bytes32[] memory proof) {
        proof = new bytes32[](1);
        proof[0] = sibling;
    }

    function test_AClaimPaysTheWalletLessTaxOnce() external {
        (uint256 id, bytes32 alice, bytes32 bob) = _open();
        Check.same(cash.balanceOf(address(distributor)), 150);
        vm.prank(STRANGER);
        distributor.claim(id, 0, ALICE, 100, 15, _proof(bob));
        Check.same(cash.balanceOf(ALICE), 85);
        Check.isTrue(distributor.isClaimed(id, 0) && !distributor.isClaimed(id, 1), "claimed");
        vm.expectRevert(abi.encodeWithSelector(Distributor.AlreadyClaimed.selector, id, 0));
        distributor.claim(id, 0, ALICE, 100, 15, _proof(bob));
        distributor.collectWithheld(id);
        Check.same(cash.balanceOf(TAX), 15);
        distributor.collectWithheld(id);
        Check.same(cash.balanceOf(TAX), 15);
        distributor.claim(id, 1, BOB, 50, 0, _proof(alice));
        Check.same(cash.balanceOf(address(distributor)), 0);
    }

    function test_ALostWalletIsNotPaidButTheOneThatReplacedIt() external {
        (uint256 id, , bytes32 bob) = _open();
        vm.prank(RECOVERER);
        registry.proposeRecovery(ALICE_ID, address(0xa11ce2), "lost");
        vm.warp(block.timestamp + registry.RECOVERY_DELAY());
        vm.prank(RECOVERER);
        registry.executeRecovery(ALICE_ID);
        vm.prank(ALICE);
        distributor.claim(id, 0, ALICE, 100, 15, _proof(bob));
        Check.same(cash.balanceOf(ALICE), 0);
        Check.same(cash.balanceOf(address(0xa11ce2)), 85);
    }

    function test_Pitfall21_NoInnerNodeAndNoOtherTreesLeafIsAClaim() external {
        (uint256 id, bytes32 alice, bytes32 bob) = _open();
        bytes memory wrong = abi.encodeWithSelector(Distributor.WrongProof.selector, id, 0);
        // The root itself, the leaf of another index, amount, wallet or tax.
        vm.expectRevert(wrong);
        distributor.claim(id, 0, ALICE, 100, 15, new bytes32[](0));
        vm.expectRevert(wrong);
        distributor.claim(id, 0, ALICE, 101, 15, _proof(bob));
        vm.expectRevert(wrong);
        distributor.claim(id, 0, ALICE, 100, 0, _proof(bob));
        vm.expectRevert(wrong);
        distributor.claim(id, 0, BOB, 100, 15, _proof(bob));
        vm.expectRevert(abi.encodeWithSelector(Distributor.WrongProof.selector, id, 256));
        distributor.claim(id, 256, ALICE, 100, 15, _proof(bob));
        // The same tree in a second distribution is worth nothing, for its leaves name the first.
        vm.prank(ISSUER);
        uint256 second = distributor.open(_terms(_pair(alice, bob), 150));
        vm.expectRevert(abi.encodeWithSelector(Distributor.WrongProof.selector, second, 0));
        distributor.claim(second, 0, ALICE, 100, 15, _proof(bob));
        // A leaf hashed once is not one hashed twice.
        bytes32 once = keccak256(
            abi.encode(keccak256("mooring.distribution.v1"), block.chainid, distributor, id, 0, ALICE, 100, 15)
        );
        Check.same(keccak256(bytes.concat(once)), alice);
    }

    function test_WhatNobodyClaimedGoesBackAfterTheExpiryOnce() external {
        (uint256 id, bytes32 alice, bytes32 bob) = _open();
        distributor.claim(id, 0, ALICE, 100, 15, _proof(bob));
        uint64 expiresAt = uint64(block.timestamp) + WEEK;
        vm.expectRevert(abi.encodeWithSelector(Distributor.NotExpired.selector, id, expiresAt));
        distributor.sweep(id);
        vm.warp(expiresAt);
        vm.expectRevert(abi.encodeWithSelector(Distributor.ClaimExpired.selector, id, expiresAt));
        distributor.claim(id, 1, BOB, 50, 0, _proof(alice));
        distributor.sweep(id);
        Check.same(cash.balanceOf(ISSUER), 1_000_000 - 100);
        vm.expectRevert(abi.encodeWithSelector(Distributor.AlreadySwept.selector, id));
        distributor.sweep(id);
        // What is withheld is not the funder's.
        distributor.collectWithheld(id);
        Check.same(cash.balanceOf(TAX), 15);
        Check.same(cash.balanceOf(address(distributor)), 0);
    }

    function test_ATreeThatPromisesMoreThanItsTotalTakesNothingFromOthers() external {
        _open();
        uint256 id = distributor.nextIdOf(GOLD);
        bytes32 leaf = distributor.leafOf(id, 0, ALICE, 100, 0);
        bytes32 taxed = distributor.leafOf(id, 1, ALICE, 1, 2);
        vm.prank(ISSUER);
        distributor.open(_terms(_pair(leaf, taxed), 99));
        vm.expectRevert(abi.encodeWithSelector(Distributor.TotalExceeded.selector, id, 100, 99));
        distributor.claim(id, 0, ALICE, 100, 0, _proof(taxed));
        vm.expectRevert(abi.encodeWithSelector(Distributor.WithheldTooMuch.selector, 1, 2));
        distributor.claim(id, 1, ALICE, 1, 2, _proof(leaf));
    }

    function test_ADistributionThatCannotWorkIsRefused() external {
        vm.startPrank(ISSUER);
        Distributor.Terms memory terms = _terms("root", 5);
        terms.root = 0;
        vm.expectPartialRevert(Distributor.MalformedDistribution.selector);
        distributor.open(terms);
        terms = _terms("root", 0);
        vm.expectPartialRevert(Distributor.MalformedDistribution.selector);
        distributor.open(terms);
        terms = _terms("root", 5);
        terms.expiresAt = uint64(block.timestamp);
        vm.expectPartialRevert(Distributor.MalformedDistribution.selector);
        distributor.open(terms);
        terms = _terms("root", 5);
        terms.payout = GOLD;
        vm.expectRevert(abi.encodeWithSelector(Distributor.PayoutRefused.selector, GOLD));
        distributor.open(terms);
        terms = _terms("root", 5);
        terms.action = 1;
        vm.expectRevert(abi.encodeWithSelector(Distributor.ActionMismatch.selector, 1));
        distributor.open(terms);
        vm.stopPrank();
        uint256 unknown = distributor.nextIdOf(GOLD);
        bytes memory reason = abi.encodeWithSelector(Distributor.UnknownDistribution.selector, unknown);
        vm.expectRevert(reason);
        distributor.sweep(unknown);
        vm.expectRevert(reason);
        distributor.collectWithheld(unknown);
        vm.expectRevert(reason);
        distributor.distributionOf(unknown);
        vm.expectRevert(reason);
        distributor.claim(unknown, 0, ALICE, 1, 0, new bytes32[](0));
    }

    function test_OnlyTheDistributorOfTheAssetOpens() external {
        uint64 role = Roles.ofAsset(Roles.DISTRIBUTOR, GOLD);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(AssetGoverned.AssetRoleMissing.selector, STRANGER, role));
        distributor.open(_terms("root", 5));
    }

    /// @dev A tree of eight random leaves pays each leaf exactly, in any order, and ends empty.
    function testFuzz_EveryLeafOfATreeIsPaidExactly(uint64[8] calldata amounts, uint256 order) external {
        uint256 id = distributor.nextIdOf(GOLD);
        bytes32[] memory nodes = new bytes32[](15);
        uint128 total = 1;
        uint256 tax = 0;
        for (uint256 i = 0; i < 8; ++i) {
            nodes[7 + i] = distributor.leafOf(id, i, _holder(i), amounts[i], amounts[i] / 4);
            total += amounts[i];
            tax += amounts[i] / 4;
        }
        for (uint256 i = 7; i > 0; --i) nodes[i - 1] = _pair(nodes[2 * i - 1], nodes[2 * i]);
        cash.mint(ISSUER, total);
        vm.prank(ISSUER);
        distributor.open(_terms(nodes[0], total));
        for (uint256 k = 0; k < 8; ++k) _claimLeaf(id, (k * 5 + (order % 8)) % 8, amounts, nodes);
        distributor.collectWithheld(id);
        Check.same(cash.balanceOf(TAX), tax);
        vm.warp(block.timestamp + WEEK);
        distributor.sweep(id);
        Check.same(cash.balanceOf(address(distributor)), 0);
    }

    function _holder(uint256 i) private pure returns (address) {
        return address(uint160(0x1000 + i));
    }

    function _claimLeaf(uint256 id, uint256 i, uint64[8] calldata amounts, bytes32[] memory nodes) private {
        bytes32[] memory proof = new bytes32[](3);
        uint256 node = 7 + i;
        for (uint256 d = 0; d < 3; ++d) {
            proof[d] = nodes[node % 2 == 1 ? node + 1 : node - 1];
            node = (node - 1) / 2;
        }
        distributor.claim(id, i, _holder(i), amounts[i], amounts[i] / 4, proof);
        Check.same(cash.balanceOf(_holder(i)), amounts[i] - amounts[i] / 4);
    }

    function test_DocumentsAreSetReplacedListedAndRemoved() external {
        vm.startPrank(ISSUER);
        assets.setDocument(GOLD, "prospectus", "ipfs://a", keccak256("a"));
        assets.setDocument(GOLD, "audit", "ipfs://b", keccak256("b"));
        vm.warp(block.timestamp + 5);
        assets.setDocument(GOLD, "prospectus", "ipfs://c", keccak256("c"));
        vm.stopPrank();
        (string memory uri, bytes32 documentHash, uint64 modifiedAt) = assets.getDocument(GOLD, "prospectus");
        Check.same(keccak256(bytes(uri)), keccak256("ipfs://c"));
        Check.same(documentHash, keccak256("c"));
        Check.same(modifiedAt, block.timestamp);
        Check.same(assets.getAllDocuments(GOLD).length, 2);
        vm.startPrank(ISSUER);
        assets.removeDocument(GOLD, "prospectus");
        vm.expectRevert(abi.encodeWithSelector(Documents.UnknownDocument.selector, GOLD, bytes32("prospectus")));
        assets.removeDocument(GOLD, "prospectus");
        vm.expectRevert(abi.encodeWithSelector(Documents.EmptyDocument.selector, bytes32("audit")));
        assets.setDocument(GOLD, "audit", "ipfs://b", 0);
        vm.expectRevert(abi.encodeWithSelector(Documents.EmptyDocument.selector, bytes32(0)));
        assets.setDocument(GOLD, 0, "ipfs://b", keccak256("b"));
        vm.stopPrank();
        (, documentHash, ) = assets.getDocument(GOLD, "prospectus");
        Check.same(documentHash, bytes32(0));
        Check.same(assets.getAllDocuments(GOLD)[0], bytes32("audit"));
    }

    function _announcement(bytes32 root) private view returns (CorporateActions.Terms memory) {
        return
            CorporateActions.Terms(
                CorporateActions.Kind.Dividend,
                12,
                uint64(block.timestamp) + WEEK,
                3,
                100,
                root,
                keccak256("notice")
            );
    }

    function test_AnAnnouncementBindsTheDistributionThatFulfilsIt() external {
        vm.startPrank(ISSUER);
        uint256 action = assets.announceAction(GOLD, _announcement("root"));
        Distributor.Terms memory terms = _terms("other", 5);
        terms.action = action;
        vm.expectRevert(abi.encodeWithSelector(Distributor.ActionMismatch.selector, action));
        distributor.open(terms);
        terms.root = "root";
        distributor.open(terms);
        assets.cancelAction(action);
        vm.expectRevert(abi.encodeWithSelector(Distributor.ActionMismatch.selector, action));
        distributor.open(terms);
        vm.stopPrank();
        Check.isTrue(assets.actionOf(action).isCancelled, "cancelled");
    }

    function test_AnAnnouncementOfAnotherAssetIsNotFulfilled() external {
        _create(2, "TWO", 6, false);
        _grantOfAsset(Roles.ISSUER, 2, ISSUER, 0);
        vm.startPrank(ISSUER);
        Distributor.Terms memory terms = _terms("root", 5);
        terms.action = assets.announceAction(2, _announcement("root"));
        vm.expectRevert(abi.encodeWithSelector(Distributor.ActionMismatch.selector, terms.action));
        distributor.open(terms);
        vm.stopPrank();
    }

    function test_AnActionIsCancelledBeforeItTakesEffectAndOnce() external {
        vm.startPrank(ISSUER);
        uint256 action = assets.announceAction(GOLD, _announcement(0));
        uint256 second = assets.announceAction(GOLD, _announcement(0));
        assets.cancelAction(action);
        vm.expectRevert(abi.encodeWithSelector(CorporateActions.ActionIsCancelled.selector, action));
        assets.cancelAction(action);
        uint64 effectiveAt = uint64(block.timestamp) + WEEK;
        vm.warp(effectiveAt);
        vm.expectRevert(abi.encodeWithSelector(CorporateActions.ActionInEffect.selector, second, effectiveAt));
        assets.cancelAction(second);
        vm.expectRevert(abi.encodeWithSelector(CorporateActions.UnknownAction.selector, 3));
        assets.cancelAction(3);
        CorporateActions.Terms memory terms = _announcement(0);
        terms.denominator = 0;
        vm.expectPartialRevert(CorporateActions.MalformedAction.selector);
        assets.announceAction(GOLD, terms);
        terms = _announcement(0);
        terms.effectiveAt = uint64(block.timestamp);
        vm.expectPartialRevert(CorporateActions.MalformedAction.selector);
        assets.announceAction(GOLD, terms);
        vm.stopPrank();
    }

    function test_OnlyTheIssuerOfTheAssetSpeaksForIt() external {
        vm.prank(ISSUER);
        uint256 action = assets.announceAction(GOLD, _announcement(0));
        uint64 role = Roles.ofAsset(Roles.ISSUER, GOLD);
        bytes memory missing = abi.encodeWithSelector(AssetGoverned.AssetRoleMissing.selector, STRANGER, role);
        vm.startPrank(STRANGER);
        vm.expectRevert(missing);
        assets.setDocument(GOLD, "audit", "ipfs://b", keccak256("b"));
        vm.expectRevert(missing);
        assets.removeDocument(GOLD, "audit");
        vm.expectRevert(missing);
        assets.announceAction(GOLD, _announcement(0));
        vm.expectRevert(missing);
        assets.cancelAction(action);
        vm.stopPrank();
    }

    function test_ATaxCollectorIsAlwaysNamed() external {
        Distributor.Terms memory terms = _terms("root", 100);
        terms.taxCollector = address(0);
        vm.prank(ISSUER);
        vm.expectRevert(abi.encodeWithSelector(Distributor.NoTaxCollector.selector));
        distributor.open(terms);
    }
}
