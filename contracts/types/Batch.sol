// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a settlement batch declares. Unused fields are zero.
/// @param prevHead Head before this batch.
/// @param sequence Sequence of the batch before this one, plus 1.
/// @param kind 1 trade, 2 supply, 3 heartbeat.
/// @param closeTime Timestamp of the last block that the node had applied when the range closed, Unix seconds.
/// @param supplyAsset Asset whose supply changes; kind 2 only.
/// @param supplyChange Signed change of that supply, atoms; kind 2 only.
/// @param recordsHash Keccak-256 of the records.
/// @param tradesRoot Merkle root of the trades netted here.
/// @param liabilitiesRoot Merkle root of all balances, once a day.
/// @param journalHash Hash of the journal batch that ends the range.
struct BatchHeader {
    bytes32 prevHead;
    uint64 sequence;
    uint8 kind;
    uint64 closeTime;
    uint16 supplyAsset;
    int64 supplyChange;
    bytes32 recordsHash;
    bytes32 tradesRoot;
    bytes32 liabilitiesRoot;
    bytes32 journalHash;
}

/// @title Kinds of batches and their place in the hash chain.
library Batch {
    uint8 internal constant TRADE = 1;
    uint8 internal constant SUPPLY = 2;
    uint8 internal constant HEARTBEAT = 3;

    bytes32 internal constant TYPEHASH = keccak256(
        "BatchHeader(bytes32 prevHead,uint64 sequence,uint8 kind,uint64 closeTime,uint16 supplyAsset,int64 supplyChange,bytes32 recordsHash,bytes32 tradesRoot,bytes32 liabilitiesRoot,bytes32 journalHash)"
    );

    /// @notice The head before the first batch; binds chain and vault.
    function genesis(address vault) internal view returns (bytes32) {
        return keccak256(abi.encode("mooring.head.v1", block.chainid, vault));
    }

    /// @notice EIP-712 `hashStruct` of a header: the head after its batch.
    function hash(BatchHeader calldata header) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, header));
    }

    /// @notice Whether kind and supply fields agree. The lowest int64 is refused: it has no positive counterpart.
    function isWellFormed(BatchHeader calldata header) internal pure returns (bool) {
        if (header.kind == SUPPLY) return header.supplyChange != 0 && header.supplyChange != type(int64).min;
        bool known = header.kind == TRADE || header.kind == HEARTBEAT;
        return known && header.supplyAsset == 0 && header.supplyChange == 0;
    }
}
