import { parseJson } from '#kernel/json.ts'
import { Contract, ContractFactory, Interface, ZeroAddress, getAddress, isError } from 'ethers'
import { deployErrors } from '../contracts/errors.ts'
import { ROLES } from '../contracts/permission.ts'
import { performCall } from './delayed-call.ts'
import { artifactOfKind, describeParameters, interfaceOfKind, kindOf } from './module-kind.ts'
import { contractOf, readView } from './operation.ts'
import type { Outcome } from './delayed-call.ts'
import type { ModuleKind } from './module-kind.ts'
import type { Call, Operation } from './operation.ts'

/** A module as an operator sees it. */
export interface BoundModule {
  readonly address: string
  /** Undefined where the code was not compiled here. */
  readonly kind: ModuleKind | undefined
  readonly capabilities: string
  /** What it is set to for the asset. */
  readonly parameters: string
}

/** One module of one asset. */
export interface Binding {
  readonly asset: number
  readonly module: string
}

const MODULE = new Interface([
  'function capabilities() view returns (uint8)',
  'function ENGINE() view returns (address)',
  'function authority() view returns (address)',
  'function check((address,uint16,address,address,uint256,uint256,uint256,uint256,uint256)) view returns (uint8)',
])
/** Bit 0 checks, bit 1 records. */
const CAPABILITIES = ['none', 'checks', 'records', 'checks and records']

/** The modules of an asset in the order in which they are asked. */
export async function listModules(
  operation: Operation,
  asset: number,
): Promise<readonly BoundModule[]> {
  const modules: BoundModule[] = []
  for (const address of await boundTo(operation, asset))
    modules.push(await describe(operation, { asset, module: address }))
  return modules
}

/** Creates a module of a kind, which no asset has yet; undefined in a dry run. */
export async function deployModule(
  operation: Operation,
  kind: ModuleKind,
): Promise<string | undefined> {
  const { Authority, PolicyEngine } = operation.deployment.contracts
  if (operation.isDryRun) {
    operation.report(`would deploy ${kind} for ${PolicyEngine}`)
    return undefined
  }
  const { abi, bytecode } = artifactOfKind(kind)
  const factory = new ContractFactory(JSON.stringify(abi), bytecode, operation.signer)
  const made = await factory.deploy(Authority, PolicyEngine)
  await made.waitForDeployment()
  const address = await made.getAddress()
  operation.report(`${kind} ${address}`)
  return address
}

/**
 * Adds a module to an asset after looking at it. Throws `deploy.module_refused` with what is wrong with the module or the
 * asset, and as `performCall` does.
 */
export async function bindModule(operation: Operation, binding: Binding): Promise<Outcome> {
  await requireSound(operation, binding.module)
  const bound = await boundTo(operation, binding.asset)
  if (bound.includes(binding.module)) throw refused(binding.module, 'the asset has it already')
  const most = Number(await readView(contractOf(operation, 'PolicyEngine'), 'MAX_MODULES'))
  if (bound.length >= most) throw refused(binding.module, `the asset has ${most} modules already`)
  const { kind, parameters } = await describe(operation, binding)
  operation.report(`${kind ?? 'code that was not compiled here'}: ${parameters}`)
  return await performCall(operation, engineCall(operation, 'addModule', binding))
}

/** Takes a module from an asset; `isForced` without telling it, for one that is broken. Throws as `bindModule` does. */
export async function unbindModule(
  operation: Operation,
  binding: Binding,
  isForced = false,
): Promise<Outcome> {
  const bound = await boundTo(operation, binding.asset)
  if (!bound.includes(binding.module)) throw refused(binding.module, 'the asset does not have it')
  const name = isForced ? 'forceRemoveModule' : 'removeModule'
  return await performCall(operation, engineCall(operation, name, binding))
}

/** Calls a setter of a module; whole numbers in the JSON array `values` as strings. */
export async function setParameter(
  operation: Operation,
  { module, name, values }: { module: string; name: string; values: string },
): Promise<Outcome> {
  const kind = kindOf(await operation.provider.getCode(module))
  if (kind === undefined) throw refused(module, 'its code was not compiled here')
  const title = `${kind} ${module}: ${name}${values}`
  let data: string
  try {
    const list: unknown = parseJson(values)
    data = interfaceOfKind(kind).encodeFunctionData(name, Array.isArray(list) ? list : [list])
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw deployErrors.setting_malformed(`${title}: ${reason}`)
  }
  return await performCall(operation, { target: module, data, title })
}

