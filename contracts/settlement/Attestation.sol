// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title n-of-m signatures over the head of a batch.
/// @notice Attestors sign the EIP-712 digest of the header (domain "Mooring", "1", chain id, vault); the head chain orders
/// the batches, so signatures do not expire.
abstract contract Attestation {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    uint256 private constant MAX_ATTESTORS = 32;

    address[] private _attestors;
    mapping(address attestor => bool) private _isAttestor;

    error AttestationCount(uint256 given, uint256 required);
    error AttestorsNotAscending(address signer);
    error NotAttestor(address signer);
    error ThresholdOutOfRange(uint8 threshold, uint256 attestors);

    /// @notice Attestors and threshold were replaced.
    event AttestorsSet(address[] attestors, uint8 threshold);

    /// @notice The addresses whose attestations count, ascending.
    function attestors() external view returns (address[] memory) {
        return _attestors;
    }

    /// @dev The caller keeps the threshold, in a word that every batch reads anyway.
    function _setAttestors(address[] calldata next, uint8 nextThreshold) internal {
        bool impossible = nextThreshold > next.length || (next.length != 0 && nextThreshold == 0);
        if (impossible || next.length > MAX_ATTESTORS) revert ThresholdOutOfRange(nextThreshold, next.length);
        while (_attestors.length != 0) {
            _isAttestor[_attestors[_attestors.length - 1]] = false;
            _attestors.pop();
        }
        address previous = address(0);
        for (uint256 i = 0; i < next.length; ++i) {
            if (next[i] <= previous) revert AttestorsNotAscending(next[i]);
            previous = next[i];
            _isAttestor[previous] = true;
            _attestors.push(previous);
        }
        emit AttestorsSet(next, nextThreshold);
    }

    /// @dev Exactly `required` signatures, their signers strictly ascending, so that none counts twice.
    function _requireAttested(bytes32 head, bytes[] calldata attestations, uint256 required) internal view {
        if (attestations.length != required) revert AttestationCount(attestations.length, required);
        if (required == 0) return;
        bytes32 digest = MessageHashUtils.toTypedDataHash(_domain(), head);
        address previous = address(0);
        for (uint256 i = 0; i < required; ++i) {
            address signer = ECDSA.recoverCalldata(digest, attestations[i]);
            if (signer <= previous) revert AttestorsNotAscending(signer);
            if (!_isAttestor[signer]) revert NotAttestor(signer);
            previous = signer;
        }
    }

    /// @dev Never cached: after a fork of the chain it is another one.
    function _domain() private view returns (bytes32) {
        return
            keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("Mooring"), keccak256("1"), block.chainid, address(this)));
    }
}
