// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {InvestorRegistry} from "../compliance/InvestorRegistry.sol";

/// @title A registered asset as an ERC-20; one token unit is one atom of the ledger.
/// @notice Minted to and burned from the vault only. Between wallets the receiver must be registered, unexpired and of an
/// allowed class; the vault may always send and receive, so that no rule locks a balance in.
/// @dev Runs behind an ERC-1967 proxy. The bases keep their plain slots in this order of inheritance; an upgrade may add
/// fields only to the ERC-7201 struct. The EIP-712 name is fixed, so that a new display name cannot revive old permits.
contract AssetToken is Initializable, ERC20Permit, Pausable, AccessManaged, UUPSUpgradeable {
    /// @custom:storage-location erc7201:mooring.AssetToken
    struct TokenStorage {
        uint16 asset;
        uint8 decimals;
        uint128 allowedClasses;
        string name;
        string symbol;
    }

    /// @dev keccak256(abi.encode(uint256(keccak256("mooring.AssetToken")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE_SLOT = 0xa382cd08d584adcf486918580548a103b87ee2dbf6f027a4b8185f6f26b72b00;

    InvestorRegistry public immutable INVESTOR_REGISTRY;
    address public immutable VAULT;
    address public immutable SUPPLY_CONTROLLER;

    error NotSupplyController(address caller);
    error ReceiverRefused(address receiver, uint32 account, uint8 class);

    constructor(
        address authority,
        InvestorRegistry investorRegistry,
        address vault,
        address supplyController
    ) ERC20("", "") ERC20Permit("Mooring Asset") AccessManaged(authority) {
        INVESTOR_REGISTRY = investorRegistry;
        VAULT = vault;
        SUPPLY_CONTROLLER = supplyController;
        _disableInitializers();
    }

    /// @notice Sets up a proxy, from its constructor.
    /// @param authority Who decides about pause and upgrades.
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
    /// @param amount Atoms.
    function mint(uint256 amount) external onlySupplyController {
        _mint(VAULT, amount);
    }

    /// @notice Burns from the vault. Caller: the supply controller.
    /// @param amount Atoms.
    function burn(uint256 amount) external onlySupplyController {
        _burn(VAULT, amount);
    }

    /// @notice Stops every move and approval of this token. Caller: PAUSER of the asset.
    function pause() external restricted {
        _pause();
    }

    /// @notice Starts them again. Caller: UNPAUSER of the asset.
    function unpause() external restricted {
        _unpause();
    }

    /// @notice Asset id.
    function asset() external view returns (uint16) {
        return _storage().asset;
    }

    /// @notice Bit c set: class c may receive.
    function allowedClasses() external view returns (uint128) {
        return _storage().allowedClasses;
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

    modifier onlySupplyController() {
        if (msg.sender != SUPPLY_CONTROLLER) revert NotSupplyController(msg.sender);
        _;
    }

    /// @dev The one place that every change of a balance passes.
    function _update(address from, address to, uint256 value) internal override whenNotPaused {
        if (from != address(0) && to != address(0) && from != VAULT && to != VAULT) _requireReceiver(to);
        super._update(from, to, value);
    }

    function _approve(address owner, address spender, uint256 value, bool emitEvent) internal override whenNotPaused {
        super._approve(owner, spender, value, emitEvent);
    }

    /// @dev Caller: UPGRADER, whose calls the Authority delays.
    function _authorizeUpgrade(address) internal override restricted {}

    function _requireReceiver(address to) private view {
        (uint32 account, uint8 class, uint64 expiry) = INVESTOR_REGISTRY.investorOf(to);
        bool current = account != 0 && (expiry == 0 || block.timestamp < expiry);
        bool allowed = (_storage().allowedClasses >> class) & 1 != 0;
        if (!current || !allowed) revert ReceiverRefused(to, account, class);
    }

    function _storage() private pure returns (TokenStorage storage $) {
        assembly ("memory-safe") {
            $.slot := STORAGE_SLOT
        }
    }
}
