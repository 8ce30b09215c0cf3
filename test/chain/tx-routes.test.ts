import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idFromUuid } from '#kernel/id.ts'
import { transactionRoutes } from '#chain/tx-routes.ts'
import { newId } from '#platform/crypto.ts'
import { permissionsOf } from '#accounts/rbac.ts'
import { TestApi } from '../support/http.ts'
import { TxRig } from './tx-rig.ts'

let rig: TxRig
let api: TestApi

const people = { operator: ['operator'], auditor: ['auditor'], investor: ['investor'] } as const

beforeAll(async () => {
  rig = await TxRig.start()
  api = new TestApi(transactionRoutes(rig.desk), {
    authenticate: (token: string) => {
      const roles = Object.entries(people).find(([name]) => name === token)?.[1] ?? []
      const permissions = permissionsOf(roles)
      const principal = { userId: 'usr_1', accountId: 'acc_1', chainAccount: 16, permissions }
      return Promise.resolve({ ...principal, roles: [...roles] })
    },
  })
  await api.server.start()
  await rig.watch()
})

afterAll(async () => {
  await api.server.stop()
  await rig.stop()
})

const reason = { reason: 'looked at it' }

describe('the routes of transactions', () => {
  it('list what the node sends, one by one and by state', async () => {
    const manager = await rig.lab.txManager()
    const id = idFromUuid('transaction', await rig.register(20))
    await rig.register(21)
    await rig.state('register:21', 'mined')
    const page = await api.call('GET', '/v1/transactions?limit=1', { bearer: 'auditor' })
    expect(page.body).toMatchObject({ has_more: true, data: [{ key: 'register:21' }] })
    const next = `/v1/transactions?limit=1&cursor=${String(page.body['next_cursor'])}`
    expect((await api.call('GET', next, { bearer: 'auditor' })).body).toMatchObject({
      has_more: false,
      data: [{ id, signer: 'registrar', attempts: 1, wish: null, error: null }],
    })
    const held = await api.call('GET', '/v1/transactions?state=held', { bearer: 'operator' })
    expect(held.body['data']).toEqual([])
    const one = await api.call('GET', `/v1/transactions/${id}`, { bearer: 'operator' })
    expect(one.body).toMatchObject({ id, state: 'mined', nonce: expect.any(Number) })
    await manager.stop()
    await rig.lab.resign()
  })

  it('take the wishes of operators, and refuse what came too late', async () => {
    const id = idFromUuid('transaction', await rig.register(30))
    const call = { bearer: 'operator', body: reason }
    const resumed = await api.call('POST', `/v1/transactions/${id}/resume`, call)
    expect(resumed.body['code']).toBe('chain.transaction_not_held')
    const wished = await api.call('POST', `/v1/transactions/${id}/cancel`, call)
    expect(wished.status).toBe(202)
    expect(wished.body).toMatchObject({ id, state: 'requested', wish: 'cancel' })
    const manager = await rig.lab.txManager()
    await rig.state('register:30', 'cancelled')
    const late = await api.call('POST', `/v1/transactions/${id}/cancel`, call)
    expect(late.body['code']).toBe('chain.transaction_over')
    await manager.stop()
    await rig.lab.resign()
  })

  it('show the breakers and reset them', async () => {
    await rig.lab.database.query(
      `UPDATE chain.breaker SET is_open = true, reason = 'nonce 7' WHERE name = 'external_nonce'
       AND scope = 'settler'`,
    )
    const shown = await api.call('GET', '/v1/breakers', { bearer: 'auditor' })
    expect(shown.body['data']).toHaveLength(11)
    expect(shown.body['data']).toContainEqual(
      expect.objectContaining({ name: 'external_nonce', scope: 'settler', state: 'open' }),
    )
    const path = '/v1/breakers/external_nonce/reset'
    const reset = await api.call('POST', path, { bearer: 'operator', body: reason })
    expect(reset.body['data']).toMatchObject([{ state: 'closed' }, { state: 'closed' }])
    const again = await api.call('POST', path, { bearer: 'operator', body: reason })
    expect(again.body['code']).toBe('chain.breaker_closed')
  })

  it('are for operators, of unknown ids know nothing, and want a reason', async () => {
    const id = newId('transaction')
    const path = `/v1/transactions/${id}/cancel`
    const call = { bearer: 'auditor', body: reason }
    expect((await api.call('POST', path, call)).status).toBe(403)
    expect((await api.call('GET', '/v1/breakers', { bearer: 'investor' })).status).toBe(403)
    const unknown = await api.call('POST', path, { bearer: 'operator', body: reason })
    expect(unknown.body['code']).toBe('chain.transaction_not_found')
    const empty = await api.call('POST', path, { bearer: 'operator', body: { reason: ' ' } })
    expect(empty.status).toBe(422)
  })
})
