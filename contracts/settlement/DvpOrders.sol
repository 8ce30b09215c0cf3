// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {DvpOrder} from "../types/DvpOrder.sol";

/// @title The signed orders behind delivery versus payment.
/// @notice Belongs to the vault that created it and fills orders for nobody else. Holds neither tokens nor allowances.
contract DvpOrders is EIP712 {
    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "DvpOrder(address signer,address counterparty,uint16 sellAsset,uint256 sellAmount,uint16 buyAsset,uint256 buyAmount,uint256 nonce,uint64 deadline)"
    );

    address public immutable VAULT;

    /// @dev Bit n % 256 of word n / 256 set: nonce n was filled or cancelled.
    mapping(address signer => mapping(uint256 word => uint256)) private _usedNonces;

    error NotVault(address caller);
    error NothingOrdered();
    error OrderExpired(address signer, uint64 deadline);
    error OrderUsed(address signer, uint256 nonce);
    error OrdersDisagree();
    error WrongCounterparty(address signer, address counterparty);
    error WrongSignature(address signer);

    /// @notice A nonce can no longer be filled.
    event OrderCancelled(address indexed signer, uint256 nonce);

    constructor() EIP712("Mooring", "1") {
        VAULT = msg.sender;
    }

    /// @notice Uses up two orders that mirror each other, both whole. Caller: the vault.
    /// @dev Errors: NotVault, OrderExpired, OrderUsed, OrdersDisagree, NothingOrdered, WrongCounterparty,
    /// WrongSignature.
    /// @param first One order; amounts in token units.
    /// @param second The other: it sells what the first buys and the other way round.
    /// @param firstSignature EIP-712 signature of the first signer, ECDSA or ERC-1271.
    /// @param secondSignature EIP-712 signature of the second signer.
    function fill(
        DvpOrder calldata first,
        DvpOrder calldata second,
        bytes calldata firstSignature,
        bytes calldata secondSignature
    ) external {
        if (msg.sender != VAULT) revert NotVault(msg.sender);
        _requireMatch(first, second);
        _use(first, second.signer);
        _use(second, first.signer);
        _requireSigned(first, firstSignature);
        _requireSigned(second, secondSignature);
    }

    /// @notice Makes an order of the caller unfillable. Repeating it changes nothing. Caller: its signer.
    /// @dev Errors: none.
    /// @param nonce Nonce of the order.
    function cancel(uint256 nonce) external {
        _usedNonces[msg.sender][nonce >> 8] |= 1 << (nonce & 0xff);
        emit OrderCancelled(msg.sender, nonce);
    }

    /// @notice Whether a nonce of a signer was filled or cancelled.
    function isUsed(address signer, uint256 nonce) external view returns (bool) {
        return (_usedNonces[signer][nonce >> 8] >> (nonce & 0xff)) & 1 != 0;
    }

    /// @notice The EIP-712 digest of an order, which its signer signs: domain "Mooring", "1", chain id, this contract.
    function digestOf(DvpOrder calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    function _use(DvpOrder calldata order, address counterparty) private {
        address signer = order.signer;
        if (block.timestamp > order.deadline) revert OrderExpired(signer, order.deadline);
        if (order.counterparty != address(0) && order.counterparty != counterparty) {
            revert WrongCounterparty(signer, counterparty);
        }
        uint256 bit = 1 << (order.nonce & 0xff);
        uint256 used = _usedNonces[signer][order.nonce >> 8];
        if (used & bit != 0) revert OrderUsed(signer, order.nonce);
        _usedNonces[signer][order.nonce >> 8] = used | bit;
    }

    function _requireSigned(DvpOrder calldata order, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNowCalldata(order.signer, digestOf(order), signature)) {
            revert WrongSignature(order.signer);
        }
    }

    function _requireMatch(DvpOrder calldata first, DvpOrder calldata second) private pure {
        if (first.sellAmount == 0 || first.buyAmount == 0) revert NothingOrdered();
        bool agree = first.sellAsset == second.buyAsset && first.buyAsset == second.sellAsset;
        agree = agree && first.sellAmount == second.buyAmount && first.buyAmount == second.sellAmount;
        if (!agree || first.signer == second.signer) revert OrdersDisagree();
    }
}
