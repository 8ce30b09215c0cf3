import { present } from '#kernel/assert.ts'
import abis from './abi.json' with { type: 'json' }

/** JSON ABI of a contract, as the compiler wrote it. */
export type Abi = (typeof abis)[keyof typeof abis]

const ABIS: Readonly<Record<string, Abi>> = abis

/** Names of the contracts of the suite. */
export function contractNames(): readonly string[] {
  return Object.keys(ABIS)
}

export function findAbi(contract: string): Abi | undefined {
  return ABIS[contract]
}

export function abiOf(contract: string): Abi {
  return present(ABIS[contract], `ABI of ${contract}`)
}
