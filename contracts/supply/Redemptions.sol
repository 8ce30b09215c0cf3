// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {AssetGoverned} from "../access/AssetGoverned.sol";
import {Roles} from "../access/Roles.sol";
import {AssetToken} from "../token/AssetToken.sol";
import {IAssets} from "../types/IAssets.sol";
import {IInvestors} from "../types/IInvestors.sol";

/// @title Redemption of wallet tokens: request, settle, claim.
/// @notice The states are those of ERC-7540's asynchronous redeem: a request locks tokens here (pending), the issuer burns
/// them against cash (claimable), the holder takes the cash (claimed). Until it is settled the holder may cancel. The
/// standard leaves the price to the issuer; here the holder says the least that it may be, which is more than nothing:
/// what is paid for in another way is redeemed as a trading balance, by a supply batch. Token amounts are atoms, cash
/// amounts are token units of asset 0.
abstract contract Redemptions is AssetGoverned, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    enum Stage {
        None,
        Pending,
        Claimable,
        Closed
    }

    /// @param account Whose redemption it is; its wallet at the time is the one that is paid.
    /// @param amount Tokens asked for, atoms.
    /// @param cash What the issuer paid for them, token units; until then the least that the holder asked for.
    struct Redemption {
        Stage stage;
        uint16 asset;
        uint32 account;
        uint64 amount;
        uint128 cash;
    }

    uint16 private constant CASH = 0;

    IAssets public immutable ASSET_REGISTRY;
    IInvestors public immutable INVESTOR_REGISTRY;

    /// @notice Number of requests so far; also the id of the last one.
    uint256 public redemptions;

    /// @notice One request.
    mapping(uint256 id => Redemption) public redemptionOf;

    error UnknownAsset(uint16 asset);
    error ZeroRedemption();
    error AmountOutOfRange(uint256 amount);
    error Unregistered(address caller);
    error AccountFrozen(uint32 account);
    error NoWallet(uint32 account);
    error NotRedeemer(address caller, uint256 id);
    error WrongStage(uint256 id, Stage stage);
    error ShortPayment(uint256 expected, uint256 received);
    error AmountDiffers(uint256 id, uint256 amount, uint256 requested);
    error CashBelowMinimum(uint256 id, uint128 cash, uint128 minimum);

    /// @notice Tokens were locked for redemption.
    event RedemptionRequested(
        uint256 indexed id,
        uint16 indexed asset,
        uint32 indexed account,
        uint256 amount,
        uint256 minimumCash
    );
    /// @notice The locked tokens went back to the account's wallet.
    event RedemptionCancelled(uint256 indexed id, uint16 indexed asset, uint32 indexed account, uint256 amount);
    /// @notice The locked tokens were burned against cash; the supply fell to `totalSupply`.
    event RedemptionSettled(
        uint256 indexed id,
        uint16 indexed asset,
        uint32 indexed account,
        uint256 amount,
        uint256 cash,
        uint256 totalSupply,
        bytes32 documentHash
    );
    /// @notice The account's wallet was paid.
    event RedemptionClaimed(uint256 indexed id, uint32 indexed account, uint256 cash);

    constructor(IAssets assetRegistry, IInvestors investorRegistry) {
        ASSET_REGISTRY = assetRegistry;
        INVESTOR_REGISTRY = investorRegistry;
    }

    /// @notice Locks tokens of the caller for redemption. Caller: a wallet of an account that approved this contract.
    /// @dev Errors: UnknownAsset, ZeroRedemption, AmountOutOfRange, Unregistered, AccountFrozen, and the token's own.
    /// @param asset An asset with a token of this suite.
    /// @param amount Atoms, at most 2⁶³−1.
    /// @param minimumCash The least that the holder takes for all of it, token units of asset 0, at least 1.
    /// @return id The request.
    function requestRedeem(
        uint16 asset,
        uint256 amount,
        uint128 minimumCash
    ) external nonReentrant returns (uint256 id) {
        AssetToken token = _redeemable(asset);
        if (amount == 0 || minimumCash == 0) revert ZeroRedemption();
        if (amount > uint64(type(int64).max)) revert AmountOutOfRange(amount);
        uint32 account = INVESTOR_REGISTRY.accountOf(msg.sender);
        if (account == 0) revert Unregistered(msg.sender);
        _requireNotFrozen(account);

        id = ++redemptions;
        redemptionOf[id] = Redemption(Stage.Pending, asset, account, uint64(amount), minimumCash);
        emit RedemptionRequested(id, asset, account, amount, minimumCash);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Gives the locked tokens back to the account's wallet. Caller: a wallet of the account, before the settlement.
    /// @dev Errors: WrongStage, NotRedeemer, NoWallet.
    /// @param id A pending request.
    function cancelRedeem(uint256 id) external nonReentrant {
        Redemption memory redemption = _requireStage(id, Stage.Pending);
        address wallet = _requireRedeemer(id, redemption.account);
        redemptionOf[id].stage = Stage.Closed;
        emit RedemptionCancelled(id, redemption.asset, redemption.account, redemption.amount);
        IERC20(_redeemable(redemption.asset)).safeTransfer(wallet, redemption.amount);
    }

    /// @notice Burns the locked tokens and takes the cash for them from the caller. Caller: ISSUER of the asset, who approved
    /// this contract for the cash.
    /// @dev Errors: WrongStage, AmountDiffers, CashBelowMinimum, ShortPayment, AssetRoleMissing, and the cash token's own.
    /// @param id A pending request.
    /// @param amount What was asked for, atoms: whoever mistakes the id pays for nothing else.
    /// @param cash What the holder gets, token units of asset 0; at least what the holder asked for.
    /// @param documentHash Hash of the document that explains the price.
    function settleRedeem(uint256 id, uint256 amount, uint128 cash, bytes32 documentHash) external nonReentrant {
        Redemption memory redemption = _requireStage(id, Stage.Pending);
        _requireAssetRole(Roles.ISSUER, redemption.asset);
        if (amount != redemption.amount) revert AmountDiffers(id, amount, redemption.amount);
        if (cash < redemption.cash) revert CashBelowMinimum(id, cash, redemption.cash);
        redemptionOf[id].stage = Stage.Claimable;
        redemptionOf[id].cash = cash;

        AssetToken token = _redeemable(redemption.asset);
        uint256 rest = token.totalSupply() - redemption.amount;
        emit RedemptionSettled(id, redemption.asset, redemption.account, redemption.amount, cash, rest, documentHash);
        // Tokens are burned in the vault only; nothing else happens between these two calls.
        IERC20(token).safeTransfer(token.VAULT(), redemption.amount);
        token.burn(redemption.amount);
        _takeCash(cash);
    }

    /// @notice Pays a settled redemption to the account's wallet. Caller: a wallet of the account.
    /// @dev Errors: WrongStage, NotRedeemer, AccountFrozen, NoWallet.
    /// @param id A claimable request.
    function claimRedeem(uint256 id) external nonReentrant {
        Redemption memory redemption = _requireStage(id, Stage.Claimable);
        address wallet = _requireRedeemer(id, redemption.account);
        _requireNotFrozen(redemption.account);
        redemptionOf[id].stage = Stage.Closed;
        emit RedemptionClaimed(id, redemption.account, redemption.cash);
        _cash().safeTransfer(wallet, redemption.cash);
    }

    /// @notice Atoms of a request that wait for settlement (ERC-7540).
    function pendingRedeemRequest(uint256 id) external view returns (uint256) {
        return redemptionOf[id].stage == Stage.Pending ? redemptionOf[id].amount : 0;
    }

    /// @notice Atoms of a request whose cash waits for the holder (ERC-7540).
    function claimableRedeemRequest(uint256 id) external view returns (uint256) {
        return redemptionOf[id].stage == Stage.Claimable ? redemptionOf[id].amount : 0;
    }

    function _takeCash(uint256 amount) private {
        IERC20 cash = _cash();
        uint256 before = cash.balanceOf(address(this));
        cash.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = cash.balanceOf(address(this)) - before;
        if (received != amount) revert ShortPayment(amount, received);
    }

    function _requireStage(uint256 id, Stage stage) private view returns (Redemption memory redemption) {
        redemption = redemptionOf[id];
        if (redemption.stage != stage) revert WrongStage(id, redemption.stage);
    }

    function _requireRedeemer(uint256 id, uint32 account) private view returns (address wallet) {
        if (INVESTOR_REGISTRY.accountOf(msg.sender) != account) revert NotRedeemer(msg.sender, id);
        wallet = INVESTOR_REGISTRY.walletOf(account);
        if (wallet == address(0)) revert NoWallet(account);
    }

    function _requireNotFrozen(uint32 account) private view {
        if (INVESTOR_REGISTRY.isFrozen(account)) revert AccountFrozen(account);
    }

    function _cash() private view returns (IERC20) {
        return IERC20(ASSET_REGISTRY.tokenOf(CASH));
    }

    /// @dev The token of an asset of this suite; refuses any other id.
    function _redeemable(uint16 asset) internal view virtual returns (AssetToken);
}
