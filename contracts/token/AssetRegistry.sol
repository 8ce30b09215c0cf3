// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Authority} from "../access/Authority.sol";
import {ClearingHouse} from "../settlement/ClearingHouse.sol";
import {SupplyController} from "../supply/SupplyController.sol";
import {IAssets} from "../types/IAssets.sol";
import {AssetToken} from "./AssetToken.sol";
import {CorporateActions} from "./CorporateActions.sol";
import {Documents} from "./Documents.sol";

/// @title The list of assets and the factory of their tokens, with the documents and corporate actions of each.
contract AssetRegistry is IAssets, Documents, CorporateActions {
    /// @param token The asset's ERC-20.
    /// @param isExternal Whether the token is not of this suite (cash).
    /// @param terms Hash of the parameters that the asset was created or listed with.
    struct Asset {
        address token;
        bool isExternal;
        bytes32 terms;
    }

    uint8 private constant MAX_DECIMALS = 8;

    address public immutable TOKEN_IMPLEMENTATION;
    ClearingHouse public immutable CLEARING_HOUSE;
    SupplyController public immutable SUPPLY_CONTROLLER;

    mapping(uint16 asset => Asset) private _assets;
    mapping(bytes32 symbolHash => bool) private _isSymbolTaken;

    error Refused(uint16 asset);
    error DecimalsOutOfRange(uint8 decimals);
    error NotToken(address token);
    error SuiteToken(address token);
    error SymbolTaken(string symbol);
    error ZeroScale();

    /// @notice An asset has a token of its own from now on.
    event AssetCreated(uint16 indexed asset, address indexed token, uint8 decimals, uint128 allowedClasses);
    /// @notice A token from outside became an asset; scale in token units per atom.
    event ExternalListed(uint16 indexed asset, address indexed token, uint64 scale, uint128 allowedClasses);

    /// @param authority Decides who may call what; also binds the tokens made here.
    /// @param tokenImplementation What the token proxies run.
    /// @param clearingHouse Learns of each asset.
    /// @param supplyController Learns of each token made here.
    constructor(
        address authority,
        address tokenImplementation,
        ClearingHouse clearingHouse,
        SupplyController supplyController
    ) AccessManaged(authority) {
        TOKEN_IMPLEMENTATION = tokenImplementation;
        CLEARING_HOUSE = clearingHouse;
        SUPPLY_CONTROLLER = supplyController;
    }

    /// @notice Deploys the token of an asset. Repeating it with the same parameters changes nothing. Caller: REGISTRAR.
    /// @dev Errors: Refused, SymbolTaken, DecimalsOutOfRange, CeilingOutOfRange.
    /// @param id Asset id given by the node; also the CREATE2 salt.
    /// @param symbol One that no other token made here has, to the letter.
    /// @param name Display name.
    /// @param decimals 0 to 8, the same as in the ledger.
    /// @param allowedClasses Bit c set: class c (1 to 83) may hold.
    /// @param reserveAttested Whether the supply may grow only under an attested reserve.
    /// @param ceiling Highest supply ever, atoms, at most 2⁶³−1.
    /// @return token The token's address.
    function createAsset(
        uint16 id,
        string calldata symbol,
        string calldata name,
        uint8 decimals,
        uint128 allowedClasses,
        bool reserveAttested,
        uint64 ceiling
    ) external restricted returns (address token) {
        bytes32 terms = keccak256(abi.encode(symbol, name, decimals, allowedClasses, reserveAttested, ceiling));
        if (_isListed(id, terms)) return _assets[id].token;
        if (decimals > MAX_DECIMALS) revert DecimalsOutOfRange(decimals);
        _takeSymbol(symbol);

        bytes memory setup = abi.encodeCall(
            AssetToken.initialize,
            (authority(), id, name, symbol, decimals, allowedClasses)
        );
        token = _deploy(id, setup);
        _assets[id] = Asset({token: token, isExternal: false, terms: terms});
        emit AssetCreated(id, token, decimals, allowedClasses);
        SUPPLY_CONTROLLER.open(id, AssetToken(token), ceiling, reserveAttested);
        CLEARING_HOUSE.listAsset(id, token, 1, allowedClasses);
    }

    /// @notice Lists a token from outside, such as cash. Repeating it with the same values changes nothing. Caller: ADMIN.
    /// @dev Errors: Refused, NotToken, SuiteToken, ZeroScale, ScaleNotPowerOfTen.
    /// @param id Asset id; 0 is cash.
    /// @param token An ERC-20 without hooks, fees or rebasing; not one of this suite, which is an asset already.
    /// @param scale Token units per atom.
    /// @param allowedClasses Bit c set: class c (1 to 83) may be credited.
    function listExternal(uint16 id, address token, uint64 scale, uint128 allowedClasses) external restricted {
        bytes32 terms = keccak256(abi.encode(token, scale, allowedClasses));
        if (_isListed(id, terms)) return;
        if (token.code.length == 0) revert NotToken(token);
        if (token == TOKEN_IMPLEMENTATION || Authority(authority()).isBound(token)) revert SuiteToken(token);
        if (scale == 0) revert ZeroScale();

        _assets[id] = Asset({token: token, isExternal: true, terms: terms});
        emit ExternalListed(id, token, scale, allowedClasses);
        CLEARING_HOUSE.listAsset(id, token, scale, allowedClasses);
    }

    /// @notice The token of an asset, zero when there is none.
    function tokenOf(uint16 asset) external view override returns (address) {
        return _assets[asset].token;
    }

    /// @notice Token units per atom of an asset, 0 when it is not listed.
    function scaleOf(uint16 asset) external view returns (uint64 scale) {
        (, scale) = CLEARING_HOUSE.listingOf(asset);
    }

    /// @notice Whether the asset's token is not of this suite.
    function isExternal(uint16 asset) external view override returns (bool) {
        return _assets[asset].isExternal;
    }

    /// @dev True when the id has these very terms; an id with other terms is refused.
    function _isListed(uint16 id, bytes32 terms) private view returns (bool) {
        Asset storage asset = _assets[id];
        if (asset.token == address(0)) return false;
        if (asset.terms != terms) revert Refused(id);
        return true;
    }

    /// @dev Two tokens of one symbol would be told apart by their address only.
    function _takeSymbol(string calldata symbol) private {
        bytes32 symbolHash = keccak256(bytes(symbol));
        if (_isSymbolTaken[symbolHash]) revert SymbolTaken(symbol);
        _isSymbolTaken[symbolHash] = true;
    }

    function _deploy(uint16 id, bytes memory setup) private returns (address token) {
        bytes32 salt = bytes32(uint256(id));
        bytes32 initCodeHash = keccak256(
            abi.encodePacked(type(ERC1967Proxy).creationCode, abi.encode(TOKEN_IMPLEMENTATION, setup))
        );
        token = address(new ERC1967Proxy{salt: salt}(TOKEN_IMPLEMENTATION, setup));
        Authority(authority()).bindAsset(id, initCodeHash);
    }
}
