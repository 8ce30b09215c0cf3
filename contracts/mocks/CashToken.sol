// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Test cash for chains without value: 6 decimals, anyone may mint.
contract CashToken is ERC20Permit {
    constructor() ERC20("Test Cash", "CASH") ERC20Permit("Test Cash") {}

    /// @notice Mints to anybody. Caller: anyone.
    /// @param to Receiver.
    /// @param amount Token units, 10⁻⁶.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Always 6.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