/** Gives the setters of a module, which are ADMIN's at first, to POLICY_ADMIN. Caller: ADMIN. */
export async function entrustModule(operation: Operation, module: string): Promise<Outcome> {
  const kind = kindOf(await operation.provider.getCode(module))
  if (kind === undefined) throw refused(module, 'its code was not compiled here')
  const selectors: string[] = []
  interfaceOfKind(kind).forEachFunction(({ name, selector, stateMutability }) => {
    const isSetter = stateMutability === 'nonpayable' && !OTHERS.has(name)
    if (isSetter) selectors.push(selector)
  })
  const authority = contractOf(operation, 'Authority')
  const values = [module, selectors, ROLES.POLICY_ADMIN]
  const data = authority.interface.encodeFunctionData('setTargetFunctionRole', values)
  const title = `give the setters of ${kind} ${module} to POLICY_ADMIN`
  return await performCall(operation, { target: await authority.getAddress(), data, title })
}

/** What the engine or the Authority calls. */
const OTHERS: ReadonlySet<string> = new Set(['record', 'detached', 'setAuthority'])

function engineCall(operation: Operation, name: string, { asset, module }: Binding): Call {
  const engine = contractOf(operation, 'PolicyEngine')
  const target = operation.deployment.contracts.PolicyEngine
  const data = engine.interface.encodeFunctionData(name, [asset, module])
  return { target, data, title: `${name} ${module} of asset ${asset}` }
}

/** Throws `deploy.module_refused` for an asset that has no token of this suite. */
async function boundTo(operation: Operation, asset: number): Promise<readonly string[]> {
  const assets = contractOf(operation, 'AssetRegistry')
  const token = String(await readView(assets, 'tokenOf', asset))
  if (token === ZeroAddress || (await readView(assets, 'isExternal', asset)) === true)
    throw deployErrors.module_refused(`asset ${asset} has no token of this suite`)
  const modules = await readView(contractOf(operation, 'PolicyEngine'), 'modulesOf', asset)
  return Array.isArray(modules) ? modules.map((one) => getAddress(String(one))) : []
}

async function describe(operation: Operation, { asset, module }: Binding): Promise<BoundModule> {
  const kind = kindOf(await operation.provider.getCode(module))
  const bits = await ask(operation, module, 'capabilities')
  return {
    address: module,
    kind,
    capabilities: CAPABILITIES[Number(bits)] ?? 'broken',
    parameters:
      kind === undefined
        ? 'unknown'
        : await describeParameters(operation, { address: module, kind, asset }),
  }
}

/** A module that answers wrongly stops every transfer of the asset, so nothing is sent for it. */
async function requireSound(operation: Operation, module: string): Promise<void> {
  const { provider, deployment } = operation
  if ((await provider.getCode(module)) === '0x') throw refused(module, 'there is no code')
  const bits = Number(await ask(operation, module, 'capabilities'))
  if (!(bits >= 1 && bits <= 3))
    throw refused(module, `its capabilities are ${Number.isNaN(bits) ? 'not to be read' : bits}`)
  const { PolicyEngine, Authority } = deployment.contracts
  const engine = await ask(operation, module, 'ENGINE')
  if (engine !== getAddress(PolicyEngine))
    throw refused(module, `its engine is ${engine ?? 'none'}`)
  const authority = await ask(operation, module, 'authority')
  if (authority !== getAddress(Authority))
    throw refused(module, `its authority is ${authority ?? 'none'}`)
  if (bits % 2 === 1 && (await ask(operation, module, 'check', NO_MOVE)) === undefined)
    throw refused(module, 'its check reverts')
}

/** Of nothing, from nobody to nobody. */
const NO_MOVE = [ZeroAddress, 0, ZeroAddress, ZeroAddress, 0, 0, 0, 0, 0]

/** A module's answer as text; undefined when it reverts or answers nonsense. */
async function ask(
  { provider }: Operation,
  module: string,
  name: string,
  ...values: readonly unknown[]
): Promise<string | undefined> {
  const contract = new Contract(module, MODULE, provider)
  try {
    return String(await contract.getFunction(name).staticCall(...values))
  } catch (error) {
    if (!isError(error, 'CALL_EXCEPTION') && !isError(error, 'BAD_DATA')) throw error
    return undefined
  }
}

function refused(module: string, why: string): Error {
  return deployErrors.module_refused(`${module}: ${why}`)
}
