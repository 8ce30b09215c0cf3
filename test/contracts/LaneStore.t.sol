// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Books} from "../../contracts/settlement/Books.sol";
import {LaneStore} from "../../contracts/settlement/LaneStore.sol";
import {Lanes} from "../../contracts/settlement/Lanes.sol";
import {Records} from "../../contracts/settlement/Records.sol";
import {Encoder} from "./Encoder.sol";
import {Check, vm} from "./Vm.sol";

contract LaneStoreHarness is Records {
    function settle(bytes calldata records, uint16 asset, int64 change) external {
        uint256[] memory table = _applyRecords(records);
        _requireSums(table, asset, change);
        _countHolders(table);
    }

    /// @dev The literals of the assembly, each beside what it stands for.
    function literals() external pure returns (uint256[2][7] memory) {
        uint256 gather = (1 << 253) | (1 << 182) | (1 << 111);
        return
            [
                [ONES, Lanes.ONES],
                [AMOUNTS, Lanes.AMOUNTS],
                [GUARDS, Lanes.GUARDS],
                [STRAY, Lanes.STRAY_BITS],
                [FILL, Lanes.AMOUNTS | (1 << Lanes.FLAGS_SHIFT)],
                [MAX, Lanes.MAX_AMOUNT],
                [GATHER, gather]
            ];
    }

    function setFlags(uint32 account, uint8 class, uint64 expiresAt) external {
        _setFlags(account, class, expiresAt, false);
    }

    function setRule(uint16 asset, uint128 allowedClasses) external {
        _setRule(asset, allowedClasses);
    }

    function credit(uint32 account, uint16 asset, uint256 amount) external {
        _credit(account, asset, amount, _book(asset));
    }

    function debit(uint32 account, uint16 asset, uint256 amount) external {
        _debit(account, asset, amount, _book(asset));
    }

    function lane(uint32 account, uint16 asset) external view returns (uint256) {
        return _lane(account, asset);
    }

    function total(uint16 asset) external view returns (uint256) {
        return Books.total(_book(asset));
    }

    function holders(uint16 asset) external view returns (uint256) {
        return Books.holders(_book(asset));
    }

    function flags(uint32 account) external view returns (uint8 class, uint256 expiresAt) {
        (class, expiresAt, ) = _flagsOf(account);
    }

    function requireClass(uint32 account, uint16 asset, uint8 class) external view {
        _requireClass(account, asset, class);
    }
}

