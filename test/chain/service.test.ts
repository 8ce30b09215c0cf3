import { afterAll, beforeAll, expect, it } from 'vitest'
import { present } from '#kernel/assert.ts'
import {
  decodeAmount,
  decodeAmounts,
  encodeBalancesOf,
  encodeHead,
  encodeSettle,
  encodeSequence,
  encodeTotalOf,
} from '#chain/contracts/clearing-house.ts'
import { encodeTotalSupply } from '#chain/contracts/asset-token.ts'
import { encodeCreateAsset } from '#chain/contracts/asset-registry.ts'
import { interfaceOf } from '#chain/contracts/abi-adapter.ts'
import { RpcClient } from '#chain/rpc-adapter.ts'
import { chainRoutes } from '#chain/routes.ts'
import { contractsReply } from '#chain/schema.ts'
import { ChainService } from '#chain/service.ts'
import { ChainLab, startProxy, startSuite, type SuiteChain } from './chain-lab.ts'
import { silentLog } from '../support/database.ts'
import { freePort } from '../../scripts/free-port.ts'

let suite: SuiteChain
let lab: ChainLab

beforeAll(async () => {
  suite = await startSuite()
  lab = await ChainLab.open(suite)
})

afterAll(async () => {
  await lab.close()
  await suite.stop()
})

const house = (): string => present(suite.deployment.contracts['ClearingHouse'], 'ClearingHouse')

it('reads lanes, totals, head and sequence at a block by its hash', async () => {
  const hash = present((await suite.provider.getBlock('latest'))?.hash, 'hash')
  const calls = [
    encodeBalancesOf([16, 17, 18], [0, 0, 1]),
    encodeTotalOf(0),
    encodeSequence(),
    encodeHead(),
  ].map((data) => ({ to: house(), data }))
  const [lanes, total, sequence, head] = await lab.service.callMany(calls, { hash })
  expect(decodeAmounts(present(lanes, 'lanes'))).toEqual([0n, 0n, 0n])
  expect(decodeAmount(present(total, 'total'))).toBe(0n)
  expect(decodeAmount(present(sequence, 'sequence'))).toBe(0n)
  expect(head).toBe(await suite.contract('ClearingHouse').getFunction('head')())
})

it('reads the supply of a token', async () => {
  const cash = present(suite.deployment.contracts['CashToken'], 'CashToken')
  expect(decodeAmount(await lab.service.call(cash, encodeTotalSupply(), 'latest'))).toBe(0n)
})

it('encodes settle and createAsset as the contracts read them', () => {
  const word = `0x${'ab'.repeat(32)}`
  const header = {
    prevHead: word,
    sequence: 7n,
    kind: 2,
    closeTime: 1_800_000_000n,
    supplyAsset: 3,
    supplyChange: -5n,
    recordsHash: word,
    tradesRoot: word,
    liabilitiesRoot: word,
    journalHash: word,
  }
  const settle = interfaceOf('ClearingHouse').parseTransaction({
    data: encodeSettle(header, '0x0102', []),
  })
  expect(settle?.args[0].toArray()).toEqual([
    word,
    7n,
    2n,
    1_800_000_000n,
    3n,
    -5n,
    word,
    word,
    word,
    word,
  ])
  expect(settle?.args[1]).toBe('0x0102')
  const call = {
    id: 3,
    symbol: 'BOND',
    name: 'Bond',
    decimals: 2,
    allowedClasses: 6n,
    reserveAttested: false,
    ceiling: 100n,
  }
  const create = interfaceOf('AssetRegistry').parseTransaction({ data: encodeCreateAsset(call) })
  expect(create?.args.toArray()).toEqual([3n, 'BOND', 'Bond', 2n, 6n, false, 100n])
})

it('tells a refusal of the contract from a chain that is away', async () => {
  const lengths = interfaceOf('ClearingHouse').encodeFunctionData('balancesOf', [[1, 2], [0]])
  await expect(lab.service.call(house(), lengths, 'latest')).rejects.toMatchObject({
    code: 'chain.call_reverted',
    detail: 'LengthMismatch(2, 1)',
  })
  const unknown = { hash: `0x${'77'.repeat(32)}` }
  await expect(lab.service.call(house(), encodeTotalOf(0), unknown)).rejects.toMatchObject({
    code: 'platform.unavailable',
  })
  const rpc = new RpcClient({
    urls: [`http://127.0.0.1:${await freePort()}`],
    log: silentLog,
    rounds: 1,
  })
  const { deployment } = suite
  const cut = new ChainService({ database: lab.database, rpc, deployment })
  await expect(cut.call(house(), encodeTotalOf(0), 'latest')).rejects.toMatchObject({
    code: 'platform.unavailable',
  })
  await rpc.close()
})

it('goes to the next endpoint when the first is away or busy', async () => {
  const busy = await startProxy(suite.chain.url, (body) => {
    const { id } = JSON.parse(body)[0]
    return JSON.stringify([{ jsonrpc: '2.0', id, error: { code: -32_005, message: 'rate limit' } }])
  })
  const gone = `http://127.0.0.1:${await freePort()}`
  const rpc = new RpcClient({ urls: [gone, busy.url, suite.chain.url], log: silentLog, rounds: 1 })
  const call = { method: 'eth_chainId', params: [] }
  expect(await rpc.batch([call, call])).toEqual(['0x7a69', '0x7a69'])
  await rpc.close()
  await busy.stop()
})

it('has no head before the first block was read', async () => {
  await expect(lab.service.head()).rejects.toMatchObject({ code: 'platform.unavailable' })
})

it('lists the contracts to everybody, with addresses and ABIs that the schema allows', async () => {
  const [route] = chainRoutes(lab.service)
  expect(route).toMatchObject({ path: '/v1/contracts', permission: 'public' })
  const answer = await present(route, 'route').run({
    params: {},
    query: {},
    body: {},
    principal: undefined,
    idempotencyKey: undefined,
    requestId: 'req',
    remoteAddress: '127.0.0.1',
  })
  const body = contractsReply.parse(JSON.parse(JSON.stringify(answer.body)))
  expect(Object.keys(body.contracts)).toEqual(Object.keys(suite.deployment.contracts))
  expect(body.contracts['ClearingHouse']?.abi).toContainEqual(
    expect.objectContaining({ type: 'event', name: 'Deposited' }),
  )
})
