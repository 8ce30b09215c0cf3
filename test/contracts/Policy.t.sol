// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Roles} from "../../contracts/access/Roles.sol";
import {IPolicyModule, Move} from "../../contracts/compliance/IPolicyModule.sol";
import {Party} from "../../contracts/compliance/Party.sol";
import {PolicyEngine} from "../../contracts/compliance/PolicyEngine.sol";
import {PolicyModule} from "../../contracts/compliance/PolicyModule.sol";
import {ClassAndCountryMask} from "../../contracts/compliance/modules/ClassAndCountryMask.sol";
import {ConditionalApproval} from "../../contracts/compliance/modules/ConditionalApproval.sol";
import {LockUp} from "../../contracts/compliance/modules/LockUp.sol";
import {MaxBalance} from "../../contracts/compliance/modules/MaxBalance.sol";
import {MaxHolders} from "../../contracts/compliance/modules/MaxHolders.sol";
import {AssetToken} from "../../contracts/token/AssetToken.sol";
import {IERC7943Fungible} from "../../contracts/token/IERC7943.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice A module that fails at everything but being added.
contract BrokenModule is IPolicyModule {
    uint8 private immutable CAPABILITIES;

    error Broken();

    constructor(uint8 capabilities_) {
        CAPABILITIES = capabilities_;
    }

    function capabilities() external view returns (uint8) {
        return CAPABILITIES;
    }

    function check(Move calldata) external pure returns (uint8) {
        revert Broken();
    }

    function record(Move calldata) external pure {
        revert Broken();
    }

    function detached(uint16) external pure {
        revert Broken();
    }
}

/// @notice A module that uses its turn to move tokens of its own.
contract ReenteringModule is IPolicyModule {
    AssetToken private immutable TOKEN;
    address private immutable RECEIVER;

    constructor(AssetToken token, address receiver) {
        (TOKEN, RECEIVER) = (token, receiver);
    }

    function record(Move calldata) external {
        TOKEN.transfer(RECEIVER, 1);
    }

    function detached(uint16) external pure {}

    function capabilities() external pure returns (uint8) {
        return 2;
    }

    function check(Move calldata) external pure returns (uint8) {
        return 0;
    }
}

/// @notice A module that answers every question with the bytes that it was made with.
contract OddModule {
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback() external {
        bytes memory answer = _answer;
        assembly ("memory-safe") {
            return(add(answer, 0x20), mload(answer))
        }
    }

    function capabilities() external pure returns (uint8) {
        return 1;
    }
}

/// @notice A module that burns all the gas that it gets.
contract GreedyModule {
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }

    function capabilities() external pure returns (uint8) {
        return 2;
    }
}

/// @notice A module that counts per wallet, unlike those of the suite, so that it notices moves within an account.
contract WalletCounter is IPolicyModule {
    mapping(address wallet => int256) public changeOf;

    function record(Move calldata move) external {
        changeOf[move.from] -= int256(move.amount);
        changeOf[move.to] += int256(move.amount);
    }

    function detached(uint16) external pure {}

    function capabilities() external pure returns (uint8) {
        return 2;
    }

    function check(Move calldata) external pure returns (uint8) {
        return 0;
    }
}

