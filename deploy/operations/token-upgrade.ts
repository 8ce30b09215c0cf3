import { ContractFactory, getAddress, keccak256 } from 'ethers'
import { deployErrors } from '../contracts/errors.ts'
import { readArtifact } from '../contracts/artifact.ts'
import { performCall } from './delayed-call.ts'
import { readImmutables, requireSameImmutables } from './immutables.ts'
import { contractOf, interfaceOfContract, readView } from './operation.ts'
import { findBuild, isCodeOf, requireCompatible } from './storage-layout.ts'
import type { Outcome } from './delayed-call.ts'
import type { Operation } from './operation.ts'
import type { Build, Layout } from './storage-layout.ts'

export interface Upgrade {
  /** Whose token. */
  readonly asset: number
  /** What it shall run; without it the compiled AssetToken is deployed first. */
  readonly implementation?: string | undefined
}

const SOURCE = 'project/contracts/token/AssetToken.sol'
/** ERC-1967: keccak256("eip1967.proxy.implementation") − 1. */
const IMPLEMENTATION_SLOT = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc'

/**
 * Upgrades the token of an asset, by way of its delay, after comparing what runs with what shall run: the latter is the
 * code that contracts/ compiles to, keeps every stored value in its place and serves the same contracts. Throws
 * `deploy.implementation_unknown`, `deploy.layout_incompatible`, `deploy.immutables_differ`, `deploy.operation_refused`.
 */
export async function upgradeToken(operation: Operation, upgrade: Upgrade): Promise<Outcome> {
  const registry = contractOf(operation, 'AssetRegistry')
  const token = getAddress(String(await readView(registry, 'tokenOf', upgrade.asset)))
  const word = await operation.provider.getStorage(token, IMPLEMENTATION_SLOT)
  const current = getAddress(`0x${word.slice(26)}`)
  const implementation = upgrade.implementation ?? (await deployImplementation(operation, current))
  if (implementation === undefined) return 'waiting'

  await requireSuccessor(operation, current, implementation)
  const abi = interfaceOfContract('AssetToken')
  const data = abi.encodeFunctionData('upgradeToAndCall', [implementation, '0x'])
  const title = `upgrade asset ${upgrade.asset} (${token}) from ${current} to ${implementation}`
  return await performCall(operation, { target: token, data, title })
}

async function requireSuccessor(
  operation: Operation,
  current: string,
  implementation: string,
): Promise<void> {
  const { provider, report, deployment } = operation
  const compiled = compiledBuild()
  const code = await provider.getCode(implementation)
  if (!isCodeOf(code, compiled))
    throw deployErrors.implementation_unknown(
      `${implementation} is not the AssetToken that contracts/ compiles to here`,
    )
  report(`code: ${implementation} is the compiled AssetToken, ${keccak256(code)}`)
  const running = await provider.getCode(current)
  const before = requireBuild(current, running)
  requireCompatible(before.layout, compiled.layout)
  report(`storage layout: the ${count(before.layout)} values of ${current} keep their places`)
  const kept = readImmutables(code, compiled)
  const suite = Object.values(deployment.contracts)
  requireSameImmutables(readImmutables(running, before), kept, { address: implementation, suite })
  report(`immutables: all ${kept.size} are those of ${current}, but for its own address`)
}

/** The compiled token with the immutables of the one that runs; only its layout is looked at in a dry run. */
async function deployImplementation(
  operation: Operation,
  current: string,
): Promise<string | undefined> {
  const { abi, bytecode } = readArtifact('AssetToken')
  const running = contractOf(operation, 'AssetToken').attach(current)
  const values: unknown[] = []
  for (const { name } of interfaceOfContract('AssetToken').deploy.inputs) {
    const isAuthority = name === 'authority'
    const value: unknown = isAuthority
      ? operation.deployment.contracts.Authority
      : await running.getFunction(immutableOf(name)).staticCall()
    values.push(value)
  }
  if (operation.isDryRun) {
    const running = await operation.provider.getCode(current)
    requireCompatible(requireBuild(current, running).layout, compiledBuild().layout)
    operation.report(`would deploy the compiled AssetToken; its storage layout fits ${current}`)
    return undefined
  }
  const factory = new ContractFactory(JSON.stringify(abi), bytecode, operation.signer)
  const made = await factory.deploy(...values)
  await made.waitForDeployment()
  const address = await made.getAddress()
  operation.report(`AssetToken implementation ${address}`)
  return address
}

/** `investorRegistry` → `INVESTOR_REGISTRY`: the immutable that keeps a constructor argument. */
function immutableOf(argument: string): string {
  return argument.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}

/** The build that made the code at an address. */
function requireBuild(address: string, code: string): Build {
  const build = findBuild(SOURCE, 'AssetToken', (one) => isCodeOf(code, one))
  if (build !== undefined) return build
  throw deployErrors.implementation_unknown(
    `${address}: compile its version of contracts/ once, so that artifacts/build-info has it`,
  )
}

/** The build of the artifact, which is what would be deployed. */
function compiledBuild(): Build {
  const { bytecode } = readArtifact('AssetToken')
  const build = findBuild(SOURCE, 'AssetToken', (one) =>
    bytecode.toLowerCase().includes(one.code.slice(2).toLowerCase()),
  )
  if (build === undefined) throw deployErrors.implementation_unknown('compile contracts/ first')
  return build
}

function count({ variables, namespaces }: Layout): number {
  return variables.length + Object.values(namespaces).flat().length
}
