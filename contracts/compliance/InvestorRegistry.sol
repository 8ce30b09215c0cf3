// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ClearingHouse} from "../settlement/ClearingHouse.sol";
import {Accounts} from "../types/Accounts.sol";

/// @title Who may hold: account ids, wallets, classes and expiry. No personal data, only a hash of the identity file.
/// @notice Accounts 1 to 15 belong to the system: class 84, no wallet, no expiry. Users start at 16.
contract InvestorRegistry is AccessManaged {
    struct Investor {
        address wallet;
        uint64 expiresAt;
        uint8 class;
    }

    /// @notice Keeps class and expiry beside the balances, so that settlement reads no other contract.
    ClearingHouse public immutable CLEARING_HOUSE;

    mapping(uint32 account => Investor) private _investors;

    /// @notice The account of a wallet, 0 when it is not registered.
    mapping(address wallet => uint32) public accountOf;

    /// @notice Hash of the identity file of an account, salted off chain.
    mapping(uint32 account => bytes32) public identityHashOf;

    error AccountTaken(uint32 account);
    error WalletTaken(address wallet, uint32 account);
    error SystemAccount(uint32 account);
    error UnknownAccount(uint32 account);
    error ZeroWallet();
    error ClassOutOfRange(uint8 class);

    /// @notice A wallet belongs to an account from now on. `expiresAt` in Unix seconds, 0 = never.
    event AccountRegistered(uint32 indexed account, address indexed wallet, uint8 class, uint64 expiresAt);
    /// @notice An account changed its class or expiry.
    event ClassChanged(uint32 indexed account, uint8 class, uint64 expiresAt);

    constructor(address authority, ClearingHouse clearingHouse) AccessManaged(authority) {
        CLEARING_HOUSE = clearingHouse;
    }

    /// @notice Registers an investor. Repeating it with the same values changes nothing. Caller: REGISTRAR.
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
        _requireUser(account, class);
        if (wallet == address(0)) revert ZeroWallet();

        Investor storage investor = _investors[account];
        if (investor.wallet != address(0)) {
            bool same = investor.wallet == wallet && investor.class == class && investor.expiresAt == expiry;
            if (!same || identityHashOf[account] != identityHash) revert AccountTaken(account);
            return;
        }
        uint32 owner = accountOf[wallet];
        if (owner != 0) revert WalletTaken(wallet, owner);

        accountOf[wallet] = account;
        identityHashOf[account] = identityHash;
        _investors[account] = Investor({wallet: wallet, expiresAt: expiry, class: class});
        emit AccountRegistered(account, wallet, class, expiry);
        CLEARING_HOUSE.syncFlags(account, class, expiry);
    }

    /// @notice Gives an account another class or expiry. Caller: REGISTRAR.
    /// @param account A registered account.
    /// @param class Investor class, 1 to 83.
    /// @param expiry Unix seconds, 0 = never.
    function setClass(uint32 account, uint8 class, uint64 expiry) external restricted {
        _requireUser(account, class);
        Investor storage investor = _investors[account];
        if (investor.wallet == address(0)) revert UnknownAccount(account);
        if (investor.class == class && investor.expiresAt == expiry) return;

        investor.class = class;
        investor.expiresAt = expiry;
        emit ClassChanged(account, class, expiry);
        CLEARING_HOUSE.syncFlags(account, class, expiry);
    }

    /// @notice The registered wallet of an account, zero when it has none.
    function walletOf(uint32 account) external view returns (address) {
        return _investors[account].wallet;
    }

    /// @notice The class of an account: 0 unregistered, 84 system.
    function classOf(uint32 account) external view returns (uint8) {
        return Accounts.isSystem(account) ? Accounts.SYSTEM_CLASS : _investors[account].class;
    }

    /// @notice When the registration of an account ends, Unix seconds, 0 = never.
    function expiresAt(uint32 account) external view returns (uint64) {
        return _investors[account].expiresAt;
    }

    /// @notice Account, class and expiry of a wallet in one call; all zero when it is not registered.
    function investorOf(address wallet) external view returns (uint32 account, uint8 class, uint64 expiry) {
        account = accountOf[wallet];
        Investor storage investor = _investors[account];
        (class, expiry) = (investor.class, investor.expiresAt);
    }

    function _requireUser(uint32 account, uint8 class) private pure {
        if (account < Accounts.FIRST_USER) revert SystemAccount(account);
        if (class == 0 || class >= Accounts.SYSTEM_CLASS) revert ClassOutOfRange(class);
    }
}
