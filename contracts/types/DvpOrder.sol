// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a wallet offers for a swap with another wallet. Amounts in token units.
/// @param signer Who sells from and receives into this wallet.
/// @param counterparty The only other side; zero = anyone.
/// @param sellAsset Asset given.
/// @param sellAmount Amount given.
/// @param buyAsset Asset received.
/// @param buyAmount Amount received.
/// @param nonce Chosen freely by the signer; each fills once.
/// @param deadline Unix seconds, the last at which the order may be filled.
struct DvpOrder {
    address signer;
    address counterparty;
    uint16 sellAsset;
    uint256 sellAmount;
    uint16 buyAsset;
    uint256 buyAmount;
    uint256 nonce;
    uint64 deadline;
}
