// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DvpOrder} from "../types/DvpOrder.sol";
import {Books} from "./Books.sol";
import {Custody} from "./Custody.sol";
import {DvpOrders} from "./DvpOrders.sol";

/// @title Delivery versus payment between two wallets.
/// @notice Swaps tokens that two signers hold in their wallets and approved to this contract; lanes are never touched.
abstract contract Dvp is Custody {
    using Books for uint256;

    /// @notice Checks and remembers the signed orders; its address is what they are signed for.
    DvpOrders public immutable DVP_ORDERS;

    /// @notice Two orders filled each other; amounts in token units, `sold` by `first`, `bought` by it.
    event DvpSettled(
        address indexed first,
        address indexed second,
        uint16 sellAsset,
        uint256 sold,
        uint16 buyAsset,
        uint256 bought
    );

    constructor() {
        DVP_ORDERS = new DvpOrders();
    }

    /// @notice Swaps what two orders offer each other, both whole and once. Caller: anyone with both signatures (ECDSA or
    /// ERC-1271). Both signers must be registered, unexpired, unfrozen and of a class that may hold what they receive.
    /// @dev Errors: OrderExpired, OrderUsed, OrdersDisagree, NothingOrdered, WrongCounterparty, WrongSignature,
    /// Unregistered, Expired, Frozen, ClassRefused, ShortTransfer, EnforcedPause, and the token's own.
    /// @param first One order; amounts in token units.
    /// @param second The other: it sells what the first buys and the other way round.
    /// @param firstSignature EIP-712 signature of the first signer.
    /// @param secondSignature EIP-712 signature of the second signer.
    function dvp(
        DvpOrder calldata first,
        DvpOrder calldata second,
        bytes calldata firstSignature,
        bytes calldata secondSignature
    ) external whenNotPaused nonReentrant {
        DVP_ORDERS.fill(first, second, firstSignature, secondSignature);
        emit DvpSettled(
            first.signer,
            second.signer,
            first.sellAsset,
            first.sellAmount,
            first.buyAsset,
            first.buyAmount
        );
        _deliver(first, second.signer);
        _deliver(second, first.signer);
    }

    function _deliver(DvpOrder calldata order, address buyer) private {
        _requireReceiver(buyer, order.sellAsset);
        _pull(_requireBook(order.sellAsset).token(), order.signer, buyer, order.sellAmount);
    }
}
