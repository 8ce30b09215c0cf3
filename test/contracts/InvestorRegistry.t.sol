// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {InvestorRegistry} from "../../contracts/compliance/InvestorRegistry.sol";
import {WalletBook} from "../../contracts/compliance/WalletBook.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice Registration and what it leaves beside the balances.
contract InvestorRegistryTest is Suite {
    address private constant CAROL = address(0xca401);

    function test_ARegistrationIsFoundByAccountAndByWallet() external {
        uint64 expiry = uint64(block.timestamp) + 7_200;
        vm.expectEmit(address(registry));
        emit InvestorRegistry.AccountRegistered(20, CAROL, 5, expiry);
        _register(20, CAROL, 5, expiry);
        Check.same(registry.accountOf(CAROL), 20);
        Check.same(registry.walletOf(20), CAROL);
        Check.same(registry.classOf(20), 5);
        Check.same(registry.expiresAt(20), expiry);
        Check.same(registry.identityHashOf(20), bytes32(uint256(20)));
        (uint8 class, uint256 until) = vault.flagsOf(20);
        Check.same(class, 5);
        Check.same(until, (expiry / 3_600) * 3_600);
    }

    function test_TheSameRegistrationAgainIsQuiet() external {
        _register(ALICE_ID, ALICE, 1, 0);
        Check.same(registry.accountOf(ALICE), ALICE_ID);
    }

    function test_ATakenIdOrWalletIsRefused() external {
        _refuse(ALICE_ID, CAROL, 1, abi.encodeWithSelector(InvestorRegistry.AccountTaken.selector, ALICE_ID));
        _refuse(ALICE_ID, ALICE, 2, abi.encodeWithSelector(InvestorRegistry.AccountTaken.selector, ALICE_ID));
        _refuse(20, ALICE, 1, abi.encodeWithSelector(WalletBook.WalletTaken.selector, ALICE, ALICE_ID));
        vm.prank(REGISTRAR);
        vm.expectRevert(abi.encodeWithSelector(InvestorRegistry.AccountTaken.selector, ALICE_ID));
        registry.register(ALICE_ID, ALICE, 1, 0, "another file");
    }

    function test_ClassesAndAccountsHaveTheirRange() external {
        _refuse(20, CAROL, 0, abi.encodeWithSelector(InvestorRegistry.ClassOutOfRange.selector, 0));
        _refuse(20, CAROL, 84, abi.encodeWithSelector(InvestorRegistry.ClassOutOfRange.selector, 84));
        _refuse(20, address(0), 1, abi.encodeWithSelector(WalletBook.ZeroWallet.selector));
        _refuse(15, CAROL, 1, abi.encodeWithSelector(InvestorRegistry.SystemAccount.selector, 15));
        _register(20, CAROL, 83, 0);
    }

    function test_SystemAccountsExistFromTheStartWithoutAWallet() external view {
        for (uint32 account = 1; account < 16; ++account) {
            (uint8 class, uint256 until) = vault.flagsOf(account);
            Check.same(class, 84);
            Check.same(until, 0);
            Check.same(registry.classOf(account), 84);
            Check.same(registry.walletOf(account), address(0));
        }
        Check.same(registry.classOf(0), 0);
        (uint8 none, ) = vault.flagsOf(16 + 100);
        Check.same(none, 0);
    }

    function test_AClassChangeReachesTheVault() external {
        uint64 expiry = uint64(block.timestamp) + 3_600;
        vm.expectEmit(address(registry));
        emit InvestorRegistry.ClassChanged(ALICE_ID, 7, expiry);
        vm.prank(REGISTRAR);
        registry.setClass(ALICE_ID, 7, expiry);
        (uint8 class, ) = vault.flagsOf(ALICE_ID);
        Check.same(class, 7);
        vm.startPrank(REGISTRAR);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.UnknownAccount.selector, 99));
        registry.setClass(99, 7, 0);
        vm.expectRevert(abi.encodeWithSelector(InvestorRegistry.SystemAccount.selector, 1));
        registry.setClass(1, 7, 0);
        vm.stopPrank();
    }

    function test_OnlyTheRegistrarRegisters() external {
        vm.startPrank(STRANGER);
        bytes memory refused = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
        vm.expectRevert(refused);
        registry.register(20, CAROL, 1, 0, "");
        vm.expectRevert(refused);
        registry.setClass(ALICE_ID, 2, 0);
        vm.stopPrank();
    }

    function _refuse(uint32 account, address wallet, uint8 class, bytes memory reason) private {
        vm.prank(REGISTRAR);
        vm.expectRevert(reason);
        registry.register(account, wallet, class, 0, bytes32(uint256(account)));
    }
}
