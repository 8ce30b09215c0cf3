import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { Client as PostgresClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findProcesses } from '#platform/process-identity.ts'
import { at, text } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { deal, newestTrade, orderKey, reconciled } from './market-story.ts'

describe('a part that goes away', () => {
  let sandbox: Sandbox

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
  })

  afterAll(async () => {
    await sandbox?.dispose()
  })

  /** Names of the services that are not well, in all processes; empty when the node is ready. */
  async function unwell(): Promise<readonly string[]> {
    const services = await sandbox.health()
    return services.filter(({ ok }) => !ok).map(({ name }) => name)
  }

  it('refuses with 503 what cannot be durable without Postgres, and goes on when it is back', async () => {
    const url = new URL(sandbox.database)
    const database = url.pathname.slice(1)
    url.pathname = '/template1'
    const admin = new PostgresClient({ connectionString: url.href })
    await admin.connect()
    const order = {
      market: sandbox.market,
      side: 'buy',
      type: 'limit',
      quantity: '1.00',
      price: '50.00',
      client_order_id: orderKey(),
    }
    const investor = sandbox.client('investor')
    try {
      await admin.query(`ALTER DATABASE "${database}" ALLOW_CONNECTIONS false`)
      await admin.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1',
        [database],
      )
      expect(await investor.refusal('POST', '/v1/orders', { body: order })).toBe(
        '503 platform.unavailable',
      )
      await until('an unwell node', async () => (await unwell()).length > 0)
      expect(await investor.refusal('POST', '/v1/orders', { body: order })).toBe(
        '503 platform.unavailable',
      )
    } finally {
      await admin.query(`ALTER DATABASE "${database}" ALLOW_CONNECTIONS true`)
      await admin.end()
    }
    await until('a node that is well again', async () => (await unwell()).length === 0)
    const placed = await investor.post('/v1/orders', order)
    expect(placed['status']).toBe('open')
    const same = await investor.all('/v1/orders?status=open')
    expect(same.filter((row) => row['client_order_id'] === order.client_order_id)).toHaveLength(1)
    await investor.delete(`/v1/orders/${text(placed, 'id')}`)
    await deal(sandbox, { quantity: '1.00', price: '100.00' })
    await settleAll(sandbox)
    await reconciled(sandbox)
  })

  it('trades on without the chain, says so, and settles when it is back', async () => {
    const [anvil] = findProcesses(join(realpathSync(sandbox.home), 'chain', 'cache'))
    if (anvil === undefined) throw new TypeError('no chain to stop')
    process.kill(anvil.pid, 'SIGSTOP')
    try {
      const [, purchase] = await deal(sandbox, { quantity: '1.00', price: '100.00' })
      expect(purchase['status']).toBe('filled')
      await until('an unwell node', async () => (await unwell()).length > 0)
    } finally {
      process.kill(anvil.pid, 'SIGCONT')
    }
    await until('a node that is well again', async () => (await unwell()).length === 0)
    await settleAll(sandbox)
    expect(at(await newestTrade(sandbox), 'settlement', 'status')).toBe('final')
    await reconciled(sandbox)
  })
})
