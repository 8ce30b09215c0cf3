// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {InvestorRegistry} from "../compliance/InvestorRegistry.sol";
import {Books} from "./Books.sol";
import {LaneStore} from "./LaneStore.sol";

/// @title Tokens in and out of the vault.
/// @notice Whatever leaves goes to the wallet that the registry names for the account at that moment.
abstract contract Custody is AccessManaged, Pausable, ReentrancyGuardTransient, LaneStore {
    using Books for uint256;
    using SafeERC20 for IERC20;

    InvestorRegistry public immutable INVESTOR_REGISTRY;

    /// @notice Whether settlement has ended for good and every exit is immediate.
    /// @dev In one word with authority and pause, which every entry reads anyway.
    bool public isExitMode;

    /// @notice Account of a wallet as the registry last told it, 0 = none.
    mapping(address wallet => uint32) public accountOf;

    /// @notice Whether a withdrawal id was paid.
    mapping(bytes32 id => bool) public isWithdrawn;

    error InExitMode();
    error UnknownAsset(uint16 asset);
    error ZeroAmount();
    error NotDivisible(uint256 amount, uint256 scale);
    error ShortTransfer(uint256 expected, uint256 received);
    error AllowanceTooLow(uint256 required, uint256 allowed);
    error Unregistered(address wallet);
    error Expired(uint32 account, uint256 expiresAt);
    error Frozen(uint32 account);
    error NoWallet(uint32 account);
    error AlreadyWithdrawn(bytes32 id);

    /// @notice A lane grew by tokens that its wallet paid in; atoms.
    event Deposited(uint32 indexed account, uint16 indexed asset, uint256 amount);
    /// @notice A lane shrank and the registered wallet was paid; atoms.
    event Withdrawn(bytes32 indexed id, uint32 indexed account, uint16 indexed asset, uint256 amount);

    modifier whenOpen() {
        _requireOpen();
        _;
    }

    constructor(InvestorRegistry investorRegistry) {
        INVESTOR_REGISTRY = investorRegistry;
    }

    /// @notice Pays tokens into the caller's account. Caller: a registered, unexpired, unfrozen wallet of an allowed class
    /// that approved this contract.
    /// @dev Errors: ZeroAmount, NotDivisible, UnknownAsset, Unregistered, Expired, Frozen, ClassRefused, InExitMode,
    /// EnforcedPause, AmountOutOfRange, LaneOutOfRange, TotalOutOfRange, ShortTransfer, and the token's own.
    /// @param asset A listed asset.
    /// @param amount Token units; must be a multiple of the asset's scale.
    function deposit(uint16 asset, uint256 amount) external whenOpen nonReentrant {
        _deposit(asset, amount);
    }

    /// @notice The same with an ERC-2612 permit instead of an approval. A permit that somebody else has sent before does
    /// not matter as long as the allowance is there.
    /// @dev Errors: AllowanceTooLow, and those of `deposit`.
    /// @param asset A listed asset.
    /// @param amount Token units; must be a multiple of the asset's scale.
    /// @param deadline Unix seconds until which the permit holds.
    /// @param v Of the signature over the permit of `amount` to this contract.
    /// @param r Of the signature.
    /// @param s Of the signature.
    function depositWithPermit(
        uint16 asset,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external whenOpen nonReentrant {
        address token = _requireBook(asset).token();
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {
            uint256 allowed = IERC20(token).allowance(msg.sender, address(this));
            if (allowed < amount) revert AllowanceTooLow(amount, allowed);
        }
        _deposit(asset, amount);
    }

    /// @notice Pays a withdrawal to the registered wallet of its account, once per id. Caller: SETTLER.
    /// @dev Errors: AlreadyWithdrawn, ZeroAmount, UnknownAsset, Frozen, NoWallet, LaneOutOfRange, AmountOutOfRange,
    /// EnforcedPause, InExitMode.
    /// @param id Withdrawal id, never used before.
    /// @param account Whose lane shrinks and whose wallet is paid; not frozen.
    /// @param asset A listed asset.
    /// @param amount Atoms.
    function withdraw(
        bytes32 id,
        uint32 account,
        uint16 asset,
        uint256 amount
    ) external restricted whenOpen nonReentrant {
        if (isWithdrawn[id]) revert AlreadyWithdrawn(id);
        if (amount == 0) revert ZeroAmount();
        uint256 book = _requireBook(asset);
        _requireNotFrozen(account);
        address wallet = _payeeOf(account);

        isWithdrawn[id] = true;
        _debit(account, asset, amount, book);
        emit Withdrawn(id, account, asset, amount);
        IERC20(book.token()).safeTransfer(wallet, amount * book.scale());
    }

    function _deposit(uint16 asset, uint256 amount) private {
        uint256 book = _requireBook(asset);
        if (amount == 0) revert ZeroAmount();
        uint256 scale = book.scale();
        uint256 atoms = amount / scale;
        unchecked {
            if (atoms * scale != amount) revert NotDivisible(amount, scale);
        }
        uint32 account = _requireReceiver(msg.sender, asset);

        _credit(account, asset, atoms, book);
        emit Deposited(account, asset, atoms);
        _pull(book.token(), msg.sender, address(this), amount);
    }

    /// @dev Moves token units that `from` approved, and makes sure that they arrive.
    function _pull(address token, address from, address to, uint256 amount) internal {
        uint256 before = _balanceOf(token, to);
        IERC20(token).safeTransferFrom(from, to, amount);
        unchecked {
            // A balance that shrank wraps around and is no less refused.
            uint256 received = _balanceOf(token, to) - before;
            if (received != amount) revert ShortTransfer(amount, received);
        }
    }

    /// @dev By hand, because every deposit asks twice. Fails as the token does, also when it is none.
    function _balanceOf(address token, address holder) private view returns (uint256 held) {
        bytes4 selector = IERC20.balanceOf.selector;
        assembly ("memory-safe") {
            mstore(0x00, selector)
            mstore(0x04, holder)
            // The arguments are evaluated from the last to the first.
            if iszero(and(gt(returndatasize(), 0x1f), staticcall(gas(), token, 0x00, 0x24, 0x00, 0x20))) {
                returndatacopy(mload(0x40), 0x00, returndatasize())
                revert(mload(0x40), returndatasize())
            }
            held := mload(0x00)
        }
    }

    /// @dev Both facts stand in one word, which is read once.
    function _requireOpen() internal view {
        (bool isPaused, bool isEnded) = (paused(), isExitMode);
        if (isPaused) revert EnforcedPause();
        if (isEnded) revert InExitMode();
    }

    function _requireAccount(address wallet) internal view returns (uint32 account) {
        account = accountOf[wallet];
        if (account == 0) revert Unregistered(wallet);
    }

    function _requireNotFrozen(uint32 account) internal view {
        (, , bool frozen) = _flagsOf(account);
        if (frozen) revert Frozen(account);
    }

    /// @dev Registered, unfrozen, unexpired and of a class that may hold the asset.
    function _requireReceiver(address wallet, uint16 asset) internal view returns (uint32 account) {
        account = _requireAccount(wallet);
        (uint8 class, uint256 expiresAt, bool frozen) = _flagsOf(account);
        if (frozen) revert Frozen(account);
        if (expiresAt != 0 && block.timestamp >= expiresAt) revert Expired(account, expiresAt);
        _requireClass(account, asset, class);
    }

    /// @dev Where an account is paid: after a recovery, the new wallet.
    function _payeeOf(uint32 account) internal view returns (address wallet) {
        wallet = INVESTOR_REGISTRY.walletOf(account);
        if (wallet == address(0)) revert NoWallet(account);
    }

    function _requireBook(uint16 asset) internal view returns (uint256 book) {
        book = _book(asset);
        if (book == 0) revert UnknownAsset(asset);
    }
}
