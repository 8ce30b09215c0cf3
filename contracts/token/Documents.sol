// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {AssetGoverned} from "../access/AssetGoverned.sol";
import {Roles} from "../access/Roles.sol";

/// @title Documents of assets: name, place, hash and time.
/// @notice The functions are those of ERC-1643, with the asset id in front. Nothing personal belongs here.
abstract contract Documents is AssetGoverned {
    using EnumerableSet for EnumerableSet.Bytes32Set;

    /// @param uri Where the document is.
    /// @param documentHash Keccak-256 or SHA-256 of its bytes.
    /// @param modifiedAt Block time of the last change, Unix seconds.
    struct Document {
        string uri;
        bytes32 documentHash;
        uint64 modifiedAt;
    }

    mapping(uint16 asset => EnumerableSet.Bytes32Set) private _names;
    mapping(uint16 asset => mapping(bytes32 name => Document)) private _documents;

    error EmptyDocument(bytes32 name);
    error UnknownDocument(uint16 asset, bytes32 name);

    /// @notice A document was added or replaced.
    event DocumentUpdated(uint16 indexed asset, bytes32 indexed name, string uri, bytes32 documentHash);
    /// @notice A document was removed.
    event DocumentRemoved(uint16 indexed asset, bytes32 indexed name, string uri, bytes32 documentHash);

    /// @notice Adds or replaces a document. Caller: ISSUER of the asset.
    /// @dev Errors: EmptyDocument, AssetRoleMissing.
    /// @param asset Asset id.
    /// @param name Name of the document, at most 32 bytes.
    /// @param uri Where it is.
    /// @param documentHash Hash of its bytes, not zero.
    function setDocument(
        uint16 asset,
        bytes32 name,
        string calldata uri,
        bytes32 documentHash
    ) external onlyAssetRole(Roles.ISSUER, asset) {
        if (name == 0 || documentHash == 0) revert EmptyDocument(name);
        _names[asset].add(name);
        _documents[asset][name] = Document(uri, documentHash, uint64(block.timestamp));
        emit DocumentUpdated(asset, name, uri, documentHash);
    }

    /// @notice Removes a document. Caller: ISSUER of the asset.
    /// @dev Errors: UnknownDocument, AssetRoleMissing.
    /// @param asset Asset id.
    /// @param name A document that is there.
    function removeDocument(uint16 asset, bytes32 name) external onlyAssetRole(Roles.ISSUER, asset) {
        if (!_names[asset].remove(name)) revert UnknownDocument(asset, name);
        Document memory document = _documents[asset][name];
        delete _documents[asset][name];
        emit DocumentRemoved(asset, name, document.uri, document.documentHash);
    }

    /// @notice Place, hash and time (Unix seconds) of a document; empty when there is none.
    function getDocument(
        uint16 asset,
        bytes32 name
    ) external view returns (string memory uri, bytes32 documentHash, uint64 modifiedAt) {
        Document storage document = _documents[asset][name];
        return (document.uri, document.documentHash, document.modifiedAt);
    }

    /// @notice Names of the documents of an asset, in no order.
    function getAllDocuments(uint16 asset) external view returns (bytes32[] memory) {
        return _names[asset].values();
    }
}
