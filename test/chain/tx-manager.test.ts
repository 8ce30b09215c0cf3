import { Transaction, Wallet } from 'ethers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { present } from '#kernel/assert.ts'
import { encodeWithdraw } from '#chain/contracts/clearing-house.ts'
import { encodeRegister } from '#chain/contracts/investor-registry.ts'
import { RpcClient } from '#chain/rpc-adapter.ts'
import type { ManagedTransaction, TransactionRequest } from '#chain/service.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import {
  ADMIN_KEY,
  ChainLab,
  REGISTRAR_KEY,
  startProxy,
  startSuite,
  until,
  type SuiteChain,
} from './chain-lab.ts'
import { silentLog } from '../support/database.ts'

let suite: SuiteChain
let lab: ChainLab
const cleanups: (() => Promise<void>)[] = []

beforeEach(async () => {
  suite = await startSuite()
  lab = await ChainLab.open(suite)
})

afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
  await lab.close()
  await suite.stop()
})

const wallet = (account: number): string => `0x${account.toString(16).padStart(40, '0')}`

function registration(account: number, to = account): TransactionRequest {
  return {
    signer: 'registrar',
    key: `register:${account}`,
    to: present(suite.deployment.contracts['InvestorRegistry'], 'InvestorRegistry'),
    data: encodeRegister({
      account,
      wallet: wallet(to),
      class: 1,
      expiry: 0n,
      identityHash: `0x${'11'.repeat(32)}`,
    }),
  }
}

async function request(wanted: TransactionRequest): Promise<string> {
  return await inTransaction(lab.database, (tx) => lab.service.requestTransaction(tx, wanted))
}

async function find(key: string): Promise<ManagedTransaction> {
  return present(await lab.service.findTransaction(lab.database, key), key)
}

async function state(
  key: string,
  wanted: ManagedTransaction['state'],
): Promise<ManagedTransaction> {
  return await until(async () => {
    const found = await find(key)
    return found.state === wanted && found
  }, `${key} ${wanted}`)
}

async function watch(depth = 2): Promise<void> {
  const watcher = await lab.watcher({ rule: { depth } })
  cleanups.push(() => watcher.stop())
}

async function manage(options: { rpc?: RpcClient; patienceMs?: number; pollMs?: number } = {}) {
  const manager = await lab.txManager(options)
  cleanups.push(() => manager.stop())
  return manager
}

async function rpcThrough(answer: (body: string) => string | undefined): Promise<RpcClient> {
  const proxy = await startProxy(suite.chain.url, answer)
  const rpc = new RpcClient({ urls: [proxy.url], log: silentLog, rounds: 1, timeoutMs: 2000 })
  cleanups.push(async () => {
    await rpc.close()
    await proxy.stop()
  })
  return rpc
}

async function storedRaw(): Promise<readonly string[]> {
  const rows = await lab.database.query<{ raw: string }>('SELECT raw FROM chain.tx_attempt')
  return rows.map(({ raw }) => raw)
}

it('sends a request, reports it mined and, at finality, final with block and gas', async () => {
  await watch()
  const manager = await manage()
  const id = await request(registration(20))
  const mined = await state('register:20', 'mined')
  expect(mined).toMatchObject({ id, blockNumber: await suite.provider.getBlockNumber() })
  expect(await suite.contract('InvestorRegistry').getFunction('accountOf')(wallet(20))).toBe(20n)
  await suite.mine(2)
  const final = await state('register:20', 'final')
  const receipt = await suite.provider.getTransactionReceipt(final.hash ?? '')
  expect(final.gasUsed).toBe(receipt?.gasUsed)
  expect(manager.health()).toEqual({ ok: true })
  const applied = (await lab.events()).find(({ data }) => data['number'] === receipt?.blockNumber)
  expect(applied?.data['receipts']).toEqual([
    { hash: final.hash, status: 1, gas_used: String(final.gasUsed), request_key: 'register:20' },
  ])
})

