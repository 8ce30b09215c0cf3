// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Move} from "../compliance/IPolicyModule.sol";
import {InvestorRegistry} from "../compliance/InvestorRegistry.sol";
import {Party} from "../compliance/Party.sol";
import {PolicyEngine} from "../compliance/PolicyEngine.sol";
import {IERC7943Fungible} from "./IERC7943.sol";

/// @title A registered asset as an ERC-20 with ERC-7943; one token unit is one atom of the ledger.
/// @notice Minted to and burned from the vault only. A sender must be registered and not frozen; a receiver also unexpired
/// and of an allowed class; the rules of the PolicyEngine come on top. The vault and the supply controller always pay out:
/// neither pause nor freeze nor a rule stops a settled supply change, a withdrawal, an exit or a redemption here. They
/// receive only what they take themselves, of whoever may send, because they keep no book of what is just sent to them.
/// @dev Runs behind an ERC-1967 proxy. The bases keep their plain slots in this order of inheritance; an upgrade may add
/// fields only to the ERC-7201 struct. Upgrades wait for the UPGRADER's delay, which the deployment keeps at or above the
/// exit delay and two cycles. The EIP-712 name is fixed, so that a new display name cannot revive old permits.
contract AssetToken is Initializable, ERC20Permit, AccessManaged, UUPSUpgradeable, IERC7943Fungible {
    /// @param isPaused Beside the other facts that each transfer reads.
    /// @param frozen Atoms of a wallet that may not leave it; the highest number means all, also what comes later.
    /// @custom:storage-location erc7201:mooring.AssetToken
    struct TokenStorage {
        uint16 asset;
        uint8 decimals;
        uint128 allowedClasses;
        bool isPaused;
        string name;
        string symbol;
        mapping(address wallet => uint256) frozen;
    }

    /// @notice The frozen amount that stands for the whole wallet.
    uint256 public constant WHOLE_WALLET = type(uint256).max;

    /// @dev keccak256(abi.encode(uint256(keccak256("mooring.AssetToken")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE_SLOT = 0xa382cd08d584adcf486918580548a103b87ee2dbf6f027a4b8185f6f26b72b00;

    InvestorRegistry public immutable INVESTOR_REGISTRY;
    address public immutable VAULT;
    address public immutable SUPPLY_CONTROLLER;
    PolicyEngine public immutable POLICY_ENGINE;

    error NotSupplyController(address caller);
    error SuiteAsHolder(address holder);
    error SelfTransfer(address wallet);
    error FrozenChanged(address account, uint256 expected, uint256 actual);
    error NotRecoverable(address lost, address wallet);

    /// @notice The order behind a freeze of tokens.
    event FrozenByOrder(address indexed account, uint256 amount, bytes32 indexed documentHash);
    /// @notice The order behind a forced transfer.
    event ForcedByOrder(address indexed from, address indexed to, uint256 amount, bytes32 indexed documentHash);
    /// @notice A former wallet's tokens and its frozen amount went to a wallet of the same account.
    event Recovered(address indexed lost, address indexed wallet, uint256 amount, bytes32 indexed documentHash);

    modifier onlySupplyController() {
        if (msg.sender != SUPPLY_CONTROLLER) revert NotSupplyController(msg.sender);
        _;
    }

    constructor(
        address authority,
        InvestorRegistry investorRegistry,
        address vault,
        address supplyController,
        PolicyEngine policyEngine
    ) ERC20("", "") ERC20Permit("Mooring Asset") AccessManaged(authority) {
        INVESTOR_REGISTRY = investorRegistry;
        VAULT = vault;
        SUPPLY_CONTROLLER = supplyController;
        POLICY_ENGINE = policyEngine;
        _disableInitializers();
    }

    /// @notice Sets up a proxy, from its constructor.
    /// @dev Errors: InvalidInitialization.
    /// @param authority Who decides about freezes, forced transfers, pause and upgrades.
    /// @param asset_ Asset id.
    /// @param name_ Display name.
    /// @param symbol_ Unique symbol.
    /// @param decimals_ 0 to 8.
    /// @param allowedClasses_ Bit c set: class c may receive.
    function initialize(
        address authority,
        uint16 asset_,
        string calldata name_,
        string calldata symbol_,
        uint8 decimals_,
        uint128 allowedClasses_
    ) external initializer {
        _setAuthority(authority);
        TokenStorage storage $ = _storage();
        ($.asset, $.decimals, $.allowedClasses) = (asset_, decimals_, allowedClasses_);
        ($.name, $.symbol) = (name_, symbol_);
    }

    /// @notice Mints to the vault. Caller: the supply controller.
    /// @dev Errors: NotSupplyController.
    /// @param amount Atoms.
    function mint(uint256 amount) external onlySupplyController {
        _mint(VAULT, amount);
    }

    /// @notice Burns from the vault what left its lanes. Caller: the supply controller.
    /// @dev Errors: NotSupplyController, ERC20InsufficientBalance.
    /// @param amount Atoms.
    function burn(uint256 amount) external onlySupplyController {
        _burn(VAULT, amount);
    }

    /// @notice Stops every transfer of wallets, and every approval but one of nothing. Caller: PAUSER of the asset.
    /// @dev Errors: EnforcedPause.
    function pause() external restricted {
        _requireNotPaused();
        _storage().isPaused = true;
        emit Pausable.Paused(msg.sender);
    }

    /// @notice Starts them again. Caller: UNPAUSER of the asset.
    /// @dev Errors: ExpectedPause.
    function unpause() external restricted {
        if (!paused()) revert Pausable.ExpectedPause();
        _storage().isPaused = false;
        emit Pausable.Unpaused(msg.sender);
    }

    /// @notice Replaces the frozen amount of a wallet (ERC-7943). Caller: FREEZER of the asset.
    /// @dev Errors: SuiteAsHolder.
    /// @param account Any wallet, not one of the suite.
    /// @param amount Atoms, also above the balance; `WHOLE_WALLET` for everything. Zero ends the freeze.
    function setFrozenTokens(address account, uint256 amount) external restricted returns (bool) {
        _freeze(account, amount);
        return true;
    }

    /// @notice Replaces the frozen amount of a wallet unless somebody else changed it. Caller: FREEZER of the asset.
    /// @dev Errors: FrozenChanged, SuiteAsHolder.
    /// @param account Any wallet, not one of the suite.
    /// @param expected What the caller takes the frozen amount to be, atoms.
    /// @param next Atoms as in `setFrozenTokens`.
    /// @param documentHash Hash of the order.
    function setFrozenIf(address account, uint256 expected, uint256 next, bytes32 documentHash) external restricted {
        uint256 actual = getFrozenTokens(account);
        if (actual != expected) revert FrozenChanged(account, expected, actual);
        _freeze(account, next);
        emit FrozenByOrder(account, next, documentHash);
    }

    /// @notice Moves tokens without the holder's consent (ERC-7943). Caller: ADMIN, since this form names no order.
    /// @dev Errors: ERC7943CannotReceive, ERC20InsufficientBalance, ERC20InvalidSender, SelfTransfer, SuiteAsHolder.
    /// @param from Any wallet, not one of the suite.
    /// @param to Another wallet that may receive.
    /// @param amount Atoms; what is taken from the frozen part ends being frozen.
    function forcedTransfer(address from, address to, uint256 amount) external restricted returns (bool) {
        _force(from, to, amount);
        return true;
    }

    /// @notice Moves tokens without the holder's consent, by an order. Caller: ENFORCER of the asset.
    /// @dev Errors: those of `forcedTransfer`.
    /// @param from Any wallet, not one of the suite.
    /// @param to Another wallet that may receive.
    /// @param amount Atoms; what is taken from the frozen part ends being frozen.
    /// @param documentHash Hash of the order.
    function forcedTransferWithDocument(
        address from,
        address to,
        uint256 amount,
        bytes32 documentHash
    ) external restricted {
        _force(from, to, amount);
        emit ForcedByOrder(from, to, amount, documentHash);
    }

    /// @notice Moves all that a former wallet holds, with its frozen amount, to a wallet of the same account. Caller:
    /// ENFORCER of the asset, after the registry replaced or unlinked the wallet.
    /// @dev Errors: NotRecoverable, SuiteAsHolder.
    /// @param lost A wallet that no longer acts for its account, not one of the suite.
    /// @param wallet A wallet that does.
    /// @param documentHash Hash of the evidence.
    function recover(address lost, address wallet, bytes32 documentHash) external restricted {
        if (_isOfSuite(lost)) revert SuiteAsHolder(lost);
        (Party former, Party current) = INVESTOR_REGISTRY.partiesOf(lost, wallet);
        bool isSameAccount = former.account() != 0 && former.account() == current.account();
        if (former.isActive() || !current.isActive() || !isSameAccount) revert NotRecoverable(lost, wallet);

        uint256 amount = balanceOf(lost);
        uint256 frozen = getFrozenTokens(lost);
        if (frozen != 0) {
            uint256 already = getFrozenTokens(wallet);
            _freeze(wallet, already > WHOLE_WALLET - frozen ? WHOLE_WALLET : already + frozen);
            _freeze(lost, 0);
        }
        _askPolicy(lost, wallet, amount, former, current, false);
        super._update(lost, wallet, amount);
        emit ForcedTransfer(lost, wallet, amount);
        emit Recovered(lost, wallet, amount, documentHash);
    }

    /// @notice Asset id.
    function asset() external view returns (uint16) {
        return _storage().asset;
    }

    /// @notice Bit c set: class c may receive.
    function allowedClasses() external view returns (uint128) {
        return _storage().allowedClasses;
    }

    /// @notice Whether the wallet's owner may send: registered, and neither account nor whole wallet frozen (ERC-7943).
    function canSend(address account) public view returns (bool) {
        if (_isOfSuite(account)) return true;
        return INVESTOR_REGISTRY.partyOf(account).maySend() && getFrozenTokens(account) != WHOLE_WALLET;
    }

    /// @notice Whether the wallet may receive: registered, unexpired, not frozen, of an allowed class (ERC-7943).
    function canReceive(address account) public view returns (bool) {
        return _isOfSuite(account) || INVESTOR_REGISTRY.partyOf(account).mayReceive(_storage().allowedClasses);
    }

    /// @notice Whether a transfer by the caller would pass, for want of balance too (ERC-7943): nobody but vault and supply
    /// controller themselves moves tokens there. `POLICY_ENGINE.check` names the rule.
    function canTransfer(address from, address to, uint256 amount) external view returns (bool) {
        if (amount > balanceOf(from)) return false;
        if (_isOfSuite(from)) return to != address(0);
        if (paused() || !canSend(from) || !canReceive(to) || amount > _unfrozen(from)) return false;
        if (_isOfSuite(to) && msg.sender != to) return false;
        return POLICY_ENGINE.check(_storage().asset, from, to, amount) == 0;
    }

    /// @notice Frozen atoms of a wallet; may exceed its balance (ERC-7943).
    function getFrozenTokens(address account) public view returns (uint256) {
        return _storage().frozen[account];
    }

    /// @notice Whether transfers of wallets, and approvals of more than nothing, are stopped.
    function paused() public view returns (bool) {
        return _storage().isPaused;
    }

    /// @notice ERC-165.
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return
            interfaceId == type(IERC7943Fungible).interfaceId ||
            interfaceId == type(IERC20).interfaceId ||
            interfaceId == type(IERC20Metadata).interfaceId ||
            interfaceId == type(IERC20Permit).interfaceId ||
            interfaceId == type(IERC165).interfaceId;
    }

    /// @notice Display name.
    function name() public view override returns (string memory) {
        return _storage().name;
    }

    /// @notice Unique symbol.
    function symbol() public view override returns (string memory) {
        return _storage().symbol;
    }

    /// @notice 0 to 8, the same as in the ledger.
    function decimals() public view override returns (uint8) {
        return _storage().decimals;
    }

    /// @dev The one place that every transfer passes. Only forced transfers and recoveries go to the base directly, after
    /// checks of their own; there is no flag that could outlive them. Errors of `transfer` and `transferFrom`:
    /// ERC7943CannotSend, ERC7943CannotReceive, ERC7943CannotTransfer, ERC7943InsufficientUnfrozenBalance,
    /// ERC20InsufficientBalance, ERC20InsufficientAllowance, EnforcedPause.
    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && to != address(0)) {
            if (_isOfSuite(from)) _askPolicy(from, to, value, Party.wrap(0), Party.wrap(0), false);
            else _requireMove(from, to, value);
        }
        super._update(from, to, value);
    }

    /// @dev `transferFrom` spends an allowance without an event; the transfer itself is checked there. What takes an
    /// allowance back moves nothing, and must not have to wait until whoever has it can spend it again. Errors of `approve`
    /// and `permit`: ERC7943CannotSend, EnforcedPause, ERC2612ExpiredSignature, ERC2612InvalidSigner.
    function _approve(address owner, address spender, uint256 value, bool emitEvent) internal override {
        if (emitEvent && value != 0) {
            _requireNotPaused();
            if (!canSend(owner)) revert ERC7943CannotSend(owner);
        }
        super._approve(owner, spender, value, emitEvent);
    }

    /// @dev Caller: UPGRADER, whose calls the Authority delays. Errors of `upgradeToAndCall`:
    /// ERC1967InvalidImplementation, UUPSUnsupportedProxiableUUID.
    function _authorizeUpgrade(address) internal override restricted {}

    function _requireMove(address from, address to, uint256 value) private {
        _requireNotPaused();
        TokenStorage storage $ = _storage();
        (Party sender, Party receiver) = INVESTOR_REGISTRY.partiesOf(from, to);
        uint256 frozen = $.frozen[from];
        if (!sender.maySend() || frozen == WHOLE_WALLET) revert ERC7943CannotSend(from);
        bool isWelcome = _isOfSuite(to) ? msg.sender == to : receiver.mayReceive($.allowedClasses);
        if (!isWelcome) revert ERC7943CannotReceive(to);

        uint256 balance = balanceOf(from);
        if (value > balance) revert ERC20InsufficientBalance(from, balance, value);
        uint256 unfrozen = balance > frozen ? balance - frozen : 0;
        if (value > unfrozen) revert ERC7943InsufficientUnfrozenBalance(from, value, unfrozen);
        uint8 code = _askPolicy(from, to, value, sender, receiver, true);
        if (code != 0) revert ERC7943CannotTransfer(from, to, value);
    }

    function _askPolicy(
        address from,
        address to,
        uint256 value,
        Party sender,
        Party receiver,
        bool isChecked
    ) private returns (uint8 code) {
        Move memory move = Move({
            token: address(this),
            asset: _storage().asset,
            from: from,
            to: to,
            amount: value,
            sender: sender,
            receiver: receiver,
            fromBalance: balanceOf(from),
            toBalance: balanceOf(to)
        });
        return POLICY_ENGINE.enforce(move, isChecked);
    }

    function _force(address from, address to, uint256 amount) private {
        if (from == address(0)) revert ERC20InvalidSender(from);
        if (from == to) revert SelfTransfer(from);
        if (_isOfSuite(from)) revert SuiteAsHolder(from);
        (Party sender, Party receiver) = INVESTOR_REGISTRY.partiesOf(from, to);
        if (!receiver.mayReceive(_storage().allowedClasses)) revert ERC7943CannotReceive(to);
        uint256 balance = balanceOf(from);
        if (amount > balance) revert ERC20InsufficientBalance(from, balance, amount);

        uint256 unfrozen = _unfrozen(from);
        uint256 frozen = getFrozenTokens(from);
        // A whole wallet stays frozen, and never more ends being frozen than moves.
        if (amount > unfrozen && frozen != WHOLE_WALLET) _freeze(from, frozen - (amount - unfrozen));
        _askPolicy(from, to, amount, sender, receiver, false);
        super._update(from, to, amount);
        emit ForcedTransfer(from, to, amount);
    }

    function _freeze(address account, uint256 amount) private {
        if (_isOfSuite(account)) revert SuiteAsHolder(account);
        _storage().frozen[account] = amount;
        emit Frozen(account, amount);
    }

    function _unfrozen(address account) private view returns (uint256) {
        uint256 balance = balanceOf(account);
        uint256 frozen = getFrozenTokens(account);
        return balance > frozen ? balance - frozen : 0;
    }

    function _isOfSuite(address account) private view returns (bool) {
        return account == VAULT || account == SUPPLY_CONTROLLER;
    }

    function _requireNotPaused() private view {
        if (paused()) revert Pausable.EnforcedPause();
    }

    function _storage() private pure returns (TokenStorage storage $) {
        assembly ("memory-safe") {
            $.slot := STORAGE_SLOT
        }
    }
}
