import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { User } from '#accounts/user.ts'
import { idFromUuid } from '#kernel/id.ts'
import { ledgerRoutes } from '#ledger/routes.ts'
import type { CommandSink } from '#ledger/submission.ts'
import { SystemClock } from '#platform/clock.ts'
import { newId, newUuid } from '#platform/crypto.ts'
import { platformErrors } from '#platform/errors.ts'
import type { Principal } from '#platform/http/principal.ts'
import { tradingModule } from '#trading/module.ts'
import { MarketService } from '#trading/market-service.ts'
import { accountsOn, PASSWORD } from '../support/accounts.ts'
import { createEngineDatabase, startEngine, type Engine } from '../support/engine.ts'
import { funded } from '../support/commands.ts'
import { TestApi } from '../support/http.ts'
import type { TestDatabase } from '../support/postgres.ts'

const PERMISSIONS = [
  'orders:read',
  'orders:write',
  'trades:read',
  'balances:read',
  'markets:write',
  'journal:read',
]
const MARKET = 'BLDG-USD'

let home: TestDatabase
let engine: Engine
let api: TestApi
/** Of chain account 16. */
let owner: User

beforeAll(async () => {
  home = await createEngineDatabase()
  engine = await startEngine(home.url)
  for (const command of funded([16, 17, 18])) await engine.sequencer.submit(command)
  const { database, ledger, sequencer: sink } = engine
  const settlement = { settlementOf: () => Promise.resolve(new Map()) }
  const accounts = accountsOn(database)
  owner = await accounts.createUser({ email: 'a@b.c', password: PASSWORD, name: 'a' })
  const clock = new SystemClock()
  const trading = tradingModule({ database, clock, ledger, sink, settlement, accounts })
  api = new TestApi([...ledgerRoutes({ ledger, accounts }), ...trading.routes], {
    authenticate: (bearer) => Promise.resolve(principal(bearer)),
  })
  await api.server.start()
})

afterAll(async () => {
  await api.server.stop()
  await engine.stop()
  await home.drop()
})

/** A bearer is a chain account; that of an auditor says so. */
function principal(bearer: string): Principal {
  const chainAccount = Number.parseInt(bearer, 10)
  if (Number.isNaN(chainAccount)) throw platformErrors.unauthenticated()
  const uuid = `01900000-0000-7000-8000-${chainAccount.toString().padStart(12, '0')}`
  return {
    userId: idFromUuid('user', uuid),
    accountId: idFromUuid('account', uuid),
    chainAccount,
    roles: ['investor'],
    permissions: new Set(bearer.endsWith('auditor') ? [...PERMISSIONS, 'audit:read'] : PERMISSIONS),
  }
}

interface Wish {
  readonly [field: string]: unknown
}

async function place(bearer: string, wish: Wish, key = newUuid()) {
  const base = { market: MARKET, type: 'limit', quantity: '1', price: '100.00', side: 'sell' }
  return api.call('POST', '/v1/orders', { bearer, key, body: { ...base, ...wish } })
}

async function refusal(wish: Wish, bearer = '16') {
  const answer = await place(bearer, wish)
  return `${answer.status} ${String(answer.body['code'])}`
}

async function balanceOf(bearer: string, symbol: string) {
  const { body } = await api.call('GET', '/v1/balances', { bearer })
  const rows = body['data']
  return Array.isArray(rows) ? rows.find((row: { asset: string }) => row.asset === symbol) : null
}

