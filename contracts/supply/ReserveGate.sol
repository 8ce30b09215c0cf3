// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Attestation} from "../settlement/Attestation.sol";
import {IAssets} from "../types/IAssets.sol";
import {IReserveGate} from "./IReserveGate.sol";

/// @notice What attestors sign about the reserve of an asset: an EIP-712 message for the domain "Mooring", version "1", of
/// this chain and this contract.
/// @param asset Asset id.
/// @param nonce Larger than that of the statement before.
/// @param asOf When the reserve was looked at, Unix seconds.
/// @param decimals Decimals of `amount`; must be those that the gate expects for this asset.
/// @param amount The reserve; a negative one counts as none.
/// @param documentHash Hash of the report behind it.
struct Reserve {
    uint16 asset;
    uint64 nonce;
    uint64 asOf;
    uint8 decimals;
    int256 amount;
    bytes32 documentHash;
}

/// @title Reserves that n of m attestors vouch for, as far as supply may rely on them.
/// @notice Fails closed: a reserve that is unset, stale, negative, dated in the future, in other decimals or stated by
/// attestors who were replaced is zero.
contract ReserveGate is IReserveGate, AccessManaged, Attestation {
    /// @param maxAgeSeconds How long a statement holds; 0 while the asset is not set up.
    /// @param decimals Decimals that statements about the asset must have.
    /// @param tokenDecimals Decimals of the asset's token.
    struct Rule {
        uint32 maxAgeSeconds;
        uint8 decimals;
        uint8 tokenDecimals;
    }

    /// @param amount Zero for a negative reserve.
    /// @param term Which attestors stated it; those of an earlier term no longer vouch for anything.
    struct Statement {
        uint128 amount;
        uint40 asOf;
        uint64 nonce;
        uint8 decimals;
        uint16 term;
    }

    bytes32 private constant TYPEHASH = keccak256(
        "Reserve(uint16 asset,uint64 nonce,uint64 asOf,uint8 decimals,int256 amount,bytes32 documentHash)"
    );
    uint8 private constant MAX_DECIMALS = 36;
    uint32 private constant LONGEST_AGE_SECONDS = 366 days;

    IAssets public immutable ASSET_REGISTRY;

    /// @notice How many attestations a statement needs; 0 while there are no attestors.
    uint8 public threshold;

    /// @notice How often the attestors were set.
    uint16 public term;

    /// @notice How statements about an asset are read.
    mapping(uint16 asset => Rule) public ruleOf;

    /// @notice The last statement about an asset, as it was signed. The next one has a larger nonce, whoever signs it.
    mapping(uint16 asset => Statement) public statementOf;

    error NoAttestors();
    error UnknownAsset(uint16 asset);
    error RuleOutOfRange(uint8 decimals, uint32 maxAgeSeconds);
    error StaleNonce(uint64 nonce, uint64 last);
    error OlderStatement(uint64 asOf, uint64 last);
    error FutureStatement(uint64 asOf, uint256 now_);
    error WrongDecimals(uint8 decimals, uint8 expected);
    error AmountOutOfRange(int256 amount);

    /// @notice n of m attestors stated a reserve.
    event ReserveAttested(
        uint16 indexed asset,
        uint64 nonce,
        uint64 asOf,
        uint8 decimals,
        int256 amount,
        bytes32 documentHash
    );
    /// @notice Statements about an asset are read differently from now on.
    event RuleSet(uint16 indexed asset, uint8 decimals, uint32 maxAgeSeconds);

    /// @param authority Decides who may call what.
    /// @param assetRegistry Knows the tokens.
    constructor(address authority, IAssets assetRegistry) AccessManaged(authority) {
        ASSET_REGISTRY = assetRegistry;
    }

    /// @notice Records a statement. Caller: anyone; the signatures are what counts.
    /// @dev Errors: NoAttestors, UnknownAsset, WrongDecimals, FutureStatement, AmountOutOfRange, StaleNonce,
    /// OlderStatement, AttestationCount, NotAttestor, AttestorsNotAscending, ECDSAInvalidSignature.
    /// @param reserve What was signed.
    /// @param attestations Exactly `threshold` signatures over it, ascending by signer.
    function attest(Reserve calldata reserve, bytes[] calldata attestations) external {
        uint256 required = threshold;
        if (required == 0) revert NoAttestors();
        _requireNext(reserve);
        _requireAttested(keccak256(abi.encode(TYPEHASH, reserve)), attestations, required);

        statementOf[reserve.asset] = Statement({
            amount: reserve.amount < 0 ? 0 : uint128(uint256(reserve.amount)),
            asOf: uint40(reserve.asOf),
            nonce: reserve.nonce,
            decimals: reserve.decimals,
            term: term
        });
        emit ReserveAttested(
            reserve.asset,
            reserve.nonce,
            reserve.asOf,
            reserve.decimals,
            reserve.amount,
            reserve.documentHash
        );
    }

    /// @notice Says how statements about an asset are read. Caller: RESERVE_ADMIN.
    /// @dev Errors: UnknownAsset, RuleOutOfRange.
    /// @param asset An asset with a token.
    /// @param decimals Decimals of the statements, at most 36; an earlier statement in others counts as zero at once.
    /// @param maxAgeSeconds How long a statement holds, at most 366 days; 0 ends the reliance on it.
    function setRule(uint16 asset, uint8 decimals, uint32 maxAgeSeconds) external restricted {
        address token = ASSET_REGISTRY.tokenOf(asset);
        if (token == address(0)) revert UnknownAsset(asset);
        bool impossible = decimals > MAX_DECIMALS || maxAgeSeconds > LONGEST_AGE_SECONDS;
        if (impossible) revert RuleOutOfRange(decimals, maxAgeSeconds);
        uint8 tokenDecimals = IERC20Metadata(token).decimals();
        ruleOf[asset] = Rule({maxAgeSeconds: maxAgeSeconds, decimals: decimals, tokenDecimals: tokenDecimals});
        emit RuleSet(asset, decimals, maxAgeSeconds);
    }

    /// @notice Replaces the attestors; every reserve counts as unset until they have stated it. Caller: RESERVE_ADMIN.
    /// @dev Errors: ThresholdOutOfRange, AttestorsNotAscending.
    /// @param next At most 32 addresses, ascending; none together with threshold 0, which stops every statement.
    /// @param nextThreshold How many of them each statement needs.
    function setAttestors(address[] calldata next, uint8 nextThreshold) external restricted {
        _setAttestors(next, nextThreshold);
        threshold = nextThreshold;
        ++term;
    }

    /// @notice The reserve behind an asset now, atoms, rounded down; zero unless all of it is current and sound.
    function reserveOf(uint16 asset) external view returns (uint256) {
        return _reserveOf(asset);
    }

    /// @notice How far the supply of an asset is below its reserve, atoms; zero when it is not.
    function headroom(uint16 asset) external view returns (uint256) {
        uint256 reserve = _reserveOf(asset);
        if (reserve == 0) return 0;
        uint256 supply = IERC20Metadata(ASSET_REGISTRY.tokenOf(asset)).totalSupply();
        return supply < reserve ? reserve - supply : 0;
    }

    function _requireNext(Reserve calldata reserve) private view {
        Rule memory rule = ruleOf[reserve.asset];
        if (rule.maxAgeSeconds == 0) revert UnknownAsset(reserve.asset);
        if (reserve.decimals != rule.decimals) revert WrongDecimals(reserve.decimals, rule.decimals);
        if (reserve.asOf > block.timestamp) revert FutureStatement(reserve.asOf, block.timestamp);
        if (reserve.amount > int256(uint256(type(uint128).max))) revert AmountOutOfRange(reserve.amount);
        Statement memory last = statementOf[reserve.asset];
        if (reserve.nonce <= last.nonce) revert StaleNonce(reserve.nonce, last.nonce);
        if (reserve.asOf < last.asOf) revert OlderStatement(reserve.asOf, last.asOf);
    }

    function _reserveOf(uint16 asset) private view returns (uint256) {
        Rule memory rule = ruleOf[asset];
        Statement memory last = statementOf[asset];
        if (rule.maxAgeSeconds == 0 || last.nonce == 0 || last.decimals != rule.decimals) return 0;
        if (last.term != term) return 0;
        if (last.asOf > block.timestamp || block.timestamp - last.asOf > rule.maxAgeSeconds) return 0;
        if (rule.decimals <= rule.tokenDecimals) {
            return uint256(last.amount) * 10 ** (rule.tokenDecimals - rule.decimals);
        }
        return uint256(last.amount) / 10 ** (rule.decimals - rule.tokenDecimals);
    }
}
