// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {AssetToken} from "../token/AssetToken.sol";
import {IReserveGate} from "./IReserveGate.sol";

/// @title Every mint and burn of the suite's own tokens.
/// @notice Supply changes only by a settled supply batch, never above the ceiling, and for an asset with attested reserves
/// never above what the gate knows of. Amounts are atoms.
contract SupplyController is AccessManaged {
    /// @param token Zero while the asset is unknown.
    /// @param ceiling Highest supply.
    /// @param reserveAttested Whether increases ask the gate.
    struct Supply {
        AssetToken token;
        uint64 ceiling;
        bool reserveAttested;
    }

    uint64 private constant MAX_CEILING = uint64(type(int64).max);

    address public immutable CLEARING_HOUSE;
    address public immutable ASSET_REGISTRY;

    /// @notice Knows the attested reserves; while unset there are none.
    IReserveGate public reserveGate;

    mapping(uint16 asset => Supply) private _supplies;

    error NotClearingHouse(address caller);
    error NotAssetRegistry(address caller);
    error UnknownAsset(uint16 asset);
    error CeilingOutOfRange(uint64 ceiling);
    error CeilingExceeded(uint16 asset, uint256 supply, uint64 ceiling);
    error ReserveExceeded(uint16 asset, uint256 supply, uint256 reserve);

    /// @notice Supply changed by `change` to `totalSupply`.
    event SupplyApplied(uint16 indexed asset, int64 change, uint256 totalSupply);
    /// @notice The highest supply of an asset changed.
    event CeilingSet(uint16 indexed asset, uint64 ceiling);
    /// @notice Another contract answers for reserves.
    event ReserveGateSet(address indexed gate);

    constructor(address authority, address clearingHouse, address assetRegistry) AccessManaged(authority) {
        CLEARING_HOUSE = clearingHouse;
        ASSET_REGISTRY = assetRegistry;
    }

    /// @notice Mints to or burns from the vault. Caller: the clearing house, at the end of a supply batch.
    /// @param asset An asset with a token of this suite.
    /// @param change Atoms; above zero mints, below burns.
    function applySupply(uint16 asset, int64 change) external {
        if (msg.sender != CLEARING_HOUSE) revert NotClearingHouse(msg.sender);
        Supply memory supply = _supply(asset);
        if (change > 0) {
            _requireHeadroom(asset, supply, supply.token.totalSupply() + uint64(change));
            supply.token.mint(uint64(change));
        } else {
            supply.token.burn(uint256(-int256(change)));
        }
        emit SupplyApplied(asset, change, supply.token.totalSupply());
    }

    /// @notice Takes a new asset under control. Caller: the asset registry.
    /// @param asset Asset id.
    /// @param token Its token.
    /// @param ceiling Highest supply, at most 2⁶³−1.
    /// @param reserveAttested Whether increases need an attested reserve.
    function open(uint16 asset, AssetToken token, uint64 ceiling, bool reserveAttested) external {
        if (msg.sender != ASSET_REGISTRY) revert NotAssetRegistry(msg.sender);
        _requireCeiling(ceiling);
        _supplies[asset] = Supply({token: token, ceiling: ceiling, reserveAttested: reserveAttested});
        emit CeilingSet(asset, ceiling);
    }

    /// @notice Changes the highest supply; a ceiling below the supply only stops further mints. Caller: SUPPLY_ADMIN.
    /// @param asset A known asset.
    /// @param ceiling Atoms, at most 2⁶³−1.
    function setCeiling(uint16 asset, uint64 ceiling) external restricted {
        _supply(asset);
        _requireCeiling(ceiling);
        _supplies[asset].ceiling = ceiling;
        emit CeilingSet(asset, ceiling);
    }

    /// @notice Names the contract that knows attested reserves. Caller: SUPPLY_ADMIN.
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

    function _requireCeiling(uint64 ceiling) private pure {
        if (ceiling > MAX_CEILING) revert CeilingOutOfRange(ceiling);
    }
}
