// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RateLimiter} from "@openzeppelin/contracts/utils/RateLimiter.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {AssetToken} from "../token/AssetToken.sol";
import {IAssets} from "../types/IAssets.sol";
import {IInvestors} from "../types/IInvestors.sol";
import {IReserveGate} from "./IReserveGate.sol";
import {Redemptions} from "./Redemptions.sol";

/// @title Every mint and burn of the suite's own tokens.
/// @notice Supply grows only by a settled supply batch, never above the ceiling, never faster than the rate, and for an asset
/// with attested reserves never above what the gate knows of. Burning is never gated. Amounts are atoms.
/// @dev The ceiling has the shape of Maker's DssAutoLine: it may be raised to the supply plus a gap once per time-to-live, by
/// anyone, and be lowered at once. Only PAUSER and SUPPLY_ADMIN lower it. Whoever raises it early, by as little as an atom,
/// uses up the time-to-live, so that a mint may wait for one: gap and time-to-live must allow for that.
contract SupplyController is Redemptions {
    using RateLimiter for RateLimiter.RefillingBucket;

    /// @param token Zero while the asset is unknown.
    /// @param ceiling Highest supply now.
    /// @param reserveAttested Whether increases ask the gate.
    /// @param isRated Whether increases are taken from a bucket.
    struct Supply {
        AssetToken token;
        uint64 ceiling;
        bool reserveAttested;
        bool isRated;
    }

    /// @param maximum What the ceiling can never pass.
    /// @param gap How far above the supply the ceiling may be raised; 0: it is not raised this way.
    /// @param ttlSeconds Least time between two raises.
    /// @param raisedAt Block time of the last raise, Unix seconds.
    struct Line {
        uint64 maximum;
        uint64 gap;
        uint32 ttlSeconds;
        uint64 raisedAt;
    }

    uint64 private constant MAX_CEILING = uint64(type(int64).max);
    /// @dev Each asset has a bucket of its own, so the key within it is always the same.
    bytes32 private constant KEY = 0;

    address public immutable CLEARING_HOUSE;

    /// @notice Knows the attested reserves; while unset there are none.
    IReserveGate public reserveGate;

    /// @notice Hard ceiling, gap and time-to-live of an asset.
    mapping(uint16 asset => Line) public lineOf;

    mapping(uint16 asset => Supply) private _supplies;
    mapping(uint16 asset => RateLimiter.RefillingBucket) private _buckets;

    error NotClearingHouse(address caller);
    error NotAssetRegistry(address caller);
    error CeilingOutOfRange(uint64 ceiling);
    error CeilingNotLower(uint64 ceiling, uint64 current);
    error CeilingExceeded(uint16 asset, uint256 supply, uint64 ceiling);
    error CeilingNotRaisable(uint16 asset, uint64 ceiling, uint256 raisableAt);
    error RateExceeded(uint16 asset, uint256 amount, uint256 available);
    error ReserveExceeded(uint16 asset, uint256 supply, uint256 reserve);

    /// @notice Supply changed by `change` to `totalSupply`, by a supply batch.
    event SupplyApplied(uint16 indexed asset, int64 change, uint256 totalSupply);
    /// @notice The highest supply of an asset changed.
    event CeilingSet(uint16 indexed asset, uint64 ceiling);
    /// @notice How the ceiling of an asset may be raised changed.
    event LineSet(uint16 indexed asset, uint64 maximum, uint64 gap, uint32 ttlSeconds);
    /// @notice An asset may grow by `capacity` at once, and by as much again over `windowSeconds`; window 0: no limit.
    event RateSet(uint16 indexed asset, uint64 capacity, uint32 windowSeconds);
    /// @notice Another contract answers for reserves.
    event ReserveGateSet(address indexed gate);

    /// @param authority Decides who may call what.
    /// @param clearingHouse The only caller of `applySupply`; holds what is minted.
    /// @param assetRegistry The only caller of `open`.
    /// @param investorRegistry Knows the wallets that redemptions pay.
    constructor(
        address authority,
        address clearingHouse,
        IAssets assetRegistry,
        IInvestors investorRegistry
    ) AccessManaged(authority) Redemptions(assetRegistry, investorRegistry) {
        CLEARING_HOUSE = clearingHouse;
    }

    /// @notice Mints to or burns from the vault. Caller: the clearing house, at the end of a supply batch.
    /// @dev Errors: NotClearingHouse, UnknownAsset, CeilingExceeded, ReserveExceeded, RateExceeded.
    /// @param asset An asset with a token of this suite.
    /// @param change Atoms; above zero mints, below burns.
    function applySupply(uint16 asset, int64 change) external {
        if (msg.sender != CLEARING_HOUSE) revert NotClearingHouse(msg.sender);
        Supply memory supply = _supply(asset);
        if (change > 0) {
            _requireHeadroom(asset, supply, supply.token.totalSupply() + uint64(change));
            if (supply.isRated) _consumeRate(asset, uint64(change));
            supply.token.mint(uint64(change));
        } else {
            supply.token.burn(uint256(-int256(change)));
        }
        emit SupplyApplied(asset, change, supply.token.totalSupply());
    }

    /// @notice Takes a new asset under control. Caller: the asset registry.
    /// @dev Errors: NotAssetRegistry, CeilingOutOfRange.
    /// @param asset Asset id.
    /// @param token Its token.
    /// @param ceiling Highest supply, at most 2⁶³−1.
    /// @param reserveAttested Whether increases need an attested reserve.
    function open(uint16 asset, AssetToken token, uint64 ceiling, bool reserveAttested) external {
        if (msg.sender != address(ASSET_REGISTRY)) revert NotAssetRegistry(msg.sender);
        _requireCeiling(ceiling);
        _supplies[asset] = Supply({token: token, ceiling: ceiling, reserveAttested: reserveAttested, isRated: false});
        lineOf[asset] = Line({maximum: ceiling, gap: 0, ttlSeconds: 0, raisedAt: 0});
        emit CeilingSet(asset, ceiling);
    }

    /// @notice Changes the highest supply, now and ever; a ceiling below the supply only stops further mints. Ends raising by
    /// gap. Caller: SUPPLY_ADMIN.
    /// @dev Errors: UnknownAsset, CeilingOutOfRange.
    /// @param asset A known asset.
    /// @param ceiling Atoms, at most 2⁶³−1.
    function setCeiling(uint16 asset, uint64 ceiling) external restricted {
        _supply(asset);
        _requireCeiling(ceiling);
        _setLine(asset, ceiling, 0, 0);
        _setCeiling(asset, ceiling);
    }

    /// @notice Lets the ceiling follow the supply: lowers it to the supply plus a gap (never above `maximum`), from where
    /// `raiseCeiling` takes it up. Caller: SUPPLY_ADMIN.
    /// @dev Errors: UnknownAsset, CeilingOutOfRange.
    /// @param asset A known asset.
    /// @param maximum What the ceiling can never pass, atoms, at most 2⁶³−1.
    /// @param gap Atoms above the supply, more than 0.
    /// @param ttlSeconds Least time between two raises.
    function setLine(uint16 asset, uint64 maximum, uint64 gap, uint32 ttlSeconds) external restricted {
        Supply memory supply = _supply(asset);
        _requireCeiling(maximum);
        if (gap == 0) revert CeilingOutOfRange(gap);
        _setLine(asset, maximum, gap, ttlSeconds);
        _setCeiling(asset, _target(supply, maximum, gap));
    }

    /// @notice Raises the ceiling to the supply plus the gap, never above the maximum. Caller: anyone, once per time-to-live.
    /// @dev Errors: CeilingNotRaisable, UnknownAsset.
    /// @param asset An asset with a gap.
    /// @return ceiling The ceiling from now on, atoms.
    function raiseCeiling(uint16 asset) external returns (uint64 ceiling) {
        Supply memory supply = _supply(asset);
        Line memory line = lineOf[asset];
        ceiling = line.gap == 0 ? supply.ceiling : _target(supply, line.maximum, line.gap);
        uint256 raisableAt = uint256(line.raisedAt) + line.ttlSeconds;
        if (ceiling <= supply.ceiling || block.timestamp < raisableAt) {
            revert CeilingNotRaisable(asset, supply.ceiling, raisableAt);
        }
        lineOf[asset].raisedAt = uint64(block.timestamp);
        _setCeiling(asset, ceiling);
    }

    /// @notice Lowers the ceiling at once and ends raising by gap; raising it again is SUPPLY_ADMIN's. Caller: PAUSER.
    /// @dev Errors: CeilingNotLower, UnknownAsset.
    /// @param asset A known asset.
    /// @param ceiling Atoms, below the ceiling now.
    function lowerCeiling(uint16 asset, uint64 ceiling) external restricted {
        uint64 current = _supply(asset).ceiling;
        if (ceiling >= current) revert CeilingNotLower(ceiling, current);
        Line memory line = lineOf[asset];
        // With a gap left, anybody could raise it again.
        _setLine(asset, line.maximum, 0, line.ttlSeconds);
        _setCeiling(asset, ceiling);
    }

    /// @notice Limits how fast an asset may grow. The bucket starts full and refills evenly. Caller: SUPPLY_ADMIN.
    /// @dev Errors: UnknownAsset.
    /// @param asset A known asset.
    /// @param capacity Atoms that may be minted at once.
    /// @param windowSeconds Time in which an empty bucket fills; 0 ends the limit.
    function setRate(uint16 asset, uint64 capacity, uint32 windowSeconds) external restricted {
        _supply(asset);
        // What refilled so far does so at the rate of that time.
        if (_supplies[asset].isRated) _buckets[asset].sync(KEY);
        _buckets[asset].updateSettings(windowSeconds, capacity);
        _supplies[asset].isRated = windowSeconds != 0;
        emit RateSet(asset, capacity, windowSeconds);
    }

    /// @notice Names the contract that knows attested reserves. Caller: SUPPLY_ADMIN.
    /// @dev Errors: none of its own.
    /// @param gate Zero: no reserves at all.
    function setReserveGate(IReserveGate gate) external restricted {
        reserveGate = gate;
        emit ReserveGateSet(address(gate));
    }

    /// @notice Token, ceiling and reserve rule of an asset; all zero when it is unknown.
    function supplyOf(uint16 asset) external view returns (address token, uint64 ceiling, bool reserveAttested) {
        Supply storage supply = _supplies[asset];
        return (address(supply.token), supply.ceiling, supply.reserveAttested);
    }

    /// @notice Atoms of an asset that its rate allows to mint now; 2²⁵⁶−1 without a rate.
    function mintableOf(uint16 asset) external view returns (uint256) {
        if (!_supplies[asset].isRated) return type(uint256).max;
        return _buckets[asset].available(KEY);
    }

    function _consumeRate(uint16 asset, uint256 amount) private {
        if (!_buckets[asset].tryConsume(KEY, amount)) {
            revert RateExceeded(asset, amount, _buckets[asset].available(KEY));
        }
    }

    function _setLine(uint16 asset, uint64 maximum, uint64 gap, uint32 ttlSeconds) private {
        lineOf[asset] = Line({maximum: maximum, gap: gap, ttlSeconds: ttlSeconds, raisedAt: uint64(block.timestamp)});
        emit LineSet(asset, maximum, gap, ttlSeconds);
    }

    function _setCeiling(uint16 asset, uint64 ceiling) private {
        _supplies[asset].ceiling = ceiling;
        emit CeilingSet(asset, ceiling);
    }

    function _target(Supply memory supply, uint64 maximum, uint64 gap) private view returns (uint64) {
        uint256 target = supply.token.totalSupply() + gap;
        return target < maximum ? uint64(target) : maximum;
    }

    function _requireHeadroom(uint16 asset, Supply memory supply, uint256 next) private view {
        if (next > supply.ceiling) revert CeilingExceeded(asset, next, supply.ceiling);
        if (!supply.reserveAttested) return;
        uint256 reserve = address(reserveGate) == address(0) ? 0 : reserveGate.reserveOf(asset);
        if (next > reserve) revert ReserveExceeded(asset, next, reserve);
    }

    function _supply(uint16 asset) private view returns (Supply memory supply) {
        supply = _supplies[asset];
        if (address(supply.token) == address(0)) revert UnknownAsset(asset);
    }

    function _redeemable(uint16 asset) internal view override returns (AssetToken) {
        return _supply(asset).token;
    }

    function _requireCeiling(uint64 ceiling) private pure {
        if (ceiling > MAX_CEILING) revert CeilingOutOfRange(ceiling);
    }
}
