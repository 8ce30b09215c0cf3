import { rows, text, type Body } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import type { Sandbox } from '../support/sandbox.ts'

let made = 0

/** A client order id that no other order of this run has. */
export function orderKey(): string {
  made += 1
  return `journey-${process.pid}-${made}`
}

/** What two investors trade: one offers, the other takes it at once. */
export interface Deal {
  readonly quantity: string
  readonly price: string
}

/** Investor two (the holder of the demo asset) sells to investor one; returns both orders. */
export async function deal(sandbox: Sandbox, { quantity, price }: Deal): Promise<[Body, Body]> {
  const { market } = sandbox
  const limit = { market, type: 'limit', quantity, price }
  const seller = sandbox.client('investor', 1)
  const buyer = sandbox.client('investor', 0)
  const sale = await seller.post('/v1/orders', {
    ...limit,
    side: 'sell',
    client_order_id: orderKey(),
  })
  const purchase = await buyer.post('/v1/orders', {
    ...limit,
    side: 'buy',
    client_order_id: orderKey(),
  })
  return [await seller.get(`/v1/orders/${text(sale, 'id')}`), purchase]
}

/** The newest own trade of investor one, as its settlement stands. */
export async function newestTrade(sandbox: Sandbox): Promise<Body> {
  const [trade] = await sandbox.client('investor', 0).all('/v1/trades')
  if (trade === undefined) throw new TypeError('no trade')
  return trade
}

/** One asset's balance of a demo user; all zero when the account never had it. */
export async function balanceOf(
  sandbox: Sandbox,
  asset: string,
  role: string,
  place = 0,
): Promise<Body> {
  const found = (await sandbox.client(role, place).data('/v1/balances')).find(
    (row) => row['asset'] === asset,
  )
  return found ?? { asset, total: '0', available: '0', held: '0', pending: '0' }
}

/** Waits for a settlement to reach a status. */
export async function awaitSettlement(sandbox: Sandbox, id: string, status: string): Promise<Body> {
  const operator = sandbox.client('operator')
  return until(`settlement ${id} ${status}`, async () => {
    const batch = await operator.get(`/v1/settlements/${id}`)
    return batch['status'] === status ? batch : undefined
  })
}

/**
 * Waits until a block is final for the node. The chain makes only the blocks that finality needs, so
 * where nobody sends anything more, the node has read it to its end by then.
 */
export async function untilFinal(sandbox: Sandbox, block: number): Promise<void> {
  const operator = sandbox.client('operator')
  await until(`a final block ${block}`, async () => {
    const report = await operator.get('/v1/reconciliation')
    return Number(report['block']) >= block
  })
}

/** The reconciliation of ledger and chain; throws when it stays unequal. */
export async function reconciled(sandbox: Sandbox): Promise<Body> {
  const operator = sandbox.client('operator')
  return until('an equal reconciliation', async () => {
    const report = await operator.get('/v1/reconciliation')
    return rows(report, 'differences').length === 0 ? report : undefined
  })
}
