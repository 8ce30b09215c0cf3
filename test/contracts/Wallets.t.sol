// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Roles} from "../../contracts/access/Roles.sol";
import {InvestorRegistry} from "../../contracts/compliance/InvestorRegistry.sol";
import {Parties, Party} from "../../contracts/compliance/Party.sol";
import {WalletBook} from "../../contracts/compliance/WalletBook.sol";
import {Distributor} from "../../contracts/token/Distributor.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice A contract wallet that approves what its owner signed.
contract ContractWallet is IERC1271 {
    address private immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (uint8 v, bytes32 r, bytes32 s) = abi.decode(signature, (uint8, bytes32, bytes32));
        return ecrecover(hash, v, r, s) == OWNER ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @notice Claims, linked wallets, freezes and recovery.
contract WalletsTest is Suite {
    uint256 private constant ISSUER_KEY = 0x155;
    uint256 private constant PRIMARY_KEY = 0xd0e;
    uint256 private constant SECOND_KEY = 0xd0f;
    uint32 private constant DORA_ID = 40;
    uint64 private constant DELAY = 3 days;
    bytes32 private constant CLAIM_TYPE = keccak256(
        "Claim(address issuer,uint32 account,address wallet,uint8 class,uint64 expiresAt,bytes32 identityHash,uint256 nonce,uint256 deadline)"
    );

    address private _dora;
    address private _second;

    function setUp() public override {
        super.setUp();
        (_dora, _second) = (vm.addr(PRIMARY_KEY), vm.addr(SECOND_KEY));
        _register(DORA_ID, _dora, 1, 0);
        vm.prank(OFFICER);
        registry.trustIssuer(vm.addr(ISSUER_KEY), 1 << 5);
    }

    function test_AClaimOfATrustedIssuerRegistersAnAccount() external {
        InvestorRegistry.Claim memory claim = _claim(vm.addr(ISSUER_KEY));
        vm.expectEmit(address(registry));
        emit InvestorRegistry.ClaimAccepted(50, claim.issuer, 9);
        _submit(claim, _sign(ISSUER_KEY, claim));
        Check.same(registry.accountOf(address(0x50)), 50);
        Check.same(registry.classOf(50), 5);
        Check.same(registry.identityHashOf(50), "file");
        _refuse(
            claim,
            _sign(ISSUER_KEY, claim),
            abi.encodeWithSelector(InvestorRegistry.NonceUsed.selector, claim.issuer, 9)
        );
    }

    function test_AClaimOfAContractIssuerCountsByErc1271() external {
        ContractWallet issuer = new ContractWallet(vm.addr(0x77));
        vm.prank(OFFICER);
        registry.trustIssuer(address(issuer), 1 << 5);
        InvestorRegistry.Claim memory claim = _claim(address(issuer));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(0x78, _digest(claim));
        _refuse(claim, abi.encode(v, r, s), abi.encodeWithSelector(WalletBook.SignatureRefused.selector, issuer));
        (v, r, s) = vm.sign(0x77, _digest(claim));
        _submit(claim, abi.encode(v, r, s));
        Check.same(registry.accountOf(address(0x50)), 50);
    }

    function test_Pitfall2_AClaimBindsTheTrustedIssuerAndEveryField() external {
        InvestorRegistry.Claim memory claim = _claim(vm.addr(0x666));
        _refuse(
            claim,
            _sign(0x666, claim),
            abi.encodeWithSelector(InvestorRegistry.IssuerNotTrusted.selector, vm.addr(0x666), 5)
        );
        claim.issuer = vm.addr(ISSUER_KEY);
        bytes memory forged = abi.encodeWithSelector(WalletBook.SignatureRefused.selector, claim.issuer);
        _refuse(claim, _sign(0x666, claim), forged);
        bytes memory signature = _sign(ISSUER_KEY, claim);
        InvestorRegistry.Claim[6] memory others;
        for (uint256 i = 0; i < 6; ++i) others[i] = _claim(claim.issuer);
        others[0].account = 51;
        others[1].wallet = STRANGER;
        others[2].expiresAt = 1;
        others[3].identityHash = "another";
        others[4].nonce = 10;
        others[5].deadline = claim.deadline + 1;
        for (uint256 i = 0; i < 6; ++i) _refuse(others[i], signature, forged);
        claim.class = 6;
        _refuse(
            claim,
            _sign(ISSUER_KEY, claim),
            abi.encodeWithSelector(InvestorRegistry.IssuerNotTrusted.selector, claim.issuer, 6)
        );
    }

    function test_AClaimEndsWithItsDeadlineItsIssuersTrustOrItsCancellation() external {
        InvestorRegistry.Claim memory claim = _claim(vm.addr(ISSUER_KEY));
        bytes memory signature = _sign(ISSUER_KEY, claim);
        vm.warp(claim.deadline + 1);
        _refuse(claim, signature, abi.encodeWithSelector(WalletBook.DeadlinePassed.selector, claim.deadline));
        vm.warp(claim.deadline);
        vm.expectEmit(address(registry));
        emit InvestorRegistry.ClaimCancelled(claim.issuer, 9);
        vm.prank(claim.issuer);
        registry.cancelClaim(9);
        _refuse(claim, signature, abi.encodeWithSelector(InvestorRegistry.NonceUsed.selector, claim.issuer, 9));
        vm.prank(claim.issuer);
        vm.expectRevert(abi.encodeWithSelector(InvestorRegistry.NonceUsed.selector, claim.issuer, 9));
        registry.cancelClaim(9);
        vm.prank(OFFICER);
        registry.trustIssuer(claim.issuer, 0);
        _refuse(claim, signature, abi.encodeWithSelector(InvestorRegistry.IssuerNotTrusted.selector, claim.issuer, 5));
    }

    function test_Pitfall11_AClaimOfAnotherRegistryOrChainIsRefused() external {
        InvestorRegistry other = InvestorRegistry(_new("InvestorRegistry", abi.encode(authority, vault)));
        InvestorRegistry.Claim memory claim = _claim(vm.addr(ISSUER_KEY));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ISSUER_KEY, _digestFor(claim, address(other)));
        _refuse(
            claim,
            abi.encodePacked(r, s, v),
            abi.encodeWithSelector(WalletBook.SignatureRefused.selector, claim.issuer)
        );
    }

    function test_ALinkedWalletActsForItsAccountAndThePrimaryIsPaid() external {
        vm.expectEmit(address(registry));
        emit WalletBook.WalletLinked(DORA_ID, _second);
        _link(_second, SECOND_KEY, PRIMARY_KEY);
        Check.same(registry.accountOf(_second), DORA_ID);
        Check.same(vault.accountOf(_second), DORA_ID);
        Check.same(registry.walletOf(DORA_ID), _dora);
        (uint32 account, uint8 class, ) = registry.investorOf(_second);
        Check.same(account, DORA_ID);
        Check.same(class, 1);
        address[] memory wallets = registry.walletsOf(DORA_ID);
        Check.same(wallets.length, 2);
        Check.same(wallets[0], _dora);
        Check.same(wallets[1], _second);
        Check.same(registry.walletsOf(999).length, 0);
    }

    function test_AClassChangeAndAFreezeReachEveryWallet() external {
        _link(_second, SECOND_KEY, PRIMARY_KEY);
        uint64 expiry = uint64(block.timestamp) + 3_600;
        vm.prank(REGISTRAR);
        registry.setClass(DORA_ID, 2, expiry);
        vm.prank(FREEZER);
        registry.freeze(DORA_ID, "order");
        Check.isTrue(!gold.canSend(_second) && !gold.canSend(_dora), "frozen");
        vm.prank(FREEZER);
        registry.unfreeze(DORA_ID, "order");
        (, uint8 class, uint64 until) = registry.investorOf(_second);
        Check.same(class, 2);
        Check.same(until, expiry);
        vm.warp(expiry);
        Check.isTrue(gold.canSend(_second) && !gold.canReceive(_second), "expired");
    }

    function test_BothSidesMustSignALinkAndEachLinkOnce() external {
        uint256 deadline = 1_800_000_000;
        bytes32 digest = _linkDigest(_second, 0, deadline);
        bytes memory byPrimary = _signature(PRIMARY_KEY, digest);
        bytes memory bySecond = _signature(SECOND_KEY, digest);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.SignatureRefused.selector, _dora));
        registry.linkWallet(DORA_ID, _second, deadline, bySecond, bySecond);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.SignatureRefused.selector, _second));
        registry.linkWallet(DORA_ID, _second, deadline, byPrimary, byPrimary);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.DeadlinePassed.selector, deadline));
        registry.linkWallet(DORA_ID, _second, deadline, byPrimary, bySecond);
        vm.warp(deadline);
        registry.linkWallet(DORA_ID, _second, deadline, byPrimary, bySecond);
        vm.prank(_second);
        registry.unlinkWallet(_second);
        // Pitfall 11: the nonce is gone, so an old consent does not link it again.
        vm.expectRevert(abi.encodeWithSelector(WalletBook.SignatureRefused.selector, _dora));
        registry.linkWallet(DORA_ID, _second, deadline, byPrimary, bySecond);
        _link(_second, SECOND_KEY, PRIMARY_KEY);
        Check.same(registry.walletsOf(DORA_ID).length, 2);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.UnknownAccount.selector, 999));
        registry.linkWallet(999, _second, deadline, byPrimary, bySecond);
    }

    function test_AWalletNeverChangesItsAccount() external {
        _refuseLink(
            vm.addr(PRIMARY_KEY),
            PRIMARY_KEY,
            abi.encodeWithSelector(WalletBook.WalletTaken.selector, _dora, DORA_ID)
        );
        _link(_second, SECOND_KEY, PRIMARY_KEY);
        vm.prank(_dora);
        registry.unlinkWallet(_second);
        Check.same(registry.accountOf(_second), 0);
        Check.same(vault.accountOf(_second), 0);
        vm.prank(REGISTRAR);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.WalletTaken.selector, _second, DORA_ID));
        registry.register(60, _second, 1, 0, "");
        vm.prank(RECOVERER);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.WalletTaken.selector, _second, DORA_ID));
        registry.proposeRecovery(ALICE_ID, _second, "");
    }

    function test_AFrozenAccountLinksNothing() external {
        vm.prank(FREEZER);
        registry.freeze(DORA_ID, "order");
        _refuseLink(_second, SECOND_KEY, abi.encodeWithSelector(WalletBook.AccountFrozen.selector, DORA_ID));
    }

    function test_AnAccountHasEightWalletsAndIsStillRecoverable() external {
        for (uint256 i = 1; i < 8; ++i) _link(vm.addr(1_000 + i), 1_000 + i, PRIMARY_KEY);
        _refuseLink(_second, SECOND_KEY, abi.encodeWithSelector(WalletBook.TooManyWallets.selector, DORA_ID));
        _recover(DORA_ID, _second);
        Check.same(registry.walletOf(DORA_ID), _second);
        Check.same(registry.walletsOf(DORA_ID).length, 9);
    }

    function test_UnlinkingIsForTheWalletThePrimaryOrTheRegistrar() external {
        _link(_second, SECOND_KEY, PRIMARY_KEY);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.NotOfAccount.selector, ALICE, DORA_ID));
        registry.unlinkWallet(_second);
        vm.prank(_second);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.NotOfAccount.selector, _second, DORA_ID));
        registry.unlinkWallet(_dora);
        vm.prank(_dora);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.PrimaryWallet.selector, _dora, DORA_ID));
        registry.unlinkWallet(_dora);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.WalletUnknown.selector, STRANGER));
        registry.unlinkWallet(STRANGER);
        vm.expectEmit(address(registry));
        emit WalletBook.WalletUnlinked(DORA_ID, _second);
        vm.startPrank(REGISTRAR);
        registry.revokeWallet(_second);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.WalletUnknown.selector, _second));
        registry.revokeWallet(_second);
        vm.stopPrank();
    }

    function test_AFormerWalletStaysFormerWhenItsAccountChanges() external {
        _link(_second, SECOND_KEY, PRIMARY_KEY);
        vm.startPrank(REGISTRAR);
        registry.revokeWallet(_second);
        registry.setClass(DORA_ID, 2, 0);
        vm.stopPrank();
        _requireFormer(_second);
        vm.startPrank(FREEZER);
        registry.freeze(DORA_ID, "order");
        registry.unfreeze(DORA_ID, "appeal");
        vm.stopPrank();
        _requireFormer(_second);
        _link(vm.addr(1_001), 1_001, PRIMARY_KEY);
        _requireFormer(_second);
        Check.isTrue(gold.canSend(_dora) && gold.canSend(vm.addr(1_001)), "the others");
    }

    function _requireFormer(address wallet) private view {
        Check.same(registry.accountOf(wallet), 0);
        Check.isTrue(!gold.canSend(wallet) && !gold.canReceive(wallet), "acts again");
    }

    function test_AFreezeReachesTheVaultAndDoesNotRepeat() external {
        vm.startPrank(FREEZER);
        vm.expectEmit(address(registry));
        emit InvestorRegistry.Frozen(ALICE_ID, "order");
        registry.freeze(ALICE_ID, "order");
        Check.isTrue(registry.isFrozen(ALICE_ID), "frozen");
        vm.expectRevert(abi.encodeWithSelector(InvestorRegistry.FreezeUnchanged.selector, ALICE_ID, true));
        registry.freeze(ALICE_ID, "order");
        vm.expectEmit(address(registry));
        emit InvestorRegistry.Unfrozen(ALICE_ID, "appeal");
        registry.unfreeze(ALICE_ID, "appeal");
        vm.expectRevert(abi.encodeWithSelector(InvestorRegistry.FreezeUnchanged.selector, ALICE_ID, false));
        registry.unfreeze(ALICE_ID, "appeal");
        vm.expectRevert(abi.encodeWithSelector(WalletBook.UnknownAccount.selector, 999));
        registry.freeze(999, "order");
        vm.expectRevert(abi.encodeWithSelector(WalletBook.UnknownAccount.selector, 1));
        registry.freeze(1, "order");
        vm.stopPrank();
    }

    function test_ARecoveryWaitsAndThenReplacesTheWallet() external {
        vm.startPrank(RECOVERER);
        vm.expectEmit(address(registry));
        emit InvestorRegistry.RecoveryProposed(ALICE_ID, _second, uint64(block.timestamp) + DELAY, "loss");
        registry.proposeRecovery(ALICE_ID, _second, "loss");
        vm.expectRevert(abi.encodeWithSelector(InvestorRegistry.RecoveryPending.selector, ALICE_ID));
        registry.proposeRecovery(ALICE_ID, STRANGER, "loss");
        vm.warp(block.timestamp + DELAY - 1);
        vm.expectPartialRevert(InvestorRegistry.RecoveryNotDue.selector);
        registry.executeRecovery(ALICE_ID);
        vm.warp(block.timestamp + 1);
        vm.expectEmit(address(registry));
        emit WalletBook.PrimaryWalletChanged(ALICE_ID, ALICE, _second);
        vm.expectEmit(address(registry));
        emit InvestorRegistry.RecoveryExecuted(ALICE_ID, ALICE, _second);
        registry.executeRecovery(ALICE_ID);
        vm.expectRevert(abi.encodeWithSelector(InvestorRegistry.NoRecovery.selector, ALICE_ID));
        registry.executeRecovery(ALICE_ID);
        vm.stopPrank();
        Check.same(registry.walletOf(ALICE_ID), _second);
        Check.same(registry.accountOf(_second), ALICE_ID);
        Check.same(registry.accountOf(ALICE), 0);
        Check.same(vault.accountOf(ALICE), 0);
        Check.same(vault.accountOf(_second), ALICE_ID);
        Check.same(registry.classOf(ALICE_ID), 1);
    }

    function test_ARecoveryNotUsedInItsWindowEnds() external {
        vm.startPrank(RECOVERER);
        registry.proposeRecovery(ALICE_ID, _second, "loss");
        vm.warp(block.timestamp + DELAY + registry.RECOVERY_WINDOW());
        vm.expectPartialRevert(InvestorRegistry.RecoveryNotDue.selector);
        registry.executeRecovery(ALICE_ID);
        registry.proposeRecovery(ALICE_ID, _second, "loss");
        vm.stopPrank();
    }

    function test_ARecoveryIsVetoedByTheWalletOrAnOfficer() external {
        address[2] memory by = [ALICE, FREEZER];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(RECOVERER);
            registry.proposeRecovery(ALICE_ID, _second, "loss");
            vm.expectEmit(address(registry));
            emit InvestorRegistry.RecoveryVetoed(ALICE_ID, by[i]);
            vm.prank(by[i]);
            registry.vetoRecovery(ALICE_ID);
        }
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(InvestorRegistry.NoRecovery.selector, ALICE_ID));
        registry.vetoRecovery(ALICE_ID);
        _expectUnauthorized(BOB);
        registry.vetoRecovery(ALICE_ID);
        _expectUnauthorized(RECOVERER);
        registry.vetoRecovery(ALICE_ID);
    }

    function test_NoContractThatHoldsForOthersBecomesAWallet() external {
        address[2] memory suite = [address(vault), address(supply)];
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory refused = abi.encodeWithSelector(WalletBook.SuiteAsWallet.selector, suite[i]);
            vm.prank(REGISTRAR);
            vm.expectRevert(refused);
            registry.register(99, suite[i], 1, 0, "file");
            vm.prank(RECOVERER);
            vm.expectRevert(refused);
            registry.proposeRecovery(ALICE_ID, suite[i], "loss");
        }
    }

    function test_AFrozenAccountIsNotPaidThroughAWalletThatItUnlinks() external {
        _link(_second, SECOND_KEY, PRIMARY_KEY);
        _grantOfAsset(Roles.DISTRIBUTOR, GOLD, address(this), 0);
        cash.mint(address(this), 100);
        cash.approve(address(distributor), 100);
        uint256 id = distributor.nextIdOf(GOLD);
        bytes32 root = distributor.leafOf(id, 0, _second, 100, 0);
        uint64 end = uint64(block.timestamp) + 1 days;
        distributor.open(Distributor.Terms(GOLD, 0, root, 100, end, 0, address(this)));
        vm.prank(FREEZER);
        registry.freeze(DORA_ID, "order");
        vm.prank(_second);
        registry.unlinkWallet(_second);
        vm.expectRevert(abi.encodeWithSelector(Distributor.AccountFrozen.selector, DORA_ID));
        distributor.claim(id, 0, _second, 100, 0, new bytes32[](0));
        vm.prank(FREEZER);
        registry.unfreeze(DORA_ID, "order");
        distributor.claim(id, 0, _second, 100, 0, new bytes32[](0));
        Check.same(cash.balanceOf(_second), 0);
        Check.same(cash.balanceOf(_dora), 100);
    }

    function test_AFrozenWalletDoesNotVetoItsRecovery() external {
        vm.prank(FREEZER);
        registry.freeze(ALICE_ID, "stolen");
        vm.prank(RECOVERER);
        registry.proposeRecovery(ALICE_ID, _second, "loss");
        _expectUnauthorized(ALICE);
        registry.vetoRecovery(ALICE_ID);
        vm.prank(FREEZER);
        registry.vetoRecovery(ALICE_ID);
    }

    function test_ARecoveryKeepsAFreezeAndMayPromoteALinkedWallet() external {
        _link(_second, SECOND_KEY, PRIMARY_KEY);
        vm.prank(FREEZER);
        registry.freeze(DORA_ID, "order");
        _recover(DORA_ID, _second);
        Check.isTrue(registry.isFrozen(DORA_ID), "frozen");
        Check.same(registry.walletsOf(DORA_ID).length, 2);
        Check.same(registry.accountOf(_dora), 0);
        vm.startPrank(RECOVERER);
        vm.expectRevert(abi.encodeWithSelector(WalletBook.WalletTaken.selector, _second, DORA_ID));
        registry.proposeRecovery(DORA_ID, _second, "");
        vm.expectRevert(abi.encodeWithSelector(WalletBook.ZeroWallet.selector));
        registry.proposeRecovery(DORA_ID, address(0), "");
        vm.stopPrank();
    }

    function test_AWithdrawalFollowsTheRecovery() external {
        _fund(ALICE, 500);
        _recover(ALICE_ID, _second);
        vm.prank(SETTLER);
        vault.withdraw("after", ALICE_ID, 0, 500);
        Check.same(cash.balanceOf(_second), 500);
    }

    function test_Pitfall27_OnlyCodesAndHashesAreStored() external {
        InvestorRegistry.Claim memory claim = _claim(vm.addr(ISSUER_KEY));
        claim.expiresAt = uint64(block.timestamp) + 30 days;
        bytes memory signature = _sign(ISSUER_KEY, claim);
        uint256 flags = (uint256(claim.expiresAt / 1 hours) << 8) | claim.class;
        vm.record();
        _submit(claim, signature);

        // The registry keeps who the wallet is, whose the account is, the hash of the file, and that the nonce is used.
        bytes32[4] memory known = [
            bytes32(Party.unwrap(registry.partyOf(claim.wallet))),
            bytes32(uint256(uint160(claim.wallet))),
            claim.identityHash,
            bytes32(uint256(1))
        ];
        Check.same(known[0], bytes32(Party.unwrap(Parties.first(claim.account, claim.class, claim.expiresAt, 1))));
        bytes32[] memory written = _written(address(registry));
        Check.same(written.length, known.length);
        for (uint256 i = 0; i < written.length; ++i) {
            bool isKnown = false;
            for (uint256 j = 0; j < known.length; ++j) isKnown = isKnown || written[i] == known[j];
            Check.isTrue(isKnown, "the registry stored something else");
        }
        // The vault keeps the account of the wallet, class and hour of expiry.
        written = _written(address(vault));
        Check.same(written.length, 2);
        Check.isTrue(written[0] != written[1], "two facts");
        for (uint256 i = 0; i < 2; ++i) {
            bool isKnown = uint256(written[i]) == claim.account || uint256(written[i]) == flags << 216;
            Check.isTrue(isKnown, "the vault stored something else");
        }
    }

    /// @dev What a contract has in the slots that were written since `record`, each once.
    function _written(address target) private returns (bytes32[] memory words) {
        (, bytes32[] memory slots) = vm.accesses(target);
        uint256 count = 0;
        for (uint256 i = 0; i < slots.length; ++i) {
            bool isFirst = true;
            for (uint256 j = 0; j < i; ++j) isFirst = isFirst && slots[j] != slots[i];
            if (isFirst) slots[count++] = slots[i];
        }
        words = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) words[i] = vm.load(target, slots[i]);
    }

    function test_EachFunctionIsForItsRoleOnly() external {
        InvestorRegistry.Claim memory claim = _claim(vm.addr(ISSUER_KEY));
        address[4] memory callers = [STRANGER, ENFORCER, SETTLER, ALICE];
        for (uint256 i = 0; i < callers.length; ++i) {
            _expectUnauthorized(callers[i]);
            registry.registerWithClaims(claim, "");
            _expectUnauthorized(callers[i]);
            registry.revokeWallet(ALICE);
            _expectUnauthorized(callers[i]);
            registry.freeze(BOB_ID, "");
            _expectUnauthorized(callers[i]);
            registry.unfreeze(BOB_ID, "");
            _expectUnauthorized(callers[i]);
            registry.proposeRecovery(ALICE_ID, _second, "");
            _expectUnauthorized(callers[i]);
            registry.executeRecovery(ALICE_ID);
            _expectUnauthorized(callers[i]);
            registry.trustIssuer(ALICE, 1);
        }
    }

    function testFuzz_EveryWalletOfAnAccountShowsTheSame(uint8 class, uint64 expiry, bool frozen) external {
        _link(_second, SECOND_KEY, PRIMARY_KEY);
        class = uint8(1 + (class % 83));
        vm.prank(REGISTRAR);
        registry.setClass(DORA_ID, class, expiry);
        if (frozen) {
            vm.prank(FREEZER);
            registry.freeze(DORA_ID, "order");
        }
        address[2] memory wallets = [_dora, _second];
        for (uint256 i = 0; i < 2; ++i) {
            (uint32 account, uint8 shown, uint64 until) = registry.investorOf(wallets[i]);
            Check.same(account, DORA_ID);
            Check.same(shown, class);
            Check.same(until, expiry);
            Check.isTrue(gold.canSend(wallets[i]) == !frozen, "frozen");
        }
        Check.same(registry.expiresAt(DORA_ID), expiry);
    }

    function _claim(address issuer) private view returns (InvestorRegistry.Claim memory) {
        uint256 deadline = block.timestamp + 1 hours;
        return InvestorRegistry.Claim(issuer, 50, address(0x50), 5, 0, "file", 9, deadline);
    }

    function _submit(InvestorRegistry.Claim memory claim, bytes memory signature) private {
        vm.prank(REGISTRAR);
        registry.registerWithClaims(claim, signature);
    }

    function _refuse(InvestorRegistry.Claim memory claim, bytes memory signature, bytes memory reason) private {
        vm.prank(REGISTRAR);
        vm.expectRevert(reason);
        registry.registerWithClaims(claim, signature);
    }

    function _recover(uint32 account, address next) private {
        vm.startPrank(RECOVERER);
        registry.proposeRecovery(account, next, "loss");
        vm.warp(block.timestamp + DELAY);
        registry.executeRecovery(account);
        vm.stopPrank();
    }

    function _link(address wallet, uint256 walletKey, uint256 primaryKey) private {
        bytes32 digest = _linkDigest(wallet, registry.linkNonceOf(DORA_ID), block.timestamp);
        bytes memory byPrimary = _signature(primaryKey, digest);
        registry.linkWallet(DORA_ID, wallet, block.timestamp, byPrimary, _signature(walletKey, digest));
    }

    function _refuseLink(address wallet, uint256 key, bytes memory reason) private {
        bytes32 digest = _linkDigest(wallet, registry.linkNonceOf(DORA_ID), block.timestamp);
        (bytes memory one, bytes memory two) = (_signature(PRIMARY_KEY, digest), _signature(key, digest));
        vm.expectRevert(reason);
        registry.linkWallet(DORA_ID, wallet, block.timestamp, one, two);
    }

    function _expectUnauthorized(address caller) private {
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller));
    }

    function _sign(uint256 key, InvestorRegistry.Claim memory claim) private view returns (bytes memory) {
        return _signature(key, _digest(claim));
    }

    function _digest(InvestorRegistry.Claim memory claim) private view returns (bytes32) {
        return _digestFor(claim, address(registry));
    }

    function _digestFor(InvestorRegistry.Claim memory claim, address target) private view returns (bytes32) {
        return _typed(keccak256(abi.encode(CLAIM_TYPE, claim)), target);
    }

    function _linkDigest(address wallet, uint256 nonce, uint256 deadline) private view returns (bytes32) {
        bytes32 kind = keccak256("WalletLink(uint32 account,address wallet,uint256 nonce,uint256 deadline)");
        return _typed(keccak256(abi.encode(kind, DORA_ID, wallet, nonce, deadline)), address(registry));
    }

    function _typed(bytes32 hash, address target) private view returns (bytes32) {
        bytes32 kind = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 domain = keccak256(abi.encode(kind, keccak256("Mooring"), keccak256("1"), block.chainid, target));
        return keccak256(abi.encodePacked(hex"1901", domain, hash));
    }

    function _signature(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
