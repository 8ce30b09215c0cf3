// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {InvestorRegistry} from "../compliance/InvestorRegistry.sol";
import {SupplyController} from "../supply/SupplyController.sol";
import {Accounts} from "../types/Accounts.sol";
import {Batch, BatchHeader} from "../types/Batch.sol";
import {Attestation} from "./Attestation.sol";
import {Books} from "./Books.sol";
import {Custody} from "./Custody.sol";
import {Dvp} from "./Dvp.sol";
import {Exit} from "./Exit.sol";
import {Records} from "./Records.sol";

/// @title The vault: trading balances of every account, changed by netted batches.
/// @notice Not upgradeable. Amounts are atoms unless said otherwise. `settle` calls no user address and reads neither
/// freeze nor expiry, so nothing that a user does can make a batch fail.
contract ClearingHouse is Exit, Dvp, Records, Attestation {
    using Books for uint256;

    SupplyController public immutable SUPPLY_CONTROLLER;
    address public immutable ASSET_REGISTRY;

    /// @notice Hash of the last header, or the genesis head: the chain that every batch extends.
    bytes32 public head;

    error NotInvestorRegistry(address caller);
    error NotAssetRegistry(address caller);
    error WrongHead(bytes32 expected, bytes32 given);
    error WrongSequence(uint64 expected, uint64 given);
    error WrongRecords(bytes32 expected, bytes32 given);
    error MalformedHeader(uint8 kind, uint16 supplyAsset, int64 supplyChange);
    error HeartbeatWithRecords(uint256 length);
    error LengthMismatch(uint256 accounts, uint256 assets);

    /// @notice A batch was applied.
    event BatchSettled(uint64 indexed sequence, bytes32 head, bytes32 journalHash);
    /// @notice The hourly turnover cap of an asset changed; atoms as kept, 0 = none.
    event TurnoverCapSet(uint16 indexed asset, uint64 cap);

    modifier onlyInvestorRegistry() {
        if (msg.sender != address(INVESTOR_REGISTRY)) revert NotInvestorRegistry(msg.sender);
        _;
    }

    /// @param authority Who may settle, pause and administer.
    /// @param investorRegistry Tells wallets, classes, expiry and freezes.
    /// @param assetRegistry Lists assets.
    /// @param supplyController Mints and burns at the end of a supply batch.
    /// @param exitDelay Seconds from the request to the exit.
    /// @param exitModeAfter Seconds without a batch until settlement may be ended; longer than the delay.
    constructor(
        address authority,
        InvestorRegistry investorRegistry,
        address assetRegistry,
        SupplyController supplyController,
        uint64 exitDelay,
        uint64 exitModeAfter
    ) AccessManaged(authority) Custody(investorRegistry) Exit(exitDelay, exitModeAfter) {
        ASSET_REGISTRY = assetRegistry;
        SUPPLY_CONTROLLER = supplyController;
        head = Batch.genesis(address(this));
        for (uint32 account = Accounts.FEES; account < Accounts.FIRST_USER; ++account) {
            _setFlags(account, Accounts.SYSTEM_CLASS, 0, false);
        }
    }

    /// @notice Applies a netted batch. The batch that is the head already returns quietly. Caller: SETTLER.
    /// @dev Errors: EnforcedPause, InExitMode, those of the arguments below, and for a supply batch TotalOutOfRange and
    /// those of `SupplyController.applySupply`.
    /// @param header What the batch declares; its `hashStruct` becomes the head. Errors: WrongHead, WrongSequence,
    /// MalformedHeader, WrongRecords, HeartbeatWithRecords.
    /// @param records Groups and packed legs (format: contracts/FORMAT.md). Errors: MalformedRecords,
    /// GroupsNotAscending, RecordsNotAscending, PlaceOutOfRange, MalformedRecord, ClassRefused, LaneOutOfRange,
    /// SumOutOfRange, Unbalanced, SupplyGroupMissing, TurnoverExceeded.
    /// @param attestations Exactly `threshold` signatures over the header, ascending by signer. Errors:
    /// AttestationCount, NotAttestor, AttestorsNotAscending, ECDSAInvalidSignature.
    function settle(
        BatchHeader calldata header,
        bytes calldata records,
        bytes[] calldata attestations
    ) external restricted nonReentrant {
        bytes32 next = Batch.hash(header);
        bytes32 current = head;
        if (next == current) return;
        _requireOpen();
        Clock memory clock = _clock;
        _requireHeader(header, records, current, clock.sequence + 1);
        _requireAttested(next, attestations, clock.threshold);

        uint256[] memory table = _applyRecords(records);
        _requireSums(table, header.supplyAsset, header.supplyChange);
        _countHolders(table);
        if (header.kind == Batch.TRADE) _countTurnover(table);
        head = next;
        clock.sequence = header.sequence;
        clock.settledAt = uint64(block.timestamp);
        if (header.kind != Batch.SUPPLY) clock.closeTime = _laterClose(clock.closeTime, header.closeTime);
        _clock = clock;
        emit BatchSettled(header.sequence, next, header.journalHash);
        if (header.kind == Batch.SUPPLY) _applySupply(header.supplyAsset, header.supplyChange);
    }

    /// @notice Stops deposit, settle, withdraw and dvp, never exits. Caller: PAUSER.
    /// @dev Errors: EnforcedPause.
    function pause() external restricted {
        _pause();
    }

    /// @notice Starts them again. Caller: UNPAUSER.
    /// @dev Errors: ExpectedPause.
    function unpause() external restricted {
        _unpause();
    }

    /// @notice Replaces the attestors. Caller: ATTESTOR_ADMIN.
    /// @dev Errors: ThresholdOutOfRange, AttestorsNotAscending.
    /// @param next At most 32 addresses, ascending; none together with threshold 0.
    /// @param nextThreshold How many of them each batch needs.
    function setAttestors(address[] calldata next, uint8 nextThreshold) external restricted {
        _clock.threshold = nextThreshold;
        _setAttestors(next, nextThreshold);
    }

    /// @notice Caps what trade batches may credit of an asset per clock hour. Caller: RISK_ADMIN.
    /// @dev Errors: UnknownAsset, AmountOutOfRange.
    /// @param asset A listed asset.
    /// @param cap Atoms, 0 = no cap. Rounded down to its leading digits, which are at least two.
    function setTurnoverCap(uint16 asset, uint64 cap) external restricted {
        _requireBook(asset);
        emit TurnoverCapSet(asset, _setCap(asset, cap));
    }

    /// @notice Makes an asset depositable. Caller: the asset registry.
    /// @dev Errors: NotAssetRegistry, ScaleNotPowerOfTen.
    /// @param asset An asset id that is not listed yet.
    /// @param token Its ERC-20: no hooks, no fees, no rebasing.
    /// @param scale Token units per atom, a power of ten.
    /// @param allowedClasses Bit c set: class c may be credited.
    function listAsset(uint16 asset, address token, uint64 scale, uint128 allowedClasses) external {
        if (msg.sender != ASSET_REGISTRY) revert NotAssetRegistry(msg.sender);
        _openBook(asset, token, scale);
        _setRule(asset, allowedClasses);
    }

    /// @notice Copies class, expiry and freeze of an account beside its balances. Caller: the investor registry.
    /// @dev Errors: NotInvestorRegistry.
    /// @param account A registered account.
    /// @param class Investor class, 1 to 83.
    /// @param expiresAt Unix seconds, kept to the hour below; 0 = never.
    /// @param frozen Whether deposits, withdrawals and exits of the account are stopped.
    function syncFlags(uint32 account, uint8 class, uint64 expiresAt, bool frozen) external onlyInvestorRegistry {
        _setFlags(account, class, expiresAt, frozen);
    }

    /// @notice Copies whose wallet one is, so that deposits read no other contract. Caller: the investor registry.
    /// @dev Errors: NotInvestorRegistry.
    /// @param wallet A wallet that was linked or unlinked.
    /// @param account Its account, 0 = none any more.
    function syncWallet(address wallet, uint32 account) external onlyInvestorRegistry {
        accountOf[wallet] = account;
    }

    /// @notice Sequence of the last settled batch.
    function sequence() external view returns (uint64) {
        return _clock.sequence;
    }

    /// @notice How many attestations a batch needs; 0 until attestors exist.
    function threshold() external view returns (uint8) {
        return _clock.threshold;
    }

    /// @notice Latest close time of a trade batch or heartbeat and block time of the last batch, Unix seconds; 0 before the
    /// first.
    function lastBatch() external view returns (uint64 closeTime, uint64 settledAt) {
        return (_clock.closeTime, _clock.settledAt);
    }

    /// @notice Token of an asset and its scale, token units per atom; zero while it is not listed.
    function listingOf(uint16 asset) external view returns (address token, uint64 scale) {
        uint256 book = _book(asset);
        if (book != 0) (token, scale) = (book.token(), uint64(book.scale()));
    }

    /// @notice One lane, atoms.
    function balanceOf(uint32 account, uint16 asset) external view returns (uint256) {
        return _lane(account, asset);
    }

    /// @notice Lanes of the pairs (accounts[i], assets[i]), atoms.
    /// @dev Errors: LengthMismatch.
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
        return _book(asset).total();
    }

    /// @notice How many accounts, the system's included, hold a lane of an asset.
    function holdersOf(uint16 asset) external view returns (uint256) {
        return _book(asset).holders();
    }

    /// @notice Hourly cap of an asset (0 = none) and what this hour has used of it, atoms.
    function turnoverOf(uint16 asset) external view returns (uint256 cap, uint256 used) {
        return _turnover(asset);
    }

    /// @notice Class and expiry (Unix seconds, to the hour) as settlement and deposits see them.
    function flagsOf(uint32 account) external view returns (uint8 class, uint256 expiresAt) {
        (class, expiresAt, ) = _flagsOf(account);
    }

    /// @notice Whether deposits, withdrawals and exits of an account are stopped.
    function isFrozen(uint32 account) external view returns (bool frozen) {
        (, , frozen) = _flagsOf(account);
    }

    function _applySupply(uint16 asset, int64 change) private {
        (int64 credit, int64 debit) = change > 0 ? (change, int64(0)) : (int64(0), -change);
        _moveBook(asset, _book(asset), uint64(credit), uint64(debit), 0);
        SUPPLY_CONTROLLER.applySupply(asset, change);
    }

    /// @dev A batch knows of nothing after its own block, whatever it declares. It is not refused for it: a block may be
    /// older than the one the operator had seen, after a reorganisation or where an endpoint lags.
    function _laterClose(uint64 earlier, uint64 declared) private view returns (uint64 closeTime) {
        closeTime = declared < block.timestamp ? declared : uint64(block.timestamp);
        if (closeTime < earlier) closeTime = earlier;
    }

    function _requireHeader(
        BatchHeader calldata header,
        bytes calldata records,
        bytes32 current,
        uint64 expected
    ) private pure {
        if (header.prevHead != current) revert WrongHead(current, header.prevHead);
        if (header.sequence != expected) revert WrongSequence(expected, header.sequence);
        if (!Batch.isWellFormed(header)) {
            revert MalformedHeader(header.kind, header.supplyAsset, header.supplyChange);
        }
        bytes32 recordsHash = keccak256(records);
        if (header.recordsHash != recordsHash) revert WrongRecords(recordsHash, header.recordsHash);
        if (header.kind == Batch.HEARTBEAT && records.length != 1) revert HeartbeatWithRecords(records.length);
    }
}
