// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Move} from "../IPolicyModule.sol";
import {PolicyEngine} from "../PolicyEngine.sol";
import {PolicyModule} from "../PolicyModule.sol";

/// @title Which classes of investors, of which countries, may send and receive an asset.
/// @notice No country is stored with an investor: a class stands for a kind of investor in a group of countries. The
/// groups are named here once; the mask of an asset is folded to classes when it is set, so that a transfer reads one word.
contract ClassAndCountryMask is PolicyModule {
    /// @param receivers Bit c: class c may receive.
    /// @param senders Bit c: class c may send.
    struct Mask {
        uint128 receivers;
        uint128 senders;
    }

    /// @notice The code of a refusal.
    uint8 public constant CODE = 1;

    /// @notice The mask of an asset; empty: nobody may send or receive.
    mapping(uint16 asset => Mask) public maskOf;

    /// @notice The classes that stand for investors of a group of countries (bit c: class c).
    mapping(uint8 countries => uint128) public classesOf;

    /// @notice A group of countries has these classes.
    event CountriesSet(uint8 indexed countries, uint128 classes);
    /// @notice An asset may be received and sent by these classes.
    event MaskSet(uint16 indexed asset, uint128 receivers, uint128 senders);

    constructor(address authority, PolicyEngine engine) PolicyModule(authority, engine) {}

    /// @notice Says which classes a group of countries has; masks follow when they are set again. Caller: POLICY_ADMIN.
    /// @dev Errors: none of its own.
    /// @param countries Any number for the group.
    /// @param classes Bit c: class c.
    function setCountries(uint8 countries, uint128 classes) external restricted {
        classesOf[countries] = classes;
        emit CountriesSet(countries, classes);
    }

    /// @notice Sets the mask of an asset. Caller: POLICY_ADMIN.
    /// @dev Errors: none of its own.
    /// @param asset Asset id.
    /// @param classes Bit c: class c may receive, when it is of one of `buying`.
    /// @param buying Groups of countries whose investors may receive.
    /// @param selling Groups of countries whose investors may send, of whatever kind.
    function setMask(
        uint16 asset,
        uint128 classes,
        uint8[] calldata buying,
        uint8[] calldata selling
    ) external restricted {
        Mask memory mask = Mask({receivers: classes & _union(buying), senders: _union(selling)});
        maskOf[asset] = mask;
        emit MaskSet(asset, mask.receivers, mask.senders);
    }

    /// @notice Bit 0: checks only.
    function capabilities() external pure returns (uint8) {
        return CHECKS;
    }

    /// @notice `CODE` when the class of the sender or of the receiver is not in the mask; the vault always may.
    function check(Move calldata move) external view returns (uint8) {
        Mask memory mask = maskOf[move.asset];
        bool sends = (mask.senders >> move.sender.class()) & 1 != 0;
        bool receives = move.receiver.account() == 0 || (mask.receivers >> move.receiver.class()) & 1 != 0;
        return sends && receives ? 0 : CODE;
    }

    function _union(uint8[] calldata groups) private view returns (uint128 classes) {
        for (uint256 i = 0; i < groups.length; ++i) classes |= classesOf[groups[i]];
    }
}
