import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, rows, text } from '../../scripts/body.ts'
import { runAudit } from '../support/audit.ts'
import { until } from '../support/client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import { awaitSettlement, balanceOf, deal, orderKey, reconciled } from './market-story.ts'

describe('trading and settling', () => {
  let sandbox: Sandbox

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
  })

  afterAll(async () => sandbox?.dispose())

  it('follows a trade from order to ledger legs to batch to transaction', async () => {
    const [sale, purchase] = await deal(sandbox, { quantity: '12.50', price: '101.37' })
    expect(sale['status']).toBe('filled')
    expect(purchase).toMatchObject({
      status: 'filled',
      filled_quantity: '12.50',
      average_price: '101.370000',
    })
    const buyer = sandbox.client('investor', 0)
    const tradeId = text(purchase, 'fills', 0, 'trade_id')
    const before = await buyer.get(`/v1/trades/${tradeId}`)
    expect(at(before, 'settlement', 'status')).toBe('unsettled')

    const operator = sandbox.client('operator')
    const begun = await operator.call('POST', '/v1/settlements', { body: {} })
    expect(begun.status).toBe(201)
    const batch = await awaitSettlement(sandbox, text(begun.body, 'id'), 'final')
    const after = await buyer.get(`/v1/trades/${tradeId}`)
    expect(after['settlement']).toEqual({
      id: batch['id'],
      status: 'final',
      tx_hash: batch['tx_hash'],
    })

    // 12.50 × 101.37 = 1267.125; the maker pays 5 bps, the taker 10, each rounded up to the atom.
    const { accountId: _, chainAccount: b } = sandbox.user('investor', 0)
    const { chainAccount: s } = sandbox.user('investor', 1)
    const legs = rows(after, 'transfers').map((leg) =>
      [leg['debit'], leg['credit'], leg['asset'], leg['amount'], leg['code']].join(' '),
    )
    expect(legs.toSorted()).toEqual(
      [
        `${s} ${b} HARBOR 12.50 trade_base`,
        `${b} ${s} USD 1267.125000 trade_quote`,
        `${s} 1 USD 0.633563 fee`,
        `${b} 1 USD 1.267125 fee`,
      ].toSorted(),
    )
  })

  it('answers a settlement with nothing to settle by a conflict', async () => {
    await settleAll(sandbox)
    expect(await sandbox.client('operator').refusal('POST', '/v1/settlements', { body: {} })).toBe(
      '409 settlement.nothing_to_settle',
    )
  })

  it('nets many trades into few deltas, and a covered balance is settled to the atom', async () => {
    for (let round = 0; round < 20; round += 1) {
      await deal(sandbox, { quantity: '0.33', price: `100.${10 + round}` })
    }
    const batch = await settleAll(sandbox)
    expect(Number(batch['trades'])).toBe(20)
    expect(Number(batch['deltas'])).toBe(5)
    expect(batch['netting_ratio']).toBe(16)
    for (const place of [0, 1]) {
      for (const asset of ['USD', 'HARBOR']) {
        const balance = await balanceOf(sandbox, asset, 'investor', place)
        expect(Number(balance['unsettled'])).toBe(0)
        expect(balance['settled']).toBe(balance['total'])
      }
    }
  })

  it('serves price-time priority, ioc, market orders and cancels as the rules say', async () => {
    const { market } = sandbox
    const maker = sandbox.client('investor', 1)
    const taker = sandbox.client('investor', 0)
    const ask = async (price: string, quantity: string): Promise<string> => {
      const body = {
        market,
        side: 'sell',
        type: 'limit',
        price,
        quantity,
        client_order_id: orderKey(),
      }
      return text(await maker.post('/v1/orders', body), 'id')
    }
    const first = await ask('110.00', '1.00')
    const second = await ask('110.00', '1.00')
    const better = await ask('109.50', '1.00')
    const book = await sandbox.client().get(`/v1/markets/${market}/book?depth=5`)
    expect(book['asks']).toEqual([
      ['109.50', '1.00', 1],
      ['110.00', '2.00', 2],
    ])

    const ioc = await taker.post(
      '/v1/orders',
      {
        market,
        side: 'buy',
        type: 'limit',
        price: '110.00',
        quantity: '1.50',
        time_in_force: 'ioc',
      },
      orderKey(),
    )
    expect(rows(ioc, 'fills').map((fill) => [fill['price'], fill['quantity']])).toEqual([
      ['109.50', '1.00'],
      ['110.00', '0.50'],
    ])
    expect((await maker.get(`/v1/orders/${better}`))['status']).toBe('filled')
    expect(await maker.get(`/v1/orders/${first}`)).toMatchObject({
      status: 'partially_filled',
      remaining_quantity: '0.50',
    })

    const swept = await taker.post(
      '/v1/orders',
      { market, side: 'buy', type: 'market', quantity: '9.00' },
      orderKey(),
    )
    expect(swept).toMatchObject({ status: 'cancelled', filled_quantity: '1.50' })
    const empty = await taker.post(
      '/v1/orders',
      { market, side: 'buy', type: 'market', quantity: '1.00' },
      orderKey(),
    )
    expect(empty).toMatchObject({
      status: 'rejected',
      reason: 'no_liquidity',
      filled_quantity: '0.00',
    })

    const resting = await ask('111.00', '2.00')
    const held = await balanceOf(sandbox, 'HARBOR', 'investor', 1)
    expect(held['held']).toBe('2.00')
    expect((await maker.delete(`/v1/orders/${resting}`))['status']).toBe('cancelled')
    expect(await maker.refusal('DELETE', `/v1/orders/${resting}`)).toBe(
      '409 trading.order_terminal',
    )
    expect((await balanceOf(sandbox, 'HARBOR', 'investor', 1))['held']).toBe('0.00')
    expect(await taker.refusal('DELETE', `/v1/orders/${second}`)).toBe(
      '404 trading.order_not_found',
    )
  })

  it('keeps every lane on chain equal to the ledger', async () => {
    await settleAll(sandbox)
    const report = await reconciled(sandbox)
    const wallet = await ChainWallet.open(sandbox, sandbox.user('issuer').wallet?.privateKey ?? '')
    for (const [place, asset, chainAsset, scale] of [
      [0, 'USD', 0, 6],
      [1, 'HARBOR', 1, 2],
    ] as const) {
      const { chainAccount } = sandbox.user('investor', place)
      const balance = await balanceOf(sandbox, asset, 'investor', place)
      const atoms = BigInt(text(balance, 'settled').replace('.', ''))
      expect(text(balance, 'settled').split('.')[1]).toHaveLength(scale)
      expect(await wallet.read('ClearingHouse', 'balanceOf', chainAccount, chainAsset)).toBe(atoms)
    }
    wallet.close()
    expect(rows(report, 'assets').map((asset) => Number(asset['difference']))).toEqual(
      rows(report, 'assets').map(() => 0),
    )
  })

  it('lets a stranger recompute journal, head and lanes', async () => {
    const { code, output } = await runAudit(sandbox)
    expect(output).toContain('journal')
    expect([code, code === 0 ? '' : output]).toEqual([0, ''])
  })

  it('does the same by itself at an interval', async () => {
    await sandbox.stop()
    const timed = await Sandbox.start({ env: { SETTLEMENT_INTERVAL_MS: '500' } })
    try {
      await deal(timed, { quantity: '1.00', price: '99.00' })
      await until('a settlement nobody asked for', async () => {
        const [trade] = await timed.client('investor').all('/v1/trades')
        return at(trade, 'settlement', 'status') === 'final'
      })
    } finally {
      await timed.dispose()
    }
  })
})
