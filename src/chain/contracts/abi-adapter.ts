import { Interface } from 'ethers'
import type { Hex } from '../hex.ts'
import { abiOf, contractNames } from './abi.ts'

const interfaces = new Map<string, Interface>()

/** Made once per process and contract, since making one takes milliseconds. */
export function interfaceOf(contract: string): Interface {
  const made = interfaces.get(contract)
  if (made !== undefined) return made
  const fresh = new Interface(abiOf(contract))
  interfaces.set(contract, fresh)
  return fresh
}

export function encodeCall(contract: string, name: string, values: readonly unknown[]): Hex {
  return asHex(interfaceOf(contract).encodeFunctionData(name, [...values]))
}

/**
 * What a revert says: `WrongHead(0x…, 0x…)`, `reverted: text` for `require`, the bare data for an
 * error that no contract of the suite declares.
 */
export function describeRevert(data: string): string {
  if (data.length < 10) return 'reverted without a reason'
  for (const contract of contractNames()) {
    const error = interfaceOf(contract).parseError(data)
    if (error === null) continue
    if (error.name === 'Error') return `reverted: ${String(error.args[0])}`
    return `${error.name}(${error.args.map(String).join(', ')})`
  }
  return `reverted with ${data.slice(0, 74)}`
}

function asHex(text: string): Hex {
  return `0x${text.slice(2)}`
}