describe('orders over HTTP', () => {
  it('trade, and balances, book, trades and fills tell the same', async () => {
    const maker = await place('16', { quantity: '2', price: '101.50' })
    expect([maker.status, maker.body['status']]).toEqual([201, 'open'])
    const book = await api.call('GET', `/v1/markets/${MARKET}/book`)
    expect(book.body['asks']).toEqual([['101.50', '2.0000', 1]])
    const taker = await place('17', { side: 'buy', quantity: '0.5', price: '102' })
    expect(taker.body).toMatchObject({
      status: 'filled',
      average_price: '101.500000',
      filled_quantity: '0.5000',
      fills: [{ price: '101.50', quantity: '0.5000', fee: '0.050750', liquidity: 'taker' }],
    })
    const again = await api.call('GET', `/v1/orders/${String(maker.body['id'])}`, { bearer: '16' })
    expect(again.body).toMatchObject({ status: 'partially_filled', remaining_quantity: '1.5000' })
    const own = await api.call('GET', '/v1/trades', { bearer: '16' })
    const [trade] = own.body['data'] as { id: string }[]
    expect(trade).toMatchObject({
      side: 'sell',
      liquidity: 'maker',
      settlement: { id: null, status: 'unsettled', tx_hash: null },
    })
    const detail = await api.call('GET', `/v1/trades/${trade?.id}`, { bearer: '17' })
    expect(detail.body['transfers']).toMatchObject([
      { debit: '16', credit: '17', asset: 'BLDG', amount: '0.5000', code: 'trade_base' },
      { debit: '17', credit: '16', asset: 'USD', amount: '50.750000', code: 'trade_quote' },
      { debit: '17', credit: '1', asset: 'USD', amount: '0.050750', code: 'fee' },
      { debit: '16', credit: '1', asset: 'USD', amount: '0.025375', code: 'fee' },
    ])
    expect(await balanceOf('16', 'BLDG')).toMatchObject({ held: '1.5000' })
    const publicTrades = await api.call('GET', `/v1/markets/${MARKET}/trades?limit=1`)
    expect(publicTrades.body['data']).toMatchObject([{ price: '101.50', taker_side: 'buy' }])
    const cancelled = await api.call('DELETE', `/v1/orders/${String(maker.body['id'])}`, {
      bearer: '16',
    })
    expect(cancelled.body).toMatchObject({ status: 'cancelled', reason: 'requested' })
    expect(await balanceOf('16', 'BLDG')).toMatchObject({ held: '0.0000' })
  })

  it('are placed once per key and once per client order id', async () => {
    const key = newUuid()
    const wish = { client_order_id: 'mine-1', price: '500.00' }
    const first = await place('16', wish, key)
    const same = await place('16', wish, key)
    expect([first.status, same.status, same.body['id']]).toEqual([201, 200, first.body['id']])
    const later = newUuid()
    const byClientId = await place('16', wish, later)
    expect([byClientId.status, byClientId.body['id']]).toEqual([200, first.body['id']])
    const reused = await place('16', { ...wish, client_order_id: 'mine-3' }, later)
    expect([reused.status, reused.body['code']]).toEqual([422, 'platform.idempotency_mismatch'])
    const other = await place('16', { ...wish, quantity: '3' }, key)
    expect([other.status, other.body['code']]).toEqual([422, 'platform.idempotency_mismatch'])
    expect(await refusal({ ...wish, quantity: '3' })).toBe('422 platform.idempotency_mismatch')
    expect((await place('17', { ...wish, side: 'buy', price: '1.00' })).status).toBe(201)
  })

  it('run once when the same request comes many times at once', async () => {
    const wish = { client_order_id: 'mine-2', price: '501.00' }
    const answers = await Promise.all(Array.from({ length: 8 }, () => place('16', wish)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.every(({ status }) => [200, 201, 409].includes(status))).toBe(true)
  })

  it('need a key or a client order id', async () => {
    const body = { market: MARKET, side: 'buy', type: 'limit', quantity: '1', price: '1.00' }
    const code = await api.refusal('POST', '/v1/orders', { bearer: '16', body })
    expect(code).toContain('422 platform.idempotency_key_required')
  })

  it('store no key when they are refused', async () => {
    const key = newUuid()
    const dear = { side: 'buy', price: '1000000.00', quantity: '9999999' }
    expect((await place('18', dear, key)).body['code']).toBe('trading.notional_out_of_range')
    expect((await place('18', { ...dear, quantity: '5000' }, key)).body['code']).toBe(
      'ledger.insufficient_funds',
    )
    expect((await place('18', { side: 'buy', price: '1.00' }, key)).status).toBe(201)
  })

  it.each([
    ['a wrong tick', { price: '100.005' }, '422 trading.tick_size'],
    ['a wrong lot', { quantity: '0.0001' }, '422 trading.lot_size'],
    ['too many decimals', { quantity: '0.00001' }, '422 trading.too_many_decimals'],
    ['zero', { quantity: '0' }, '422 trading.notional_out_of_range'],
    ['a negative quantity', { quantity: '-1' }, '422 platform.invalid_request'],
    ['a number', { quantity: 1 }, '422 platform.invalid_request'],
    ['an unknown field', { colour: 'red' }, '422 platform.invalid_request'],
    ['an unknown market', { market: 'NO-USD' }, '404 trading.market_not_found'],
    ['no price', { price: undefined }, '422 trading.price_required'],
    ['a market order with a price', { type: 'market' }, '422 trading.price_not_allowed'],
    [
      'a resting market order',
      { type: 'market', price: undefined, time_in_force: 'gtc' },
      '422 trading.time_in_force',
    ],
  ])('refuse %s', async (_, wish, expected) => {
    const before = await engine.ledger.journalHead()
    expect(await refusal(wish)).toBe(expected)
    expect((await engine.ledger.journalHead()).sequence).toBe(before.sequence)
  })

  it('refuse an account that is not registered', async () => {
    expect(await refusal({}, '99')).toBe('409 trading.account_not_registered')
  })

  it('of others are not found, and closed ones stay closed', async () => {
    const { body } = await place('16', { price: '600.00' })
    const path = `/v1/orders/${String(body['id'])}`
    expect(await api.refusal('GET', path, { bearer: '17' })).toContain('404')
    expect(await api.refusal('DELETE', path, { bearer: '17' })).toContain('404')
    await api.call('DELETE', path, { bearer: '16' })
    expect(await api.refusal('DELETE', path, { bearer: '16' })).toBe('409 trading.order_terminal')
  })

  it('are listed newest first, page by page, and cancelled together', async () => {
    for (const price of ['700.00', '701.00', '702.00']) await place('18', { price })
    const first = await api.call('GET', '/v1/orders?status=open&limit=2', { bearer: '18' })
    const cursor = String(first.body['next_cursor'])
    const rest = await api.call('GET', `/v1/orders?status=open&limit=2&cursor=${cursor}`, {
      bearer: '18',
    })
    const prices = [first, rest].flatMap(({ body }) =>
      (body['data'] as { price: string }[]).map(({ price }) => price),
    )
    expect(prices).toEqual(['702.00', '701.00', '700.00', '1.00'])
    const cancelled = await api.call('DELETE', `/v1/orders?market=${MARKET}`, { bearer: '18' })
    expect(cancelled.body['data']).toHaveLength(4)
    const all = await api.call('GET', '/v1/orders', { bearer: '18' })
    expect(all.body['data']).toEqual((cancelled.body['data'] as unknown[]).toReversed())
    const open = await api.call('GET', '/v1/orders?status=open', { bearer: '18' })
    expect(open.body).toMatchObject({ data: [], has_more: false, next_cursor: null })
  })
})

describe('an auditor', () => {
  const auditor = '18-auditor'

  it('reads orders and trades of others, and nobody else does', async () => {
    expect(owner.chainAccount).toBe(16)
    const maker = await place('16', { quantity: '2', price: '90.00' })
    const taker = await place('17', { side: 'buy', price: '90.00' })
    const order = `/v1/orders/${String(maker.body['id'])}`
    const [fill] = taker.body['fills'] as { trade_id: string }[]
    const trade = `/v1/trades/${fill?.trade_id}`
    for (const path of [order, trade])
      expect(await api.refusal('GET', path, { bearer: '18' })).toMatch(/^404 /)
    const own = await api.call('GET', order, { bearer: '16' })
    expect((await api.call('GET', order, { bearer: auditor })).body).toEqual(own.body)
    const seen = await api.call('GET', trade, { bearer: auditor })
    expect(seen.body).toEqual((await api.call('GET', trade, { bearer: '17' })).body)
    expect(seen.body).toMatchObject({ liquidity: 'taker', side: 'buy' })
    expect(await api.refusal('DELETE', order, { bearer: auditor })).toMatch(/^404 /)
    await api.call('DELETE', order, { bearer: '16' })
  })

  it.each(['/v1/orders', '/v1/trades', '/v1/balances'])(
    'lists %s of an account, and nobody else does',
    async (path) => {
      const query = `${path}?account_id=${owner.accountId}`
      const own = await api.call('GET', path, { bearer: '16' })
      expect(own.body['data']).not.toEqual([])
      expect((await api.call('GET', query, { bearer: auditor })).body).toEqual(own.body)
      for (const bearer of ['16', '18'])
        expect(await api.refusal('GET', query, { bearer })).toBe('403 platform.forbidden')
      const unknown = `${path}?account_id=${newId('account')}`
      const absent = await api.refusal('GET', unknown, { bearer: auditor })
      expect(absent).toBe('404 accounts.account_not_found')
      const odd = await api.refusal('GET', `${path}?account_id=16`, { bearer: auditor })
      expect(odd).toBe('422 platform.invalid_request /account_id')
    },
  )
})

describe('a place in a listing', () => {
  const beyond = '9'.repeat(19)
  const cursor = (place: string): string => Buffer.from(place).toString('base64url')

  it.each([
    ['/v1/orders?cursor=', cursor(beyond)],
    ['/v1/trades?cursor=', cursor(`${beyond}:0`)],
    [`/v1/markets/${MARKET}/trades?cursor=`, cursor(`${beyond}:0`)],
    ['/v1/journal?from=', beyond],
  ])('beyond what Postgres counts is refused: %s', async (path, place) => {
    const answer = await api.refusal('GET', path + place, { bearer: '16' })
    expect(answer).toMatch(/^422 platform\.invalid_request/)
  })
})

describe('markets over HTTP', () => {
  const terms = {
    symbol: 'BLDG-USDX',
    base: 'BLDG',
    quote: 'USD',
    tick_size: '0.1',
    lot_size: '0.01',
    maker_fee_bps: 0,
    taker_fee_bps: 20,
  }

  it('open once; other terms under the same symbol are a conflict', async () => {
    const make = async (change: Wish = {}) =>
      api.call('POST', '/v1/markets', { bearer: '16', body: { ...terms, ...change } })
    expect((await make()).body).toMatchObject({ ...terms, market_collar_bps: 500, status: 'open' })
    expect((await make()).status).toBe(200)
    expect((await make({ tick_size: '0.2' })).body['code']).toBe('trading.market_exists')
    expect((await make({ symbol: 'BLDG-ZZZ', quote: 'ZZZ' })).status).toBe(404)
    expect((await make({ symbol: 'BLDG-AAA', lot_size: '0.00001' })).body['code']).toBe(
      'trading.market_lot_size',
    )
    const { body } = await api.call('GET', '/v1/markets')
    expect((body['data'] as unknown[]).length).toBe(2)
  })

  it('that are closed refuse orders, keep those that rest, and open again', async () => {
    const path = `/v1/markets/${MARKET}`
    const statuses = async () => {
      const { body } = await api.call('GET', '/v1/markets')
      const rows = body['data'] as { symbol: string; status: string }[]
      return rows.find(({ symbol }) => symbol === MARKET)?.status
    }
    await api.call('DELETE', '/v1/orders', { bearer: '16' })
    const [first, second] = [
      await place('16', { price: '800.00' }),
      await place('16', { price: '801.00' }),
    ]
    for (const step of ['close', 'close'] as const) {
      const { status, body } = await api.call('POST', `${path}/${step}`, { bearer: '16' })
      expect([status, body['symbol'], body['status']]).toEqual([200, MARKET, 'closed'])
    }
    expect(await statuses()).toBe('closed')
    const before = await balanceOf('16', 'BLDG')
    expect(await refusal({ price: '802.00' })).toBe('409 trading.market_closed')
    expect(await refusal({ type: 'market', price: undefined, side: 'buy' }, '17')).toBe(
      '409 trading.market_closed',
    )
    expect(await balanceOf('16', 'BLDG')).toEqual(before)
    const cancelled = await api.call('DELETE', `/v1/orders/${String(first.body['id'])}`, {
      bearer: '16',
    })
    expect(cancelled.body['status']).toBe('cancelled')
    expect(await engine.ledger.verifyJournal()).toMatchObject({ equal: true })
    for (const step of ['open', 'open'] as const) {
      const { status, body } = await api.call('POST', `${path}/${step}`, { bearer: '16' })
      expect([status, body['status']]).toEqual([200, 'open'])
    }
    expect(await statuses()).toBe('open')
    const taker = await place('17', { side: 'buy', price: '801.00' })
    expect(taker.body).toMatchObject({ status: 'filled', average_price: '801.000000' })
    const met = await api.call('GET', `/v1/orders/${String(second.body['id'])}`, { bearer: '16' })
    expect(met.body['status']).toBe('filled')
    const absent = await api.refusal('POST', '/v1/markets/NO-USD/close', { bearer: '16' })
    expect(absent).toBe('404 trading.market_not_found')
    expect(await engine.ledger.verifyJournal()).toMatchObject({ equal: true })
  })

  it('open once though another request opens the same one in between', async () => {
    const { database, ledger, sequencer } = engine
    const sink: CommandSink = {
      submit: async (command) => {
        await sequencer.submit(command)
        return sequencer.submit(command)
      },
    }
    const service = new MarketService({ database, ledger, sink })
    const request = { ...terms, symbol: 'BLDG-USDY', market_collar_bps: 500 }
    expect(await service.createMarket(request)).toMatchObject({ replayed: true })
    await expect(service.createMarket({ ...request, tick_size: '0.2' })).rejects.toMatchObject({
      code: 'trading.market_exists',
    })
  })
})

describe('the journal over HTTP', () => {
  it('is enough for a stranger to recompute the hash chain', async () => {
    const instance = await engine.database.query<{ id: string }>('SELECT id FROM platform.instance')
    let hash = createHash('sha256')
      .update(instance[0]?.id ?? '')
      .digest('hex')
    let from = '1'
    for (;;) {
      const { body } = await api.call('GET', `/v1/journal?from=${from}&limit=7`, { bearer: '16' })
      const batches = body['data'] as { body: string; hash: string; prev_hash: string }[]
      if (batches.length === 0) break
      for (const batch of batches) {
        expect(batch.prev_hash).toBe(`0x${hash}`)
        hash = createHash('sha256')
          .update(Buffer.from(hash, 'hex'))
          .update(batch.body)
          .digest('hex')
        expect(batch.hash).toBe(`0x${hash}`)
      }
      from = String(body['next_from'])
    }
    const head = await api.call('GET', '/v1/journal/head', { bearer: '16' })
    expect(head.body).toEqual({ sequence: Number(from) - 1, hash: `0x${hash}` })
  })
})