it('answers the same id for the same key, and refuses another content', async () => {
  const id = await request(registration(20))
  expect(await request(registration(20))).toBe(id)
  await expect(request(registration(20, 21))).rejects.toMatchObject({
    code: 'chain.transaction_mismatch',
  })
})

it('keeps the order of a signer and a window of sixteen while nothing is mined', async () => {
  await watch()
  await suite.chain.rpc('evm_setAutomine', [false])
  await manage()
  for (let account = 20; account < 40; account += 1) await request(registration(account))
  await state('register:35', 'broadcast')
  expect((await find('register:36')).state).toBe('requested')
  await suite.mine(1)
  await state('register:39', 'broadcast')
  await suite.mine(1)
  await state('register:39', 'mined')
  const rows = await lab.database.query<{ key: string; nonce: bigint }>(
    `SELECT r.key, n.nonce FROM chain.nonce n JOIN chain.tx_request r ON r.id = n.request
     ORDER BY n.nonce`,
  )
  const first = present(rows[0], 'nonce').nonce
  expect(rows).toEqual(
    Array.from({ length: 20 }, (_, place) => {
      return { key: `register:${20 + place}`, nonce: first + BigInt(place) }
    }),
  )
})

it('rejects what the contract refuses, with its error by name and without a nonce', async () => {
  await watch()
  await manage()
  const to = present(suite.deployment.contracts['ClearingHouse'], 'ClearingHouse')
  const data = encodeWithdraw({ id: `0x${'22'.repeat(32)}`, account: 99, asset: 0, amount: 5n })
  await request({ signer: 'settler', key: 'withdraw:1', to, data })
  const rejected = await state('withdraw:1', 'rejected')
  expect(rejected.error).toBe('NoWallet(99)')
  expect(rejected.hash).toBeUndefined()
  expect(await storedRaw()).toEqual([])
})

it('does not take an endpoint that fails for a contract that refuses', async () => {
  let isBroken = true
  const rpc = await rpcThrough((body) => {
    if (!isBroken || !body.includes('eth_estimateGas')) return undefined
    const { id } = JSON.parse(body)
    return JSON.stringify({
      jsonrpc: '2.0',
      id,
      error: { code: -32_603, message: 'missing trie node' },
    })
  })
  await watch()
  const manager = await manage({ rpc })
  await request(registration(20))
  await until(() => !manager.health().ok)
  expect((await find('register:20')).state).toBe('requested')
  isBroken = false
  await state('register:20', 'mined')
})

it('sends the very bytes it stored when it died between the commit and the broadcast', async () => {
  await watch()
  const rpc = await rpcThrough((body) => (body.includes('eth_sendRawTransaction') ? '' : undefined))
  const dying = await lab.txManager({ rpc })
  await request(registration(20))
  const signed = await state('register:20', 'signed')
  const [raw] = await storedRaw()
  await dying.stop()
  await lab.resign()
  await manage()
  await watch()
  const mined = await state('register:20', 'mined')
  expect(mined.hash).toBe(signed.hash)
  expect(await storedRaw()).toEqual([raw])
  expect(Transaction.from(raw).hash).toBe(mined.hash)
})

it('shows a mined revert with its reason, and calls it reverted only at finality', async () => {
  await watch()
  await manage()
  // Two registrations of one account pass the simulation while neither is mined.
  await suite.chain.rpc('evm_setAutomine', [false])
  await request(registration(20))
  await request({ ...registration(20, 21), key: 'register:again' })
  await state('register:again', 'broadcast')
  await suite.mine(1)
  const mined = await state('register:again', 'mined')
  expect(mined.error).toBe('AccountTaken(20)')
  await suite.mine(2)
  expect(await state('register:again', 'reverted')).toMatchObject({ error: 'AccountTaken(20)' })
  expect((await state('register:20', 'final')).error).toBeUndefined()
})

