import { assert } from '#kernel/assert.ts'
import { addressOf } from './hex.ts'

/** Where the contracts are. */
export interface Deployment {
  readonly chainId: number
  /** The block before which none of their events can be. */
  readonly deployedAt: number
  /** Addresses by name of the contract. */
  readonly contracts: Readonly<Record<string, string>>
}

/** Contracts whose events the node follows. */
export const WATCHED_CONTRACTS = [
  'ClearingHouse',
  'InvestorRegistry',
  'AssetRegistry',
  'SupplyController',
] as const

export type WatchedContract = (typeof WATCHED_CONTRACTS)[number]

/** Brings addresses to lower case; every watched contract must be there. */
export function normalizeDeployment({ chainId, deployedAt, contracts }: Deployment): Deployment {
  const missing = WATCHED_CONTRACTS.filter((name) => contracts[name] === undefined)
  assert(missing.length === 0, `no address of ${missing.join(', ')}`)
  const addresses = Object.entries(contracts).map(([name, address]) => [
    name,
    addressOf(address, name),
  ])
  return { chainId, deployedAt, contracts: Object.fromEntries(addresses) }
}
