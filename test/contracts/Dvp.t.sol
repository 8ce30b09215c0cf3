// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {CashToken} from "../../contracts/mocks/CashToken.sol";
import {Custody} from "../../contracts/settlement/Custody.sol";
import {Dvp} from "../../contracts/settlement/Dvp.sol";
import {DvpOrders} from "../../contracts/settlement/DvpOrders.sol";
import {DvpOrder} from "../../contracts/types/DvpOrder.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice A wallet that is a contract: what its owner signs, it has signed.
contract SmartWallet is IERC1271 {
    address private immutable OWNER;

    constructor(address owner, CashToken token, address spender) {
        OWNER = owner;
        token.approve(spender, type(uint256).max);
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.recoverCalldata(hash, signature) == OWNER ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @notice Swaps of wallet tokens by two signed orders.
contract DvpTest is Suite {
    uint256 private constant SELLER_KEY = 71;
    uint256 private constant BUYER_KEY = 72;

    address private seller;
    address private buyer;
    DvpOrders private orders;

    function setUp() public override {
        super.setUp();
        orders = vault.DVP_ORDERS();
        (seller, buyer) = (vm.addr(SELLER_KEY), vm.addr(BUYER_KEY));
        _register(20, seller, 1, 0);
        _register(21, buyer, 2, 0);
        _mint(GOLD, 20, 40);
        vm.prank(SETTLER);
        vault.withdraw("gold", 20, GOLD, 40);
        cash.mint(buyer, 900);
        vm.prank(seller);
        gold.approve(address(vault), 40);
        vm.prank(buyer);
        cash.approve(address(vault), 900);
    }

    function _orders() private view returns (DvpOrder memory sale, DvpOrder memory purchase) {
        uint64 deadline = uint64(block.timestamp) + 60;
        sale = DvpOrder(seller, buyer, GOLD, 40, 0, 900, 7, deadline);
        purchase = DvpOrder(buyer, address(0), 0, 900, GOLD, 40, 300, deadline);
    }

    function _sign(uint256 key, DvpOrder memory order) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, orders.digestOf(order));
        return abi.encodePacked(r, s, v);
    }

    function _refuse(DvpOrder memory sale, DvpOrder memory purchase, bytes memory reason) private {
        (bytes memory first, bytes memory second) = (_sign(SELLER_KEY, sale), _sign(BUYER_KEY, purchase));
        vm.expectRevert(reason);
        vault.dvp(sale, purchase, first, second);
    }

    function test_TwoOrdersSwapWalletTokensOnce() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        (bytes memory first, bytes memory second) = (_sign(SELLER_KEY, sale), _sign(BUYER_KEY, purchase));
        vm.expectEmit(address(vault));
        emit Dvp.DvpSettled(seller, buyer, GOLD, 40, 0, 900);
        vm.prank(STRANGER);
        vault.dvp(sale, purchase, first, second);
        Check.same(gold.balanceOf(buyer), 40);
        Check.same(cash.balanceOf(seller), 900);
        Check.same(vault.totalOf(0), 0);
        Check.isTrue(orders.isUsed(buyer, 300) && !orders.isUsed(buyer, 301), "nonce");
        _refuse(sale, purchase, abi.encodeWithSelector(DvpOrders.OrderUsed.selector, seller, 7));
    }

    function test_OrdersThatDifferInAnAmountDoNotFillEachOther() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        for (uint256 side = 0; side < 4; ++side) {
            (sale, purchase) = _orders();
            if (side == 0) --sale.sellAmount;
            if (side == 1) ++sale.buyAmount;
            if (side == 2) --purchase.sellAmount;
            if (side == 3) ++purchase.buyAmount;
            _refuse(sale, purchase, abi.encodeWithSelector(DvpOrders.OrdersDisagree.selector));
        }
    }

    function test_ACancelledOrExpiredOrderIsNotFilled() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        vm.prank(buyer);
        orders.cancel(300);
        _refuse(sale, purchase, abi.encodeWithSelector(DvpOrders.OrderUsed.selector, buyer, 300));
        vm.warp(block.timestamp + 61);
        _refuse(sale, purchase, abi.encodeWithSelector(DvpOrders.OrderExpired.selector, seller, sale.deadline));
    }

    function test_CancellingOneOrderLeavesTheOthersCancelled() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        vm.startPrank(buyer);
        orders.cancel(300);
        // In the same word, and in another one.
        orders.cancel(301);
        orders.cancel(600);
        vm.stopPrank();
        Check.isTrue(orders.isUsed(buyer, 300) && orders.isUsed(buyer, 301) && orders.isUsed(buyer, 600), "cancelled");
        _refuse(sale, purchase, abi.encodeWithSelector(DvpOrders.OrderUsed.selector, buyer, 300));
    }

    function test_APauseOfTheVaultStopsSwaps() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        vm.prank(PAUSER);
        vault.pause();
        _refuse(sale, purchase, abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        vm.prank(UNPAUSER);
        vault.unpause();
        vault.dvp(sale, purchase, _sign(SELLER_KEY, sale), _sign(BUYER_KEY, purchase));
        Check.same(gold.balanceOf(buyer), 40);
    }

    function test_OrdersMustMirrorEachOther() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        bytes memory disagree = abi.encodeWithSelector(DvpOrders.OrdersDisagree.selector);
        purchase.sellAmount = 899;
        _refuse(sale, purchase, disagree);
        (purchase.sellAmount, purchase.buyAsset) = (900, 0);
        _refuse(sale, purchase, disagree);
        (purchase.buyAsset, purchase.signer) = (GOLD, seller);
        _refuse(sale, purchase, disagree);
        bytes memory nothing = abi.encodeWithSelector(DvpOrders.NothingOrdered.selector);
        (purchase.signer, sale.buyAmount, purchase.sellAmount) = (buyer, 0, 0);
        _refuse(sale, purchase, nothing);
        (sale.buyAmount, purchase.sellAmount) = (900, 900);
        (sale.sellAmount, purchase.buyAmount) = (0, 0);
        _refuse(sale, purchase, nothing);
    }

    function test_AnOrderBindsItsCounterpartyAndItsSigner() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        sale.counterparty = ALICE;
        _refuse(sale, purchase, abi.encodeWithSelector(DvpOrders.WrongCounterparty.selector, seller, buyer));
        sale.counterparty = buyer;
        (bytes memory first, bytes memory second) = (_sign(SELLER_KEY, sale), _sign(SELLER_KEY, purchase));
        vm.expectRevert(abi.encodeWithSelector(DvpOrders.WrongSignature.selector, buyer));
        vault.dvp(sale, purchase, first, second);
    }

    function test_BothSidesMustBeRegisteredCurrentAndUnfrozen() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        vm.prank(address(registry));
        vault.syncFlags(21, 2, 0, true);
        _refuse(sale, purchase, abi.encodeWithSelector(Custody.Frozen.selector, 21));
        vm.prank(address(registry));
        vault.syncWallet(buyer, 0);
        _refuse(sale, purchase, abi.encodeWithSelector(Custody.Unregistered.selector, buyer));
    }

    function test_Pitfall7_ATransferThatFallsShortIsNotPaidFor() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        vm.prank(buyer);
        cash.approve(address(vault), 899);
        (bytes memory first, bytes memory second) = (_sign(SELLER_KEY, sale), _sign(BUYER_KEY, purchase));
        vm.expectRevert();
        vault.dvp(sale, purchase, first, second);
        Check.same(gold.balanceOf(seller), 40);
    }

    function test_AContractWalletSignsByErc1271() external {
        address wallet = address(new SmartWallet(buyer, cash, address(vault)));
        _register(22, wallet, 1, 0);
        cash.mint(wallet, 900);
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        (sale.counterparty, purchase.signer) = (wallet, wallet);
        (bytes memory first, bytes memory second) = (_sign(SELLER_KEY, sale), _sign(SELLER_KEY, purchase));
        vm.expectRevert(abi.encodeWithSelector(DvpOrders.WrongSignature.selector, wallet));
        vault.dvp(sale, purchase, first, second);
        second = _sign(BUYER_KEY, purchase);
        vault.dvp(sale, purchase, first, second);
        Check.same(gold.balanceOf(wallet), 40);
        Check.same(cash.balanceOf(seller), 900);
    }

    function test_Pitfall11_AnOrderOfAnotherChainOrVaultIsNotFilled() external {
        (DvpOrder memory sale, DvpOrder memory purchase) = _orders();
        bytes memory second = _sign(BUYER_KEY, purchase);
        DvpOrders elsewhere = new DvpOrders();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SELLER_KEY, elsewhere.digestOf(sale));
        vm.expectRevert(abi.encodeWithSelector(DvpOrders.WrongSignature.selector, seller));
        vault.dvp(sale, purchase, abi.encodePacked(r, s, v), second);
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        bytes memory first = _sign(SELLER_KEY, sale);
        vm.chainId(here);
        vm.expectRevert(abi.encodeWithSelector(DvpOrders.WrongSignature.selector, seller));
        vault.dvp(sale, purchase, first, second);
        second = _sign(BUYER_KEY, purchase);
        first = _sign(SELLER_KEY, sale);
        vm.expectRevert(abi.encodeWithSelector(DvpOrders.NotVault.selector, address(this)));
        orders.fill(sale, purchase, first, second);
    }
}
