// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Roles} from "../../contracts/access/Roles.sol";
import {AssetToken} from "../../contracts/token/AssetToken.sol";
import {IERC7943Fungible} from "../../contracts/token/IERC7943.sol";
import {AssetTokenV2} from "./AssetTokenV2.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice Freezes, forced transfers, recovery, pause, permits and upgrades of a token.
contract AssetTokenTest is Suite {
    address private constant CAROL = address(0xca401);
    uint32 private constant CAROL_ID = 18;
    uint256 private constant WHOLE = type(uint256).max;
    bytes32 private constant ORDER = "order";

    uint256 private _payments;

    function setUp() public override {
        super.setUp();
        _give(ALICE_ID, 1_000);
    }

    function test_TheInterfaceIdIsThatOfTheStandard() external view {
        bytes4 id = 0x3edbb4c4;
        Check.isTrue(type(IERC7943Fungible).interfaceId == id, "computed");
        Check.isTrue(gold.supportsInterface(id), "ERC-7943");
        Check.isTrue(gold.supportsInterface(0x01ffc9a7), "ERC-165");
        Check.isTrue(gold.supportsInterface(0x36372b07), "ERC-20");
        Check.isTrue(gold.supportsInterface(0x9d8ff7da), "ERC-2612");
        Check.isTrue(!gold.supportsInterface(0xffffffff), "none");
    }

    function test_AFrozenPartStaysAndTheRestMoves() external {
        vm.expectEmit(address(gold));
        emit IERC7943Fungible.Frozen(ALICE, 600);
        _freeze(ALICE, 600);
        Check.same(gold.getFrozenTokens(ALICE), 600);
        Check.isTrue(gold.canTransfer(ALICE, BOB, 400) && !gold.canTransfer(ALICE, BOB, 401), "canTransfer");
        _transfer(ALICE, BOB, 400);
        _refuseTransfer(ALICE, BOB, 1, _short(ALICE, 1, 0));
        _freeze(ALICE, 0);
        _transfer(ALICE, BOB, 600);
    }

    function test_Pitfall15_MoreThanTheBalanceCanBeFrozenSoThatRunningAheadDoesNotHelp() external {
        _freeze(BOB, 500);
        _transfer(ALICE, BOB, 300);
        _refuseTransfer(BOB, ALICE, 1, _short(BOB, 1, 0));
        _transfer(ALICE, BOB, 300);
        _transfer(BOB, ALICE, 100);
        _refuseTransfer(BOB, ALICE, 1, _short(BOB, 1, 0));
    }

    function test_Pitfall15_AFreezeThatExpectedAnotherAmountIsRefused() external {
        vm.startPrank(FREEZER);
        vm.expectEmit(address(gold));
        emit AssetToken.FrozenByOrder(ALICE, 5, ORDER);
        gold.setFrozenIf(ALICE, 0, 5, ORDER);
        vm.expectRevert(abi.encodeWithSelector(AssetToken.FrozenChanged.selector, ALICE, 0, 5));
        gold.setFrozenIf(ALICE, 0, 7, ORDER);
        vm.stopPrank();
        Check.same(gold.getFrozenTokens(ALICE), 5);
    }

    function test_AWholeWalletNeitherSendsNorApproves() external {
        _freeze(ALICE, WHOLE);
        Check.isTrue(!gold.canSend(ALICE), "canSend");
        bytes memory refused = abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotSend.selector, ALICE);
        _refuseTransfer(ALICE, BOB, 0, refused);
        vm.prank(ALICE);
        vm.expectRevert(refused);
        gold.approve(BOB, 1);
    }

    function test_AFrozenAccountNeitherSendsNorReceivesNorDeposits() external {
        vm.prank(FREEZER);
        registry.freeze(ALICE_ID, ORDER);
        bytes memory refused = abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotSend.selector, ALICE);
        _refuseTransfer(ALICE, BOB, 1, refused);
        _refuseTransfer(ALICE, address(supply), 1, refused);
        _give(BOB_ID, 10);
        _refuseTransfer(BOB, ALICE, 1, abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, ALICE));
        Check.isTrue(!gold.canSend(ALICE) && !gold.canReceive(ALICE), "may");
        vm.prank(FREEZER);
        registry.unfreeze(ALICE_ID, ORDER);
        _transfer(ALICE, BOB, 1);
    }

    function test_AnExpiredHolderSellsButDoesNotBuy() external {
        vm.prank(REGISTRAR);
        registry.setClass(ALICE_ID, 1, uint64(block.timestamp));
        Check.isTrue(gold.canSend(ALICE) && !gold.canReceive(ALICE), "may");
        _transfer(ALICE, BOB, 1);
    }

    function test_WhatNobodyHasCannotMove() external {
        _refuseTransfer(
            ALICE,
            BOB,
            1_001,
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, ALICE, 1_000, 1_001)
        );
        Check.isTrue(!gold.canTransfer(ALICE, BOB, 1_001), "canTransfer");
        Check.isTrue(gold.canTransfer(address(vault), STRANGER, 0), "vault");
        Check.isTrue(!gold.canTransfer(address(vault), address(0), 0), "zero");
    }

    function test_AForcedTransferTakesUnfrozenAtomsFirst() external {
        _freeze(ALICE, 600);
        vm.expectEmit(address(gold));
        emit IERC7943Fungible.ForcedTransfer(ALICE, BOB, 400);
        vm.expectEmit(address(gold));
        emit AssetToken.ForcedByOrder(ALICE, BOB, 400, ORDER);
        _force(ALICE, BOB, 400);
        Check.same(gold.getFrozenTokens(ALICE), 600);
        _force(ALICE, BOB, 100);
        Check.same(gold.getFrozenTokens(ALICE), 500);
        Check.same(gold.balanceOf(BOB), 500);
    }

    function test_AWholeWalletStaysFrozenWhenItsTokensAreTaken() external {
        _freeze(ALICE, WHOLE);
        _force(ALICE, BOB, 1_000);
        Check.same(gold.getFrozenTokens(ALICE), WHOLE);
    }

    function test_Pitfall1_AForcedTransferToItselfDoesNotUnfreeze() external {
        _freeze(ALICE, 600);
        _refuseForce(ALICE, ALICE, 500, abi.encodeWithSelector(AssetToken.SelfTransfer.selector, ALICE));
        Check.same(gold.getFrozenTokens(ALICE), 600);
    }

    function testFuzz_Pitfall1_AForcedTransferNeverEndsMoreFreezeThanItMoves(
        uint256 frozen,
        uint16 first,
        uint16 second
    ) external {
        _freeze(ALICE, frozen);
        uint256[2] memory amounts = [uint256(first) % 700, uint256(second) % 300];
        for (uint256 i = 0; i < 2; ++i) {
            (uint256 before, uint256 held) = (gold.getFrozenTokens(ALICE), gold.balanceOf(ALICE));
            _force(ALICE, BOB, amounts[i]);
            Check.same(gold.balanceOf(ALICE), held - amounts[i]);
            uint256 unfrozen = held > before ? held - before : 0;
            uint256 taken = amounts[i] > unfrozen ? amounts[i] - unfrozen : 0;
            Check.same(gold.getFrozenTokens(ALICE), before == WHOLE ? WHOLE : before - taken);
        }
    }

    function test_AForcedTransferNeedsAHolderAndAReceiverWhoMay() external {
        _refuseForce(
            ALICE,
            STRANGER,
            1,
            abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, STRANGER)
        );
        _refuseForce(address(0), BOB, 1, abi.encodeWithSelector(IERC20Errors.ERC20InvalidSender.selector, address(0)));
        _refuseForce(
            ALICE,
            address(0),
            1,
            abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, address(0))
        );
        _refuseForce(
            ALICE,
            BOB,
            1_001,
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, ALICE, 1_000, 1_001)
        );
        Check.same(gold.totalSupply(), 1_000);
    }

    function test_TokensReachTheSuiteOnlyWhenItTakesThem() external {
        address[2] memory suite = [address(vault), address(supply)];
        vm.prank(ALICE);
        gold.approve(BOB, 10);
        for (uint256 i = 0; i < suite.length; ++i) {
            bytes memory lost = abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, suite[i]);
            _refuseTransfer(ALICE, suite[i], 10, lost);
            vm.prank(BOB);
            vm.expectRevert(lost);
            gold.transferFrom(ALICE, suite[i], 10);
            Check.isTrue(!gold.canTransfer(ALICE, suite[i], 10), "by anybody");
            vm.prank(suite[i]);
            Check.isTrue(gold.canTransfer(ALICE, suite[i], 10), "by itself");
        }
        vm.startPrank(ALICE);
        gold.approve(address(vault), 10);
        vault.deposit(GOLD, 10);
        gold.approve(address(supply), 10);
        supply.requestRedeem(GOLD, 10, 1);
        vm.stopPrank();
        Check.same(vault.balanceOf(ALICE_ID, GOLD), 10);
        Check.same(gold.balanceOf(address(supply)), 10);
    }

    function test_VaultAndSupplyControllerAreNeverFrozenOrForced() external {
        address[2] memory holders = [address(vault), address(supply)];
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory refused = abi.encodeWithSelector(AssetToken.SuiteAsHolder.selector, holders[i]);
            vm.prank(FREEZER);
            vm.expectRevert(refused);
            gold.setFrozenTokens(holders[i], 1);
            _refuseForce(holders[i], BOB, 0, refused);
            _refuseForce(
                ALICE,
                holders[i],
                1,
                abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotReceive.selector, holders[i])
            );
            Check.isTrue(gold.canSend(holders[i]) && gold.canReceive(holders[i]), "suite");
        }
    }

    function test_TheStandardFormOfAForcedTransferIsForTheAdmin() external {
        bytes memory call = abi.encodeCall(gold.forcedTransfer, (ALICE, BOB, 10));
        vm.prank(ENFORCER);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, ENFORCER));
        gold.forcedTransfer(ALICE, BOB, 10);
        authority.execute(address(gold), call);
        Check.same(gold.balanceOf(BOB), 10);
    }

    function test_RecoveryMovesBalanceAndFreeze() external {
        _freeze(ALICE, 300);
        _freeze(CAROL, 50);
        _replaceWallet(CAROL);
        Check.isTrue(!gold.canSend(ALICE), "the lost wallet");
        vm.expectEmit(address(gold));
        emit AssetToken.Recovered(ALICE, CAROL, 1_000, ORDER);
        vm.prank(ENFORCER);
        gold.recover(ALICE, CAROL, ORDER);
        Check.same(gold.balanceOf(CAROL), 1_000);
        Check.same(gold.balanceOf(ALICE), 0);
        Check.same(gold.getFrozenTokens(CAROL), 350);
        Check.same(gold.getFrozenTokens(ALICE), 0);
    }

    function test_RecoveryOfAWholeFrozenWalletFreezesTheNextWhole() external {
        _freeze(ALICE, WHOLE);
        _freeze(CAROL, 1);
        _replaceWallet(CAROL);
        vm.prank(ENFORCER);
        gold.recover(ALICE, CAROL, ORDER);
        Check.same(gold.getFrozenTokens(CAROL), WHOLE);
    }

    function test_WhatTheSuiteHoldsForOthersIsNotRecovered() external {
        address[2] memory suite = [address(vault), address(supply)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(ENFORCER);
            vm.expectRevert(abi.encodeWithSelector(AssetToken.SuiteAsHolder.selector, suite[i]));
            gold.recover(suite[i], CAROL, ORDER);
        }
    }

    function test_OnlyAFormerWalletIsRecoveredAndOnlyToItsOwnAccount() external {
        _refuseRecovery(ALICE, BOB);
        _replaceWallet(CAROL);
        _refuseRecovery(ALICE, BOB);
        _refuseRecovery(ALICE, STRANGER);
        _refuseRecovery(CAROL, ALICE);
        _refuseRecovery(STRANGER, CAROL);
    }

    function test_Pitfall4_EveryWayToMoveHonoursPauseAndFreeze() external {
        vm.prank(ALICE);
        gold.approve(BOB, 100);
        _pause();
        bytes memory paused = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        _refuseTransfer(ALICE, BOB, 1, paused);
        _refuseSpending(paused);
        vm.startPrank(ALICE);
        vm.expectRevert(paused);
        gold.approve(BOB, 1);
        gold.POLICY_ENGINE();
        vm.stopPrank();
        _unpause();
        _freeze(ALICE, WHOLE);
        _refuseSpending(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotSend.selector, ALICE));
    }

    function test_Pitfall4_APermitHonoursPauseAndFreeze() external {
        uint256 key = 0xd0e;
        address dora = vm.addr(key);
        _register(40, dora, 1, 0);
        (uint8 v, bytes32 r, bytes32 s) = _permit(key, dora, BOB, 7);
        _pause();
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        gold.permit(dora, BOB, 7, block.timestamp, v, r, s);
        _unpause();
        vm.prank(FREEZER);
        registry.freeze(40, ORDER);
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotSend.selector, dora));
        gold.permit(dora, BOB, 7, block.timestamp, v, r, s);
        vm.prank(FREEZER);
        registry.unfreeze(40, ORDER);
        gold.permit(dora, BOB, 7, block.timestamp, v, r, s);
        Check.same(gold.allowance(dora, BOB), 7);
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        gold.permit(dora, BOB, 7, block.timestamp, v, r, s);
    }

    function test_Pitfall4_AnAllowanceIsTakenBackInPauseAndFreeze() external {
        address[4] memory spenders = [BOB, CAROL, STRANGER, OFFICER];
        vm.startPrank(ALICE);
        for (uint256 i = 0; i < 4; ++i) gold.approve(spenders[i], 100);
        vm.stopPrank();
        _pause();
        _revoke(BOB);
        _unpause();
        _freeze(ALICE, WHOLE);
        _revoke(CAROL);
        _freeze(ALICE, 0);
        vm.prank(FREEZER);
        registry.freeze(ALICE_ID, ORDER);
        _revoke(STRANGER);
        vm.prank(FREEZER);
        registry.unfreeze(ALICE_ID, ORDER);
        _refuseSpending(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, BOB, 0, 1));
        // A former wallet still has what it allowed.
        _replaceWallet(CAROL);
        _revoke(OFFICER);
    }

    function test_Pitfall4_APermitOfNothingTakesBackInPauseAndFreeze() external {
        uint256 key = 0xd0e;
        address dora = vm.addr(key);
        _register(40, dora, 1, 0);
        vm.prank(dora);
        gold.approve(BOB, 7);
        vm.prank(FREEZER);
        registry.freeze(40, ORDER);
        _pause();
        (uint8 v, bytes32 r, bytes32 s) = _permit(key, dora, BOB, 0);
        gold.permit(dora, BOB, 0, block.timestamp, v, r, s);
        Check.same(gold.allowance(dora, BOB), 0);
        // Once, as any permit.
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        gold.permit(dora, BOB, 0, block.timestamp, v, r, s);
    }

    function test_Pitfall16_NeitherPauseNorFreezeStopsTheVault() external {
        _mint(GOLD, ALICE_ID, 50);
        _pause();
        _freeze(ALICE, WHOLE);
        vm.prank(SETTLER);
        vault.withdraw("paused", ALICE_ID, GOLD, 20);
        Check.same(gold.balanceOf(ALICE), 1_020);
        _mint(GOLD, ALICE_ID, 5);
        _mint(GOLD, ALICE_ID, -5);
    }

    function test_Pitfall17_AnUpgradeIsNeverQuickerThanTheUpgradeDelay() external {
        authority.grantRole(Roles.UPGRADER, OFFICER, 0);
        (, uint32 delay) = authority.canCall(OFFICER, address(gold), gold.upgradeToAndCall.selector);
        Check.same(delay, UPGRADE_DELAY);
    }

    function test_Pitfall19_AnUpgradeKeepsEveryFieldAndEverySlot() external {
        _freeze(ALICE, 5);
        vm.prank(ALICE);
        gold.approve(BOB, 9);
        bytes32[11] memory before = _slots();
        AssetTokenV2 next = new AssetTokenV2(address(authority), registry, address(vault), address(supply), policy);
        bytes memory call = abi.encodeCall(
            gold.upgradeToAndCall,
            (address(next), abi.encodeCall(AssetTokenV2.setMultiplier, (3)))
        );
        authority.grantRole(Roles.UPGRADER, OFFICER, UPGRADE_DELAY);
        vm.startPrank(OFFICER);
        authority.schedule(address(gold), call, 0);
        vm.warp(block.timestamp + UPGRADE_DELAY);
        authority.execute(address(gold), call);
        vm.stopPrank();

        bytes32[11] memory kept = _slots();
        for (uint256 i = 0; i < before.length; ++i) Check.same(kept[i], before[i]);
        Check.same(AssetTokenV2(address(gold)).multiplier(), 3);
        Check.same(gold.balanceOf(ALICE), 1_000);
        Check.same(gold.getFrozenTokens(ALICE), 5);
        Check.same(gold.allowance(ALICE, BOB), 9);
        Check.same(gold.asset(), GOLD);
        vm.prank(ENFORCER);
        gold.forcedTransferWithDocument(ALICE, BOB, 1_000, ORDER);
        Check.same(gold.getFrozenTokens(ALICE), 0);
    }

    function test_Pitfall20_TheNameOfThePermitDomainIsFixed() external view {
        (, string memory name, string memory version, , address target, , ) = gold.eip712Domain();
        Check.same(keccak256(bytes(name)), keccak256("Mooring Asset"));
        Check.same(keccak256(bytes(version)), keccak256("1"));
        Check.same(target, address(gold));
    }

    function test_Pitfall23_AForcedTransferLeavesNoBypassBehind() external {
        vm.prank(FREEZER);
        registry.freeze(ALICE_ID, ORDER);
        _force(ALICE, BOB, 10);
        _refuseTransfer(ALICE, BOB, 1, abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotSend.selector, ALICE));
    }

    function test_EachFunctionIsForItsRoleOnly() external {
        address[5] memory callers = [STRANGER, PAUSER, FREEZER, ENFORCER, ALICE];
        for (uint256 i = 0; i < callers.length; ++i) {
            address caller = callers[i];
            vm.startPrank(caller);
            if (caller != FREEZER) {
                _expectUnauthorized(caller);
                gold.setFrozenTokens(BOB, 1);
                _expectUnauthorized(caller);
                gold.setFrozenIf(BOB, 0, 1, ORDER);
            }
            if (caller != ENFORCER) {
                _expectUnauthorized(caller);
                gold.forcedTransferWithDocument(ALICE, BOB, 1, ORDER);
                _expectUnauthorized(caller);
                gold.recover(ALICE, BOB, ORDER);
            }
            _expectUnauthorized(caller);
            gold.pause();
            _expectUnauthorized(caller);
            gold.unpause();
            _expectUnauthorized(caller);
            gold.forcedTransfer(ALICE, BOB, 1);
            _expectUnauthorized(caller);
            gold.upgradeToAndCall(address(0), "");
            vm.expectRevert(abi.encodeWithSelector(AssetToken.NotSupplyController.selector, caller));
            gold.mint(1);
            vm.expectRevert(abi.encodeWithSelector(AssetToken.NotSupplyController.selector, caller));
            gold.burn(1);
            vm.stopPrank();
        }
    }

    function test_PauseAndUnpauseDoNotRepeat() external {
        _grantPause();
        vm.expectRevert(abi.encodeWithSelector(Pausable.ExpectedPause.selector));
        gold.unpause();
        vm.expectEmit(address(gold));
        emit Pausable.Paused(address(this));
        gold.pause();
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        gold.pause();
        vm.expectEmit(address(gold));
        emit Pausable.Unpaused(address(this));
        gold.unpause();
    }

    function testFuzz_TransfersConserveAndNeverTouchTheFrozenPart(uint256 frozen, uint256 amount) external {
        amount = amount % 1_100;
        frozen = frozen % 1_100;
        _freeze(ALICE, frozen);
        bool may = gold.canTransfer(ALICE, BOB, amount);
        vm.prank(ALICE);
        try gold.transfer(BOB, amount) {
            Check.isTrue(may, "moved against canTransfer");
            Check.same(gold.balanceOf(BOB), amount);
            Check.isTrue(amount == 0 || gold.balanceOf(ALICE) >= frozen, "frozen part moved");
        } catch {
            Check.isTrue(!may, "refused against canTransfer");
            Check.same(gold.balanceOf(ALICE), 1_000);
        }
        Check.same(gold.balanceOf(ALICE) + gold.balanceOf(BOB), 1_000);
    }

    /// @dev The plain slots of the bases (0 to 8, with one balance) and the first words of the ERC-7201 struct.
    function _slots() private view returns (bytes32[11] memory slots) {
        bytes32 base = keccak256(abi.encode(uint256(keccak256("mooring.AssetToken")) - 1)) & ~bytes32(uint256(0xff));
        slots[0] = vm.load(address(gold), keccak256(abi.encode(ALICE, 0)));
        Check.same(uint256(slots[0]), 1_000);
        for (uint256 i = 1; i < 9; ++i) slots[i] = vm.load(address(gold), bytes32(i));
        Check.same(uint256(slots[2]), 1_000);
        Check.same(address(uint160(uint256(slots[8]))), address(authority));
        slots[9] = vm.load(address(gold), base);
        slots[10] = vm.load(address(gold), keccak256(abi.encode(ALICE, uint256(base) + 3)));
        Check.same(uint256(slots[10]), 5);
    }

    function _permit(
        uint256 key,
        address owner,
        address spender,
        uint256 value
    ) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 kind = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 hash = keccak256(abi.encode(kind, owner, spender, value, gold.nonces(owner), block.timestamp));
        return vm.sign(key, keccak256(abi.encodePacked(hex"1901", gold.DOMAIN_SEPARATOR(), hash)));
    }

    function _revoke(address spender) private {
        Check.same(gold.allowance(ALICE, spender), 100);
        vm.expectEmit(address(gold));
        emit IERC20.Approval(ALICE, spender, 0);
        vm.prank(ALICE);
        gold.approve(spender, 0);
        Check.same(gold.allowance(ALICE, spender), 0);
    }

    function _replaceWallet(address next) private {
        vm.startPrank(RECOVERER);
        registry.proposeRecovery(ALICE_ID, next, ORDER);
        vm.warp(block.timestamp + registry.RECOVERY_DELAY());
        registry.executeRecovery(ALICE_ID);
        vm.stopPrank();
    }

    function _give(uint32 account, int64 amount) private {
        _mint(GOLD, account, amount);
        vm.prank(SETTLER);
        vault.withdraw(bytes32(++_payments), account, GOLD, uint64(amount));
    }

    function _grantPause() private {
        vm.prank(PAUSER);
        authority.grantRole(Roles.ofAsset(Roles.PAUSER, GOLD), address(this), 0);
        vm.prank(UNPAUSER);
        authority.grantRole(Roles.ofAsset(Roles.UNPAUSER, GOLD), address(this), 0);
    }

    function _pause() private {
        _grantPause();
        gold.pause();
    }

    function _unpause() private {
        gold.unpause();
    }

    function _freeze(address wallet, uint256 amount) private {
        vm.prank(FREEZER);
        gold.setFrozenTokens(wallet, amount);
    }

    function _transfer(address from, address to, uint256 amount) private {
        vm.prank(from);
        gold.transfer(to, amount);
    }

    function _force(address from, address to, uint256 amount) private {
        vm.prank(ENFORCER);
        gold.forcedTransferWithDocument(from, to, amount, ORDER);
    }

    function _refuseTransfer(address from, address to, uint256 amount, bytes memory reason) private {
        vm.prank(from);
        vm.expectRevert(reason);
        gold.transfer(to, amount);
    }

    function _refuseSpending(bytes memory reason) private {
        vm.prank(BOB);
        vm.expectRevert(reason);
        gold.transferFrom(ALICE, BOB, 1);
    }

    function _refuseForce(address from, address to, uint256 amount, bytes memory reason) private {
        vm.prank(ENFORCER);
        vm.expectRevert(reason);
        gold.forcedTransferWithDocument(from, to, amount, ORDER);
    }

    function _refuseRecovery(address lost, address wallet) private {
        vm.prank(ENFORCER);
        vm.expectRevert(abi.encodeWithSelector(AssetToken.NotRecoverable.selector, lost, wallet));
        gold.recover(lost, wallet, ORDER);
    }

    function _expectUnauthorized(address caller) private {
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller));
    }

    function _short(address account, uint256 amount, uint256 unfrozen) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IERC7943Fungible.ERC7943InsufficientUnfrozenBalance.selector,
                account,
                amount,
                unfrozen
            );
    }
}
