// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {InvestorRegistry} from "../compliance/InvestorRegistry.sol";
import {SupplyController} from "../supply/SupplyController.sol";
import {Accounts} from "../types/Accounts.sol";
import {Batch, BatchHeader} from "../types/Batch.sol";
import {Attestation} from "./Attestation.sol";
import {LaneStore} from "./LaneStore.sol";

/// @title The vault: trading balances of every account, changed by netted batches.
/// @notice Not upgradeable. Amounts are atoms unless said otherwise. `settle` calls no user address and reads neither
/// freeze nor expiry, so nothing that a user does can make a batch fail.
contract ClearingHouse is AccessManaged, Pausable, ReentrancyGuardTransient, Attestation, LaneStore {
    using SafeERC20 for IERC20;

    /// @param token The ERC-20 that backs the lanes of an asset; zero while the asset is not listed.
    /// @param scale Token units per atom: 1 for the suite's own tokens.
    struct Listing {
        address token;
        uint64 scale;
    }

    /// @param sequence Batches settled so far.
    /// @param closeTime `closeTime` of the last batch, Unix seconds.
    /// @param settledAt Block time of the last batch, Unix seconds.
    struct Clock {
        uint64 sequence;
        uint64 closeTime;
        uint64 settledAt;
    }

    InvestorRegistry public immutable INVESTOR_REGISTRY;
    SupplyController public immutable SUPPLY_CONTROLLER;
    address public immutable ASSET_REGISTRY;

    /// @notice Hash of the last header, or the genesis head: the chain that every batch extends.
    bytes32 public head;

    Clock private _clock;

    /// @notice Token and scale of an asset.
    mapping(uint16 asset => Listing) public listingOf;

    /// @notice Whether a withdrawal id was paid.
    mapping(bytes32 id => bool) public isWithdrawn;

    error NotInvestorRegistry(address caller);
    error NotAssetRegistry(address caller);
    error WrongHead(bytes32 expected, bytes32 given);
    error WrongSequence(uint64 expected, uint64 given);
    error WrongRecords(bytes32 expected, bytes32 given);
    error MalformedHeader(uint8 kind, uint16 supplyAsset, int64 supplyChange);
    error HeartbeatWithRecords(uint256 length);
    error UnknownAsset(uint16 asset);
    error ZeroAmount();
    error NotDivisible(uint256 amount, uint256 scale);
    error ShortDeposit(uint256 expected, uint256 received);
    error Unregistered(address wallet);
    error Expired(uint32 account, uint256 expiresAt);
    error NoWallet(uint32 account);
    error AlreadyWithdrawn(bytes32 id);
    error LengthMismatch(uint256 accounts, uint256 assets);

    /// @notice A batch was applied.
    event BatchSettled(uint64 indexed sequence, bytes32 head, bytes32 journalHash);
    /// @notice A lane grew by tokens that its wallet paid in; atoms.
    event Deposited(uint32 indexed account, uint16 indexed asset, uint256 amount);
    /// @notice A lane shrank and the registered wallet was paid; atoms.
    event Withdrawn(bytes32 indexed id, uint32 indexed account, uint16 indexed asset, uint256 amount);
    /// @notice The hourly turnover cap of an asset changed; atoms, 0 = none.
    event TurnoverCapSet(uint16 indexed asset, uint64 cap);

    constructor(
        address authority,
        InvestorRegistry investorRegistry,
        address assetRegistry,
        SupplyController supplyController
    ) AccessManaged(authority) {
        INVESTOR_REGISTRY = investorRegistry;
        ASSET_REGISTRY = assetRegistry;
        SUPPLY_CONTROLLER = supplyController;
        head = Batch.genesis(address(this));
        _clock.settledAt = uint64(block.timestamp);
        for (uint32 account = Accounts.FEES; account < Accounts.FIRST_USER; ++account) {
            _setFlags(account, Accounts.SYSTEM_CLASS, 0);
        }
    }

    /// @notice Pays tokens into the caller's account. Caller: a registered, unexpired wallet of an allowed class that
    /// approved this contract.
    /// @param asset A listed asset.
    /// @param amount Token units; must be a multiple of the asset's scale.
    function deposit(uint16 asset, uint256 amount) external whenNotPaused nonReentrant {
        Listing memory listing = _listing(asset);
        if (amount == 0) revert ZeroAmount();
        if (amount % listing.scale != 0) revert NotDivisible(amount, listing.scale);
        uint32 account = _requireDepositor(asset);

        uint256 atoms = amount / listing.scale;
        _credit(account, asset, atoms);
        emit Deposited(account, asset, atoms);

        IERC20 token = IERC20(listing.token);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert ShortDeposit(amount, received);
    }

    /// @notice Applies a netted batch. The batch that is the head already returns quietly. Caller: SETTLER.
    /// @param header What the batch declares; its `hashStruct` becomes the head.
    /// @param records Groups and packed legs (format: contracts/README.md).
    /// @param attestations Exactly `threshold` signatures over the header, ascending by signer.
    function settle(
        BatchHeader calldata header,
        bytes calldata records,
        bytes[] calldata attestations
    ) external restricted nonReentrant {
        bytes32 next = Batch.hash(header);
        if (next == head) return;
        _requireNotPaused();
        _requireHeader(header, records);
        _requireAttested(next, attestations);

        uint256[] memory table = _applyRecords(records);
        _requireSums(table, header.supplyAsset, header.supplyChange);
        if (header.kind == Batch.TRADE) _countTurnover(table);
        head = next;
        _clock = Clock(header.sequence, header.closeTime, uint64(block.timestamp));
        emit BatchSettled(header.sequence, next, header.journalHash);
        if (header.kind == Batch.SUPPLY) _applySupply(header.supplyAsset, header.supplyChange);
    }

    /// @notice Pays a withdrawal to the registered wallet of its account, once per id. Caller: SETTLER.
    /// @param id Withdrawal id, never used before.
    /// @param account Whose lane shrinks and whose wallet is paid.
    /// @param asset A listed asset.
    /// @param amount Atoms.
    function withdraw(
        bytes32 id,
        uint32 account,
        uint16 asset,
        uint256 amount
    ) external restricted whenNotPaused nonReentrant {
        if (isWithdrawn[id]) revert AlreadyWithdrawn(id);
        if (amount == 0) revert ZeroAmount();
        Listing memory listing = _listing(asset);
        address wallet = INVESTOR_REGISTRY.walletOf(account);
        if (wallet == address(0)) revert NoWallet(account);

        isWithdrawn[id] = true;
        _debit(account, asset, amount);
        emit Withdrawn(id, account, asset, amount);
        IERC20(listing.token).safeTransfer(wallet, amount * listing.scale);
    }

    /// @notice Stops deposit, settle and withdraw. Caller: PAUSER.
    function pause() external restricted {
        _pause();
    }

    /// @notice Starts them again. Caller: UNPAUSER.
    function unpause() external restricted {
        _unpause();
    }

    /// @notice Replaces the attestors. Caller: ATTESTOR_ADMIN.
    /// @param next At most 32 addresses, ascending; none together with threshold 0.
    /// @param nextThreshold How many of them each batch needs.
    function setAttestors(address[] calldata next, uint8 nextThreshold) external restricted {
        _setAttestors(next, nextThreshold);
    }

    /// @notice Caps what trade batches may credit of an asset per clock hour. Caller: RISK_ADMIN.
    /// @param asset A listed asset.
    /// @param cap Atoms, 0 = no cap.
    function setTurnoverCap(uint16 asset, uint64 cap) external restricted {
        _listing(asset);
        _setCap(asset, cap);
        emit TurnoverCapSet(asset, cap);
    }

    /// @notice Makes an asset depositable. Caller: the asset registry.
    /// @param asset An asset id that is not listed yet.
    /// @param token Its ERC-20: no hooks, no fees, no rebasing.
    /// @param scale Token units per atom, at least 1.
    /// @param allowedClasses Bit c set: class c may be credited.
    function listAsset(uint16 asset, address token, uint64 scale, uint128 allowedClasses) external {
        if (msg.sender != ASSET_REGISTRY) revert NotAssetRegistry(msg.sender);
        listingOf[asset] = Listing(token, scale);
        _setRule(asset, allowedClasses);
    }

    /// @notice Copies class and expiry of an account beside its balances. Caller: the investor registry.
    /// @param account A registered account.
    /// @param class Investor class, 1 to 83.
    /// @param expiresAt Unix seconds, kept to the hour below; 0 = never.
    function syncFlags(uint32 account, uint8 class, uint64 expiresAt) external {
        if (msg.sender != address(INVESTOR_REGISTRY)) revert NotInvestorRegistry(msg.sender);
        _setFlags(account, class, expiresAt);
    }

    /// @notice Sequence of the last settled batch.
    function sequence() external view returns (uint64) {
        return _clock.sequence;
    }

    /// @notice Close time and block time of the last batch, Unix seconds; the latter starts at deployment.
    function lastBatch() external view returns (uint64 closeTime, uint64 settledAt) {
        return (_clock.closeTime, _clock.settledAt);
    }

    /// @notice One lane, atoms.
    function balanceOf(uint32 account, uint16 asset) external view returns (uint256) {
        return _lane(account, asset);
    }

    /// @notice Lanes of the pairs (accounts[i], assets[i]), atoms.
    function balancesOf(
        uint32[] calldata accounts,
        uint16[] calldata assets
    ) external view returns (uint256[] memory balances) {
        if (accounts.length != assets.length) revert LengthMismatch(accounts.length, assets.length);
        balances = new uint256[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) balances[i] = _lane(accounts[i], assets[i]);
    }

    /// @notice Sum of all lanes of an asset, atoms.
    function totalOf(uint16 asset) external view returns (uint256) {
        return _total(asset);
    }

    /// @notice Hourly cap of an asset (0 = none) and what this hour has used of it, atoms.
    function turnoverOf(uint16 asset) external view returns (uint256 cap, uint256 used) {
        return _turnover(asset);
    }

    /// @notice Class and expiry (Unix seconds, to the hour) as settlement and deposits see them.
    function flagsOf(uint32 account) external view returns (uint8 class, uint256 expiresAt) {
        return _flagsOf(account);
    }

    function _applySupply(uint16 asset, int64 change) private {
        if (change > 0) _addTotal(asset, uint64(change));
        else _subtractTotal(asset, uint64(-change));
        SUPPLY_CONTROLLER.applySupply(asset, change);
    }

    function _requireHeader(BatchHeader calldata header, bytes calldata records) private view {
        if (header.prevHead != head) revert WrongHead(head, header.prevHead);
        uint64 expected = _clock.sequence + 1;
        if (header.sequence != expected) revert WrongSequence(expected, header.sequence);
        if (!Batch.isWellFormed(header)) {
            revert MalformedHeader(header.kind, header.supplyAsset, header.supplyChange);
        }
        bytes32 recordsHash = keccak256(records);
        if (header.recordsHash != recordsHash) revert WrongRecords(recordsHash, header.recordsHash);
        if (header.kind == Batch.HEARTBEAT && records.length != 1) revert HeartbeatWithRecords(records.length);
    }

    function _requireDepositor(uint16 asset) private view returns (uint32 account) {
        account = INVESTOR_REGISTRY.accountOf(msg.sender);
        if (account == 0) revert Unregistered(msg.sender);
        (uint8 class, uint256 expiresAt) = _flagsOf(account);
        if (expiresAt != 0 && block.timestamp >= expiresAt) revert Expired(account, expiresAt);
        _requireClass(account, asset, class);
    }

    function _listing(uint16 asset) private view returns (Listing memory listing) {
        listing = listingOf[asset];
        if (listing.token == address(0)) revert UnknownAsset(asset);
    }
}
