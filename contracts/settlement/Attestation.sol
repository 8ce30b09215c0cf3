// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title n-of-m signatures over the head of a batch.
/// @notice Attestors sign the EIP-712 digest of the header; the head chain orders the batches, so signatures do not expire.
abstract contract Attestation is EIP712 {
    uint256 private constant MAX_ATTESTORS = 32;

    address[] private _attestors;
    mapping(address attestor => bool) private _isAttestor;

    /// @notice How many attestations a batch needs; 0 until attestors exist.
    uint8 public threshold;

    error AttestationCount(uint256 given, uint256 required);
    error AttestorsNotAscending(address signer);
    error NotAttestor(address signer);
    error ThresholdOutOfRange(uint8 threshold, uint256 attestors);

    /// @notice Attestors and threshold were replaced.
    event AttestorsSet(address[] attestors, uint8 threshold);

    constructor() EIP712("Mooring", "1") {}

    /// @notice The addresses whose attestations count, ascending.
    function attestors() external view returns (address[] memory) {
        return _attestors;
    }

    function _setAttestors(address[] calldata next, uint8 nextThreshold) internal {
        bool impossible = nextThreshold > next.length || (next.length != 0 && nextThreshold == 0);
        if (impossible || next.length > MAX_ATTESTORS) revert ThresholdOutOfRange(nextThreshold, next.length);
        for (uint256 i = 0; i < _attestors.length; ++i) _isAttestor[_attestors[i]] = false;
        address previous = address(0);
        for (uint256 i = 0; i < next.length; ++i) {
            if (next[i] <= previous) revert AttestorsNotAscending(next[i]);
            previous = next[i];
            _isAttestor[previous] = true;
        }
        _attestors = next;
        threshold = nextThreshold;
        emit AttestorsSet(next, nextThreshold);
    }

    /// @dev Exactly `threshold` signatures, their signers strictly ascending, so that none counts twice.
    function _requireAttested(bytes32 head, bytes[] calldata attestations) internal view {
        uint256 required = threshold;
        if (attestations.length != required) revert AttestationCount(attestations.length, required);
        if (required == 0) return;
        bytes32 digest = _hashTypedDataV4(head);
        address previous = address(0);
        for (uint256 i = 0; i < required; ++i) {
            address signer = ECDSA.recover(digest, attestations[i]);
            if (signer <= previous) revert AttestorsNotAscending(signer);
            if (!_isAttestor[signer]) revert NotAttestor(signer);
            previous = signer;
        }
    }
}
