import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { paymentsRoutes } from '#payments/routes.ts'
import { newId } from '#platform/crypto.ts'
import type { Principal } from '#platform/http/principal.ts'
import type { Route } from '#platform/http/route.ts'
import { accountsOn, PASSWORD } from '../support/accounts.ts'
import { order } from '../support/commands.ts'
import { event, startRig, type Rig } from './rig.ts'

let rig: Rig
let routes: readonly Route[]
let accounts: ReturnType<typeof accountsOn>

const OPERATOR: Principal = {
  userId: 'usr_1',
  accountId: 'acc_16',
  chainAccount: 16,
  roles: ['operator'],
  permissions: new Set(),
}

beforeAll(async () => {
  rig = await startRig()
  const { payments, settlement, engine } = rig
  const { ledger, database } = engine
  accounts = accountsOn(database)
  routes = [...settlement.routes, ...paymentsRoutes({ payments, ledger, accounts })]
})

afterAll(async () => {
  await rig.stop()
})

interface Sent {
  readonly params?: object
  readonly query?: object
  readonly body?: object
  readonly key?: string
  readonly principal?: Principal
}

/** Calls a route as the server does and holds its reply against the declared schema. */
async function call(id: string, sent: Sent = {}) {
  const found = routes.find((route) => route.id === id)
  if (found === undefined) throw new TypeError(`no route ${id}`)
  const { params = {}, query = {}, body = {}, key, principal = OPERATOR } = sent
  const reply = await found.run({
    params,
    query,
    body,
    principal,
    idempotencyKey: key,
    requestId: 'req',
    remoteAddress: '::1',
  })
  const schema = found.responses[reply.status]
  if (!(schema instanceof z.ZodType)) throw new TypeError(`${id} does not declare ${reply.status}`)
  schema.parse(reply.body)
  return z.record(z.string(), z.unknown()).parse(reply.body)
}

describe('the routes of settlement and payments', () => {
  it('answer a settlement from its making to its end in the declared form', async () => {
    const { engine } = rig
    await engine.sequencer.submit(order({ account: 16, side: 'sell', price: 100, quantity: 5 }))
    await engine.sequencer.submit(order({ account: 17, side: 'buy', price: 100, quantity: 5 }))
    const made = await call('settle')
    expect(made).toMatchObject({ status: 'netted', kind: 'trade', trades: 1, tx_hash: null })
    await rig.mineAll()
    const final = await call('getSettlement', { params: { id: made['id'] } })
    expect(final).toMatchObject({ status: 'final', gas_used: 123456, head: made['head'] })
    expect((await call('listSettlements', { query: { limit: '1' } }))['data']).toHaveLength(1)
    const clean = await call('getReconciliation')
    expect(clean).toMatchObject({ status: 'clean', differences: [] })
    expect(clean['assets']).toContainEqual({
      asset: 'USD',
      ledger: '2000.000000',
      chain: '2000.000000',
      difference: '0.000000',
      supply_ledger: null,
      supply_chain: null,
    })
  })

  it('answer withdrawals and deposits in asset units', async () => {
    const body = { asset: 'USD', amount: '2.5' }
    const made = await call('requestWithdrawal', { body, key: 'w' })
    expect(made).toMatchObject({ asset: 'USD', amount: '2.500000', status: 'requested' })
    expect(await call('requestWithdrawal', { body, key: 'w' })).toMatchObject({ id: made['id'] })
    expect(await call('getWithdrawal', { params: { id: made['id'] } })).toEqual(made)
    expect((await call('listWithdrawals'))['data']).toEqual([made])
    await rig.chain.mine([event('Deposited', { account: 16, asset: 1, amount: 5n })])
    await rig.arrive()
    const { data } = z
      .object({ data: z.array(z.record(z.string(), z.unknown())) })
      .parse(await call('listDeposits', { query: { limit: '1' } }))
    expect(data).toMatchObject([{ asset: 'BLDG', amount: '0.0005', status: 'incoming' }])
    await rig.chain.finalize()
    await rig.arrive()
  })

  it('show payments of others to auditors alone', async () => {
    const user = await accounts.createUser({ email: 'a@b.c', password: PASSWORD, name: 'a' })
    expect(user.chainAccount).toBe(16)
    const stranger = { ...OPERATOR, chainAccount: 18 }
    const auditor = { ...stranger, permissions: new Set(['audit:read']) }
    const made = await call('requestWithdrawal', { body: { asset: 'USD', amount: '1' }, key: 'x' })
    const params = { id: made['id'] }
    expect(await call('getWithdrawal', { params, principal: auditor })).toEqual(made)
    await expect(call('getWithdrawal', { params, principal: stranger })).rejects.toMatchObject({
      code: 'payments.withdrawal_not_found',
    })
    const query = { account_id: user.accountId }
    for (const list of ['listWithdrawals', 'listDeposits']) {
      const own = await call(list)
      expect(own['data']).not.toEqual([])
      expect(await call(list, { query, principal: auditor })).toEqual(own)
      expect((await call(list, { principal: auditor }))['data']).toEqual([])
      for (const principal of [stranger, OPERATOR])
        await expect(call(list, { query, principal })).rejects.toMatchObject({
          code: 'platform.forbidden',
        })
      const unknown = { account_id: newId('account') }
      await expect(call(list, { query: unknown, principal: auditor })).rejects.toMatchObject({
        code: 'accounts.account_not_found',
      })
    }
  })

  it('name a difference and refuse to resume while it is there', async () => {
    rig.chain.alter(17, 0, 3n)
    const found = await call('getReconciliation')
    expect(found).toMatchObject({ status: 'different', settlement: { status: 'halted' } })
    expect(found['differences']).toMatchObject([
      { kind: 'lane', chain_account: 17, asset: 'USD', difference: '-0.000003' },
    ])
    const resume = call('resumeSettlement', { body: { reason: 'try' } })
    await expect(resume).rejects.toMatchObject({ code: 'settlement.halted' })
    rig.chain.alter(17, 0, -3n)
    const resumed = await call('resumeSettlement', { body: { reason: 'repaired' } })
    expect(resumed).toMatchObject({ status: 'running', reason: null })
  })

  it('refuse ids of other forms, unknown fields and numbers for decimals', async () => {
    await expect(call('getSettlement', { params: { id: 'x' } })).rejects.toMatchObject({
      code: 'settlement.batch_not_found',
    })
    for (const body of [{ asset: 'USD', amount: 2 }, { asset: 'USD', amount: '1', memo: '' }, {}]) {
      await expect(call('requestWithdrawal', { body, key: 'x' })).rejects.toMatchObject({
        code: 'platform.invalid_request',
      })
    }
  })
})
