// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check, vm} from "../Vm.sol";
import {Actors} from "./Actors.sol";

/// @notice What must hold after every call, checked against the naive books.
abstract contract Proof is Actors {
    uint256 private constant GUARDS = 0xff8000000000000000ff8000000000000000ff8000000000000000;
    uint256 private constant LANES = (uint256(keccak256("mooring.lanes.v1")) >> 48) << 48;

    /// @dev Carries the result of a drill out of everything that the drill did.
    error DrillDone(bool passed, uint32 account, uint16 asset);

    modifier now_() {
        vm.warp(time);
        _;
    }

    function lanesEqualVaultBalance() external now_ {
        for (uint16 asset = 0; asset < ASSETS; ++asset) {
            uint256 lanes = vault.balanceOf(1, asset);
            for (uint32 user = FIRST; user < FIRST + USERS; ++user) lanes += vault.balanceOf(user, asset);
            Check.same(vault.totalOf(asset), lanes);
            Check.same(_token(asset).balanceOf(address(vault)), lanes * _scale(asset) + donated[asset]);
        }
    }

    function sumsFollowDeclaredChanges() external now_ {
        for (uint16 asset = 0; asset < ASSETS; ++asset) {
            uint256 lanes = vault.balanceOf(1, asset);
            for (uint32 user = FIRST; user < FIRST + USERS; ++user) lanes += vault.balanceOf(user, asset);
            Check.same(lanes, sum[asset]);
        }
        Check.same(gold.totalSupply(), issued[GOLD]);
        Check.same(silver.totalSupply(), issued[SILVER]);
    }

    function lanesKeepTheirRange() external now_ {
        _requireLane(1);
        for (uint32 user = FIRST; user < FIRST + USERS; ++user) _requireLane(user);
    }

    function _requireLane(uint32 account) private view {
        for (uint16 asset = 0; asset < ASSETS; ++asset) {
            Check.same(vault.balanceOf(account, asset), lane[account][asset]);
        }
        for (uint256 group = 0; group < 2; ++group) {
            uint256 word = uint256(vm.load(address(vault), bytes32(LANES | (uint256(account) << 16) | group)));
            Check.same(word & GUARDS, 0);
            if (group == 1) Check.same(word >> 216, 0);
        }
        (uint8 class, uint256 expiresAt) = vault.flagsOf(account);
        Check.same(class, account == 1 ? 84 : (account == BOB_ID ? 2 : 1));
        Check.same(expiresAt, 0);
    }

    function headIsTheFold() external now_ {
        Check.same(vault.head(), fold);
        Check.same(vault.sequence(), folded);
    }

    function frozenIsWhatWasOrdered() external now_ {
        for (uint32 user = FIRST; user < FIRST + USERS; ++user) {
            address wallet = _wallet(user);
            Check.same(gold.getFrozenTokens(wallet), frozenTokens[wallet]);
        }
        Check.isTrue(!isBroken[6], "a transfer took frozen tokens");
    }

    function supplyKeepsWithinItsGates() external now_ {
        Check.isTrue(!isBroken[7], "a mint passed above ceiling or reserve");
        Check.isTrue(gate.reserveOf(SILVER) <= _reserveNow(), "more reserve than attested");
    }

    function rateIsConserved() external now_ {
        uint256 granted = RATE + (uint256(RATE) * (block.timestamp - ratedSince)) / RATE_WINDOW;
        Check.isTrue(ratedMints + supply.mintableOf(GOLD) <= granted + 1, "more minted than the rate granted");
    }

    function everyoneCanExit(uint256 order) external now_ {
        try this.drill(order) {
            Check.isTrue(false, "a drill always reverts");
        } catch (bytes memory result) {
            Check.same(uint32(bytes4(result)), uint32(DrillDone.selector));
            (bool passed, uint32 account, uint16 asset) = abi.decode(_tail(result), (bool, uint32, uint16));
            Check.isTrue(passed, string.concat("no exit for ", _digit(account), " of ", _digit(asset)));
        }
    }

    /// @notice The operator is gone and all leave, beginning with any. Always reverts.
    function drill(uint256 order) external {
        vm.warp(time + EXIT_MODE_AFTER);
        vault.enterExitMode();
        for (uint32 i = 0; i < USERS; ++i) {
            uint32 user = FIRST + uint32((order + i) % USERS);
            if (!isFrozenAccount[user]) _exit(user, order);
        }
        for (uint16 asset = 0; asset < ASSETS; ++asset) {
            uint256 left = _token(asset).balanceOf(address(vault)) - donated[asset];
            if (left != vault.totalOf(asset) * _scale(asset)) revert DrillDone(false, 0, asset);
        }
        revert DrillDone(true, 0, 0);
    }

    function _exit(uint32 user, uint256 order) private {
        for (uint16 i = 0; i < ASSETS; ++i) {
            uint16[] memory list = new uint16[](1);
            list[0] = uint16((order + i) % ASSETS);
            address wallet = _wallet(user);
            uint256 due = _token(list[0]).balanceOf(wallet) + vault.balanceOf(user, list[0]) * _scale(list[0]);
            vm.prank(wallet);
            try vault.executeExit(list) {
                bool isPaid = _token(list[0]).balanceOf(wallet) == due && vault.balanceOf(user, list[0]) == 0;
                if (!isPaid) revert DrillDone(false, user, list[0]);
            } catch {
                revert DrillDone(false, user, list[0]);
            }
        }
    }

    function holdersAreCounted() external now_ {
        for (uint16 asset = 0; asset < ASSETS; ++asset) {
            uint256 holders = vault.balanceOf(1, asset) == 0 ? 0 : 1;
            for (uint32 user = FIRST; user < FIRST + USERS; ++user) {
                if (vault.balanceOf(user, asset) != 0) ++holders;
            }
            Check.same(vault.holdersOf(asset), holders);
        }
    }

    function freezesAreOfTheFreezer() external now_ {
        Check.isTrue(!isBroken[12], "somebody without the permission succeeded");
        for (uint32 user = FIRST; user < FIRST + USERS; ++user) {
            Check.isTrue(registry.isFrozen(user) == isFrozenAccount[user], "registry: frozen");
            Check.isTrue(vault.isFrozen(user) == isFrozenAccount[user], "vault: frozen");
        }
        Check.same(gold.totalSupply(), issued[GOLD]);
    }

    function _tail(bytes memory data) private pure returns (bytes memory tail) {
        tail = new bytes(data.length - 4);
        for (uint256 i = 4; i < data.length; ++i) tail[i - 4] = data[i];
    }

    function _digit(uint256 number) private pure returns (string memory) {
        return string(abi.encodePacked(uint8(48 + number / 10), uint8(48 + (number % 10))));
    }
}