it('sends the same bytes again after the block that held them was retracted', async () => {
  await watch(1000)
  await manage()
  const snapshot = await suite.chain.rpc('evm_snapshot')
  await request(registration(20))
  const before = await state('register:20', 'mined')
  await suite.chain.rpc('evm_revert', [snapshot])
  await suite.chain.rpc('evm_increaseTime', [1000])
  await suite.mine(3)
  await until(async () => (await lab.events()).some(({ type }) => type.includes('retracted')))
  const after = await until(async () => {
    const found = await find('register:20')
    return found.state === 'mined' && found.blockNumber !== before.blockNumber && found
  })
  expect(after.blockNumber).toBeGreaterThan(before.blockNumber ?? Infinity)
  expect(after.hash).toBe(before.hash)
  expect(await storedRaw()).toHaveLength(1)
  expect(await suite.contract('InvestorRegistry').getFunction('accountOf')(wallet(20))).toBe(20n)
})

it('holds a request whose nonce somebody else used with the same key, and says so', async () => {
  await watch()
  const rpc = await rpcThrough((body) => (body.includes('eth_sendRawTransaction') ? '' : undefined))
  const dying = await lab.txManager({ rpc })
  await request(registration(20))
  await state('register:20', 'signed')
  await dying.stop()
  await lab.resign()
  const thief = new Wallet(REGISTRAR_KEY, suite.provider)
  await (await thief.sendTransaction({ to: thief.address, value: 1n })).wait()
  const manager = await manage()
  const held = await state('register:20', 'held')
  expect(held.error).toContain('another transaction')
  await until(() => manager.health().detail?.includes('register:20 is held: '))
  expect(manager.health().ok).toBe(true)
  expect(await lab.metrics.render()).toMatch(/transactions_held 1\n/)
})

it('complains about what stays unmined', async () => {
  await watch()
  await suite.chain.rpc('evm_setAutomine', [false])
  const manager = await manage({ patienceMs: 100 })
  await request(registration(20))
  const health = await until(() => !manager.health().ok && manager.health())
  expect(health.detail).toContain('unmined')
  await suite.mine(1)
  await until(() => manager.health().ok)
})

it('does not count the time in the queue as time without a block', async () => {
  await watch()
  await suite.chain.rpc('evm_setAutomine', [false])
  await request(registration(20))
  await lab.database.query(`UPDATE chain.tx_request SET created_at = now() - interval '1 hour'`)
  const manager = await manage({ pollMs: 60_000 })
  await state('register:20', 'broadcast')
  await manager.stop()
  expect(manager.health()).toEqual({ ok: true })
  await suite.mine(1)
})

it('refuses the write of a former leader', async () => {
  await watch()
  const manager = await manage()
  await lab.database.query(`UPDATE platform.fence SET epoch = epoch + 1 WHERE role = 'txm'`)
  await request(registration(20))
  await until(() => !manager.health().ok)
  expect((await find('register:20')).state).toBe('requested')
  expect(await storedRaw()).toEqual([])
})

it('explains a pause that came between simulation and block', async () => {
  await watch()
  const registry = suite.contract('InvestorRegistry', REGISTRAR_KEY)
  await (
    await registry.getFunction('register')(30, wallet(30), 1, 0, `0x${'11'.repeat(32)}`)
  ).wait()
  const house = suite.contract('ClearingHouse', ADMIN_KEY)
  await (await house.getFunction('pause')()).wait()
  await manage()
  const to = present(suite.deployment.contracts['ClearingHouse'], 'ClearingHouse')
  const data = encodeWithdraw({ id: `0x${'22'.repeat(32)}`, account: 30, asset: 0, amount: 5n })
  await request({ signer: 'settler', key: 'withdraw:2', to, data })
  expect((await state('withdraw:2', 'rejected')).error).toBe('EnforcedPause()')
})
