// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IAssets} from "../types/IAssets.sol";
import {IPolicyModule, Move} from "./IPolicyModule.sol";
import {InvestorRegistry} from "./InvestorRegistry.sol";
import {Party} from "./Party.sol";

/// @title The rules of each asset about moves between wallets.
/// @notice An asset has at most eight modules. The clearing house and the supply controller may always pay out: their
/// payments are recorded but never checked, and a module that fails there is passed over, so that no rule stops a
/// withdrawal or an exit.
/// @dev Everything is kept per asset and every call carries the asset id, so that assets never share state by accident.
contract PolicyEngine is AccessManaged, ReentrancyGuardTransient {
    /// @param token The token that may call `enforce`; zero while the asset never had a module.
    /// @param count Modules.
    /// @param modules Address (160 bits) and capabilities (8 bits) of each in one word.
    struct Policy {
        address token;
        uint8 count;
        uint256[8] modules;
    }

    /// @notice Modules of an asset at most.
    uint256 public constant MAX_MODULES = 8;
    /// @notice The code for a module that reverts when asked.
    uint8 public constant MODULE_BROKEN = 255;
    /// @notice Gas for a module to record a payment of the suite.
    uint256 public constant RECORD_GAS = 150_000;

    uint256 private constant CHECKS = 1;
    uint256 private constant RECORDS = 2;
    uint256 private constant CAPABILITY_SHIFT = 160;
    /// @dev A `Move` in calldata, and what a question takes in memory.
    uint256 private constant MOVE_BYTES = 288;
    uint256 private constant ROOM = 320;

    InvestorRegistry public immutable INVESTOR_REGISTRY;
    IAssets public immutable ASSET_REGISTRY;
    address public immutable CLEARING_HOUSE;

    mapping(uint16 asset => Policy) private _policies;

    error NotToken(address caller, uint16 asset);
    error NoOwnToken(uint16 asset);
    error TooManyModules(uint16 asset);
    error ModuleKnown(uint16 asset, address module);
    error ModuleUnknown(uint16 asset, address module);
    error CapabilitiesRefused(address module, uint8 capabilities);

    /// @notice An asset has one rule more. `capabilities`: bit 0 checks, bit 1 records.
    event ModuleAdded(uint16 indexed asset, address indexed module, uint8 capabilities);
    /// @notice An asset has one rule less; `isForced` when the module was not told.
    event ModuleRemoved(uint16 indexed asset, address indexed module, bool isForced);
    /// @notice A module could not record a payment of the suite.
    event ModuleFailed(uint16 indexed asset, address indexed module);

    constructor(
        address authority,
        InvestorRegistry investorRegistry,
        IAssets assetRegistry,
        address clearingHouse
    ) AccessManaged(authority) {
        INVESTOR_REGISTRY = investorRegistry;
        ASSET_REGISTRY = assetRegistry;
        CLEARING_HOUSE = clearingHouse;
    }

    /// @notice Asks and tells the modules of an asset about a move that is about to happen. Caller: the asset's token.
    /// @dev Errors: NotToken.
    /// @param move The move; for a payment of the suite both parties are left empty.
    /// @param isChecked Whether the rules apply: not to payments of the suite, forced moves and recoveries.
    /// @return code 0, or why the move is refused; then the caller must revert.
    function enforce(Move calldata move, bool isChecked) external returns (uint8 code) {
        Policy storage policy = _policies[move.asset];
        (address token, uint256 count) = (policy.token, policy.count);
        if (count == 0) return 0;
        if (msg.sender != token) revert NotToken(msg.sender, move.asset);
        bool records;
        (code, records) = _check(policy.modules, count, isChecked);
        if (records && code == 0) _record(policy.modules, count, move);
    }

    /// @notice Adds a rule to an asset. Caller: POLICY_ADMIN.
    /// @dev Errors: NoOwnToken, TooManyModules, ModuleKnown, CapabilitiesRefused.
    /// @param asset An asset with a token of this suite.
    /// @param module A contract that the asset does not have yet.
    function addModule(uint16 asset, IPolicyModule module) external restricted {
        Policy storage policy = _policies[asset];
        if (policy.token == address(0)) policy.token = _ownToken(asset);
        uint256 count = policy.count;
        if (count == MAX_MODULES) revert TooManyModules(asset);
        if (_find(policy, count, module) != count) revert ModuleKnown(asset, address(module));
        uint8 capabilities = module.capabilities();
        if (capabilities == 0 || capabilities > (CHECKS | RECORDS)) {
            revert CapabilitiesRefused(address(module), capabilities);
        }
        policy.modules[count] = uint160(address(module)) | (uint256(capabilities) << CAPABILITY_SHIFT);
        policy.count = uint8(count + 1);
        emit ModuleAdded(asset, address(module), capabilities);
    }

    /// @notice Takes a rule from an asset and tells the module. Caller: POLICY_ADMIN.
    /// @dev Errors: ModuleUnknown, and the module's own.
    /// @param asset An asset that has the module.
    /// @param module The module.
    function removeModule(uint16 asset, IPolicyModule module) external restricted {
        _remove(asset, module, false);
        module.detached(asset);
    }

    /// @notice Takes a rule from an asset without a call to the module, so that a broken one can always go. Caller:
    /// POLICY_ADMIN.
    /// @dev Errors: ModuleUnknown.
    /// @param asset An asset that has the module.
    /// @param module The module.
    function forceRemoveModule(uint16 asset, IPolicyModule module) external restricted {
        _remove(asset, module, true);
    }

    /// @notice Why a move would be refused, 0 = by no module. A module that reverts counts as broken. Freezes and classes are the
    /// token's matter.
    /// @param asset Asset id.
    /// @param from Sending wallet.
    /// @param to Receiving wallet.
    /// @param amount Atoms.
    /// @return code The code of the first module that refuses, or `MODULE_BROKEN`.
    function check(uint16 asset, address from, address to, uint256 amount) external view returns (uint8 code) {
        Policy storage policy = _policies[asset];
        if (policy.count == 0) return 0;
        (Party sender, Party receiver) = INVESTOR_REGISTRY.partiesOf(from, to);
        if (sender.account() == 0) return 0;
        IERC20 token = IERC20(policy.token);
        uint256 balance = token.balanceOf(from);
        Move memory move = Move({
            token: policy.token,
            asset: asset,
            from: from,
            to: to,
            amount: amount > balance ? balance : amount,
            sender: sender,
            receiver: receiver,
            fromBalance: balance,
            toBalance: token.balanceOf(to)
        });
        bytes memory encoded = abi.encodeCall(IPolicyModule.check, (move));
        uint256 question;
        assembly ("memory-safe") {
            question := add(encoded, 0x20)
        }
        for (uint256 place = 0; place < policy.count && code == 0; ++place) {
            uint256 word = policy.modules[place];
            if (_has(word, CHECKS)) code = _ask(word, question);
        }
    }

    /// @notice The modules of an asset in the order in which they are asked.
    function modulesOf(uint16 asset) external view returns (address[] memory modules) {
        Policy storage policy = _policies[asset];
        modules = new address[](policy.count);
        for (uint256 place = 0; place < modules.length; ++place) modules[place] = _module(policy.modules[place]);
    }

    /// @dev Asks the modules one after the other until one refuses. Also tells whether any of them records.
    function _check(
        uint256[8] storage modules,
        uint256 count,
        bool isChecked
    ) private view returns (uint8 code, bool records) {
        uint256 question = _question();
        uint256 asked = isChecked ? CHECKS << CAPABILITY_SHIFT : 0;
        uint256 capabilities = 0;
        for (uint256 place = 0; place < count; ++place) {
            uint256 word = _at(modules, place);
            capabilities |= word;
            if (word & asked == 0) continue;
            code = _ask(word, question);
            if (code != 0) break;
        }
        records = _has(capabilities, RECORDS);
    }

    /// @dev The call `check(move)` in memory: in the calldata the move follows the selector as it is, which is what a module
    /// wants to be asked.
    function _question() private pure returns (uint256 question) {
        bytes4 selector = IPolicyModule.check.selector;
        assembly ("memory-safe") {
            question := mload(0x40)
            mstore(question, selector)
            calldatacopy(add(question, 4), 4, MOVE_BYTES)
            mstore(0x40, add(question, ROOM))
        }
    }

    function _record(uint256[8] storage modules, uint256 count, Move memory move) private nonReentrant {
        bool isPayment = move.sender.account() == 0;
        if (isPayment) move.receiver = INVESTOR_REGISTRY.partyOf(move.to);
        for (uint256 place = 0; place < count; ++place) {
            uint256 word = _at(modules, place);
            if (!_has(word, RECORDS)) continue;
            if (isPayment) _tellQuietly(word, move);
            else IPolicyModule(_module(word)).record(move);
        }
    }

    /// @dev The gas is limited, so that what is left always suffices to pay out.
    function _tellQuietly(uint256 word, Move memory move) private {
        try IPolicyModule(_module(word)).record{gas: RECORD_GAS}(move) {} catch {
            emit ModuleFailed(move.asset, _module(word));
        }
    }

    /// @dev By hand, so that a module which answers nonsense counts as broken instead of failing here.
    function _ask(uint256 word, uint256 question) private view returns (uint8) {
        uint256 answer = MODULE_BROKEN;
        assembly ("memory-safe") {
            // Only the address bits of the word count as the address.
            let isDone := staticcall(gas(), word, question, add(MOVE_BYTES, 4), 0, 0x20)
            if and(and(isDone, gt(returndatasize(), 0x1f)), lt(mload(0), answer)) {
                answer := mload(0)
            }
        }
        return uint8(answer);
    }

    /// @dev The word of a module; the place is below the count, which is at most eight.
    function _at(uint256[8] storage modules, uint256 place) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(add(modules.slot, place))
        }
    }

    function _remove(uint16 asset, IPolicyModule module, bool isForced) private {
        Policy storage policy = _policies[asset];
        uint256 count = policy.count;
        uint256 place = _find(policy, count, module);
        if (place == count) revert ModuleUnknown(asset, address(module));
        for (; place + 1 < count; ++place) policy.modules[place] = policy.modules[place + 1];
        policy.modules[count - 1] = 0;
        policy.count = uint8(count - 1);
        emit ModuleRemoved(asset, address(module), isForced);
    }

    /// @dev The place of a module, or `count` when the asset does not have it.
    function _find(Policy storage policy, uint256 count, IPolicyModule module) private view returns (uint256 place) {
        while (place < count && _module(policy.modules[place]) != address(module)) ++place;
    }

    function _ownToken(uint16 asset) private view returns (address token) {
        token = ASSET_REGISTRY.tokenOf(asset);
        if (token == address(0) || ASSET_REGISTRY.isExternal(asset)) revert NoOwnToken(asset);
    }

    function _has(uint256 word, uint256 capability) private pure returns (bool) {
        return (word >> CAPABILITY_SHIFT) & capability != 0;
    }

    function _module(uint256 word) private pure returns (address) {
        return address(uint160(word));
    }
}
