import { ContractFactory, getAddress } from 'ethers'
import { deployErrors } from '../contracts/errors.ts'
import { readArtifact } from '../contracts/artifact.ts'
import { performCall } from './delayed-call.ts'
import { contractOf, interfaceOfContract, readView } from './operation.ts'
import { findBuild, maskImmutables, requireCompatible } from './storage-layout.ts'
import type { Outcome } from './delayed-call.ts'
import type { Operation } from './operation.ts'
import type { Layout } from './storage-layout.ts'

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
 * Upgrades the token of an asset, by way of its delay, after comparing the storage layouts of what runs and what shall
 * run. Throws `deploy.layout_incompatible`, `deploy.implementation_unknown`, `deploy.operation_refused`.
 */
export async function upgradeToken(operation: Operation, upgrade: Upgrade): Promise<Outcome> {
  const registry = contractOf(operation, 'AssetRegistry')
  const token = getAddress(String(await readView(registry, 'tokenOf', upgrade.asset)))
  const word = await operation.provider.getStorage(token, IMPLEMENTATION_SLOT)
  const current = getAddress(`0x${word.slice(26)}`)
  const implementation = upgrade.implementation ?? (await deployImplementation(operation, current))
  if (implementation === undefined) return 'waiting'

  const before = await layoutAt(operation, current)
  requireCompatible(before, await layoutAt(operation, implementation))
  operation.report(`storage layout: the ${count(before)} values of ${current} keep their places`)
  const abi = interfaceOfContract('AssetToken')
  const data = abi.encodeFunctionData('upgradeToAndCall', [implementation, '0x'])
  const title = `upgrade asset ${upgrade.asset} (${token}) from ${current} to ${implementation}`
  return await performCall(operation, { target: token, data, title })
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
    requireCompatible(await layoutAt(operation, current), compiledLayout())
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

/** The layout of the code at an address, by the build that made it. */
async function layoutAt(operation: Operation, address: string): Promise<Layout> {
  const code = await operation.provider.getCode(address)
  const build = findBuild(
    SOURCE,
    'AssetToken',
    (one) => maskImmutables(code, one) === maskImmutables(one.code, one),
  )
  if (build === undefined)
    throw deployErrors.implementation_unknown(
      `${address}: compile its version of contracts/ once, so that artifacts/build-info has it`,
    )
  return build.layout
}

function compiledLayout(): Layout {
  const { bytecode } = readArtifact('AssetToken')
  const build = findBuild(SOURCE, 'AssetToken', (one) =>
    bytecode.toLowerCase().includes(one.code.slice(2).toLowerCase()),
  )
  if (build === undefined) throw deployErrors.implementation_unknown('compile contracts/ first')
  return build.layout
}

function count({ variables, namespaces }: Layout): number {
  return variables.length + Object.values(namespaces).flat().length
}
