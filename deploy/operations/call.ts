import { parseJson } from '#kernel/json.ts'
import { getAddress, isAddress } from 'ethers'
import { contractNames } from '../contracts/artifact.ts'
import { deployErrors } from '../contracts/errors.ts'
import { interfaceAt, nameOf } from './operation.ts'
import type { Call, Operation } from './operation.ts'

/** A call as an operator writes it down. */
export interface WrittenCall {
  /** Name of a contract of the suite, or the address of a token. */
  readonly target: string
  readonly name: string
  /** A JSON array; whole numbers as strings. */
  readonly values: string
}

/** Encodes a written call; throws `deploy.setting_malformed`. */
export function parseCall(operation: Operation, { target, name, values }: WrittenCall): Call {
  const known = contractNames().find((contract) => contract === target)
  if (known === undefined && !isAddress(target))
    throw deployErrors.setting_malformed(
      `${target} is neither a contract of the suite nor an address`,
    )
  const address = known === undefined ? getAddress(target) : operation.deployment.contracts[known]
  const abi = interfaceAt(operation, address)
  try {
    const list: unknown = parseJson(values)
    const data = abi.encodeFunctionData(name, Array.isArray(list) ? list : [list])
    return { target: address, data, title: `${nameOf(operation, address)}.${name}${values}` }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw deployErrors.setting_malformed(`${name}${values}: ${reason}`)
  }
}
