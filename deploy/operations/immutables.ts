import { getAddress, zeroPadValue } from 'ethers'
import { deployErrors } from '../contracts/errors.ts'
import type { Build } from './storage-layout.ts'

/** Values of immutables by `Contract.variable`, one word each as hex. */
export type Immutables = ReadonlyMap<string, string>

/** What an implementation says of itself. */
const OWN_ADDRESS: ReadonlySet<string> = new Set(['UUPSUpgradeable.__self', 'EIP712._cachedThis'])
/** Follows from the others, and is not used behind a proxy. */
const DERIVED: ReadonlySet<string> = new Set(['EIP712._cachedDomainSeparator'])

/** Reads what a deployed code keeps; throws `deploy.immutables_differ` when one has two values. */
export function readImmutables(
  code: string,
  { immutables }: Pick<Build, 'immutables'>,
): Immutables {
  const values = new Map<string, string>()
  for (const { name, start, length } of immutables) {
    const value = `0x${code.slice(2 + start * 2, 2 + (start + length) * 2).toLowerCase()}`
    const known = values.get(name) ?? value
    if (known !== value) throw differ(name, known, value)
    values.set(name, value)
  }
  return values
}

/**
 * Refuses code at `address` that would serve another vault, controller or registry than the code that runs, or sign
 * permits for another name: what both keep must be the same, and a new immutable must be a contract of the suite. Throws
 * `deploy.immutables_differ`.
 */
export function requireSameImmutables(
  before: Immutables,
  after: Immutables,
  { address, suite }: { readonly address: string; readonly suite: readonly string[] },
): void {
  const contracts = new Set(suite.map(wordOf))
  for (const [name, value] of after) {
    if (DERIVED.has(name)) continue
    const expected = OWN_ADDRESS.has(name) ? wordOf(address) : before.get(name)
    const isRight = expected === undefined ? contracts.has(value) : expected === value
    if (!isRight) throw differ(name, expected ?? 'a contract of the suite', value)
  }
}

function wordOf(address: string): string {
  return zeroPadValue(getAddress(address), 32).toLowerCase()
}

function differ(name: string, expected: string, value: string): Error {
  return deployErrors.immutables_differ(`${name} is ${value} where ${expected} is expected`)
}