/// @notice Packed balances against a mapping of plain integers, and every malformed batch by name.
contract LaneStoreTest {
    uint256 private constant MAX = (1 << 63) - 1;
    uint32 private constant ACCOUNTS = 5;
    uint16 private constant ASSETS = 9;

    LaneStoreHarness private store;
    mapping(uint256 account => mapping(uint256 asset => int256)) private model;
    mapping(uint256 account => mapping(uint256 asset => int256)) private deltas;

    function setUp() external {
        store = new LaneStoreHarness();
        for (uint16 asset = 0; asset < ASSETS; ++asset) store.setRule(asset, 2);
        for (uint32 account = 16; account < 16 + ACCOUNTS; ++account) {
            store.setFlags(account, 1, 0);
            for (uint16 asset = 0; asset < ASSETS; ++asset) {
                store.credit(account, asset, 1_000);
                model[account][asset] = 1_000;
            }
        }
    }

    /// @dev Random transfers, netted; sometimes one delta is off by one, sometimes somebody is overdrawn.
    function testFuzz_ABatchAgreesWithAMappingOfIntegers(uint256 seed, uint8 transfers, bool spoil) external {
        for (uint256 i = 0; i < 1 + (transfers % 12); ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            uint256 asset = draw % ASSETS;
            int256 amount = int256((draw >> 32) % 700);
            deltas[16 + ((draw >> 64) % ACCOUNTS)][asset] -= amount;
            deltas[16 + ((draw >> 96) % ACCOUNTS)][asset] += amount;
        }
        if (spoil) deltas[16 + (seed % ACCOUNTS)][(seed >> 32) % ASSETS] += 1;

        (bytes memory records, bool legal) = _encode();
        try store.settle(records, 0, 0) {
            Check.isTrue(legal && !spoil, "accepted");
            _requireModel(true);
        } catch {
            Check.isTrue(!legal || spoil, "refused");
            _requireModel(false);
        }
    }

    function _encode() private view returns (bytes memory records, bool legal) {
        uint16[] memory list = new uint16[](3);
        (list[0], list[1], list[2]) = (0, 1, 2);
        records = Encoder.groups(list);
        legal = true;
        for (uint32 account = 16; account < 16 + ACCOUNTS; ++account) {
            for (uint8 place = 0; place < 3; ++place) {
                int256[3] memory legs;
                bool any = false;
                for (uint256 lane = 0; lane < 3; ++lane) {
                    legs[lane] = deltas[account][place * 3 + lane];
                    if (legs[lane] != 0) any = true;
                    if (model[account][place * 3 + lane] + legs[lane] < 0) legal = false;
                }
                if (any) records = bytes.concat(records, Encoder.record(account, place, legs));
            }
        }
    }

    function _requireModel(bool applied) private view {
        for (uint32 account = 16; account < 16 + ACCOUNTS; ++account) {
            for (uint16 asset = 0; asset < ASSETS; ++asset) {
                int256 expected = model[account][asset] + (applied ? deltas[account][asset] : int256(0));
                Check.same(store.lane(account, asset), uint256(expected));
            }
            (uint8 class, ) = store.flags(account);
            Check.same(class, 1);
        }
        for (uint16 asset = 0; asset < ASSETS; ++asset) _requireHolders(asset, applied);
    }

    function _requireHolders(uint16 asset, bool applied) private view {
        uint256 count = 0;
        for (uint32 account = 16; account < 16 + ACCOUNTS; ++account) {
            if (model[account][asset] + (applied ? deltas[account][asset] : int256(0)) != 0) ++count;
        }
        Check.same(store.holders(asset), count);
    }

    /// @dev In half of the transfers somebody gives all that is left, so that holders leave and come back.
    function testFuzz_HoldersAreThoseWithALane(uint256 seed) external {
        for (uint256 i = 0; i < 12; ++i) {
            uint256 draw = uint256(keccak256(abi.encode(seed, i)));
            uint256 asset = draw % ASSETS;
            uint256 from = 16 + ((draw >> 64) % ACCOUNTS);
            int256 left = model[from][asset] + deltas[from][asset];
            int256 amount = draw & (1 << 200) == 0 ? left : left / 3;
            deltas[from][asset] -= amount;
            deltas[16 + ((draw >> 96) % ACCOUNTS)][asset] += amount;
            if (i % 3 == 2) _settleDeltas();
        }
    }

    function _settleDeltas() private {
        (bytes memory records, ) = _encode();
        store.settle(records, 0, 0);
        for (uint32 account = 16; account < 16 + ACCOUNTS; ++account) {
            for (uint16 asset = 0; asset < ASSETS; ++asset) {
                model[account][asset] += deltas[account][asset];
                delete deltas[account][asset];
            }
        }
        _requireModel(false);
    }

    function testFuzz_OneLaneMovesLikeAnInteger(uint32 account, uint16 asset, uint64 amount, uint64 back) external {
        vm.assume(account > 100 && asset > ASSETS);
        vm.assume(amount <= MAX && back <= MAX);
        store.credit(account, asset, amount);
        if (back > amount) vm.expectRevert();
        store.debit(account, asset, back);
        uint256 left = back > amount ? amount : amount - back;
        Check.same(store.lane(account, asset), left);
        Check.same(store.total(asset), left);
    }

    function testFuzz_FlagsAndLanesDoNotTouchEachOther(uint8 class, uint64 expiresAt, uint64 amount) external {
        vm.assume(class < 85 && amount <= MAX - 1_000 * uint64(ACCOUNTS));
        store.setFlags(16, class, expiresAt);
        store.credit(16, 2, amount);
        (uint8 read, uint256 expiry) = store.flags(16);
        Check.same(read, class);
        if (expiresAt == 0) Check.same(expiry, 0);
        else Check.isTrue(expiry != 0, "an expiry never becomes never");
        if (expiresAt >= 3600) Check.isTrue(expiry <= expiresAt, "rounded down");
        Check.same(store.lane(16, 2), 1_000 + uint256(amount));
    }

    function testFuzz_ARuleHoldsForItsAssetOnly(uint128 mask, uint8 class, uint16 asset) external {
        vm.assume(class > 0 && class < 84 && asset >= ASSETS && asset < 65_533);
        store.setRule(asset, mask);
        if ((mask >> class) & 1 == 0) {
            vm.expectRevert(abi.encodeWithSelector(LaneStore.ClassRefused.selector, 1, asset, class));
        }
        store.requireClass(1, asset, class);
        store.requireClass(1, asset, 84);
        uint16 neighbour = asset % 3 == 2 ? asset - 1 : asset + 1;
        vm.expectRevert(abi.encodeWithSelector(LaneStore.ClassRefused.selector, 1, neighbour, class));
        store.requireClass(1, neighbour, class);
        store.setRule(asset, 0);
        vm.expectRevert(abi.encodeWithSelector(LaneStore.ClassRefused.selector, 1, asset, class));
        store.requireClass(1, asset, class);
    }

    function test_Pitfall10_512CreditsDoNotCarryIntoTheNextAsset() external {
        bytes memory records = Encoder.group(0);
        for (uint32 account = 100; account < 612; ++account) {
            store.setFlags(account, 1, 0);
            records = bytes.concat(records, Encoder.single(account, 0, 0, int256(MAX)));
        }
        // 512 · (2⁶³−1) + 512 = 2⁷²: one atom of asset 1, which account 1000 pays.
        store.setFlags(999, 1, 0);
        store.credit(1_000, 1, 1);
        records = bytes.concat(records, Encoder.single(999, 0, 0, 512), Encoder.single(1_000, 0, 1, -1));
        vm.expectRevert(abi.encodeWithSelector(Records.SumOutOfRange.selector, 0));
        store.settle(records, 0, 0);
    }

    /// @dev The same where no holding starts or ends, which another part of the pass applies.
    function test_Pitfall10_NorDo513CreditsOfAccountsThatHoldSomething() external {
        bytes memory records = Encoder.group(0);
        for (uint32 account = 100; account < 613; ++account) {
            store.setFlags(account, 1, 0);
            store.credit(account, 0, 1);
            // 512 · (2⁶³−2) + 1024 = 2⁷²: one atom of asset 1, which account 1000 pays.
            int256 amount = account < 612 ? int256(MAX) - 1 : int256(1_024);
            records = bytes.concat(records, Encoder.single(account, 0, 0, amount));
        }
        store.credit(1_000, 1, 2);
        records = bytes.concat(records, Encoder.single(1_000, 0, 1, -1));
        vm.expectRevert(abi.encodeWithSelector(Records.SumOutOfRange.selector, 0));
        store.settle(records, 0, 0);
    }

    /// @dev Credits and debits are each in range; only together they are not.
    function test_Pitfall10_CreditsAndDebitsMayEachReachTheRange() external {
        uint256 base = (uint256(keccak256("mooring.lanes.v1")) >> 48) << 48;
        vm.store(address(store), bytes32(base | (100 << 16) | 1), bytes32(MAX << 72));
        store.setFlags(101, 1, 0);
        bytes memory pay = Encoder.single(100, 0, 4, -int256(MAX));
        store.settle(bytes.concat(Encoder.group(1), pay, Encoder.single(101, 0, 4, int256(MAX))), 0, 0);
        Check.same(store.lane(101, 4), MAX);
    }

    function test_Pitfall10_DebitSumsAreGuardedToo() external {
        // Lanes that sum above the range cannot arise from deposits; write them as a fault would.
        uint256 base = (uint256(keccak256("mooring.lanes.v1")) >> 48) << 48;
        vm.store(address(store), bytes32(base | (100 << 16) | 1), bytes32(MAX << 72));
        vm.store(address(store), bytes32(base | (101 << 16) | 1), bytes32(MAX << 72));
        bytes memory records = bytes.concat(
            Encoder.group(1),
            Encoder.single(100, 0, 4, -int256(MAX)),
            Encoder.single(101, 0, 4, -int256(MAX))
        );
        vm.expectRevert(abi.encodeWithSelector(Records.SumOutOfRange.selector, 1));
        store.settle(records, 0, 0);
    }

    function test_MalformedBatchesAreRefusedByName() external {
        bytes memory pay = Encoder.single(16, 0, 0, -5);
        bytes memory gain = Encoder.single(17, 0, 0, 5);
        bytes memory list = Encoder.group(0);
        _refuse("", Records.MalformedRecords.selector);
        _refuse(hex"0200", Records.MalformedRecords.selector);
        _refuse(bytes.concat(list, pay, gain, hex"00"), Records.MalformedRecords.selector);
        _refuse(bytes.concat(list, gain, pay), Records.RecordsNotAscending.selector);
        _refuse(bytes.concat(list, pay, pay, gain), Records.RecordsNotAscending.selector);
        _refuse(bytes.concat(list, Encoder.single(0, 0, 0, 5), pay), Records.RecordsNotAscending.selector);
        _refuse(bytes.concat(list, pay, Encoder.single(17, 1, 0, 5)), Records.PlaceOutOfRange.selector);
        _refuse(bytes.concat(hex"0200010001", pay), Records.GroupsNotAscending.selector);
        _refuse(bytes.concat(hex"0200020001", pay), Records.GroupsNotAscending.selector);
        _refuse(bytes.concat(list, pay), Records.Unbalanced.selector);
        _refuse(bytes.concat(list, pay, Encoder.single(17, 0, 1, 5)), Records.Unbalanced.selector);
        _refuse(bytes.concat(list, Encoder.single(16, 0, 0, -1_001), gain), LaneStore.LaneOutOfRange.selector);
        _refuse(bytes.concat(list, pay, Encoder.single(17, 0, 0, 0)), Records.MalformedRecord.selector);
        _refuse(bytes.concat(list, bytes32(pay) | bytes32(uint256(1) << 136), gain), Records.MalformedRecord.selector);
    }

    function test_TheLiteralsOfTheAssemblyAreTheConstantsOfTheLibrary() external view {
        uint256[2][7] memory pairs = store.literals();
        for (uint256 i = 0; i < 7; ++i) Check.same(pairs[i][0], pairs[i][1]);
    }

    function test_Pitfall9_ARepeatedRecordIsRefused() external {
        bytes memory pay = Encoder.single(16, 0, 0, -5);
        bytes memory gain = Encoder.single(17, 0, 0, 5);
        _refuse(bytes.concat(Encoder.group(0), pay, gain, gain), Records.RecordsNotAscending.selector);
        _refuse(bytes.concat(hex"0200000000", pay, gain), Records.GroupsNotAscending.selector);
    }

    /// @dev Classes are 1 to 84; the rule word has no room for others.
    function test_AClassBeyondTheRulesIsRefused() external {
        bytes memory records = bytes.concat(
            Encoder.group(1),
            Encoder.single(16, 0, 3, -5),
            Encoder.single(17, 0, 3, 5)
        );
        for (uint256 class = 85; class < 256; class += 17) {
            store.setFlags(17, uint8(class), 0);
            _refuse(records, LaneStore.ClassRefused.selector);
        }
    }

    function test_Pitfall24_ABatchMayHaveEveryGroupThatItCanList() external {
        uint16[] memory list = new uint16[](255);
        bytes memory pay;
        bytes memory gain;
        for (uint16 place = 0; place < 255; ++place) {
            list[place] = place + 5;
            store.setRule(list[place] * 3, 2);
            store.credit(16, list[place] * 3, 9);
            pay = bytes.concat(pay, Encoder.single(16, uint8(place), 0, -9));
            gain = bytes.concat(gain, Encoder.single(17, uint8(place), 0, 9));
        }
        store.settle(bytes.concat(Encoder.groups(list), pay, gain), 0, 0);
        Check.same(store.lane(16, 15), 0);
        Check.same(store.lane(17, 259 * 3), 9);
    }

    function test_StrayBitsOfALegAreRefused() external {
        bytes32 legal = bytes32(Encoder.single(17, 0, 0, 5));
        for (uint256 lane = 0; lane < 3; ++lane) {
            for (uint256 bit = 63; bit < 72; ++bit) {
                if (bit == 64) continue;
                bytes memory stray = abi.encodePacked(legal | bytes32(1 << (72 * lane + bit)));
                _refuse(bytes.concat(Encoder.group(0), stray), Records.MalformedRecord.selector);
            }
        }
    }

    function test_AnUnknownOrRefusedReceiverStopsTheBatch() external {
        bytes memory pay = Encoder.single(16, 0, 0, -5);
        bytes memory toUnknown = bytes.concat(Encoder.group(0), pay, Encoder.single(77, 0, 0, 5));
        _refuse(toUnknown, LaneStore.ClassRefused.selector);
        store.setFlags(17, 2, 0);
        _refuse(bytes.concat(Encoder.group(0), pay, Encoder.single(17, 0, 0, 5)), LaneStore.ClassRefused.selector);
        // Its class stands in its group-0 word, also when the batch touches another group only.
        bytes memory other = bytes.concat(Encoder.group(1), Encoder.single(16, 0, 3, -5), Encoder.single(17, 0, 3, 5));
        _refuse(other, LaneStore.ClassRefused.selector);
        // Who only pays may be of any class.
        store.settle(bytes.concat(Encoder.group(1), Encoder.single(16, 0, 3, 5), Encoder.single(17, 0, 3, -5)), 0, 0);
    }

    function test_AnotherAccountsClassIsNotReused() external {
        store.setFlags(17, 2, 0);
        bytes memory records = bytes.concat(
            Encoder.group(1),
            Encoder.single(16, 0, 3, 5),
            Encoder.single(17, 0, 3, 5),
            Encoder.single(18, 0, 3, -10)
        );
        _refuse(records, LaneStore.ClassRefused.selector);
    }

    function test_TheSumMayDifferByTheDeclaredChangeOnly() external {
        bytes memory records = bytes.concat(Encoder.group(1), Encoder.single(16, 0, 4, 5));
        vm.expectPartialRevert(Records.Unbalanced.selector);
        store.settle(records, 4, 6);
        vm.expectPartialRevert(Records.Unbalanced.selector);
        store.settle(records, 3, 5);
        vm.expectPartialRevert(Records.Unbalanced.selector);
        store.settle(records, 4, -5);
        store.settle(records, 4, 5);
        Check.same(store.lane(16, 4), 1_005);
    }

    function test_AnEmptyBatchIsBalanced() external {
        store.settle(hex"00", 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Records.SupplyGroupMissing.selector, 1));
        store.settle(hex"00", 1, 5);
    }

    function test_AnAmountBeyondTheRangeIsRefused() external {
        vm.expectRevert(abi.encodeWithSelector(LaneStore.AmountOutOfRange.selector, MAX + 1));
        store.credit(100, 0, MAX + 1);
        vm.expectRevert(abi.encodeWithSelector(LaneStore.AmountOutOfRange.selector, MAX + 1));
        store.debit(100, 0, MAX + 1);
        vm.expectRevert(abi.encodeWithSelector(LaneStore.TotalOutOfRange.selector, 0));
        store.credit(100, 0, MAX);
    }

    function _refuse(bytes memory records, bytes4 selector) private {
        try store.settle(records, 0, 0) {
            Check.isTrue(false, "accepted");
        } catch (bytes memory reason) {
            Check.same(bytes32(bytes4(reason)), bytes32(selector));
        }
    }
}
