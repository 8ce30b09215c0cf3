// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "../Vm.sol";
import {Proof} from "./Proof.sol";

/// @dev The runner calls only contracts of a file that it was given.
contract Subject is Proof {}

/// @notice The twelve that hold whatever anybody does, in any order. What the calls are: Actors.sol; what the books say:
/// Market.sol.
contract InvariantsTest {
    /// @dev As the test runner knows it.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Subject private _proof;

    function setUp() external {
        _proof = new Subject();
        _proof.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_proof);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_proof), _proof.selectors());
    }

    function invariant_01_LanesEqualTheBalanceOfTheVault() external {
        _proof.lanesEqualVaultBalance();
    }

    function invariant_02_SumsFollowDeclaredSupplyChanges() external {
        _proof.sumsFollowDeclaredChanges();
    }

    function invariant_03_LanesKeepTheirRangeAndTheirNeighbours() external {
        _proof.lanesKeepTheirRange();
    }

    function invariant_04_TheSameBatchTwiceChangesNothing() external view {
        Check.isTrue(!_proof.isBroken(4), "a batch was applied twice");
    }

    function invariant_05_TheHeadIsTheFoldOfAcceptedBatches() external {
        _proof.headIsTheFold();
    }

    function invariant_06_FrozenTokensAreThoseThatWereOrdered() external {
        _proof.frozenIsWhatWasOrdered();
    }

    function invariant_07_SupplyKeepsWithinCeilingAndReserve() external {
        _proof.supplyKeepsWithinItsGates();
    }

    function invariant_08_MintsAndRateAddUpToWhatWasGranted() external {
        _proof.rateIsConserved();
    }

    function invariant_09_EveryAccountCanExitWhollyInAnyOrder() external {
        for (uint256 order = 0; order < 3; ++order) _proof.everyoneCanExit(order * 7);
    }

    function invariant_10_HoldersAreThoseWithALane() external {
        _proof.holdersAreCounted();
    }

    function invariant_11_WhatIsPausedOrClosedMovesNothing() external view {
        Check.isTrue(!_proof.isBroken(11), "something moved while stopped");
    }

    function invariant_12_NoRolePathMintsOrUnfreezes() external {
        _proof.freezesAreOfTheFreezer();
    }
}
