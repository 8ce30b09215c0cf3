// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {AssetGoverned} from "../access/AssetGoverned.sol";
import {Roles} from "../access/Roles.sol";
import {Party} from "../compliance/Party.sol";
import {IInvestors} from "../types/IInvestors.sol";
import {AssetRegistry} from "./AssetRegistry.sol";
import {CorporateActions} from "./CorporateActions.sol";

/// @title Dividends and coupons for wallets, as Merkle claims.
/// @notice Holders inside the clearing house are paid by a netted batch of the node instead. Whoever opens a distribution
/// funds all of it at once, so that every claim in the tree can be paid; nothing and nobody stops claims before the expiry.
/// Amounts are token units of an asset from outside the suite, such as cash.
contract Distributor is AssetGoverned, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using BitMaps for BitMaps.BitMap;

    /// @param asset Whose holders are paid.
    /// @param payout The asset they are paid in.
    /// @param root Root of a tree of leaves, see `leafOf`.
    /// @param total Sum of the gross amounts in the tree; what is funded.
    /// @param expiresAt Until when one may claim, Unix seconds.
    /// @param action Announcement in the AssetRegistry that this fulfils; 0: none.
    /// @param taxCollector Gets what is withheld; always named, because the root does not tell whether anything is.
    struct Terms {
        uint16 asset;
        uint16 payout;
        bytes32 root;
        uint128 total;
        uint64 expiresAt;
        uint256 action;
        address taxCollector;
    }

    /// @param funder Who paid for it and gets what nobody claimed.
    /// @param paid Gross sum of the claims so far.
    /// @param withheld Withheld and not collected yet.
    /// @param isSwept Whether the rest went back to the funder.
    struct Distribution {
        Terms terms;
        address token;
        address funder;
        uint128 paid;
        uint128 withheld;
        bool isSwept;
    }

    /// @dev First word of every leaf, so that no leaf of another tree can be one of this contract.
    bytes32 private constant LEAF_TAG = keccak256("mooring.distribution.v1");

    AssetRegistry public immutable ASSET_REGISTRY;
    IInvestors public immutable INVESTOR_REGISTRY;

    /// @notice How many distributions an asset had.
    mapping(uint16 asset => uint32) public countOf;

    mapping(uint256 id => Distribution) private _distributions;
    mapping(uint256 id => BitMaps.BitMap) private _claimed;

    error MalformedDistribution(bytes32 root, uint128 total, uint64 expiresAt);
    error NoTaxCollector();
    error PayoutRefused(uint16 payout);
    error ActionMismatch(uint256 action);
    error UnknownDistribution(uint256 id);
    error ShortFunding(uint256 expected, uint256 received);
    error ClaimExpired(uint256 id, uint64 expiresAt);
    error NotExpired(uint256 id, uint64 expiresAt);
    error AlreadyClaimed(uint256 id, uint256 index);
    error AlreadySwept(uint256 id);
    error WrongProof(uint256 id, uint256 index);
    error WithheldTooMuch(uint256 amount, uint256 withheld);
    error TotalExceeded(uint256 id, uint256 paid, uint128 total);
    error AccountFrozen(uint32 account);

    /// @notice A distribution was opened and funded.
    event DistributionOpened(uint256 indexed id, uint16 indexed asset, address indexed funder, Terms terms);
    /// @notice The leaf of a wallet was paid, `amount` less what was withheld.
    event DistributionClaimed(
        uint256 indexed id,
        uint256 indexed index,
        address indexed wallet,
        uint256 amount,
        uint256 withheld
    );
    /// @notice The tax collector was paid.
    event WithheldCollected(uint256 indexed id, address indexed taxCollector, uint256 amount);
    /// @notice What nobody claimed went back to the funder.
    event DistributionSwept(uint256 indexed id, address indexed funder, uint256 amount);

    /// @param authority Decides who may call what.
    /// @param assetRegistry Knows tokens and announcements.
    /// @param investorRegistry Knows who is frozen.
    constructor(address authority, AssetRegistry assetRegistry, IInvestors investorRegistry) AccessManaged(authority) {
        ASSET_REGISTRY = assetRegistry;
        INVESTOR_REGISTRY = investorRegistry;
    }

    /// @notice Opens a distribution and takes its total from the caller. Caller: DISTRIBUTOR of the asset, who approved this
    /// contract for the total.
    /// @dev The id is `nextIdOf(asset)`; the leaves contain it, so no claim fits two distributions. Errors:
    /// MalformedDistribution, NoTaxCollector, PayoutRefused, ActionMismatch, ShortFunding, AssetRoleMissing, and the
    /// token's own.
    /// @param terms Who is paid what.
    /// @return id The distribution.
    function open(
        Terms calldata terms
    ) external nonReentrant onlyAssetRole(Roles.DISTRIBUTOR, terms.asset) returns (uint256 id) {
        bool impossible = terms.root == 0 || terms.total == 0 || terms.expiresAt <= block.timestamp;
        if (impossible) revert MalformedDistribution(terms.root, terms.total, terms.expiresAt);
        if (terms.taxCollector == address(0)) revert NoTaxCollector();
        if (!ASSET_REGISTRY.isExternal(terms.payout)) revert PayoutRefused(terms.payout);
        _requireAction(terms);

        id = nextIdOf(terms.asset);
        ++countOf[terms.asset];
        address token = ASSET_REGISTRY.tokenOf(terms.payout);
        _distributions[id] = Distribution(terms, token, msg.sender, 0, 0, false);
        emit DistributionOpened(id, terms.asset, msg.sender, terms);
        _takeFunding(IERC20(token), terms.total);
    }

    /// @notice Pays one leaf, once. Caller: anyone; the wallet of the leaf is paid, or, where it was lost or unlinked, the
    /// wallet that its account has now.
    /// @dev Errors: UnknownDistribution, ClaimExpired, AlreadyClaimed, WrongProof, WithheldTooMuch, AccountFrozen,
    /// TotalExceeded.
    /// @param id A funded distribution before its expiry.
    /// @param index Index of the leaf.
    /// @param wallet Whom the leaf names; refused while the account that it belongs or belonged to is frozen.
    /// @param amount Gross amount, token units.
    /// @param withheld Part of it that goes to the tax collector, token units.
    /// @param proof Siblings from the leaf to the root.
    function claim(
        uint256 id,
        uint256 index,
        address wallet,
        uint256 amount,
        uint256 withheld,
        bytes32[] calldata proof
    ) external nonReentrant {
        Distribution storage distribution = _known(id);
        Terms storage terms = distribution.terms;
        if (block.timestamp >= terms.expiresAt) revert ClaimExpired(id, terms.expiresAt);
        if (_claimed[id].get(index)) revert AlreadyClaimed(id, index);
        bytes32 leaf = leafOf(id, index, wallet, amount, withheld);
        if (!MerkleProof.verifyCalldata(proof, terms.root, leaf)) revert WrongProof(id, index);
        if (withheld > amount) revert WithheldTooMuch(amount, withheld);
        address payee = _payeeOf(wallet);

        uint256 paid = distribution.paid + amount;
        if (paid > terms.total) revert TotalExceeded(id, paid, terms.total);
        _claimed[id].set(index);
        distribution.paid = uint128(paid);
        distribution.withheld += uint128(withheld);
        emit DistributionClaimed(id, index, wallet, amount, withheld);
        IERC20(distribution.token).safeTransfer(payee, amount - withheld);
    }

    /// @notice Pays out what was withheld so far. Caller: anyone; the tax collector is paid.
    /// @dev Errors: UnknownDistribution.
    /// @param id A distribution.
    function collectWithheld(uint256 id) external nonReentrant {
        Distribution storage distribution = _known(id);
        uint256 amount = distribution.withheld;
        distribution.withheld = 0;
        emit WithheldCollected(id, distribution.terms.taxCollector, amount);
        IERC20(distribution.token).safeTransfer(distribution.terms.taxCollector, amount);
    }

    /// @notice Gives back what nobody claimed, once. Caller: anyone, after the expiry; the funder is paid.
    /// @dev Errors: NotExpired, AlreadySwept, UnknownDistribution.
    /// @param id An expired distribution.
    function sweep(uint256 id) external nonReentrant {
        Distribution storage distribution = _known(id);
        uint64 expiresAt = distribution.terms.expiresAt;
        if (block.timestamp < expiresAt) revert NotExpired(id, expiresAt);
        if (distribution.isSwept) revert AlreadySwept(id);
        distribution.isSwept = true;
        uint256 rest = distribution.terms.total - distribution.paid;
        emit DistributionSwept(id, distribution.funder, rest);
        IERC20(distribution.token).safeTransfer(distribution.funder, rest);
    }

    /// @notice One distribution.
    /// @dev Errors: UnknownDistribution.
    function distributionOf(uint256 id) external view returns (Distribution memory) {
        return _known(id);
    }

    /// @notice Whether a leaf was paid.
    function isClaimed(uint256 id, uint256 index) external view returns (bool) {
        return _claimed[id].get(index);
    }

    /// @notice The id of the next distribution of an asset: asset · 2³² + a number from 1.
    function nextIdOf(uint16 asset) public view returns (uint256) {
        return (uint256(asset) << 32) | (countOf[asset] + 1);
    }

    /// @notice A leaf: OpenZeppelin's StandardMerkleTree of (bytes32 tag, uint256 chainId, address distributor, uint256 id,
    /// uint256 index, address wallet, uint256 amount, uint256 withheld), hashed twice.
    function leafOf(
        uint256 id,
        uint256 index,
        address wallet,
        uint256 amount,
        uint256 withheld
    ) public view returns (bytes32) {
        bytes memory values = abi.encode(LEAF_TAG, block.chainid, this, id, index, wallet, amount, withheld);
        return keccak256(bytes.concat(keccak256(values)));
    }

    function _takeFunding(IERC20 token, uint256 amount) private {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert ShortFunding(amount, received);
    }

    function _requireAction(Terms calldata terms) private view {
        if (terms.action == 0) return;
        CorporateActions.Action memory action = ASSET_REGISTRY.actionOf(terms.action);
        bool other = action.terms.root != 0 && action.terms.root != terms.root;
        bool unknown = action.terms.kind == CorporateActions.Kind.None || action.asset != terms.asset;
        if (other || unknown || action.isCancelled) revert ActionMismatch(terms.action);
    }

    /// @dev Whoever took a wallet is not paid once it was replaced. A freeze counts for former wallets too, or else a frozen
    /// account would be paid through one that it unlinks.
    function _payeeOf(address wallet) private view returns (address) {
        Party party = INVESTOR_REGISTRY.partyOf(wallet);
        if (party.isFrozen()) revert AccountFrozen(party.account());
        bool isFormer = party.account() != 0 && !party.isActive();
        return isFormer ? INVESTOR_REGISTRY.walletOf(party.account()) : wallet;
    }

    function _known(uint256 id) private view returns (Distribution storage distribution) {
        distribution = _distributions[id];
        if (distribution.token == address(0)) revert UnknownDistribution(id);
    }
}
