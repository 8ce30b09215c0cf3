// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {Authority} from "../../contracts/access/Authority.sol";
import {Roles} from "../../contracts/access/Roles.sol";
import {Suite} from "./Suite.sol";
import {Check, vm} from "./Vm.sol";

/// @notice What the Authority adds to OpenZeppelin's AccessManager.
contract AuthorityTest is Suite {
    function _delay(uint64 role, address holder) private view returns (uint32 delay) {
        (, delay) = authority.hasRole(role, holder);
    }

    function test_Pitfall03_GrantingAgainNeverShortensADelay() external {
        authority.grantRole(Roles.RISK_ADMIN, STRANGER, 2 days);
        authority.grantRole(Roles.RISK_ADMIN, STRANGER, 0);
        vm.warp(block.timestamp + 30 days);
        Check.same(_delay(Roles.RISK_ADMIN, STRANGER), 2 days);
        authority.grantRole(Roles.RISK_ADMIN, STRANGER, 3 days);
        vm.warp(block.timestamp + 30 days);
        Check.same(_delay(Roles.RISK_ADMIN, STRANGER), 3 days);
        authority.revokeRole(Roles.RISK_ADMIN, STRANGER);
        authority.grantRole(Roles.RISK_ADMIN, STRANGER, 1 hours);
        Check.same(_delay(Roles.RISK_ADMIN, STRANGER), 1 hours);
    }

    function test_Pitfall03_NoTwoAssetsAndNoGlobalRoleShareAnId() external pure {
        for (uint64 role = 0; role < 16; ++role) {
            Check.isTrue(Roles.ofAsset(role, 0) != Roles.ofAsset(role, 1), "assets");
            Check.isTrue(Roles.ofAsset(role, 0) >= 1 << 16, "global");
            Check.isTrue(Roles.ofAsset(role, type(uint16).max) < type(uint64).max, "public");
        }
    }

    function testFuzz_Pitfall03_RoleIdsAreDistinct(uint8 a, uint16 assetA, uint8 b, uint16 assetB) external pure {
        bool same = a == b && assetA == assetB;
        Check.isTrue(same == (Roles.ofAsset(a, assetA) == Roles.ofAsset(b, assetB)), "distinct");
    }

    function test_Pitfall17_AnUpgraderNeverHasLessThanTheUpgradeDelay() external {
        authority.grantRole(Roles.UPGRADER, OFFICER, 0);
        Check.same(_delay(Roles.UPGRADER, OFFICER), UPGRADE_DELAY);
        authority.revokeRole(Roles.UPGRADER, OFFICER);
        authority.grantRole(Roles.UPGRADER, OFFICER, 1);
        Check.same(_delay(Roles.UPGRADER, OFFICER), UPGRADE_DELAY);
        authority.grantRole(Roles.UPGRADER, STRANGER, UPGRADE_DELAY + 1);
        Check.same(_delay(Roles.UPGRADER, STRANGER), UPGRADE_DELAY + 1);
    }

    function test_TheHoldersOfAGlobalRoleNameThoseOfAnAsset() external {
        authority.grantRole(Roles.ISSUER, OFFICER, 0);
        authority.grantRole(Roles.DISTRIBUTOR, OFFICER, 0);
        uint64 issuer = Roles.ofAsset(Roles.ISSUER, GOLD);
        vm.startPrank(OFFICER);
        authority.grantRole(issuer, BOB, 0);
        authority.grantRole(Roles.ofAsset(Roles.DISTRIBUTOR, GOLD), BOB, 0);
        vm.stopPrank();
        (bool isMember, ) = authority.hasRole(issuer, BOB);
        Check.isTrue(isMember, "issuer");
        vm.prank(BOB);
        vm.expectRevert();
        authority.grantRole(issuer, STRANGER, 0);
    }

    function test_Pitfall17_UpgradesStayWithTheRoleThatWaits() external {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = gold.upgradeToAndCall.selector;
        uint64[2] memory others = [Roles.ADMIN, type(uint64).max];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Authority.UpgradesAreOfUpgrader.selector, address(gold), others[i]));
            authority.setTargetFunctionRole(address(gold), selectors, others[i]);
        }
        authority.setTargetFunctionRole(address(gold), selectors, Roles.UPGRADER);
        // Everything else of a token is still the admin's to bind.
        selectors[0] = gold.recover.selector;
        authority.setTargetFunctionRole(address(gold), selectors, Roles.ADMIN);
    }

    function test_Pitfall17_ATokenKeepsItsAuthority() external {
        address next = _new("Authority", abi.encode(address(this), address(assets), uint32(0)));
        vm.expectRevert(abi.encodeWithSelector(Authority.TokenStaysHere.selector, address(gold)));
        authority.updateAuthority(address(gold), next);
        bytes memory move = abi.encodeCall(IAccessManaged.setAuthority, (next));
        bytes memory refused = abi.encodeWithSelector(
            IAccessManager.AccessManagerUnauthorizedCall.selector,
            address(this),
            address(gold),
            IAccessManaged.setAuthority.selector
        );
        vm.expectRevert(refused);
        authority.execute(address(gold), move);
        vm.expectRevert(refused);
        authority.schedule(address(gold), move, 0);
        Check.same(gold.authority(), address(authority));
        authority.updateAuthority(address(supply), next);
        Check.same(supply.authority(), next);
    }
}
