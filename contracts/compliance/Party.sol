// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev What the registry knows about a wallet, in the one word that it stores: account (32 bits), class (8), expiry in
/// Unix seconds (64, 0 = never), wallets of the account (8, former ones included), active (1), frozen (1). Zero: unknown.
type Party is uint256;

/// @title A wallet's standing in one storage word.
library Parties {
    uint256 private constant CLASS_SHIFT = 32;
    uint256 private constant EXPIRY_SHIFT = 40;
    uint256 private constant WALLETS_SHIFT = 104;
    uint256 private constant ACTIVE = 1 << 112;
    uint256 private constant FROZEN = 1 << 113;

    /// @dev An active, unfrozen wallet.
    function first(uint32 account_, uint8 class_, uint64 expiry_, uint256 wallets_) internal pure returns (Party) {
        uint256 known = account_ | (uint256(class_) << CLASS_SHIFT) | (uint256(expiry_) << EXPIRY_SHIFT);
        return Party.wrap(known | (wallets_ << WALLETS_SHIFT) | ACTIVE);
    }

    /// @dev 0 for a wallet that no account ever had.
    function account(Party party) internal pure returns (uint32) {
        return uint32(Party.unwrap(party));
    }

    function class(Party party) internal pure returns (uint8) {
        return uint8(Party.unwrap(party) >> CLASS_SHIFT);
    }

    /// @dev Unix seconds, 0 = never.
    function expiry(Party party) internal pure returns (uint64) {
        return uint64(Party.unwrap(party) >> EXPIRY_SHIFT);
    }

    /// @dev How many wallets the account has or had.
    function wallets(Party party) internal pure returns (uint256) {
        return uint8(Party.unwrap(party) >> WALLETS_SHIFT);
    }

    /// @dev Whether the wallet may act for its account.
    function isActive(Party party) internal pure returns (bool) {
        return Party.unwrap(party) & ACTIVE != 0;
    }

    /// @dev Whether the account is frozen.
    function isFrozen(Party party) internal pure returns (bool) {
        return Party.unwrap(party) & FROZEN != 0;
    }

    /// @dev Whether the wallet may send: an expired holder may still sell.
    function maySend(Party party) internal pure returns (bool) {
        return Party.unwrap(party) & (ACTIVE | FROZEN) == ACTIVE;
    }

    /// @dev Whether the wallet may receive something that the classes of the mask may hold.
    function mayReceive(Party party, uint128 allowedClasses) internal view returns (bool) {
        uint64 end = expiry(party);
        return maySend(party) && (end == 0 || block.timestamp < end) && (allowedClasses >> class(party)) & 1 != 0;
    }

    /// @dev The same party with another class and expiry.
    function withClass(Party party, uint8 class_, uint64 expiry_) internal pure returns (Party) {
        uint256 rest = Party.unwrap(party) & ~(((1 << (WALLETS_SHIFT - CLASS_SHIFT)) - 1) << CLASS_SHIFT);
        return Party.wrap(rest | (uint256(class_) << CLASS_SHIFT) | (uint256(expiry_) << EXPIRY_SHIFT));
    }

    /// @dev The same party with one wallet more.
    function withAnotherWallet(Party party) internal pure returns (Party) {
        return Party.wrap(Party.unwrap(party) + (1 << WALLETS_SHIFT));
    }

    /// @dev The same party, frozen or not.
    function withFrozen(Party party, bool frozen) internal pure returns (Party) {
        uint256 word = Party.unwrap(party);
        return Party.wrap(frozen ? word | FROZEN : word & ~FROZEN);
    }

    /// @dev The same party, active or not.
    function withActive(Party party, bool active) internal pure returns (Party) {
        uint256 word = Party.unwrap(party);
        return Party.wrap(active ? word | ACTIVE : word & ~ACTIVE);
    }
}

using Parties for Party global;
