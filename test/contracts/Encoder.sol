// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Builds the bytes of a batch: written from the format, not from the contract.
library Encoder {
    /// @notice One record; a leg above zero credits, below zero debits.
    function record(uint32 account, uint8 place, int256[3] memory legs) internal pure returns (bytes memory) {
        return abi.encodePacked(account, place, _leg(legs[2]), _leg(legs[1]), _leg(legs[0]));
    }

    /// @notice A record with one leg.
    function single(uint32 account, uint8 place, uint16 asset, int256 amount) internal pure returns (bytes memory) {
        int256[3] memory legs;
        legs[asset % 3] = amount;
        return record(account, place, legs);
    }

    /// @notice Count and group list.
    function groups(uint16[] memory list) internal pure returns (bytes memory encoded) {
        encoded = abi.encodePacked(uint8(list.length));
        for (uint256 i = 0; i < list.length; ++i) encoded = abi.encodePacked(encoded, list[i]);
    }

    function group(uint16 only) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), only);
    }

    function _leg(int256 amount) private pure returns (bytes memory) {
        uint256 size = uint256(amount < 0 ? -amount : amount);
        return abi.encodePacked(uint8(amount > 0 ? 1 : 0), uint64(size));
    }
}
