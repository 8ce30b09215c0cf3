// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Books} from "./Books.sol";
import {Custody} from "./Custody.sol";

/// @title Leaving without the operator.
/// @notice A request starts a delay in which the operator settles what is matched and takes no new orders; after it the
/// account takes its lanes itself. When settlement stops, anyone ends it for good and every exit is immediate. A pause
/// never stops an exit, a freeze does.
abstract contract Exit is Custody {
    using Books for uint256;
    using SafeERC20 for IERC20;

    /// @param sequence Batches settled so far.
    /// @param closeTime Latest `closeTime` of a trade batch or heartbeat, Unix seconds.
    /// @param settledAt Block time of the last batch, Unix seconds; 0 before the first.
    /// @param threshold How many attestations a batch needs, here because every batch reads this word.
    struct Clock {
        uint64 sequence;
        uint64 closeTime;
        uint64 settledAt;
        uint8 threshold;
    }

    /// @notice Seconds from a request to the exit.
    uint64 public immutable EXIT_DELAY;
    /// @notice Seconds without a batch, or with a request unserved, after which settlement may be ended.
    uint64 public immutable EXIT_MODE_AFTER;

    Clock internal _clock;

    mapping(uint32 account => uint64) private _requestedAt;

    error ExitDelayOutOfRange(uint64 delay, uint64 modeAfter);
    error ExitAlreadyOpen(uint32 account, uint64 requestedAt);
    error NoExitOpen(uint32 account);
    error ExitTooEarly(uint32 account, uint64 readyAt);
    error ExitUnsettled(uint32 account, uint64 requestedAt, uint64 closeTime);
    error SettlementAlive(uint64 settledAt);

    /// @notice An account wants to leave: no order of it may be matched from here on.
    event ExitRequested(uint32 indexed account);
    /// @notice It stays after all; the next exit starts with a new request.
    event ExitCancelled(uint32 indexed account);
    /// @notice A whole lane was paid to the account's registered wallet; atoms.
    event ExitExecuted(uint32 indexed account, uint16 indexed asset, uint256 amount);
    /// @notice Deposits, settlement and withdrawals have ended for good.
    event ExitModeEntered();

    constructor(uint64 exitDelay, uint64 exitModeAfter) {
        if (exitDelay == 0 || exitModeAfter <= exitDelay) revert ExitDelayOutOfRange(exitDelay, exitModeAfter);
        EXIT_DELAY = exitDelay;
        EXIT_MODE_AFTER = exitModeAfter;
    }

    /// @notice Opens the exit of the caller's account; one at a time, open until it is cancelled. Caller: a registered
    /// wallet of an account that is not frozen, expired or not.
    /// @dev Errors: Unregistered, Frozen, ExitAlreadyOpen.
    function requestExit() external {
        uint32 account = _requireExiting();
        uint64 requestedAt = _requestedAt[account];
        if (requestedAt != 0) revert ExitAlreadyOpen(account, requestedAt);
        _requestedAt[account] = uint64(block.timestamp);
        emit ExitRequested(account);
    }

    /// @notice Closes the open exit of the caller's account. Caller: a registered wallet.
    /// @dev Errors: Unregistered, NoExitOpen.
    function cancelExit() external {
        uint32 account = _requireAccount(msg.sender);
        if (_requestedAt[account] == 0) revert NoExitOpen(account);
        _requestedAt[account] = 0;
        emit ExitCancelled(account);
    }

    /// @notice Pays whole lanes of the caller's account to its registered wallet, `EXIT_DELAY` after the request and once
    /// a batch that closed after it is settled; in exit mode at once and without a request. The exit stays open, so an
    /// asset whose token refuses today can be left out and taken later. Caller: a registered wallet, not frozen.
    /// @dev Errors: NoExitOpen, ExitTooEarly, ExitUnsettled, Unregistered, Frozen, NoWallet, UnknownAsset.
    /// @param assets Listed assets; those of which the account holds nothing are passed over.
    function executeExit(uint16[] calldata assets) external nonReentrant {
        uint32 account = _requireExiting();
        if (!isExitMode) _requireServed(account);
        address wallet = _payeeOf(account);
        for (uint256 i = 0; i < assets.length; ++i) _payOut(account, assets[i], wallet);
    }

    /// @notice Ends deposits, settlement and withdrawals for good. Caller: anyone, when no batch was settled for
    /// `EXIT_MODE_AFTER` since the last one; or a wallet whose request is that old and no batch has closed after it, also
    /// when there never was a batch.
    /// @dev Errors: SettlementAlive, InExitMode, Frozen.
    function enterExitMode() external {
        if (isExitMode) revert InExitMode();
        Clock memory clock = _clock;
        if (clock.settledAt == 0 || block.timestamp < clock.settledAt + EXIT_MODE_AFTER) {
            uint64 requestedAt = _requestedAt[accountOf[msg.sender]];
            bool ignored = requestedAt != 0 && clock.closeTime <= requestedAt;
            if (!ignored || block.timestamp < requestedAt + EXIT_MODE_AFTER) revert SettlementAlive(clock.settledAt);
            _requireExiting();
        }
        isExitMode = true;
        emit ExitModeEntered();
    }

    /// @notice The open exit of an account.
    /// @return requestedAt Unix seconds, 0 = none open.
    /// @return readyAt Unix seconds from when the delay is over.
    /// @return isSettled Whether a batch that closed after the request is settled.
    function exitOf(uint32 account) external view returns (uint64 requestedAt, uint64 readyAt, bool isSettled) {
        requestedAt = _requestedAt[account];
        if (requestedAt == 0) return (0, 0, false);
        return (requestedAt, requestedAt + EXIT_DELAY, _clock.closeTime > requestedAt);
    }

    function _payOut(uint32 account, uint16 asset, address wallet) private {
        uint256 book = _requireBook(asset);
        uint256 amount = _lane(account, asset);
        if (amount == 0) return;
        _debit(account, asset, amount, book);
        emit ExitExecuted(account, asset, amount);
        IERC20(book.token()).safeTransfer(wallet, amount * book.scale());
    }

    function _requireExiting() private view returns (uint32 account) {
        account = _requireAccount(msg.sender);
        _requireNotFrozen(account);
    }

    /// @dev The close time is that of the last block the operator had applied, so a later one means that the request was
    /// known and nothing of the account can follow. Supply batches say nothing about trades.
    function _requireServed(uint32 account) private view {
        uint64 requestedAt = _requestedAt[account];
        if (requestedAt == 0) revert NoExitOpen(account);
        uint64 readyAt = requestedAt + EXIT_DELAY;
        if (block.timestamp < readyAt) revert ExitTooEarly(account, readyAt);
        uint64 closeTime = _clock.closeTime;
        if (closeTime <= requestedAt) revert ExitUnsettled(account, requestedAt, closeTime);
    }
}
