import { ContractFactory, JsonRpcProvider, Wallet, id, isCallException } from 'ethers'
import { readFileSync, readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { assert, present } from '#kernel/assert.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contractNames, readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { ROLES, roleOfAsset } from '../../deploy/contracts/permission.ts'
import { interfaceOf } from '../../deploy/contracts/plan.ts'
import { startAnvil } from '../support/chain.ts'
import { EXPECTED, MODULES } from './access-expectations.ts'
import type { FunctionFragment, Interface, ParamType } from 'ethers'
import type { Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { Role } from '../../deploy/contracts/permission.ts'
import type { TestChain } from '../support/chain.ts'

// Two test accounts of every anvil: the deployer, and one who holds every office.
const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const OFFICER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'
const ARTIFACTS = new URL('../../artifacts/contracts/', import.meta.url)
const ASSET = 1
const FIRST_USER = 16
const OFFICES = ['PAUSER', 'UNPAUSER', 'FREEZER', 'ENFORCER', 'ISSUER', 'DISTRIBUTOR'] as const

/** Errors that say: not you. */
const REFUSALS = new Set([
  'AccessManagedUnauthorized',
  'AccessManagerUnauthorizedAccount',
  'AccessManagerUnauthorizedCall',
  'AssetRoleMissing',
  'InvalidInitialization',
  ...Object.values(EXPECTED)
    .flatMap((rules) => Object.values(rules))
    .flatMap((rule) => (rule.startsWith('only:') ? [rule.slice('only:'.length)] : [])),
])

let chain: TestChain
let provider: JsonRpcProvider
let officer: Wallet
let suite: Deployment
const addresses = new Map<string, string>()
const stranger = new Wallet(id('stranger')).address

beforeAll(async () => {
  chain = await startAnvil()
  provider = new JsonRpcProvider(chain.url, chain.chainId, {
    staticNetwork: true,
    cacheTimeout: -1,
  })
  provider.pollingInterval = 10
  officer = new Wallet(OFFICER_KEY, provider)
  const { address } = officer
  const offices = { admin: address, settler: address, registrar: address, pauser: address }
  suite = await deployMooring({
    signer: new Wallet(DEPLOYER_KEY, provider),
    artifacts: readArtifact,
    settings: { ...offices, adminDelaySeconds: 0, cash: { scale: 1n }, deployCash: true },
  })
  for (const [name, at] of Object.entries(suite.contracts)) addresses.set(name, at)
  await send('AssetRegistry', 'createAsset', ASSET, 'A1', 'Asset 1', 6, 2n, false, 10n ** 15n)
  const token: unknown = interfaceOf(readArtifact('AssetRegistry').abi)
    .decodeFunctionResult('tokenOf', await look('AssetRegistry', 'tokenOf', ASSET))
    .at(0)
  addresses.set('AssetToken', String(token))
  const orders: unknown = interfaceOf(readArtifact('ClearingHouse').abi)
    .decodeFunctionResult('DVP_ORDERS', await look('ClearingHouse', 'DVP_ORDERS'))
    .at(0)
  addresses.set('DvpOrders', String(orders))
  for (const name of MODULES) addresses.set(name, await createModule(name))
  await send('PolicyEngine', 'addModule', ASSET, present(addresses.get('MaxBalance'), 'a module'))
  for (const role of OFFICES)
    await send('Authority', 'grantRole', roleOfAsset(role, ASSET), address, 0)
}, 120_000)

afterAll(async () => {
  provider.destroy()
  await chain.stop()
})

interface Compiled {
  readonly abi: Interface
  readonly bytecode: string
}

/** Every contract of the suite that can be deployed, by name: whatever the compiler wrote. */
const compiled = new Map<string, Compiled>(
  readdirSync(ARTIFACTS, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.json'))
    .toSorted()
    .flatMap((path): readonly [string, Compiled][] => {
      const json = parseJson(readFileSync(new URL(path, ARTIFACTS), 'utf8'))
      assert(isJsonObject(json), 'an artifact is an object')
      const { abi, bytecode } = json
      assert(Array.isArray(abi) && typeof bytecode === 'string', 'an artifact has abi and bytecode')
      const contract = interfaceOf(abi)
      const functions = contract.fragments.some(({ type }) => type === 'function')
      return bytecode === '0x' || !functions
        ? []
        : [[basename(path, '.json'), { abi: contract, bytecode }]]
    }),
)

async function createModule(name: string): Promise<string> {
  const { abi, bytecode } = present(compiled.get(name), name)
  const factory = new ContractFactory(abi, bytecode, officer)
  const { Authority, PolicyEngine } = suite.contracts
  const module = await factory.deploy(Authority, PolicyEngine)
  await module.waitForDeployment()
  return await module.getAddress()
}

async function send(name: string, method: string, ...values: unknown[]): Promise<void> {
  const data = present(compiled.get(name), name).abi.encodeFunctionData(method, values)
  const to = present(addresses.get(name), name)
  const response = await officer.sendTransaction({ to, data, gasLimit: 16_000_000 })
  const receipt = await response.wait()
  expect(receipt?.status, `${method} on ${name}`).toBe(1)
}

function look(name: string, method: string, ...values: unknown[]): Promise<string> {
  const data = present(compiled.get(name), name).abi.encodeFunctionData(method, values)
  return provider.call({ to: present(addresses.get(name), name), data })
}

/** Nothing at all, in the shape of a parameter; for asset ids the asset that exists. */
function nothing(type: ParamType): unknown {
  if (type.isArray()) return []
  if (type.isTuple()) return type.components.map(nothing)
  if (type.name === 'asset') return ASSET
  if (type.name === 'account' && type.type === 'uint32') return FIRST_USER
  if (type.type === 'address') return `0x${'0'.repeat(40)}`
  if (type.type === 'bool') return false
  if (type.type === 'string') return ''
  if (type.type === 'bytes') return type.name === 'data' ? '0x00000000' : '0x'
  return type.type.startsWith('bytes') ? `0x${'00'.repeat(Number(type.type.slice(5)))}` : 0
}

/** The name of the error that a call without meaning ends with; undefined when it passes. */
async function refusalOf(
  name: string,
  method: FunctionFragment,
  from: string,
): Promise<string | undefined> {
  const { abi } = present(compiled.get(name), name)
  const data = abi.encodeFunctionData(method, method.inputs.map(nothing))
  try {
    await provider.call({ to: present(addresses.get(name), name), data, from })
    return undefined
  } catch (error) {
    if (!isCallException(error)) throw error
    return error.data === null || error.data === '0x'
      ? 'none'
      : (abi.parseError(error.data)?.name ?? 'unknown')
  }
}

function isWriting({ stateMutability }: FunctionFragment): boolean {
  return stateMutability !== 'view' && stateMutability !== 'pure'
}

function writingFunctions(name: string): readonly FunctionFragment[] {
  const { abi } = present(compiled.get(name), name)
  const found: FunctionFragment[] = []
  abi.forEachFunction((method) => {
    if (isWriting(method)) found.push(method)
  })
  return found
}

/** The role that the Authority asks for, and whether the officer, who holds every role, gets past it. */
async function expectRole(name: string, method: FunctionFragment, role: bigint): Promise<void> {
  const target = present(addresses.get(name), name)
  const answer = await look('Authority', 'getTargetFunctionRole', target, method.selector)
  expect(BigInt(answer), `role of ${name}.${method.name}`).toBe(role)
  expect(await refusalOf(name, method, stranger)).toBe('AccessManagedUnauthorized')
  expect(await refusalOf(name, method, officer.address)).not.toBe('AccessManagedUnauthorized')
}

function roleNamed(name: string): Role {
  const role = Object.keys(ROLES).find((known): known is Role => known === name)
  return present(role, `role ${name}`)
}

test('every contract that can be deployed is expected here, and nothing else', () => {
  expect(Object.keys(EXPECTED).toSorted()).toEqual([...compiled.keys()].toSorted())
  expect([...contractNames(), ...MODULES, 'DvpOrders'].toSorted()).toEqual(
    Object.keys(EXPECTED).toSorted(),
  )
})

describe.each(Object.keys(EXPECTED))('%s', (name) => {
  const rules = present(EXPECTED[name], name)
  const methods = writingFunctions(name)

  test('has exactly the functions that are expected', () => {
    expect(methods.map((method) => method.name).toSorted()).toEqual(Object.keys(rules).toSorted())
  })

  test.each(
    methods.map((method) => [method.name, rules[method.name] ?? 'missing', method] as const),
  )('%s is %s', async (_name, rule, method) => {
    const [kind, value = ''] = rule.split(':')
    if (kind === 'role') return expectRole(name, method, ROLES[roleNamed(value)])
    if (kind === 'token') return expectRole(name, method, roleOfAsset(roleNamed(value), ASSET))
    const refusal = await refusalOf(name, method, stranger)
    if (kind === 'only') return expect(refusal).toBe(value)
    if (kind === 'asset') {
      expect(refusal).toBe('AssetRoleMissing')
      return expect(await refusalOf(name, method, officer.address)).not.toBe('AssetRoleMissing')
    }
    if (kind === 'row') {
      // Asked after the row was found; who may is the matter of the Solidity test that is named.
      const source = readdirSync(new URL('.', import.meta.url))
        .filter((file) => file.endsWith('.t.sol'))
        .map((file) => readFileSync(new URL(file, import.meta.url), 'utf8'))
      return expect(source.some((text) => text.includes(`function ${value}(`))).toBe(true)
    }
    expect(kind).toBe('open')
    expect(REFUSALS.has(refusal ?? ''), `${name}.${method.name}: ${refusal}`).toBe(false)
  })
})
