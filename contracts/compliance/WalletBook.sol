// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Party, Parties} from "./Party.sol";

/// @title The wallets of every account.
/// @notice An account has one primary wallet, which is the one that the vault pays, and up to seven others. A wallet that
/// was unlinked or lost stays its account's for good, so that what it still holds counts there and nobody else claims it.
/// @dev Each wallet's word repeats class, expiry and freeze of its account: a transfer then reads one word per side.
abstract contract WalletBook is EIP712 {
    /// @notice Wallets that an account can link, former ones included.
    uint256 public constant MAX_WALLETS = 8;
    /// @dev A recovery may go beyond, so that no account becomes unrecoverable.
    uint256 private constant MAX_RECOVERED_WALLETS = 64;

    bytes32 private constant LINK_TYPE = keccak256(
        "WalletLink(uint32 account,address wallet,uint256 nonce,uint256 deadline)"
    );

    mapping(address wallet => Party) private _parties;
    mapping(uint32 account => address[]) private _others;

    /// @notice The primary wallet of an account, zero when it has none. Withdrawals and exits go there.
    mapping(uint32 account => address) public walletOf;

    /// @notice The nonce that the next `WalletLink` of an account must carry.
    mapping(uint32 account => uint256) public linkNonceOf;

    error UnknownAccount(uint32 account);
    error WalletTaken(address wallet, uint32 account);
    error WalletUnknown(address wallet);
    error ZeroWallet();
    error SuiteAsWallet(address wallet);
    error AccountFrozen(uint32 account);
    error TooManyWallets(uint32 account);
    error PrimaryWallet(address wallet, uint32 account);
    error NotOfAccount(address caller, uint32 account);
    error SignatureRefused(address signer);
    error DeadlinePassed(uint256 deadline);

    /// @notice Another wallet may act for an account.
    event WalletLinked(uint32 indexed account, address indexed wallet);
    /// @notice A wallet may no longer act for its account.
    event WalletUnlinked(uint32 indexed account, address indexed wallet);
    /// @notice Another wallet became the primary one.
    event PrimaryWalletChanged(uint32 indexed account, address indexed previous, address indexed wallet);

    constructor() EIP712("Mooring", "1") {}

    /// @notice Links a further wallet; both it and the primary wallet sign the EIP-712 struct `WalletLink(uint32 account,
    /// address wallet,uint256 nonce,uint256 deadline)` (EOA or ERC-1271). Caller: anyone who has both signatures.
    /// @dev Errors: DeadlinePassed, UnknownAccount, AccountFrozen, SignatureRefused, WalletTaken, TooManyWallets.
    /// @param account A registered account that is not frozen.
    /// @param wallet The wallet to link; may be a former one of the same account.
    /// @param deadline Unix seconds after which the signatures are void.
    /// @param primarySignature By the primary wallet.
    /// @param walletSignature By `wallet`.
    function linkWallet(
        uint32 account,
        address wallet,
        uint256 deadline,
        bytes calldata primarySignature,
        bytes calldata walletSignature
    ) external {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        address primary = _primary(account);
        if (_parties[primary].isFrozen()) revert AccountFrozen(account);
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(LINK_TYPE, account, wallet, linkNonceOf[account]++, deadline))
        );
        _requireSigned(primary, digest, primarySignature);
        _requireSigned(wallet, digest, walletSignature);
        _link(account, wallet, MAX_WALLETS);
    }

    /// @notice Takes the right to act for its account from a linked wallet. Caller: that wallet or the primary one.
    /// @dev Errors: WalletUnknown, NotOfAccount, PrimaryWallet.
    /// @param wallet A linked wallet, not the primary one.
    function unlinkWallet(address wallet) external {
        uint32 account = accountOf(wallet);
        if (account == 0) revert WalletUnknown(wallet);
        if (msg.sender != wallet && msg.sender != walletOf[account]) revert NotOfAccount(msg.sender, account);
        _unlink(account, wallet);
    }

    /// @notice The account that a wallet acts for, 0 when there is none.
    function accountOf(address wallet) public view returns (uint32) {
        Party party = _parties[wallet];
        return party.isActive() ? party.account() : 0;
    }

    /// @notice Every wallet that an account has or had, the primary one first.
    function walletsOf(uint32 account) external view returns (address[] memory wallets) {
        if (walletOf[account] == address(0)) return wallets;
        address[] storage others = _others[account];
        wallets = new address[](others.length + 1);
        wallets[0] = walletOf[account];
        for (uint256 i = 0; i < others.length; ++i) wallets[i + 1] = others[i];
    }

    /// @notice The standing of one wallet (layout: Party.sol).
    function partyOf(address wallet) public view returns (Party) {
        return _parties[wallet];
    }

    /// @notice The standing of both sides of a transfer, in one call.
    function partiesOf(address from, address to) external view returns (Party sender, Party receiver) {
        return (_parties[from], _parties[to]);
    }

    /// @dev First wallet of a new account.
    function _open(uint32 account, address wallet, uint8 class, uint64 expiry) internal {
        walletOf[account] = wallet;
        _parties[wallet] = Parties.first(account, class, expiry, 1);
        _syncWallet(wallet, account);
    }

    /// @dev Writes class, expiry and freeze of `next` into every wallet of the account.
    function _rewrite(uint32 account, Party next) internal {
        _parties[walletOf[account]] = next;
        address[] storage others = _others[account];
        for (uint256 i = 0; i < others.length; ++i) {
            _parties[others[i]] = next.withActive(_parties[others[i]].isActive());
        }
    }

    function _link(uint32 account, address wallet, uint256 limit) private {
        _requireWallet(wallet);
        Party party = _parties[wallet];
        if (party.isActive() || (party.account() != 0 && party.account() != account)) {
            revert WalletTaken(wallet, party.account());
        }
        Party primary = _parties[walletOf[account]];
        if (party.account() == 0) {
            if (primary.wallets() >= limit) revert TooManyWallets(account);
            primary = primary.withAnotherWallet();
            _others[account].push(wallet);
        }
        _parties[wallet] = primary;
        _rewrite(account, primary);
        _syncWallet(wallet, account);
        emit WalletLinked(account, wallet);
    }

    function _unlink(uint32 account, address wallet) internal {
        if (wallet == walletOf[account]) revert PrimaryWallet(wallet, account);
        _deactivate(account, wallet);
    }

    function _deactivate(uint32 account, address wallet) private {
        _parties[wallet] = _parties[wallet].withActive(false);
        _syncWallet(wallet, 0);
        emit WalletUnlinked(account, wallet);
    }

    /// @dev Makes `next` the primary wallet and the one before a former wallet.
    function _replacePrimary(uint32 account, address next) internal returns (address previous) {
        previous = walletOf[account];
        if (accountOf(next) != account) _link(account, next, MAX_RECOVERED_WALLETS);
        address[] storage others = _others[account];
        for (uint256 i = 0; i < others.length; ++i) {
            if (others[i] == next) others[i] = previous;
        }
        walletOf[account] = next;
        _deactivate(account, previous);
        emit PrimaryWalletChanged(account, previous, next);
    }

    /// @dev Refuses the zero address, and the contracts of the suite that hold tokens for others.
    function _requireWallet(address wallet) internal view {
        if (wallet == address(0)) revert ZeroWallet();
        if (_isOfSuite(wallet)) revert SuiteAsWallet(wallet);
    }

    /// @dev Whether an address is a contract of the suite that holds tokens for others.
    function _isOfSuite(address wallet) internal view virtual returns (bool);

    /// @dev Tells the vault whose wallet one is, 0 = nobody's.
    function _syncWallet(address wallet, uint32 account) internal virtual;

    function _primary(uint32 account) internal view returns (address wallet) {
        wallet = walletOf[account];
        if (wallet == address(0)) revert UnknownAccount(account);
    }

    function _requireSigned(address signer, bytes32 digest, bytes calldata signature) internal view {
        bool signed = SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature);
        if (!signed) revert SignatureRefused(signer);
    }
}