/// @notice The engine and each module, through the tokens that ask them.
contract PolicyTest is Suite {
    uint16 private constant SILVER = 2;
    uint256 private constant CAROL_KEY = 0xca401;
    uint256 private constant SECOND_KEY = 0xca402;
    uint32 private constant CAROL_ID = 18;

    address private immutable CAROL = vm.addr(CAROL_KEY);
    address private immutable CAROL_SECOND = vm.addr(SECOND_KEY);
    AssetToken private _silver;
    uint256 private _payments;

    function setUp() public override {
        super.setUp();
        _silver = AssetToken(_create(SILVER, "SLV", 6, false));
        _register(CAROL_ID, CAROL, 2, 0);
        _give(GOLD, ALICE_ID, 1_000);
        _give(SILVER, ALICE_ID, 1_000);
    }

    function test_TheMaskAllowsClassesOfCountriesToBuyAndToSell() external {
        ClassAndCountryMask mask = ClassAndCountryMask(_module("ClassAndCountryMask"));
        _allow(address(mask), mask.setMask.selector);
        _allow(address(mask), mask.setCountries.selector);
        _add(GOLD, mask);
        _refuseTransfer(ALICE, BOB, 1, 1);
        vm.startPrank(OFFICER);
        mask.setCountries(1, 1 << 1);
        mask.setCountries(2, 1 << 2);
        mask.setMask(GOLD, 6, _groups(2), _groups(1));
        vm.stopPrank();
        _transfer(ALICE, BOB, 10);
        // Class 2 may buy but not sell, class 1 may sell but not buy.
        _refuseTransfer(BOB, CAROL, 1, 1);
        _refuseTransfer(BOB, address(vault), 1, 1);
        _transfer(ALICE, address(supply), 1);
        vm.prank(OFFICER);
        mask.setMask(GOLD, 2, _groups(2), _groups(1));
        _refuseTransfer(ALICE, BOB, 1, 1);
        (uint128 receivers, uint128 senders) = mask.maskOf(GOLD);
        Check.same(receivers, 0);
        Check.same(senders, 2);
    }

    function test_NoMoreHoldersThanTheLimit() external {
        MaxHolders holders = _maxHolders(2, 1);
        _transfer(ALICE, BOB, 10);
        _refuseTransfer(ALICE, CAROL, 1, 2);
        _refuseTransfer(BOB, CAROL, 9, 2);
        _transfer(BOB, CAROL, 10);
        _transfer(ALICE, CAROL, 10);
        _countIs(holders, 2);
        _transfer(CAROL, ALICE, 20);
        _countIs(holders, 1);
    }

    function test_HoldersOfLanesCountToo() external {
        MaxHolders holders = _maxHolders(2, 1);
        _mint(GOLD, CAROL_ID, 5);
        Check.same(vault.holdersOf(GOLD), 1);
        _refuseTransfer(ALICE, BOB, 1, 2);
        vm.prank(SETTLER);
        vault.withdraw("carol", CAROL_ID, GOLD, 5);
        Check.same(vault.holdersOf(GOLD), 0);
        _countIs(holders, 2);
        _refuseTransfer(ALICE, BOB, 1, 2);
    }

    function test_Pitfall5_CountersAreToldOfForcedMovesAndRecoveries() external {
        MaxHolders holders = _maxHolders(5, 1);
        vm.prank(ENFORCER);
        gold.forcedTransferWithDocument(ALICE, BOB, 400, "order");
        _countIs(holders, 2);
        vm.prank(ENFORCER);
        gold.forcedTransferWithDocument(BOB, ALICE, 400, "order");
        _countIs(holders, 1);
        vm.startPrank(RECOVERER);
        registry.proposeRecovery(ALICE_ID, CAROL_SECOND, "loss");
        vm.warp(block.timestamp + registry.RECOVERY_DELAY());
        registry.executeRecovery(ALICE_ID);
        vm.stopPrank();
        // What comes in before the tokens follow makes no second holder of the same account.
        _give(GOLD, ALICE_ID, 5);
        _countIs(holders, 1);
        vm.prank(ENFORCER);
        gold.recover(ALICE, CAROL_SECOND, "loss");
        _countIs(holders, 1);
        Check.same(gold.balanceOf(CAROL_SECOND), 1_005);
    }

    function test_Pitfall5_AZeroValueTransferPassesAndChangesNoCounter() external {
        MaxHolders holders = _maxHolders(1, 1);
        MaxBalance balances = _maxBalance(0);
        ConditionalApproval approvals = ConditionalApproval(_module("ConditionalApproval"));
        _add(GOLD, approvals);
        _transfer(ALICE, BOB, 0);
        _transfer(BOB, ALICE, 0);
        _countIs(holders, 1);
        Check.same(balances.limitOf(GOLD), 0);
    }

    function test_AnAccountHoldsNoMoreThanTheLimitOverAllItsWallets() external {
        _maxBalance(100);
        _transfer(ALICE, BOB, 100);
        _refuseTransfer(ALICE, BOB, 1, 3);
        _linkSecondOfCarol();
        _transfer(ALICE, CAROL, 60);
        _refuseTransfer(ALICE, CAROL_SECOND, 41, 3);
        _transfer(ALICE, CAROL_SECOND, 40);
        _transfer(CAROL, CAROL_SECOND, 60);
        _refuseTransfer(ALICE, CAROL, 1, 3);
        _transfer(ALICE, address(supply), 700);
    }

    function test_HoldersAreAccountsNotWallets() external {
        MaxHolders holders = _maxHolders(2, 1);
        _linkSecondOfCarol();
        _transfer(ALICE, CAROL, 10);
        _transfer(ALICE, CAROL_SECOND, 10);
        _transfer(CAROL, CAROL_SECOND, 10);
        _countIs(holders, 2);
        _transfer(CAROL_SECOND, ALICE, 20);
        _countIs(holders, 1);
    }

    function test_ALockedAmountStaysUntilItsDate() external {
        LockUp locks = LockUp(_module("LockUp"));
        _allow(address(locks), locks.setLock.selector);
        _add(GOLD, locks);
        uint64 until = uint64(block.timestamp) + 30 days;
        vm.prank(OFFICER);
        locks.setLock(GOLD, ALICE_ID, 700, until);
        _refuseTransfer(ALICE, BOB, 301, 4);
        _refuseTransfer(ALICE, address(vault), 301, 4);
        _transfer(ALICE, BOB, 300);
        _transfer(BOB, ALICE, 1);
        vm.warp(until - 1);
        _refuseTransfer(ALICE, BOB, 2, 4);
        vm.warp(until);
        _transfer(ALICE, BOB, 701);
    }

    function test_AnApprovalServesOneTransferOfItsAmount() external {
        ConditionalApproval approvals = ConditionalApproval(_module("ConditionalApproval"));
        _allow(address(approvals), approvals.approve.selector);
        _add(GOLD, approvals);
        _refuseTransfer(ALICE, BOB, 10, 5);
        uint64 deadline = uint64(block.timestamp) + 60;
        vm.prank(OFFICER);
        approvals.approve(GOLD, ALICE, BOB, 10, deadline, "board");
        _refuseTransfer(ALICE, BOB, 11, 5);
        _refuseTransfer(ALICE, CAROL, 10, 5);
        _transfer(ALICE, BOB, 10);
        Check.same(approvals.deadlineOf(GOLD, ALICE, BOB, 10), 0);
        _refuseTransfer(ALICE, BOB, 10, 5);
        vm.prank(OFFICER);
        approvals.approve(GOLD, ALICE, BOB, 10, deadline, "board");
        vm.warp(deadline);
        _transfer(ALICE, BOB, 10);
        vm.prank(OFFICER);
        approvals.approve(GOLD, ALICE, BOB, 10, deadline, "board");
        vm.warp(deadline + 1);
        _refuseTransfer(ALICE, BOB, 10, 5);
        _transfer(ALICE, address(supply), 10);
    }

    function test_Pitfall5_AnAssetsRulesDoNotReachAnother() external {
        _maxBalance(5);
        _refuseTransfer(ALICE, BOB, 6, 3);
        vm.prank(ALICE);
        _silver.transfer(BOB, 600);
        Check.same(policy.modulesOf(SILVER).length, 0);
        // The token of one asset cannot speak for another.
        Move memory move = _move(GOLD, 1);
        vm.prank(address(_silver));
        vm.expectRevert(abi.encodeWithSelector(PolicyEngine.NotToken.selector, _silver, GOLD));
        policy.enforce(move, true);
    }

    function test_Pitfall5_ABrokenModuleCanAlwaysBeRemoved() external {
        BrokenModule broken = new BrokenModule(3);
        _add(GOLD, broken);
        Check.same(policy.check(GOLD, ALICE, BOB, 1), policy.MODULE_BROKEN());
        _refuseTransfer(ALICE, BOB, 1, 255);
        vm.startPrank(OFFICER);
        vm.expectRevert(abi.encodeWithSelector(BrokenModule.Broken.selector));
        policy.removeModule(GOLD, broken);
        vm.expectEmit(address(policy));
        emit PolicyEngine.ModuleRemoved(GOLD, address(broken), true);
        policy.forceRemoveModule(GOLD, broken);
        vm.stopPrank();
        _transfer(ALICE, BOB, 1);
    }

    function test_Pitfall5_ABrokenModuleStopsNoPaymentOfTheVault() external {
        _mint(GOLD, BOB_ID, 10);
        BrokenModule broken = new BrokenModule(3);
        _add(GOLD, broken);
        vm.expectEmit(address(policy));
        emit PolicyEngine.ModuleFailed(GOLD, address(broken));
        vm.prank(SETTLER);
        vault.withdraw("broken", BOB_ID, GOLD, 10);
        Check.same(gold.balanceOf(BOB), 10);
    }

    function test_Pitfall5_NoNonsenseOfAModuleCountsAsConsent() external {
        // What the first answers stays in memory where the answer of the next is read.
        _add(GOLD, IPolicyModule(address(new OddModule(abi.encode(0)))));
        _transfer(ALICE, BOB, 1);
        bytes[5] memory answers = [abi.encode(255), abi.encode(256), abi.encode(1 << 255), bytes(""), new bytes(31)];
        for (uint256 i = 0; i < answers.length; ++i) {
            IPolicyModule odd = IPolicyModule(address(new OddModule(answers[i])));
            _add(GOLD, odd);
            _refuseTransfer(ALICE, BOB, 1, 255);
            vm.prank(OFFICER);
            policy.forceRemoveModule(GOLD, odd);
        }
    }

    function test_Pitfall5_AModuleThatBurnsItsGasStopsNoPaymentOfTheVault() external {
        _mint(GOLD, BOB_ID, 10);
        _add(GOLD, IPolicyModule(address(new GreedyModule())));
        vm.prank(SETTLER);
        vault.withdraw{gas: 600_000}("greedy", BOB_ID, GOLD, 10);
        Check.same(gold.balanceOf(BOB), 10);
    }

    function test_Pitfall5_AModuleThatCountsPerWalletFollowsARecovery() external {
        WalletCounter counter = new WalletCounter();
        _add(GOLD, counter);
        _transfer(ALICE, BOB, 100);
        vm.startPrank(RECOVERER);
        registry.proposeRecovery(ALICE_ID, CAROL_SECOND, "loss");
        vm.warp(block.timestamp + registry.RECOVERY_DELAY());
        registry.executeRecovery(ALICE_ID);
        vm.stopPrank();
        vm.prank(ENFORCER);
        gold.recover(ALICE, CAROL_SECOND, "loss");
        Check.isTrue(counter.changeOf(ALICE) == -1_000, "lost");
        Check.isTrue(counter.changeOf(CAROL_SECOND) == 900, "recovered");
    }

    function test_Pitfall5_AModuleCannotReenter() external {
        ReenteringModule evil = new ReenteringModule(gold, BOB);
        _register(30, address(evil), 1, 0);
        _transfer(ALICE, address(evil), 5);
        _add(GOLD, evil);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
        gold.transfer(BOB, 1);
        Check.same(gold.balanceOf(address(evil)), 5);
    }

    function test_AnAssetHasEightModulesAndEachOnce() external {
        MaxBalance first = _maxBalance(100);
        vm.startPrank(OFFICER);
        vm.expectRevert(abi.encodeWithSelector(PolicyEngine.ModuleKnown.selector, GOLD, first));
        policy.addModule(GOLD, first);
        for (uint256 i = 1; i < 8; ++i) policy.addModule(GOLD, new BrokenModule(3));
        BrokenModule ninth = new BrokenModule(3);
        vm.expectRevert(abi.encodeWithSelector(PolicyEngine.TooManyModules.selector, GOLD));
        policy.addModule(GOLD, ninth);
        vm.expectRevert(abi.encodeWithSelector(PolicyEngine.ModuleUnknown.selector, GOLD, ninth));
        policy.removeModule(GOLD, ninth);
        address[] memory modules = policy.modulesOf(GOLD);
        Check.same(modules.length, 8);
        policy.removeModule(GOLD, first);
        address[] memory rest = policy.modulesOf(GOLD);
        Check.same(rest.length, 7);
        for (uint256 i = 0; i < 7; ++i) Check.same(rest[i], modules[i + 1]);
        vm.stopPrank();
    }

    function test_OnlyKnownCapabilitiesAndOwnTokensAreAccepted() external {
        BrokenModule none = new BrokenModule(0);
        BrokenModule much = new BrokenModule(4);
        vm.startPrank(OFFICER);
        vm.expectRevert(abi.encodeWithSelector(PolicyEngine.CapabilitiesRefused.selector, none, 0));
        policy.addModule(GOLD, none);
        vm.expectRevert(abi.encodeWithSelector(PolicyEngine.CapabilitiesRefused.selector, much, 4));
        policy.addModule(GOLD, much);
        vm.expectRevert(abi.encodeWithSelector(PolicyEngine.NoOwnToken.selector, 0));
        policy.addModule(0, much);
        vm.expectRevert(abi.encodeWithSelector(PolicyEngine.NoOwnToken.selector, 77));
        policy.addModule(77, much);
        vm.stopPrank();
    }

    function test_AModuleOnlyListensToTheEngine() external {
        string[5] memory names = ["ClassAndCountryMask", "MaxHolders", "MaxBalance", "LockUp", "ConditionalApproval"];
        (Move memory move, Move memory nothing) = (_move(GOLD, 1), _move(GOLD, 0));
        bytes memory refused = abi.encodeWithSelector(PolicyModule.NotEngine.selector, address(this));
        for (uint256 i = 0; i < 5; ++i) {
            IPolicyModule module = IPolicyModule(_module(names[i]));
            vm.expectRevert(refused);
            module.record(move);
            vm.expectRevert(refused);
            module.detached(GOLD);
            vm.prank(address(policy));
            module.record(nothing);
            vm.prank(address(policy));
            module.detached(GOLD);
        }
    }

    function test_ARemovedHolderCountStartsAnew() external {
        MaxHolders holders = _maxHolders(5, 1);
        vm.prank(OFFICER);
        policy.removeModule(GOLD, holders);
        _countIs(holders, 0);
    }

    function test_EachFunctionIsForItsRoleOnly() external {
        MaxHolders holders = MaxHolders(_module("MaxHolders"));
        MaxBalance balances = MaxBalance(_module("MaxBalance"));
        LockUp locks = LockUp(_module("LockUp"));
        ConditionalApproval approvals = ConditionalApproval(_module("ConditionalApproval"));
        ClassAndCountryMask mask = ClassAndCountryMask(_module("ClassAndCountryMask"));
        address[4] memory callers = [STRANGER, REGISTRAR, ENFORCER, ALICE];
        for (uint256 i = 0; i < callers.length; ++i) {
            _expectUnauthorized(callers[i]);
            policy.addModule(GOLD, holders);
            _expectUnauthorized(callers[i]);
            policy.removeModule(GOLD, holders);
            _expectUnauthorized(callers[i]);
            policy.forceRemoveModule(GOLD, holders);
            _expectUnauthorized(callers[i]);
            holders.setLimit(GOLD, 1, 1);
            _expectUnauthorized(callers[i]);
            balances.setLimit(GOLD, 1);
            _expectUnauthorized(callers[i]);
            locks.setLock(GOLD, ALICE_ID, 1, 1);
            _expectUnauthorized(callers[i]);
            approvals.approve(GOLD, ALICE, BOB, 1, 1, "");
            _expectUnauthorized(callers[i]);
            mask.setCountries(1, 1);
            _expectUnauthorized(callers[i]);
            mask.setMask(GOLD, 1, new uint8[](0), new uint8[](0));
        }
    }

    /// @dev Random moves between three accounts and the vault, against a count over balances.
    function testFuzz_TheHolderCountIsTheNumberOfHolders(uint256 seed) external {
        MaxHolders holders = _maxHolders(3, 1);
        address[3] memory wallets = [ALICE, BOB, CAROL];
        for (uint256 i = 0; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            (address from, address to) = (wallets[seed % 3], wallets[(seed >> 8) % 3]);
            uint256 held = gold.balanceOf(from);
            uint256 amount = (seed >> 16) % 3 == 0 ? held : (seed >> 24) % (held + 1);
            if ((seed >> 64) % 4 == 0) to = address(supply);
            _transfer(from, to, amount);
            uint256 expected = 0;
            for (uint256 j = 0; j < 3; ++j) if (gold.balanceOf(wallets[j]) != 0) ++expected;
            _countIs(holders, expected);
        }
    }

    function testFuzz_NobodyPassesTheLimitOrTheLock(uint16 limit, uint16 locked, uint16 amount) external {
        _maxBalance(limit);
        LockUp locks = LockUp(_module("LockUp"));
        _allow(address(locks), locks.setLock.selector);
        _add(GOLD, locks);
        vm.prank(OFFICER);
        locks.setLock(GOLD, ALICE_ID, locked, uint64(block.timestamp) + 1);
        uint256 moved = uint256(amount) % 1_001;
        bool may = moved == 0 || (moved <= limit && moved + locked <= 1_000);
        Check.isTrue(gold.canTransfer(ALICE, BOB, moved) == may, "canTransfer");
        vm.prank(ALICE);
        try gold.transfer(BOB, moved) {
            Check.isTrue(may, "passed");
        } catch {
            Check.isTrue(!may, "refused");
        }
    }

    function _maxHolders(uint64 limit, uint64 holders) private returns (MaxHolders module) {
        module = MaxHolders(_module("MaxHolders"));
        _allow(address(module), module.setLimit.selector);
        _add(GOLD, module);
        vm.prank(OFFICER);
        module.setLimit(GOLD, limit, holders);
    }

    function _maxBalance(uint256 limit) private returns (MaxBalance module) {
        module = MaxBalance(_module("MaxBalance"));
        _allow(address(module), module.setLimit.selector);
        _add(GOLD, module);
        vm.prank(OFFICER);
        module.setLimit(GOLD, limit);
    }

    function _module(string memory name) private returns (address) {
        return _new(name, abi.encode(authority, policy));
    }

    function _allow(address module, bytes4 selector) private {
        _bind(module, Roles.POLICY_ADMIN, OFFICER, selector);
    }

    function _add(uint16 asset, IPolicyModule module) private {
        vm.prank(OFFICER);
        policy.addModule(asset, module);
    }

    function _linkSecondOfCarol() private {
        bytes32 kind = keccak256("WalletLink(uint32 account,address wallet,uint256 nonce,uint256 deadline)");
        bytes32 hash = keccak256(abi.encode(kind, CAROL_ID, CAROL_SECOND, 0, block.timestamp));
        (, string memory name, string memory version, uint256 chain, address target, , ) = registry.eip712Domain();
        kind = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 domain = keccak256(abi.encode(kind, keccak256(bytes(name)), keccak256(bytes(version)), chain, target));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, hash));
        bytes memory byCarol = _signature(CAROL_KEY, digest);
        registry.linkWallet(CAROL_ID, CAROL_SECOND, block.timestamp, byCarol, _signature(SECOND_KEY, digest));
    }

    function _signature(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _countIs(MaxHolders module, uint256 expected) private view {
        (, uint64 holders) = module.countOf(GOLD);
        Check.same(holders, expected);
    }

    function _give(uint16 asset, uint32 account, int64 amount) private {
        _mint(asset, account, amount);
        vm.prank(SETTLER);
        vault.withdraw(bytes32(++_payments), account, asset, uint64(amount));
    }

    function _transfer(address from, address to, uint256 amount) private {
        address mover = _mover(from, to, amount);
        vm.startPrank(mover);
        Check.isTrue(gold.canTransfer(from, to, amount), "canTransfer");
        gold.transferFrom(from, to, amount);
        vm.stopPrank();
    }

    function _refuseTransfer(address from, address to, uint256 amount, uint8 code) private {
        Check.same(policy.check(GOLD, from, to, amount), code);
        address mover = _mover(from, to, amount);
        vm.startPrank(mover);
        Check.isTrue(!gold.canTransfer(from, to, amount), "canTransfer");
        vm.expectRevert(abi.encodeWithSelector(IERC7943Fungible.ERC7943CannotTransfer.selector, from, to, amount));
        gold.transferFrom(from, to, amount);
        vm.stopPrank();
    }

    /// @dev Who moves tokens: what goes to the suite it takes itself.
    function _mover(address from, address to, uint256 amount) private returns (address mover) {
        mover = to == address(supply) || to == address(vault) ? to : from;
        vm.prank(from);
        gold.approve(mover, amount);
    }

    function _move(uint16 asset, uint256 amount) private view returns (Move memory) {
        (Party sender, Party receiver) = registry.partiesOf(ALICE, BOB);
        return Move(address(gold), asset, ALICE, BOB, amount, sender, receiver, 1_000, 0);
    }

    function _groups(uint8 group) private pure returns (uint8[] memory groups) {
        groups = new uint8[](1);
        groups[0] = group;
    }

    function _expectUnauthorized(address caller) private {
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller));
    }
}
