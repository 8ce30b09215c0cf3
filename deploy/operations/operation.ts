import { Contract, getAddress, isError } from 'ethers'
import { contractNames, readArtifact } from '../contracts/artifact.ts'
import { interfaceOf } from '../contracts/plan.ts'
import type { BlockTag, Interface, Provider, Signer } from 'ethers'
import type { Deployment } from '../contracts/addresses-file.ts'
import type { ContractName } from '../contracts/artifact.ts'

/** What an operator's script works with. */
export interface Operation {
  /** Whose roles are used. */
  readonly signer: Signer
  readonly provider: Provider
  readonly deployment: Deployment
  /** Says what would be done and sends nothing. */
  readonly isDryRun: boolean
  /** One line for people. */
  readonly report: (line: string) => void
  /** Shows how far a long read is, in place of what it showed before; empty at the end. */
  readonly progress?: ((text: string) => void) | undefined
}

/** A call that somebody must have the right to make. */
export interface Call {
  readonly target: string
  readonly data: string
  /** What it is, for people. */
  readonly title: string
}

/** A contract of the suite, read through the provider. */
export function contractOf({ deployment, provider }: Operation, name: ContractName): Contract {
  return new Contract(deployment.contracts[name], interfaceOfContract(name), provider)
}

export function interfaceOfContract(name: ContractName): Interface {
  return interfaceOf(readArtifact(name).abi)
}

/** A view's answer, not looked into. */
export async function readView(
  contract: Contract,
  name: string,
  ...values: readonly unknown[]
): Promise<unknown> {
  const answer: unknown = await contract.getFunction(name).staticCall(...values)
  return answer
}

/** Name of a contract of the suite at an address, else the address. */
export function nameOf(operation: Operation, address: string): string {
  return suiteNameOf(operation, address) ?? getAddress(address)
}

/** The ABI of what lives at an address: one of the suite, else an asset's token. */
export function interfaceAt(operation: Operation, address: string): Interface {
  return interfaceOfContract(suiteNameOf(operation, address) ?? 'AssetToken')
}

function suiteNameOf({ deployment }: Operation, address: string): ContractName | undefined {
  const wanted = getAddress(address)
  return contractNames().find((name) => getAddress(deployment.contracts[name]) === wanted)
}

/** Why a call from `from` would revert now, or as of a block; undefined when it would not. */
export async function refusalOf(
  operation: Operation,
  { target, data }: Pick<Call, 'target' | 'data'>,
  from: string,
  blockTag: BlockTag = 'latest',
): Promise<string | undefined> {
  try {
    await operation.provider.call({ from, to: target, data, blockTag })
    return undefined
  } catch (error) {
    if (!isError(error, 'CALL_EXCEPTION')) throw error
    const known = [interfaceAt(operation, target), interfaceOfContract('Authority')]
    const { data: reason } = error
    const parsed = reason === null ? [] : known.flatMap((abi) => abi.parseError(reason) ?? [])
    const [first] = parsed
    return first === undefined ? error.shortMessage : `${first.name}(${first.args.join(', ')})`
  }
}
