import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, text, type Body } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { deal, newestTrade, orderKey, reconciled } from './market-story.ts'

interface Memory {
  readonly balances: readonly (readonly Body[])[]
  readonly orders: readonly Body[]
  readonly settlements: readonly Body[]
  readonly journal: Body
}

describe('stopping and starting', () => {
  let sandbox: Sandbox
  let resting: string

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await deal(sandbox, { quantity: '4.00', price: '100.00' })
    await settleAll(sandbox)
    await until('the gas of the settlements', async () => {
      const batches = await sandbox.client('operator').all('/v1/settlements')
      return batches.every((batch) => typeof batch['gas_used'] === 'number')
    })
    const order = await sandbox.client('investor', 0).post('/v1/orders', {
      market: sandbox.market,
      side: 'buy',
      type: 'limit',
      quantity: '5.00',
      price: '90.00',
      client_order_id: orderKey(),
    })
    resting = text(order, 'id')
  })

  afterAll(async () => sandbox?.dispose())

  async function remember(): Promise<Memory> {
    return {
      balances: [
        await sandbox.client('investor', 0).data('/v1/balances'),
        await sandbox.client('investor', 1).data('/v1/balances'),
        await sandbox.client('issuer').data('/v1/balances'),
      ],
      orders: await sandbox.client('investor', 0).all('/v1/orders'),
      settlements: await sandbox.client('operator').all('/v1/settlements'),
      journal: await sandbox.client('auditor').get('/v1/journal?from=1'),
    }
  }

  /** What a start adds to the journal (new blocks) does not change what was there. */
  function expectKept(now: Memory, then: Memory): void {
    expect({ ...now, journal: {} }).toEqual({ ...then, journal: {} })
    expect(at(now.journal, 'data', 0)).toEqual(at(then.journal, 'data', 0))
  }

  it('keeps balances, orders and batches over a stop', async () => {
    const then = await remember()
    expect(await sandbox.stop()).toBe(0)
    await sandbox.restart()
    expectKept(await remember(), then)
  })

  it('keeps them over a kill', async () => {
    const then = await remember()
    await sandbox.kill9()
    await sandbox.restart()
    expectKept(await remember(), then)
  })

  it('goes on afterwards: the resting order still trades and settles', async () => {
    const sale = await sandbox.client('investor', 1).post('/v1/orders', {
      market: sandbox.market,
      side: 'sell',
      type: 'limit',
      quantity: '2.00',
      price: '90.00',
      client_order_id: orderKey(),
    })
    expect(sale['status']).toBe('filled')
    expect(await sandbox.client('investor', 0).get(`/v1/orders/${resting}`)).toMatchObject({
      status: 'partially_filled',
      filled_quantity: '2.00',
    })
    await settleAll(sandbox)
    expect(at(await newestTrade(sandbox), 'settlement', 'status')).toBe('final')
    await reconciled(sandbox)
  })
})
