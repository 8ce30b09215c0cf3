// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ClearingHouse} from "../settlement/ClearingHouse.sol";
import {Accounts} from "../types/Accounts.sol";
import {Party} from "./Party.sol";
import {WalletBook} from "./WalletBook.sol";

/// @title Who may hold: account ids, wallets, classes, expiry and freezes. No personal data, only hashes of files.
/// @notice Accounts 1 to 15 belong to the system: class 84, no wallet, no expiry. Users start at 16.
contract InvestorRegistry is AccessManaged, WalletBook {
    /// @notice What an issuer vouches for, once, when an account is registered.
    /// @param issuer A trusted issuer; it signs this struct by EIP-712 (domain "Mooring", "1"), as EOA or by ERC-1271.
    /// @param account Account id given by the node.
    /// @param wallet The primary wallet.
    /// @param class Investor class, 1 to 83, one that the issuer is trusted with.
    /// @param expiresAt End of the registration, Unix seconds, 0 = never.
    /// @param identityHash Salted hash of the identity file.
    /// @param nonce Any number that the issuer uses once.
    /// @param deadline Unix seconds after which the claim is void.
    struct Claim {
        address issuer;
        uint32 account;
        address wallet;
        uint8 class;
        uint64 expiresAt;
        bytes32 identityHash;
        uint256 nonce;
        uint256 deadline;
    }

    /// @param wallet The primary wallet to be.
    /// @param readyAt When it may be executed, Unix seconds.
    struct Recovery {
        address wallet;
        uint64 readyAt;
    }

    /// @notice How long the present wallets, unless frozen, and the officers can veto a recovery, seconds.
    uint64 public constant RECOVERY_DELAY = 3 days;
    /// @notice How long a recovery can be executed once its delay is over, seconds.
    uint64 public constant RECOVERY_WINDOW = 14 days;

    bytes32 private constant CLAIM_TYPE = keccak256(
        "Claim(address issuer,uint32 account,address wallet,uint8 class,uint64 expiresAt,bytes32 identityHash,uint256 nonce,uint256 deadline)"
    );

    /// @notice Keeps class, expiry and freeze beside the balances, so that settlement reads no other contract.
    ClearingHouse public immutable CLEARING_HOUSE;

    /// @notice Hash of the identity file of an account, salted off chain.
    mapping(uint32 account => bytes32) public identityHashOf;

    /// @notice Classes that an issuer may vouch for (bit c: class c), 0 when it is not trusted.
    mapping(address issuer => uint128) public classesOfIssuer;

    /// @notice Whether an issuer's claim nonce was used or cancelled.
    mapping(address issuer => mapping(uint256 nonce => bool)) public isNonceUsed;

    /// @notice The open recovery of an account, zero when there is none.
    mapping(uint32 account => Recovery) public recoveryOf;

    error AccountTaken(uint32 account);
    error SystemAccount(uint32 account);
    error ClassOutOfRange(uint8 class);
    error IssuerNotTrusted(address issuer, uint8 class);
    error NonceUsed(address issuer, uint256 nonce);
    error RecoveryPending(uint32 account);
    error NoRecovery(uint32 account);
    error RecoveryNotDue(uint32 account, uint256 readyAt, uint256 endsAt);
    error FreezeUnchanged(uint32 account, bool isFrozen);

    /// @notice A wallet belongs to an account from now on. `expiresAt` in Unix seconds, 0 = never.
    event AccountRegistered(uint32 indexed account, address indexed wallet, uint8 class, uint64 expiresAt);
    /// @notice A registration rests on an issuer's claim.
    event ClaimAccepted(uint32 indexed account, address indexed issuer, uint256 nonce);
    /// @notice An issuer took a claim back before it was used.
    event ClaimCancelled(address indexed issuer, uint256 nonce);
    /// @notice An issuer is trusted with these classes; none means no longer trusted.
    event IssuerTrusted(address indexed issuer, uint128 classes);
    /// @notice An account changed its class or expiry.
    event ClassChanged(uint32 indexed account, uint8 class, uint64 expiresAt);
    /// @notice An account may not deposit, withdraw, exit or move tokens; the hash is that of the order to freeze it.
    event Frozen(uint32 indexed account, bytes32 documentHash);
    /// @notice It may again.
    event Unfrozen(uint32 indexed account, bytes32 documentHash);
    /// @notice Somebody claims to have lost the primary wallet; executable from `readyAt` on, Unix seconds.
    event RecoveryProposed(uint32 indexed account, address indexed wallet, uint64 readyAt, bytes32 documentHash);
    /// @notice A recovery was stopped.
    event RecoveryVetoed(uint32 indexed account, address indexed by);
    /// @notice The lost wallet was replaced.
    event RecoveryExecuted(uint32 indexed account, address indexed lost, address indexed wallet);

    constructor(address authority, ClearingHouse clearingHouse) AccessManaged(authority) {
        CLEARING_HOUSE = clearingHouse;
    }

    /// @notice Registers an investor. Repeating it with the same values changes nothing. Caller: REGISTRAR.
    /// @dev Errors: AccountTaken, WalletTaken, SystemAccount, ClassOutOfRange, ZeroWallet, SuiteAsWallet.
    /// @param account Account id given by the node, from 16.
    /// @param wallet The only address that withdrawals of the account go to.
    /// @param class Investor class, 1 to 83.
    /// @param expiry Unix seconds after which deposits and wallet transfers are refused; 0 = never.
    /// @param identityHash Salted hash of the identity file.
    function register(
        uint32 account,
        address wallet,
        uint8 class,
        uint64 expiry,
        bytes32 identityHash
    ) external restricted {
        _register(account, wallet, class, expiry, identityHash);
    }

    /// @notice Registers an investor on the word of a trusted issuer. Caller: REGISTRAR.
    /// @dev The signer is the issuer that the role POLICY_ADMIN trusts, never an address that the wallet names. Errors:
    /// DeadlinePassed, IssuerNotTrusted, NonceUsed, SignatureRefused, and those of `register`.
    /// @param claim What the issuer signed.
    /// @param signature The issuer's, over the EIP-712 hash of `claim`.
    function registerWithClaims(Claim calldata claim, bytes calldata signature) external restricted {
        if (block.timestamp > claim.deadline) revert DeadlinePassed(claim.deadline);
        if ((classesOfIssuer[claim.issuer] >> claim.class) & 1 == 0) {
            revert IssuerNotTrusted(claim.issuer, claim.class);
        }
        _useNonce(claim.issuer, claim.nonce);
        _requireSigned(claim.issuer, _hashTypedDataV4(keccak256(abi.encode(CLAIM_TYPE, claim))), signature);
        emit ClaimAccepted(claim.account, claim.issuer, claim.nonce);
        _register(claim.account, claim.wallet, claim.class, claim.expiresAt, claim.identityHash);
    }

    /// @notice Takes back a claim that was not used yet. Caller: its issuer.
    /// @dev Errors: NonceUsed.
    /// @param nonce The nonce of the claim.
    function cancelClaim(uint256 nonce) external {
        _useNonce(msg.sender, nonce);
        emit ClaimCancelled(msg.sender, nonce);
    }

    /// @notice Says which classes an issuer may vouch for. Registrations that exist stay. Caller: POLICY_ADMIN.
    /// @dev Errors: none of its own.
    /// @param issuer EOA or ERC-1271 contract.
    /// @param classes Bit c: class c; 0 ends the trust.
    function trustIssuer(address issuer, uint128 classes) external restricted {
        classesOfIssuer[issuer] = classes;
        emit IssuerTrusted(issuer, classes);
    }

    /// @notice Gives an account another class or expiry. Caller: REGISTRAR.
    /// @dev Errors: UnknownAccount, SystemAccount, ClassOutOfRange.
    /// @param account A registered account.
    /// @param class Investor class, 1 to 83.
    /// @param expiry Unix seconds, 0 = never.
    function setClass(uint32 account, uint8 class, uint64 expiry) external restricted {
        _requireUser(account, class);
        Party party = partyOf(_primary(account));
        if (party.class() == class && party.expiry() == expiry) return;

        _rewrite(account, party.withClass(class, expiry));
        emit ClassChanged(account, class, expiry);
        _sync(account);
    }

    /// @notice Takes the right to act for its account from a linked wallet. Caller: REGISTRAR.
    /// @dev Errors: WalletUnknown, PrimaryWallet.
    /// @param wallet A linked wallet, not the primary one.
    function revokeWallet(address wallet) external restricted {
        uint32 account = accountOf(wallet);
        if (account == 0) revert WalletUnknown(wallet);
        _unlink(account, wallet);
    }

    /// @notice Stops deposits, withdrawals, exits and token moves of an account; settlement goes on. Caller: FREEZER.
    /// @dev Errors: UnknownAccount, FreezeUnchanged.
    /// @param account A registered account that is not frozen.
    /// @param documentHash Hash of the order that demands it.
    function freeze(uint32 account, bytes32 documentHash) external restricted {
        _setFrozen(account, true);
        emit Frozen(account, documentHash);
    }

    /// @notice Ends a freeze. Caller: FREEZER.
    /// @dev Errors: UnknownAccount, FreezeUnchanged.
    /// @param account A frozen account.
    /// @param documentHash Hash of the order that allows it.
    function unfreeze(uint32 account, bytes32 documentHash) external restricted {
        _setFrozen(account, false);
        emit Unfrozen(account, documentHash);
    }

    /// @notice Starts the replacement of a lost primary wallet. Caller: RECOVERY.
    /// @dev Errors: RecoveryPending, UnknownAccount, WalletTaken, ZeroWallet, SuiteAsWallet.
    /// @param account A registered account without an open recovery.
    /// @param wallet The new primary wallet: unknown so far or one of the account's own.
    /// @param documentHash Hash of the evidence.
    function proposeRecovery(uint32 account, address wallet, bytes32 documentHash) external restricted {
        address lost = _primary(account);
        _requireWallet(wallet);
        uint32 owner = partyOf(wallet).account();
        if (wallet == lost || (owner != 0 && owner != account)) revert WalletTaken(wallet, owner);
        uint256 endsAt = uint256(recoveryOf[account].readyAt) + RECOVERY_WINDOW;
        if (recoveryOf[account].readyAt != 0 && block.timestamp < endsAt) revert RecoveryPending(account);

        uint64 readyAt = uint64(block.timestamp) + RECOVERY_DELAY;
        recoveryOf[account] = Recovery(wallet, readyAt);
        emit RecoveryProposed(account, wallet, readyAt, documentHash);
    }

    /// @notice Stops a recovery. Caller: a wallet of the account unless it is frozen, so that a thief's veto can be taken
    /// away; or FREEZER.
    /// @dev Errors: NoRecovery.
    /// @param account An account with an open recovery.
    function vetoRecovery(uint32 account) external {
        Party party = partyOf(msg.sender);
        if (party.account() != account || !party.maySend()) _checkCanCall(msg.sender, msg.data);
        _recovery(account);
        delete recoveryOf[account];
        emit RecoveryVetoed(account, msg.sender);
    }

    /// @notice Makes the proposed wallet the primary one; the lost wallet stops acting for the account. What the lost
    /// wallet holds follows by `AssetToken.recover`. Caller: RECOVERY, within the window after the delay.
    /// @dev Errors: NoRecovery, RecoveryNotDue, WalletTaken, TooManyWallets.
    /// @param account An account with an open recovery.
    function executeRecovery(uint32 account) external restricted {
        Recovery memory recovery = _recovery(account);
        uint256 endsAt = uint256(recovery.readyAt) + RECOVERY_WINDOW;
        if (block.timestamp < recovery.readyAt || block.timestamp >= endsAt) {
            revert RecoveryNotDue(account, recovery.readyAt, endsAt);
        }
        delete recoveryOf[account];
        address lost = _replacePrimary(account, recovery.wallet);
        emit RecoveryExecuted(account, lost, recovery.wallet);
    }

    /// @notice The class of an account: 0 unregistered, 84 system.
    function classOf(uint32 account) external view returns (uint8) {
        return Accounts.isSystem(account) ? Accounts.SYSTEM_CLASS : _partyOfAccount(account).class();
    }

    /// @notice When the registration of an account ends, Unix seconds, 0 = never.
    function expiresAt(uint32 account) external view returns (uint64) {
        return _partyOfAccount(account).expiry();
    }

    /// @notice Whether an account is frozen.
    function isFrozen(uint32 account) external view returns (bool) {
        return _partyOfAccount(account).isFrozen();
    }

    /// @notice Account, class and expiry of a wallet in one call; all zero when it acts for no account.
    function investorOf(address wallet) external view returns (uint32 account, uint8 class, uint64 expiry) {
        Party party = partyOf(wallet);
        if (party.isActive()) return (party.account(), party.class(), party.expiry());
    }

    function _register(uint32 account, address wallet, uint8 class, uint64 expiry, bytes32 identityHash) private {
        _requireUser(account, class);
        _requireWallet(wallet);
        if (walletOf[account] != address(0)) {
            Party known = _partyOfAccount(account);
            bool same = walletOf[account] == wallet && known.class() == class && known.expiry() == expiry;
            if (!same || identityHashOf[account] != identityHash) revert AccountTaken(account);
            return;
        }
        uint32 owner = partyOf(wallet).account();
        if (owner != 0) revert WalletTaken(wallet, owner);

        identityHashOf[account] = identityHash;
        _open(account, wallet, class, expiry);
        emit AccountRegistered(account, wallet, class, expiry);
        _sync(account);
    }

    function _setFrozen(uint32 account, bool frozen) private {
        Party party = partyOf(_primary(account));
        if (party.isFrozen() == frozen) revert FreezeUnchanged(account, frozen);
        _rewrite(account, party.withFrozen(frozen));
        _sync(account);
    }

    function _syncWallet(address wallet, uint32 account) internal override {
        CLEARING_HOUSE.syncWallet(wallet, account);
    }

    function _isOfSuite(address wallet) internal view override returns (bool) {
        return wallet == address(CLEARING_HOUSE) || wallet == address(CLEARING_HOUSE.SUPPLY_CONTROLLER());
    }

    function _sync(uint32 account) private {
        Party party = _partyOfAccount(account);
        CLEARING_HOUSE.syncFlags(account, party.class(), party.expiry(), party.isFrozen());
    }

    function _useNonce(address issuer, uint256 nonce) private {
        if (isNonceUsed[issuer][nonce]) revert NonceUsed(issuer, nonce);
        isNonceUsed[issuer][nonce] = true;
    }

    function _recovery(uint32 account) private view returns (Recovery memory recovery) {
        recovery = recoveryOf[account];
        if (recovery.readyAt == 0) revert NoRecovery(account);
    }

    function _partyOfAccount(uint32 account) private view returns (Party) {
        return partyOf(walletOf[account]);
    }

    function _requireUser(uint32 account, uint8 class) private pure {
        if (account < Accounts.FIRST_USER) revert SystemAccount(account);
        if (class == 0 || class >= Accounts.SYSTEM_CLASS) revert ClassOutOfRange(class);
    }
}
