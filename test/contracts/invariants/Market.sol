// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Roles} from "../../../contracts/access/Roles.sol";
import {CashToken} from "../../../contracts/mocks/CashToken.sol";
import {Reserve} from "../../../contracts/supply/ReserveGate.sol";
import {AssetToken} from "../../../contracts/token/AssetToken.sol";
import {Batch, BatchHeader} from "../../../contracts/types/Batch.sol";
import {Encoder} from "../Encoder.sol";
import {Suite} from "../Suite.sol";
import {vm} from "../Vm.sol";

/// @notice The suite with five users and four assets, and beside it what a naive bookkeeper makes of the same calls.
/// Assets: 0 cash, 1 GOLD (rated), 2 SILVER (attested), 3 EURO (from outside, 1,000 units an atom, in a group of its own).
abstract contract Market is Suite {
    uint16 internal constant SILVER = 2;
    uint16 internal constant EURO = 3;
    uint16 internal constant ASSETS = 4;
    uint32 internal constant USERS = 5;
    uint32 internal constant FIRST = 16;
    uint64 internal constant EURO_SCALE = 1_000;
    uint64 internal constant RATE = 100_000;
    uint32 internal constant RATE_WINDOW = 1 days;
    uint32 internal constant RESERVE_AGE = 30 days;
    uint256 internal constant RESERVE_KEY = 0x4e5;

    CashToken internal euro;
    AssetToken internal silver;

    /// @dev A call does not leave its time to the next one, so each starts by going there.
    uint256 internal time;

    mapping(uint32 account => mapping(uint16 asset => uint256)) internal lane;
    /// @dev Paid in less paid out plus declared supply changes, atoms.
    mapping(uint16 asset => uint256) internal sum;
    /// @dev Sent to the vault without a deposit, token units.
    mapping(uint16 asset => uint256) internal donated;
    mapping(uint16 asset => uint256) internal issued;
    mapping(address wallet => uint256) internal frozenTokens;
    mapping(uint32 account => bool) internal isFrozenAccount;

    bytes32 internal fold;
    uint64 internal folded;
    BatchHeader internal lastHeader;
    bytes internal lastRecords;

    uint256 internal ratedSince;
    uint256 internal ratedMints;
    Reserve internal reserve;
    uint256 internal ids;

    /// @notice Invariants that a call broke while it ran; what shows in the state is checked there instead.
    mapping(uint256 number => bool) public isBroken;

    error NothingToDo();

    function setUp() public override {
        super.setUp();
        time = block.timestamp;
        fold = vault.head();
        for (uint32 account = FIRST + 2; account < FIRST + USERS; ++account) _register(account, _wallet(account), 1, 0);
        euro = CashToken(_new("CashToken", ""));
        assets.listExternal(EURO, address(euro), EURO_SCALE, ALL_CLASSES);
        silver = AssetToken(_create(SILVER, "SLV", 6, true));
        _grantOfAsset(Roles.PAUSER, GOLD, PAUSER, 0);
        _grantOfAsset(Roles.UNPAUSER, GOLD, UNPAUSER, 0);
        _grantOfAsset(Roles.ISSUER, GOLD, OFFICER, 0);
        // Alone the roles in question, not those that administer them.
        for (uint64 role = Roles.SETTLER; role <= Roles.RESERVE_ADMIN; ++role) {
            authority.revokeRole(role, address(this));
        }
        _reserves();
        _stock();
    }

    function _reserves() private {
        address[] memory attestors = new address[](1);
        attestors[0] = vm.addr(RESERVE_KEY);
        vm.startPrank(OFFICER);
        gate.setAttestors(attestors, 1);
        gate.setRule(SILVER, 6, RESERVE_AGE);
        supply.setReserveGate(gate);
        vm.stopPrank();
        _attest(400_000);
    }

    function _stock() private {
        for (uint32 account = FIRST; account < FIRST + USERS; ++account) {
            _payIn(account, 0, 1_000_000);
            _payIn(account, EURO, 10_000);
            _changeSupply(account, GOLD, 50_000);
            _changeSupply(account, SILVER, 50_000);
            _payOut(account, GOLD, 10_000);
        }
        vm.prank(OFFICER);
        supply.setRate(GOLD, RATE, RATE_WINDOW);
        (ratedSince, ratedMints) = (block.timestamp, 0);
    }

    // ---- what happens, with its entry in the naive books -------------------------------------------------------

    function _payIn(uint32 account, uint16 asset, uint256 atoms) internal {
        address wallet = _wallet(account);
        uint256 units = atoms * _scale(asset);
        if (asset == EURO) euro.mint(wallet, units);
        if (asset == 0) cash.mint(wallet, units);
        vm.startPrank(wallet);
        _token(asset).approve(address(vault), units);
        vault.deposit(asset, units);
        vm.stopPrank();
        lane[account][asset] += atoms;
        sum[asset] += atoms;
    }

    function _payOut(uint32 account, uint16 asset, uint256 atoms) internal {
        vm.prank(SETTLER);
        vault.withdraw(bytes32(++ids), account, asset, atoms);
        lane[account][asset] -= atoms;
        sum[asset] -= atoms;
    }

    function _changeSupply(uint32 account, uint16 asset, int64 change) internal {
        bytes memory records = bytes.concat(Encoder.group(asset / 3), Encoder.single(account, 0, asset, change));
        _accept(_supplyHeader(asset, change, records), records);
        if (change > 0) {
            lane[account][asset] += uint64(change);
            sum[asset] += uint64(change);
            issued[asset] += uint64(change);
            if (asset == GOLD) ratedMints += uint64(change);
        } else {
            lane[account][asset] -= uint64(-change);
            sum[asset] -= uint64(-change);
            issued[asset] -= uint64(-change);
        }
    }

    function _attest(int256 amount) internal {
        reserve = Reserve(SILVER, reserve.nonce + 1, uint64(block.timestamp), 6, amount, keccak256("report"));
        bytes32 typehash = keccak256(
            "Reserve(uint16 asset,uint64 nonce,uint64 asOf,uint8 decimals,int256 amount,bytes32 documentHash)"
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Mooring"),
                keccak256("1"),
                block.chainid,
                address(gate)
            )
        );
        bytes32 statement = keccak256(abi.encode(typehash, reserve));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            RESERVE_KEY,
            keccak256(abi.encodePacked(hex"1901", domain, statement))
        );
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = abi.encodePacked(r, s, v);
        gate.attest(reserve, signatures);
    }

    /// @dev Settles and extends the own head, which never looks at that of the vault.
    function _accept(BatchHeader memory header, bytes memory records) internal {
        _settle(header, records);
        header.prevHead = fold;
        fold = keccak256(abi.encode(Batch.TYPEHASH, header));
        ++folded;
        lastHeader = header;
        lastRecords = records;
    }

    // ---- batches ----------------------------------------------------------------------------------------------

    /// @dev One user sells an asset to another for cash.
    function _sale(
        uint32 seller,
        uint32 buyer,
        uint16 asset,
        int256 amount,
        int256 price
    ) internal pure returns (bytes memory) {
        bytes memory sold = _legs(seller, asset, price, -amount);
        bytes memory bought = _legs(buyer, asset, -price, amount);
        bytes memory head = asset == EURO ? abi.encodePacked(uint8(2), uint16(0), uint16(1)) : Encoder.group(0);
        return seller < buyer ? bytes.concat(head, sold, bought) : bytes.concat(head, bought, sold);
    }

    function _legs(uint32 account, uint16 asset, int256 money, int256 change) private pure returns (bytes memory) {
        int256[3] memory legs;
        legs[0] = money;
        if (asset != EURO) legs[asset] = change;
        bytes memory record = Encoder.record(account, 0, legs);
        return asset == EURO ? bytes.concat(record, Encoder.single(account, 1, asset, change)) : record;
    }

    /// @dev Sends a batch that must be refused; says whether it was accepted all the same.
    function _trySettle(BatchHeader memory header, bytes memory records) internal returns (bool) {
        return _try(SETTLER, address(vault), abi.encodeCall(vault.settle, (header, records, new bytes[](0))));
    }

    function _try(address caller, address target, bytes memory data) internal returns (bool done) {
        vm.prank(caller);
        (done, ) = target.call(data);
    }

    // ---- looking ----------------------------------------------------------------------------------------------

    function _wallet(uint32 account) internal pure returns (address) {
        if (account == ALICE_ID) return ALICE;
        return account == BOB_ID ? BOB : address(uint160(0xc0ffee00) + account);
    }

    function _token(uint16 asset) internal view returns (AssetToken) {
        if (asset == GOLD) return gold;
        if (asset == SILVER) return silver;
        return AssetToken(asset == EURO ? address(euro) : address(cash));
    }

    function _scale(uint16 asset) internal pure returns (uint256) {
        return asset == EURO ? EURO_SCALE : 1;
    }

    /// @dev What the attestors vouched for, as far as it is still good.
    function _reserveNow() internal view returns (uint256) {
        bool isGood = reserve.amount > 0 && block.timestamp - reserve.asOf <= RESERVE_AGE;
        return isGood ? uint256(reserve.amount) : 0;
    }

    /// @dev Of all that a user could care about.
    function _digest() internal view returns (bytes32 digest) {
        digest = keccak256(abi.encode(vault.head(), vault.sequence()));
        for (uint16 asset = 0; asset < ASSETS; ++asset) {
            AssetToken token = _token(asset);
            digest = keccak256(abi.encode(digest, vault.totalOf(asset), vault.holdersOf(asset), token.totalSupply()));
            for (uint32 account = FIRST; account < FIRST + USERS; ++account) {
                uint256 held = token.balanceOf(_wallet(account));
                digest = keccak256(abi.encode(digest, held, vault.balanceOf(account, asset)));
            }
        }
        for (uint32 account = FIRST; account < FIRST + USERS; ++account) {
            uint256 frozen = gold.getFrozenTokens(_wallet(account));
            digest = keccak256(abi.encode(digest, registry.isFrozen(account), frozen));
        }
    }

    /// @dev A number from `low` to `high`.
    function _within(uint256 seed, uint256 low, uint256 high) internal pure returns (uint256) {
        if (high < low) revert NothingToDo();
        return low + (seed % (high - low + 1));
    }

    /// @dev A part of what is there, one time in four the whole.
    function _part(uint256 seed, uint256 whole) internal pure returns (uint256) {
        return seed % 4 == 0 && whole != 0 ? whole : _within(seed, 1, whole);
    }

    function _user(uint256 seed) internal pure returns (uint32) {
        return FIRST + uint32(seed % USERS);
    }

    function _other(uint256 seed, uint32 user) internal pure returns (uint32) {
        return FIRST + (((user - FIRST) + 1 + uint32(seed % (USERS - 1))) % USERS);
    }

    /// @dev A user that is not frozen; never more than two are.
    function _free(uint256 seed) internal view returns (uint32 user) {
        user = _user(seed);
        while (isFrozenAccount[user]) user = _other(0, user);
    }
}
