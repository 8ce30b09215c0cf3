import { expect, test } from 'vitest'
import { codeOf } from '../../scripts/contracts/build-plan.ts'

const input = {
  language: 'Solidity',
  sources: Object.fromEntries(
    ['npm/openzeppelin/ERC20.sol', 'project/contracts/A.sol', 'project/contracts/B.sol'].map(
      (name) => [name, { content: '' }],
    ),
  ),
  settings: {
    viaIR: true,
    optimizer: {},
    outputSelection: { '*': { '': ['ast'], '*': ['abi', 'evm.bytecode.object'] } },
  },
}

test('a run of the compiler generates only the code of its own files', () => {
  const { settings, sources } = codeOf(input, (file) => file === 'contracts/A.sol')
  expect(settings.outputSelection).toEqual({
    '*': { '-': ['abi'] },
    'project/contracts/A.sol': { '*': ['abi', 'evm.bytecode.object'] },
  })
  expect(settings).toMatchObject({ viaIR: true, optimizer: {} })
  expect(sources).toBe(input.sources)
})
