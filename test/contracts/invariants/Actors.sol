// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Roles} from "../../../contracts/access/Roles.sol";
import {Batch, BatchHeader} from "../../../contracts/types/Batch.sol";
import {Encoder} from "../Encoder.sol";
import {vm} from "../Vm.sol";
import {Market} from "./Market.sol";

/// @notice Everybody who does something: users, officers, the operator, and an operator who cheats.
/// @dev A call that finds nothing to do reverts, so that the calls that succeed did something.
abstract contract Actors is Market {
    modifier timed() {
        vm.warp(time);
        _;
        time = block.timestamp;
    }

    /// @notice What the invariants call, all of it.
    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](20);
        (list[0], list[1], list[2], list[3]) = (
            this.deposit.selector,
            this.withdraw.selector,
            this.trade.selector,
            this.chargeFee.selector
        );
        (list[4], list[5], list[6], list[7]) = (
            this.mint.selector,
            this.burn.selector,
            this.heartbeat.selector,
            this.exit.selector
        );
        (list[8], list[9], list[10], list[11]) = (
            this.freezeAccount.selector,
            this.freezeTokens.selector,
            this.transfer.selector,
            this.forceTransfer.selector
        );
        (list[12], list[13], list[14], list[15]) = (
            this.redeem.selector,
            this.attest.selector,
            this.moveCeiling.selector,
            this.donate.selector
        );
        (list[16], list[17], list[18], list[19]) = (
            this.replay.selector,
            this.cheat.selector,
            this.tryWhileStopped.selector,
            this.tryWithoutPermission.selector
        );
    }

    function deposit(uint256 who, uint256 asset, uint256 amount) external timed {
        uint32 user = _free(who);
        uint16 id = uint16(asset % ASSETS);
        bool isOwn = id == GOLD || id == SILVER;
        uint256 most = isOwn ? _spendable(user, id) : 1_000_000;
        _payIn(user, id, _within(amount, 1, most));
    }

    function withdraw(uint256 who, uint256 asset, uint256 amount) external timed {
        uint32 user = _free(who);
        uint16 id = uint16(asset % ASSETS);
        _payOut(user, id, _part(amount, lane[user][id]));
    }

    /// @dev Frozen accounts too: a freeze must not stop a batch.
    function trade(uint256 who, uint256 whom, uint256 asset, uint256 amount, uint256 price) external timed {
        uint32 seller = _user(who);
        uint32 buyer = _other(whom, seller);
        uint16 id = uint16(1 + (asset % (ASSETS - 1)));
        uint256 sold = _part(amount, lane[seller][id]);
        uint256 paid = _part(price, lane[buyer][0]);
        bytes memory records = _sale(seller, buyer, id, int256(sold), int256(paid));
        _accept(_header(Batch.TRADE, records), records);
        lane[seller][id] -= sold;
        lane[buyer][id] += sold;
        lane[buyer][0] -= paid;
        lane[seller][0] += paid;
    }

    function chargeFee(uint256 who, uint256 amount) external timed {
        uint32 user = _user(who);
        uint256 fee = _part(amount, lane[user][0]);
        bytes memory records = bytes.concat(
            Encoder.group(0),
            Encoder.single(1, 0, 0, int256(fee)),
            Encoder.single(user, 0, 0, -int256(fee))
        );
        _accept(_header(Batch.TRADE, records), records);
        lane[user][0] -= fee;
        lane[1][0] += fee;
    }

    /// @dev Sometimes more than is allowed.
    function mint(uint256 who, uint256 asset, uint256 amount) external timed {
        uint16 id = asset % 2 == 0 ? GOLD : SILVER;
        (, uint64 ceiling, ) = supply.supplyOf(id);
        uint256 most = ceiling;
        if (id == SILVER && _reserveNow() < most) most = _reserveNow();
        most = most > issued[id] ? most - issued[id] : 0;
        if (supply.mintableOf(id) < most) most = supply.mintableOf(id);
        // Every fourth time by one atom too many, whichever gate is the narrowest.
        uint256 minted = amount % 4 == 0 ? most + 1 : _within(amount, 1, most + most / 4);
        _changeSupply(_user(who), id, int64(uint64(minted)));
        bool isAbove = issued[id] > ceiling || (id == SILVER && issued[id] > _reserveNow());
        if (isAbove) isBroken[7] = true;
    }

    function burn(uint256 who, uint256 asset, uint256 amount) external timed {
        uint16 id = asset % 2 == 0 ? GOLD : SILVER;
        uint32 user = _user(who);
        _changeSupply(user, id, -int64(uint64(_part(amount, lane[user][id]))));
    }

    function heartbeat(uint256 wait) external timed {
        vm.warp(block.timestamp + _within(wait, 1, 6 hours));
        _accept(_header(Batch.HEARTBEAT, hex"00"), hex"00");
    }

    /// @dev The whole way out of one asset or all, and back in.
    function exit(uint256 who, uint256 which) external timed {
        uint32 user = _free(who);
        address wallet = _wallet(user);
        vm.prank(wallet);
        vault.requestExit();
        vm.warp(block.timestamp + EXIT_DELAY);
        _accept(_header(Batch.HEARTBEAT, hex"00"), hex"00");
        uint16[] memory list = new uint16[](1 + (which % ASSETS));
        for (uint16 i = 0; i < list.length; ++i) {
            list[i] = uint16((which / ASSETS + i) % ASSETS);
            sum[list[i]] -= lane[user][list[i]];
            lane[user][list[i]] = 0;
        }
        vm.startPrank(wallet);
        vault.executeExit(list);
        vault.cancelExit();
        vm.stopPrank();
    }

    /// @dev Freezes, or unfreezes when two are frozen.
    function freezeAccount(uint256 who) external timed {
        uint256 count = 0;
        uint32 frozen = 0;
        for (uint32 user = FIRST; user < FIRST + USERS; ++user) {
            if (isFrozenAccount[user]) (count, frozen) = (count + 1, user);
        }
        if (count == 2) {
            vm.prank(FREEZER);
            registry.unfreeze(frozen, "order");
            isFrozenAccount[frozen] = false;
        } else {
            _freezeOne(_free(who));
        }
    }

    function freezeTokens(uint256 who, uint256 amount) external timed {
        address wallet = _wallet(_user(who));
        uint256 held = gold.balanceOf(wallet);
        frozenTokens[wallet] = _within(amount, 0, held + held / 4);
        vm.prank(FREEZER);
        gold.setFrozenTokens(wallet, frozenTokens[wallet]);
    }

    function transfer(uint256 who, uint256 whom, uint256 amount) external timed {
        uint32 user = _free(who);
        address from = _wallet(user);
        address to = _wallet(_free(_other(whom, user)));
        uint256 held = gold.balanceOf(from);
        uint256 most = _spendable(user, GOLD);
        amount = _within(amount, 1, most + most / 8);
        // Straight to the vault it would belong to nobody.
        _try(from, address(gold), abi.encodeCall(gold.transfer, (address(vault), amount)));
        vm.prank(from);
        gold.transfer(to, amount);
        if (from != to && held - amount < frozenTokens[from]) isBroken[6] = true;
    }

    /// @dev First all of it to oneself, which must be refused: it would unfreeze whatever is frozen.
    function forceTransfer(uint256 who, uint256 whom, uint256 amount) external timed {
        uint32 user = _user(who);
        address from = _wallet(user);
        uint256 held = gold.balanceOf(from);
        amount = _within(amount, 1, held);
        bytes memory toSelf = abi.encodeCall(gold.forcedTransferWithDocument, (from, from, held, "order"));
        _try(ENFORCER, address(gold), toSelf);

        uint32 receiver = _free(_other(whom, user));
        if (receiver == user) revert NothingToDo();
        vm.prank(ENFORCER);
        gold.forcedTransferWithDocument(from, _wallet(receiver), amount, "order");
        uint256 unfrozen = held > frozenTokens[from] ? held - frozenTokens[from] : 0;
        if (amount > unfrozen) frozenTokens[from] -= amount - unfrozen;
    }

    /// @dev A request that is settled and claimed, or cancelled.
    function redeem(uint256 who, uint256 amount, bool isSettled) external timed {
        uint32 user = _free(who);
        amount = _within(amount, 1, _spendable(user, GOLD));
        vm.startPrank(_wallet(user));
        gold.approve(address(supply), amount);
        uint256 id = supply.requestRedeem(GOLD, amount, 1);
        if (!isSettled) supply.cancelRedeem(id);
        vm.stopPrank();
        if (!isSettled) return;
        cash.mint(OFFICER, amount);
        vm.startPrank(OFFICER);
        cash.approve(address(supply), amount);
        supply.settleRedeem(id, amount, uint128(amount), "price");
        vm.stopPrank();
        issued[GOLD] -= amount;
        vm.prank(_wallet(user));
        supply.claimRedeem(id);
    }

    /// @dev Also fewer than exist, and none.
    function attest(uint256 amount, uint256 wait) external timed {
        vm.warp(block.timestamp + _within(wait, 1, 1 days));
        _attest(int256(_within(amount, 0, issued[SILVER] + 50_000)));
    }

    function moveCeiling(uint256 asset, uint256 gap) external timed {
        uint16 id = asset % 2 == 0 ? GOLD : SILVER;
        gap = _within(gap, 0, 150_000);
        vm.startPrank(OFFICER);
        if (gap % 3 == 0) supply.setCeiling(id, uint64(issued[id] + gap));
        else supply.setLine(id, CEILING, uint64(gap), 1 hours);
        vm.stopPrank();
    }

    function donate(uint256 asset, uint256 amount) external timed {
        uint16 id = asset % 2 == 0 ? 0 : EURO;
        amount = _within(amount, 1, 10_000);
        if (id == 0) cash.mint(address(vault), amount);
        else euro.mint(address(vault), amount);
        donated[id] += amount;
    }

    /// @dev The batch that is the head, once more.
    function replay() external timed {
        bytes32 before = _digest();
        BatchHeader memory header = lastHeader;
        _trySettle(header, lastRecords);
        if (_digest() != before) isBroken[4] = true;
    }

    /// @dev Batches that must be refused. One that is accepted is missing in the books.
    function cheat(uint256 who, uint256 whom, uint256 how, uint256 amount) external timed {
        uint32 seller = _user(who);
        uint32 buyer = _other(whom, seller);
        uint256 held = lane[seller][GOLD];
        int256 money = int256(_within(amount, 1, lane[buyer][0]));
        int256 sold = int256(_within(amount, 1, held));
        if (how % 5 == 0) sold = int256(held + _within(amount, 1, 1_000_000));
        bytes memory records = _sale(seller, buyer, GOLD, sold, money);
        BatchHeader memory header = _header(Batch.TRADE, records);
        if (how % 5 == 1) {
            records = bytes.concat(Encoder.group(0), Encoder.single(buyer, 0, 0, money));
            header.recordsHash = keccak256(records);
        }
        if (how % 5 == 2) header.prevHead = keccak256(abi.encode(amount));
        if (how % 5 == 3) ++header.sequence;
        if (how % 5 == 4) {
            // Paid past the turnover limit, beside the burn of one atom.
            records = bytes.concat(Encoder.group(0), _burnBeside(seller, buyer, money));
            header = _supplyHeader(GOLD, -1, records);
        }
        _trySettle(header, records);
    }

    /// @dev The seller is paid and loses an atom of GOLD to nobody.
    function _burnBeside(uint32 seller, uint32 buyer, int256 money) private pure returns (bytes memory) {
        int256[3] memory legs = [money, -1, 0];
        bytes memory sold = Encoder.record(seller, 0, legs);
        bytes memory paid = Encoder.single(buyer, 0, 0, -money);
        return seller < buyer ? bytes.concat(sold, paid) : bytes.concat(paid, sold);
    }

    /// @dev What must not move while vault and token are paused, or the vault is closed.
    function tryWhileStopped(uint256 who, bool isClosed) external timed {
        uint32 user = _free(who);
        if (isClosed) {
            authority.setTargetClosed(address(vault), true);
        } else {
            vm.startPrank(PAUSER);
            vault.pause();
            gold.pause();
            vm.stopPrank();
        }
        cash.mint(_wallet(user), 10);
        bytes32 before = _digest();
        _tryEverything(user, isClosed);
        if (_digest() != before) isBroken[11] = true;
        if (isClosed) {
            authority.setTargetClosed(address(vault), false);
        } else {
            vm.startPrank(UNPAUSER);
            vault.unpause();
            gold.unpause();
            vm.stopPrank();
        }
    }

    function _tryEverything(uint32 user, bool isClosed) private {
        uint32 other = _other(0, user);
        bytes memory records = _sale(user, other, EURO, 1, 1);
        _trySettle(_header(Batch.TRADE, records), records);
        _try(SETTLER, address(vault), abi.encodeCall(vault.withdraw, (bytes32(++ids), user, 0, 1)));
        // Closing stops what is `restricted`; users stay free, so that nobody can shut them in.
        if (isClosed) return;
        address wallet = _wallet(user);
        vm.prank(wallet);
        cash.approve(address(vault), 10);
        _try(wallet, address(vault), abi.encodeCall(vault.deposit, (0, 10)));
        _try(wallet, address(gold), abi.encodeCall(gold.transfer, (_wallet(_free(other)), 1)));
    }

    /// @dev SETTLER tries to mint, ENFORCER to unfreeze, both to get the permission.
    function tryWithoutPermission(uint256 who) external timed {
        uint32 user = _user(who);
        if (!isFrozenAccount[user]) _freezeOne(user);
        bool done = _try(SETTLER, address(gold), abi.encodeCall(gold.mint, (1)));
        done = _try(SETTLER, address(supply), abi.encodeCall(supply.applySupply, (GOLD, 1))) || done;
        done = _try(SETTLER, address(supply), abi.encodeCall(supply.setCeiling, (GOLD, CEILING))) || done;
        done = _try(SETTLER, address(supply), abi.encodeCall(supply.setRate, (GOLD, 0, 0))) || done;
        done = _try(SETTLER, address(gate), abi.encodeCall(gate.setRule, (SILVER, 0, 1))) || done;
        done = _tryToEnforce(user) || done;
        uint64 freezer = Roles.ofAsset(Roles.FREEZER, GOLD);
        done = _try(ENFORCER, address(authority), abi.encodeCall(authority.grantRole, (freezer, ENFORCER, 0))) || done;
        bytes memory grant = abi.encodeCall(authority.grantRole, (Roles.SUPPLY_ADMIN, SETTLER, 0));
        done = _try(SETTLER, address(authority), grant) || done;
        if (done) isBroken[12] = true;
        // Back again, so that not everybody ends frozen.
        if (registry.isFrozen(user)) {
            vm.prank(FREEZER);
            registry.unfreeze(user, "order");
        }
        isFrozenAccount[user] = false;
    }

    function _tryToEnforce(uint32 user) private returns (bool done) {
        address wallet = _wallet(user);
        done = _try(ENFORCER, address(registry), abi.encodeCall(registry.unfreeze, (user, "mine")));
        done = _try(ENFORCER, address(gold), abi.encodeCall(gold.setFrozenTokens, (wallet, 0))) || done;
        uint256 frozen = frozenTokens[wallet];
        bytes memory compared = abi.encodeCall(gold.setFrozenIf, (wallet, frozen, 0, "mine"));
        done = _try(ENFORCER, address(gold), compared) || done;
        done = _try(ENFORCER, address(registry), abi.encodeCall(registry.setClass, (user, 9, 0))) || done;
    }

    function _freezeOne(uint32 user) private {
        vm.prank(FREEZER);
        registry.freeze(user, "order");
        isFrozenAccount[user] = true;
    }

    /// @dev What a wallet could move of an own token now.
    function _spendable(uint32 user, uint16 asset) private view returns (uint256) {
        address wallet = _wallet(user);
        uint256 held = _token(asset).balanceOf(wallet);
        uint256 frozen = asset == GOLD ? frozenTokens[wallet] : 0;
        return held > frozen ? held - frozen : 0;
    }
}
