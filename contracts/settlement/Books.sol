// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the vault knows of one asset, in one word.
/// @notice Bits 0–62 Σ lanes in atoms, 64–87 holders, 88–95 the power of ten of the scale, 96–255 the token.
library Books {
    uint256 private constant MAX_TOTAL = (1 << 63) - 1;
    uint256 private constant HOLDERS_SHIFT = 64;
    uint256 private constant HOLDERS_MASK = (1 << 24) - 1;
    uint256 private constant EXPONENT_SHIFT = 88;
    uint256 private constant TOKEN_SHIFT = 96;
    uint256 private constant MAX_EXPONENT = 19;

    error ScaleNotPowerOfTen(uint64 scale);

    /// @notice A book without holders. The scale must be a power of ten.
    function open(address token_, uint64 scale_) internal pure returns (uint256 book) {
        for (uint256 exponent = 0; exponent <= MAX_EXPONENT; ++exponent) {
            if (10 ** exponent == scale_) {
                return (uint256(uint160(token_)) << TOKEN_SHIFT) | (exponent << EXPONENT_SHIFT);
            }
        }
        revert ScaleNotPowerOfTen(scale_);
    }

    /// @notice The book after credits and debits of lanes, atoms, and a change of the number of holders.
    /// @return next The new book.
    /// @return inRange Whether the sum kept within 0 … 2⁶³−1; otherwise the book means nothing.
    function move(
        uint256 book,
        uint256 credit,
        uint256 debit,
        int256 holdersChange
    ) internal pure returns (uint256 next, bool inRange) {
        unchecked {
            uint256 sum = (book & MAX_TOTAL) + credit - debit;
            // Every holder costs a storage word, so 2²⁴ of them are out of reach; the mask keeps even that from the neighbours.
            uint256 count = uint256(int256(holders(book)) + holdersChange) & HOLDERS_MASK;
            next = ((book >> EXPONENT_SHIFT) << EXPONENT_SHIFT) | (count << HOLDERS_SHIFT) | (sum & MAX_TOTAL);
            inRange = sum <= MAX_TOTAL;
        }
    }

    /// @notice The ERC-20 that backs the lanes.
    function token(uint256 book) internal pure returns (address) {
        return address(uint160(book >> TOKEN_SHIFT));
    }

    /// @notice Token units per atom.
    function scale(uint256 book) internal pure returns (uint256) {
        unchecked {
            return 10 ** ((book >> EXPONENT_SHIFT) & 0xff);
        }
    }

    /// @notice Sum of all lanes, atoms.
    function total(uint256 book) internal pure returns (uint256) {
        return book & MAX_TOTAL;
    }

    /// @notice How many accounts have a lane above zero.
    function holders(uint256 book) internal pure returns (uint256) {
        return (book >> HOLDERS_SHIFT) & HOLDERS_MASK;
    }
}
