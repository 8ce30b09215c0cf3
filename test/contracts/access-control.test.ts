import { ContractFactory, Interface, Wallet, id, isCallException } from 'ethers'
import { readFileSync, readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { assert, present } from '#kernel/assert.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { delta } from '#kernel/money.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contractNames } from '../../deploy/contracts/artifact.ts'
import { ROLES, roleOfAsset } from '../../deploy/contracts/permission.ts'
import { interfaceOf } from '../../deploy/contracts/plan.ts'
import { SuiteChain } from '../support/suite-chain.ts'
import { EXPECTED, MODULES } from './access-expectations.ts'
import type { FunctionFragment, ParamType } from 'ethers'
import type { Role } from '../../deploy/contracts/permission.ts'

const ARTIFACTS = new URL('../../artifacts/contracts/', import.meta.url)
const ASSET = 1
const FIRST_USER = 16
const OFFICES = ['PAUSER', 'UNPAUSER', 'FREEZER', 'ENFORCER', 'ISSUER', 'DISTRIBUTOR'] as const

const ASSET_OF_OTHERS = 2
const REDEEMER = 40
const CASH = 100n

/** The rows that calls name: a request that waits, one that is settled, an announcement. */
const ROWS: Readonly<Record<string, number>> = {
  cancelRedeem: 1,
  settleRedeem: 1,
  claimRedeem: 2,
  cancelAction: 1,
}

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

let chain: SuiteChain
const addresses = new Map<string, string>()
const stranger = addressOf('stranger')
/** Holds every office of another asset. */
const neighbour = addressOf('neighbour')
/** One who holds a role and no other. */
const holders = roles().map((role) => [role, addressOf(role)] as const)

beforeAll(async () => {
  chain = await SuiteChain.start()
  for (const [name, at] of Object.entries(chain.suite.contracts)) addresses.set(name, at)
  const terms = ['A1', 'Asset 1', 6, 2n, false, 10n ** 15n]
  await chain.send('AssetRegistry', 'createAsset', ASSET, ...terms)
  addresses.set('AssetToken', String(await chain.read('AssetRegistry', 'tokenOf', ASSET)))
  addresses.set('DvpOrders', String(await chain.read('ClearingHouse', 'DVP_ORDERS')))
  for (const name of MODULES) addresses.set(name, await createModule(name))
  await chain.send('PolicyEngine', 'addModule', ASSET, addressFor('MaxBalance'))
  for (const role of OFFICES) {
    await grant(roleOfAsset(role, ASSET), chain.officer.address)
    await grant(roleOfAsset(role, ASSET_OF_OTHERS), neighbour)
  }
  for (const [role, holder] of holders) await grant(ROLES[role], holder)
  await announce()
  await redeem()
}, 120_000)

afterAll(() => chain.stop())

function addressOf(seed: string): string {
  return new Wallet(id(seed)).address
}

function addressFor(name: string): string {
  return present(addresses.get(name), name)
}

async function grant(role: bigint, to: string): Promise<void> {
  await chain.send('Authority', 'grantRole', role, to, 0)
}

async function announce(): Promise<void> {
  const hash = id('document')
  await chain.send('AssetRegistry', 'announceAction', ASSET, [
    1,
    0,
    4_000_000_000,
    1,
    1,
    hash,
    hash,
  ])
}

/** One request that waits and one that is settled, both of the officer's account. */
async function redeem(): Promise<void> {
  const { officer } = chain
  const { SupplyController: supply } = chain.suite.contracts
  await chain.send('InvestorRegistry', 'register', REDEEMER, officer.address, 1, 0, id('file'))
  const minted = { account: REDEEMER, asset: ASSET, amount: delta(CASH) }
  await chain.settle([minted], [ASSET, CASH])
  await chain.send('ClearingHouse', 'withdraw', id('first'), REDEEMER, ASSET, CASH)
  const token = addressFor('AssetToken')
  await chain.sendFrom(officer, 'AssetToken', token, 'approve', supply, CASH)
  for (let count = 0; count < 2; count += 1)
    await chain.send('SupplyController', 'requestRedeem', ASSET, CASH / 2n, CASH)
  await chain.send('CashToken', 'mint', officer.address, CASH)
  await chain.send('CashToken', 'approve', supply, CASH)
  await chain.send('SupplyController', 'settleRedeem', 2, CASH / 2n, CASH, id('price'))
}

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

/** Whatever any of them can answer: an error may come from a contract that was called on the way. */
const errors = new Interface(
  [...compiled.values()].flatMap(({ abi }) => abi.fragments.filter(({ type }) => type === 'error')),
)

async function createModule(name: string): Promise<string> {
  const { abi, bytecode } = present(compiled.get(name), name)
  const factory = new ContractFactory(abi, bytecode, chain.officer)
  const { Authority, PolicyEngine } = chain.suite.contracts
  const module = await factory.deploy(Authority, PolicyEngine)
  await module.waitForDeployment()
  return await module.getAddress()
}

/** Nothing at all, in the shape of a parameter, unless nothing is refused before the caller matters. */
function nothing(type: ParamType): unknown {
  if (type.isArray()) return []
  if (type.isTuple()) return type.components.map(nothing)
  if (type.name === 'asset') return ASSET
  if (type.name === 'amount' || type.name === 'minimumCash') return 1
  if (type.name === 'deadline') return 4_000_000_000
  if (type.name === 'account' && type.type === 'uint32') return FIRST_USER
  if (type.type === 'address') return `0x${'0'.repeat(40)}`
  if (type.type === 'bool') return false
  if (type.type === 'string') return ''
  if (type.type === 'bytes') return type.name === 'data' ? '0x00000000' : '0x'
  return type.type.startsWith('bytes') ? `0x${'00'.repeat(Number(type.type.slice(5)))}` : 0
}

/** The arguments of a call without meaning; rows that it names exist. */
function argumentsOf(method: FunctionFragment): readonly unknown[] {
  const row = ROWS[method.name]
  return method.inputs.map((input) =>
    input.name === 'id' && row !== undefined ? row : nothing(input),
  )
}

/** The name of the error that a call without meaning ends with. */
async function outcomeOf(name: string, method: FunctionFragment, from: string): Promise<string> {
  const { abi } = present(compiled.get(name), name)
  const data = abi.encodeFunctionData(method, argumentsOf(method))
  try {
    await chain.provider.call({ to: addressFor(name), data, from })
    return 'passes'
  } catch (error) {
    if (!isCallException(error)) throw error
    if (error.data === null || error.data === '0x') return 'nothing said'
    return present(errors.parseError(error.data)?.name, `an error of ${name}.${method.name}`)
  }
}

/** What the outcomes are for each who holds one role alone. */
async function outcomesByRole(
  name: string,
  method: FunctionFragment,
): Promise<Readonly<Record<string, string>>> {
  const outcomes = await Promise.all(
    holders.map(async ([role, holder]) => [role, await outcomeOf(name, method, holder)] as const),
  )
  return Object.fromEntries(outcomes)
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

async function askedRole(name: string, method: FunctionFragment): Promise<bigint> {
  const target = addressFor(name)
  const asked = await chain.read('Authority', 'getTargetFunctionRole', target, method.selector)
  return BigInt(String(asked))
}

/** Exactly the holders of one role get past; everybody else is told `refusal`. */
async function expectOneRole(
  name: string,
  method: FunctionFragment,
  role: Role,
  refusal: string,
): Promise<void> {
  expect(await outcomeOf(name, method, stranger)).toBe(refusal)
  expect(await outcomeOf(name, method, neighbour)).toBe(refusal)
  const { [role]: own, ...others } = await outcomesByRole(name, method)
  expect(REFUSALS.has(present(own, role)), `${role}: ${own}`).toBe(false)
  expect(new Set(Object.values(others))).toEqual(new Set([refusal]))
}

/** Neither a plain role nor an office of another asset gets past. */
async function expectOfficeOfAsset(
  name: string,
  method: FunctionFragment,
  refusal: string,
): Promise<void> {
  expect(await outcomeOf(name, method, stranger)).toBe(refusal)
  expect(await outcomeOf(name, method, neighbour)).toBe(refusal)
  expect(new Set(Object.values(await outcomesByRole(name, method)))).toEqual(new Set([refusal]))
  const own = await outcomeOf(name, method, chain.officer.address)
  expect(REFUSALS.has(own), own).toBe(false)
}

function roles(): readonly Role[] {
  return Object.keys(ROLES).filter((name): name is Role => name in ROLES)
}

function roleNamed(name: string): Role {
  return present(
    roles().find((role) => role === name),
    `role ${name}`,
  )
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
    if (kind === 'role') {
      const role = roleNamed(value)
      expect(await askedRole(name, method)).toBe(ROLES[role])
      return expectOneRole(name, method, role, 'AccessManagedUnauthorized')
    }
    if (kind === 'admin') return expectOneRole(name, method, 'ADMIN', value)
    if (kind === 'token') {
      expect(await askedRole(name, method)).toBe(roleOfAsset(roleNamed(value), ASSET))
      return expectOfficeOfAsset(name, method, 'AccessManagedUnauthorized')
    }
    if (kind === 'asset') return expectOfficeOfAsset(name, method, 'AssetRoleMissing')
    expect(await outcomeOf(name, method, stranger)).toBe(value)
    if (kind === 'open') return
    expect(kind).toBe('only')
    expect(await outcomeOf(name, method, neighbour)).toBe(value)
    expect(new Set(Object.values(await outcomesByRole(name, method)))).toEqual(new Set([value]))
  })
})
