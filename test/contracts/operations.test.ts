import { createServer } from 'node:http'
import { ZeroHash, Contract, ContractFactory, type Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { ROLES, roleOfAsset } from '../../deploy/contracts/permission.ts'
import { parseCall } from '../../deploy/operations/call.ts'
import { cancelCall, listScheduled, performCall } from '../../deploy/operations/delayed-call.ts'
import { grantRole, parseRole } from '../../deploy/operations/grant.ts'
import { verifyHead } from '../../deploy/operations/head-check.ts'
import { readImmutables, requireSameImmutables } from '../../deploy/operations/immutables.ts'
import { contractOf, readView } from '../../deploy/operations/operation.ts'
import { requireCompatible } from '../../deploy/operations/storage-layout.ts'
import { upgradeToken } from '../../deploy/operations/token-upgrade.ts'
import { OperatorChain, REGISTRAR } from '../support/operator-chain.ts'
import type { Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { Operation } from '../../deploy/operations/operation.ts'

const DELAY_SECONDS = 172_800
const GOLD = 1

let suite: OperatorChain
let deployment: Deployment

const wallet = (digit: string): Wallet => suite.wallet(digit)
const operation = (digit: string, isDryRun = false): Operation =>
  suite.operation(digit, { isDryRun })

beforeAll(async () => {
  suite = await OperatorChain.start(DELAY_SECONDS)
  ;({ deployment } = suite)
  await suite.createAsset(GOLD, 'GOLD')
  const terms = [16, wallet('5').address, 1, 0, ZeroHash]
  await suite.send(REGISTRAR, 'InvestorRegistry', 'register', ...terms)
})

afterAll(async () => {
  await suite.stop()
})

test('a grant is scheduled, listed, waits for its delay and is then made', async () => {
  suite.lines = []
  const grant = { role: parseRole('ISSUER'), to: wallet('6').address, delaySeconds: 0 }
  const dry = operation('1', true)
  const nonce = await wallet('1').getNonce()
  expect(await grantRole(dry, grant)).toBe('scheduled')
  expect(await wallet('1').getNonce()).toBe(nonce)
  expect(suite.lines.join()).toContain('would send schedule: grant ISSUER')

  const real = operation('1')
  expect(await grantRole(real, grant)).toBe('scheduled')
  expect(await grantRole(real, grant)).toBe('waiting')
  const open = await listScheduled(real)
  expect(open).toHaveLength(1)
  expect(suite.lines.at(-1)).toContain('Authority.grantRole(12,')
  await suite.pass(DELAY_SECONDS)
  expect(await grantRole(real, grant)).toBe('done')
  expect(await listScheduled(real)).toEqual([])
  const authority = contractOf(real, 'Authority')
  expect(await readView(authority, 'hasRole', ROLES.ISSUER, wallet('6').address)).toEqual([
    true,
    0n,
  ])
})

test('the holder of a global role names that of an asset at once', async () => {
  const to = wallet('5').address
  const issuer = operation('6')
  expect(await grantRole(issuer, { role: 'ISSUER', asset: GOLD, to, delaySeconds: 0 })).toBe('done')
  const authority = contractOf(issuer, 'Authority')
  expect(await readView(authority, 'hasRole', roleOfAsset('ISSUER', GOLD), to)).toEqual([true, 0n])
})

test('what is called off is neither listed nor made', async () => {
  const admin = operation('1')
  const call = parseCall(admin, {
    target: 'SupplyController',
    name: 'setCeiling',
    values: '["1","5000"]',
  })
  expect(await performCall(admin, call)).toBe('scheduled')
  await cancelCall(admin, call)
  expect(await listScheduled(admin)).toEqual([])
  await suite.pass(DELAY_SECONDS)
  expect(await performCall(admin, call)).toBe('scheduled')
  await cancelCall(admin, call)
})

test('who has no role is refused with the reason of the chain', async () => {
  const stranger = operation('6')
  const call = parseCall(stranger, {
    target: 'SupplyController',
    name: 'setCeiling',
    values: '["1","5000"]',
  })
  await expect(performCall(stranger, call)).rejects.toMatchObject({
    code: 'deploy.operation_refused',
    detail: expect.stringContaining('AccessManagedUnauthorized'),
  })
  await expect(cancelCall(stranger, call)).rejects.toMatchObject({
    code: 'deploy.operation_refused',
  })
  const write = (target: string, name: string, values: string) => () =>
    parseCall(stranger, { target, name, values })
  const malformed = expect.objectContaining({ code: 'deploy.setting_malformed' })
  expect(write('Nothing', 'pause', '[]')).toThrow(malformed)
  expect(write('ClearingHouse', 'nothing', '[]')).toThrow(malformed)
  expect(() => parseRole('KING')).toThrow(malformed)
})

describe('the head', () => {
  let page: object
  const server = createServer((_request, response) => response.end(JSON.stringify(page)))
  let api: string

  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const address = server.address()
    api = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  })

  afterAll(() => server.close())

  test('is the same on chain and node, or the first batch that differs is named', async () => {
    const operator = operation('6')
    const vault = contractOf(operator, 'ClearingHouse')
    const closeTime = (await suite.provider.getBlock('latest'))?.timestamp
    const header = {
      prevHead: await readView(vault, 'head'),
      sequence: 1,
      kind: 3,
      closeTime,
      supplyAsset: 0,
      supplyChange: 0,
      recordsHash: '0xbc36789e7a1e281436464229828f817d6612f7b477d66591ff96a9e064bcc98a',
      tradesRoot: ZeroHash,
      liabilitiesRoot: ZeroHash,
      journalHash: ZeroHash,
    }
    await suite.send('2', 'ClearingHouse', 'settle', header, '0x00', [])
    const head = String(await readView(vault, 'head'))
    const batch = (more: object) => ({ sequence: 1, status: 'final', head, ...more })
    const answer = (...rows: object[]) => (page = { data: rows, next_cursor: null })
    const check = async () => await verifyHead(operator, { api, token: 'token' })

    answer(batch({}), batch({ sequence: 2, status: 'submitted', head: ZeroHash }))
    expect(await check()).toBe(1)
    answer(batch({ status: 'submitted' }))
    suite.lines = []
    expect(await check()).toBe(0)
    expect(suite.lines.at(-1)).toBe('the node has not seen: 1')
    answer()
    await expect(check()).rejects.toMatchObject({ code: 'deploy.node_disagrees' })
    answer(batch({ status: 'submitted', head: ZeroHash }))
    await expect(check()).rejects.toMatchObject({ code: 'deploy.node_disagrees' })
    answer(batch({ head: ZeroHash }))
    await expect(check()).rejects.toMatchObject({ code: 'deploy.node_disagrees' })
    answer(batch({ sequence: 2 }))
    await expect(check()).rejects.toMatchObject({ code: 'deploy.node_disagrees' })
    page = {}
    await expect(check()).rejects.toMatchObject({ code: 'deploy.node_unreachable' })
  })
})

describe('a token upgrade', () => {
  test('is checked, waits for the upgrade delay and keeps what the token stored', async () => {
    const admin = operation('1')
    suite.lines = []
    expect(await upgradeToken(operation('1', true), { asset: GOLD })).toBe('waiting')
    expect(await upgradeToken(admin, { asset: GOLD })).toBe('scheduled')
    const made = suite.lines.find((line) => line.startsWith('AssetToken implementation '))
    const implementation = made?.split(' ').at(-1)
    await suite.pass(93_000)
    expect(await upgradeToken(admin, { asset: GOLD, implementation })).toBe('waiting')
    await suite.pass(700)
    expect(await upgradeToken(admin, { asset: GOLD, implementation })).toBe('done')
    const token = String(await readView(contractOf(admin, 'AssetRegistry'), 'tokenOf', GOLD))
    const gold = new Contract(token, contractOf(admin, 'AssetToken').interface, suite.provider)
    expect(await readView(gold, 'symbol')).toBe('GOLD')
    expect(await readView(gold, 'decimals')).toBe(2n)
  }, 60_000)

  test('to code that no build made is refused', async () => {
    const implementation = deployment.contracts.CashToken
    await expect(
      upgradeToken(operation('1'), { asset: GOLD, implementation }),
    ).rejects.toMatchObject({ code: 'deploy.implementation_unknown' })
  }, 60_000)

  const made = async (change: object): Promise<string> => {
    const token = contractOf(operation('1'), 'AssetToken').attach(deployment.contracts.AssetToken)
    const { contracts } = deployment
    const values: Record<string, string> = {
      authority: contracts.Authority,
      investorRegistry: contracts.InvestorRegistry,
      vault: contracts.ClearingHouse,
      supplyController: contracts.SupplyController,
      policyEngine: contracts.PolicyEngine,
      ...change,
    }
    const { abi, bytecode } = readArtifact('AssetToken')
    const factory = new ContractFactory(JSON.stringify(abi), bytecode, wallet('1'))
    const names = token.interface.deploy.inputs.map(({ name }) => values[name])
    const contract = await factory.deploy(...names)
    await contract.waitForDeployment()
    return await contract.getAddress()
  }

  test.each([
    ['vault', 'AssetToken.VAULT'],
    ['supplyController', 'AssetToken.SUPPLY_CONTROLLER'],
    ['investorRegistry', 'AssetToken.INVESTOR_REGISTRY'],
    ['policyEngine', 'AssetToken.POLICY_ENGINE'],
  ])('to code that serves another %s is refused', async (argument, immutable) => {
    const implementation = await made({ [argument]: wallet('6').address })
    await expect(
      upgradeToken(operation('1'), { asset: GOLD, implementation }),
    ).rejects.toMatchObject({
      code: 'deploy.immutables_differ',
      detail: expect.stringContaining(`${immutable} is 0x`),
    })
  })

  test('to a copy of other code is refused, be it one byte', async () => {
    const admin = operation('1')
    const implementation = await made({})
    const code = await suite.provider.getCode(implementation)
    suite.lines = []
    expect(await upgradeToken(admin, { asset: GOLD, implementation })).toBe('scheduled')
    expect(suite.lines.find((line) => line.startsWith('immutables: '))).toContain(
      'but for its own address',
    )
    const fake = wallet('7').address
    await suite.chain.rpc('anvil_setCode', [fake, code])
    await expect(upgradeToken(admin, { asset: GOLD, implementation: fake })).rejects.toMatchObject({
      code: 'deploy.immutables_differ',
      detail: expect.stringContaining('UUPSUpgradeable.__self'),
    })
    const last = code.endsWith('00') ? '01' : '00'
    await suite.chain.rpc('anvil_setCode', [fake, code.slice(0, -2) + last])
    await expect(upgradeToken(admin, { asset: GOLD, implementation: fake })).rejects.toMatchObject({
      code: 'deploy.implementation_unknown',
    })
  }, 60_000)

  test('may keep new immutables where they are contracts of the suite', () => {
    const [address, other] = [wallet('6').address, wallet('7').address]
    const word = (value: string) => `0x${value.slice(2).toLowerCase().padStart(64, '0')}`
    const check = (value: string) => () =>
      requireSameImmutables(new Map(), new Map([['AssetToken.NEW', word(value)]]), {
        address,
        suite: [other],
      })
    expect(check(other)).not.toThrow()
    expect(check(address)).toThrow(expect.objectContaining({ code: 'deploy.immutables_differ' }))
    const places = [0, 32].map((start) => ({ name: 'AssetToken.VAULT', start, length: 32 }))
    const code = (two: string) => `${word(address)}${word(two).slice(2)}`
    expect(readImmutables(code(address), { immutables: places })).toEqual(
      new Map([['AssetToken.VAULT', word(address)]]),
    )
    expect(() => readImmutables(code(other), { immutables: places })).toThrow()
  })

  test('may add to the end of a namespace only', () => {
    const layout = (variables: string[], members: string[]) => ({
      variables,
      namespaces: { 'erc7201:mooring.AssetToken': members },
    })
    const before = layout(['_balances: mapping'], ['asset: uint16', 'name: string'])
    const check = (after: ReturnType<typeof layout>) => () => requireCompatible(before, after)
    const refused = expect.objectContaining({ code: 'deploy.layout_incompatible' })
    expect(check(before)).not.toThrow()
    expect(
      check(layout(before.variables, ['asset: uint16', 'name: string', 'x: bool'])),
    ).not.toThrow()
    expect(check(layout(before.variables, ['name: string', 'asset: uint16']))).toThrow(refused)
    expect(check(layout(before.variables, ['asset: uint32', 'name: string']))).toThrow(refused)
    expect(check(layout([], ['asset: uint16', 'name: string']))).toThrow(refused)
    expect(check(layout(['_balances: mapping', 'x: bool'], ['asset: uint16']))).toThrow(refused)
    expect(check({ ...before, variables: ['_balances: mapping', 'x: bool'] })).toThrow(refused)
  })
})
