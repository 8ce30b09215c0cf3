import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { systemAccount, userAccount } from '#ledger/account-code.ts'
import type { Command, Outcome } from '#ledger/command.ts'
import { LedgerCore } from '#ledger/core.ts'
import type { CancelOrder, CloseMarket, OpenMarket } from '#trading/command.ts'
import { Exchange, type Placed } from '#trading/exchange.ts'
import { holdOf, isOpen } from '#trading/order.ts'
import { OrderDesk } from '#trading/order-desk.ts'
import { BASE, MARKET, QUOTE, funded, order } from '../support/commands.ts'
import { NaiveExchange } from './naive-exchange.ts'

const ACCOUNTS = [16, 17, 18]
const POT = 40_000n
const TERMS = { factor: 10n, lotAtoms: 10n, makerBps: 5n, takerBps: 10n, collarBps: 500n }

class Rig {
  readonly exchange = new Exchange()
  readonly core = new LedgerCore([this.exchange])
  sequence = 0n

  constructor(pot = POT, accounts = ACCOUNTS) {
    for (const command of funded(accounts)) this.apply(withAmount(command, pot))
  }

  apply(command: Command): Outcome {
    this.sequence += 1n
    return this.core.apply(this.sequence, instant(1_800_000_000_000), command)
  }

  placed(command: Command): Placed {
    const outcome = this.apply(command)
    if (!outcome.ok || !('order' in outcome.value) || !('trades' in outcome.value))
      throw new TypeError(`refused: ${JSON.stringify(outcome)}`)
    return outcome.value as Placed
  }

  code(command: Command): string | undefined {
    const outcome = this.apply(command)
    return outcome.ok ? undefined : outcome.error.code
  }

  balance(account: number, asset: number) {
    return this.core.books.balance(userAccount(account), asset)
  }
}

/** The funding block with another amount per deposit. */
function withAmount(command: Command, amount: bigint): Command {
  if (!('events' in command) || !Array.isArray(command.events)) return command
  const events = command.events.map((event: { type: string }) =>
    event.type === 'deposit' ? { ...event, amount: amount.toString() } : event,
  )
  return Object.assign({}, command, { events })
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('place' as const),
      account: fc.constantFrom(...ACCOUNTS),
      side: fc.constantFrom('buy' as const, 'sell' as const),
      price: fc.option(fc.integer({ min: 90, max: 110 }), { nil: undefined, freq: 5 }),
      quantity: fc.integer({ min: 1, max: 30 }),
      ioc: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('cancel' as const),
      account: fc.constantFrom(...ACCOUNTS),
      pick: fc.nat(),
    }),
  },
)

function requireInvariants(rig: Rig): void {
  const { books } = rig.core
  const { balances, holds } = books.state()
  for (const asset of [BASE, QUOTE]) {
    const total = balances
      .filter((row) => row.asset === asset)
      .reduce((sum, row) => sum + row.posted, 0n)
    expect(total).toBe(0n)
  }
  for (const row of balances) expect(row.posted - row.held >= row.floor).toBe(true)
  const market = rig.exchange.desk.market(MARKET)
  const open = rig.exchange.desk.openOrders()
  expect(new Map(holds.map((hold) => [hold.id, hold.amount]))).toEqual(
    new Map(open.map((each) => [each.id, holdOf(market, each)])),
  )
  const book = rig.exchange.desk.book(MARKET)
  const [bid] = book.side('buy')
  const [ask] = book.side('sell')
  if (bid !== undefined && ask !== undefined) expect(bid.limitTicks < ask.limitTicks).toBe(true)
}

describe('a closed market', () => {
  const close: CloseMarket = { type: 'close_market', symbol: MARKET }
  const open: OpenMarket = { type: 'open_market', symbol: MARKET }

  it('takes no orders, keeps those that rest and their holds, and lets them be cancelled', () => {
    const rig = new Rig()
    const { order: resting } = rig.placed(
      order({ account: 16, side: 'sell', price: 100, quantity: 3 }),
    )
    const { order: other } = rig.placed(
      order({ account: 16, side: 'sell', price: 101, quantity: 3 }),
    )
    const before = rig.core.stateText()
    rig.core.takeChanges()
    expect(rig.code(close)).toBeUndefined()
    expect(rig.core.stateText()).not.toBe(before)
    const buy = order({ account: 17, side: 'buy', price: 100, quantity: 1 })
    expect(rig.code(buy)).toBe('trading.market_closed')
    expect(rig.code(order({ account: 17, side: 'buy', quantity: 1 }))).toBe('trading.market_closed')
    requireInvariants(rig)
    const cancel: CancelOrder = { type: 'cancel_order', id: other.id, account: 16 }
    expect(rig.code(cancel)).toBeUndefined()
    expect(rig.code(open)).toBeUndefined()
    const { trades } = rig.placed(buy)
    expect(trades.map(({ makerOrder }) => makerOrder)).toEqual([resting.id])
    requireInvariants(rig)
  })

  it('writes one row however often it changes, and none when nothing changes', () => {
    const rig = new Rig()
    rig.core.takeChanges()
    for (const command of [close, open, close]) rig.apply(command)
    const { effects, events } = rig.core.takeChanges()
    expect(effects.get('trading')).toMatchObject([
      { markets: [{ symbol: MARKET, status: 'closed' }] },
    ])
    expect(events.map(([, { type }]) => type)).toEqual([
      'trading.market_closed.v1',
      'trading.market_opened.v1',
      'trading.market_closed.v1',
    ])
    rig.apply(close)
    const quiet = rig.core.takeChanges()
    expect([quiet.effects.get('trading'), quiet.events]).toEqual([undefined, []])
  })

  it('has to exist', () => {
    const rig = new Rig()
    for (const known of [close, open]) {
      const command: CloseMarket | OpenMarket = { ...known, symbol: 'NO-USD' }
      expect(rig.code(command)).toBe('trading.market_not_found')
    }
  })
})

describe('the exchange', () => {
  it('does what a naive exchange does, command by command', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const rig = new Rig()
        const model = new NaiveExchange(TERMS)
        for (const account of ACCOUNTS) {
          model.deposit(account, 'base', POT)
          model.deposit(account, 'quote', POT)
        }
        const trades: unknown[] = []
        for (const next of steps) {
          if (next.kind === 'cancel') {
            const id = model.orders[next.pick % Math.max(model.orders.length, 1)]?.id ?? newId()
            const before = rig.core.stateText()
            const outcome = rig.apply(cancelCommand(id, next.account))
            expect(outcome.ok).toBe(model.cancel(id, next.account))
            if (!outcome.ok) expect(rig.core.stateText()).toBe(before)
          } else {
            const { kind: _, price, ...sketch } = next
            const command = order({ ...sketch, ...(price !== undefined && { price }) })
            const before = rig.core.stateText()
            const outcome = rig.apply(command)
            const expected = model.place({
              id: command.id,
              account: sketch.account,
              side: sketch.side,
              price: price === undefined ? undefined : BigInt(price),
              lots: BigInt(sketch.quantity),
              ioc: sketch.ioc,
            })
            if (!outcome.ok) {
              expect([expected, outcome.error.code]).toEqual([
                'refused',
                'ledger.insufficient_funds',
              ])
              expect(rig.core.stateText()).toBe(before)
            } else {
              const placed = outcome.value as Placed
              expect(placed.order.status).toBe(expected)
              trades.push(
                ...placed.trades.map(({ makerOrder, takerOrder, ticks, lots }) => ({
                  maker: makerOrder,
                  taker: takerOrder,
                  ticks,
                  lots,
                })),
              )
            }
          }
          requireInvariants(rig)
          for (const account of [1, ...ACCOUNTS])
            for (const [asset, name] of [
              [BASE, 'base'],
              [QUOTE, 'quote'],
            ] as const) {
              const row = rig.balance(account, asset)
              expect([row.posted, row.held]).toEqual([
                model.posted(account, name),
                model.held(account, name),
              ])
            }
        }
        expect(trades).toEqual(model.trades)
      }),
      { numRuns: 150 },
    )
  })

  it('gives the same state when the same commands are applied again', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const commands = steps.flatMap((next) => {
          if (next.kind === 'cancel') return []
          const { kind: _, price, ...sketch } = next
          return [order({ ...sketch, ...(price !== undefined && { price }) })]
        })
        const [one, two] = [new Rig(), new Rig()]
        for (const command of commands) {
          one.apply(command)
          one.core.takeChanges()
          two.apply(command)
        }
        expect(one.core.stateText()).toBe(two.core.stateText())
      }),
      { numRuns: 50 },
    )
  })
})

describe('order rules', () => {
  it('fills at the price of the maker, oldest first, one trade per maker', () => {
    const rig = new Rig()
    const makers = [
      order({ account: 16, side: 'sell', price: 101, quantity: 2 }),
      order({ account: 17, side: 'sell', price: 100, quantity: 2 }),
      order({ account: 16, side: 'sell', price: 100, quantity: 2 }),
    ]
    for (const maker of makers) rig.apply(maker)
    const { order: taker, trades } = rig.placed(
      order({ account: 18, side: 'buy', price: 105, quantity: 5 }),
    )
    expect(trades.map((trade) => [trade.makerOrder, trade.ticks, trade.lots])).toEqual([
      [makers[1]?.id, 100n, 2n],
      [makers[2]?.id, 100n, 2n],
      [makers[0]?.id, 101n, 1n],
    ])
    expect(taker.status).toBe('filled')
  })

  it('charges ten fills no more than one', () => {
    const fees = [1, 10].map((parts) => {
      const rig = new Rig(10n ** 9n)
      for (let i = 0; i < parts; i += 1)
        rig.apply(order({ account: 16, side: 'sell', price: 7, quantity: 10 / parts }))
      rig.apply(order({ account: 17, side: 'buy', price: 7, quantity: 10 }))
      return 10n ** 9n - rig.balance(17, QUOTE).posted - 7n * 10n * TERMS.factor
    })
    expect(fees).toEqual([1n, 1n])
  })

  it('keeps the fills before an own order and cancels the rest', () => {
    const rig = new Rig()
    rig.apply(order({ account: 17, side: 'sell', price: 100, quantity: 1 }))
    rig.apply(order({ account: 16, side: 'sell', price: 101, quantity: 1 }))
    const { order: taker } = rig.placed(
      order({ account: 16, side: 'buy', price: 105, quantity: 3 }),
    )
    expect([taker.status, taker.reason, taker.filledLots]).toEqual(['cancelled', 'self_trade', 1n])
  })

  it('rejects a market order that finds no opposite side, without a hold', () => {
    const rig = new Rig()
    const { order: rejected } = rig.placed(order({ account: 16, side: 'buy', quantity: 1 }))
    expect([rejected.status, rejected.reason]).toEqual(['rejected', 'no_liquidity'])
    expect(rig.balance(16, QUOTE).held).toBe(0n)
  })

  it('stops a market order at the collar, rounded towards the best price', () => {
    const rig = new Rig()
    for (const price of [99, 103, 104])
      rig.apply(order({ account: 16, side: 'sell', price, quantity: 1 }))
    const { order: taker, trades } = rig.placed(order({ account: 17, side: 'buy', quantity: 3 }))
    expect(trades.map((trade) => trade.ticks)).toEqual([99n, 103n])
    expect([taker.status, taker.reason]).toEqual(['cancelled', 'immediate_or_cancel'])
  })

  it.each([
    ['an unknown market', { market: 'NO-USD' }, 'trading.market_not_found'],
    ['an account that is not registered', { account: 99 }, 'trading.account_not_registered'],
    ['more than the balance', { quantity: '999999' }, 'ledger.insufficient_funds'],
    ['an unsafe notional', { quantity: '9007199254740991' }, 'trading.notional_out_of_range'],
  ])('refuses %s', (_, change, code) => {
    const rig = new Rig()
    const before = rig.core.stateText()
    const command = order({ account: 16, side: 'buy', price: 100, quantity: 1 })
    expect(rig.code({ ...command, ...change })).toBe(code)
    expect(rig.core.stateText()).toBe(before)
  })

  it('refuses an order while the market is closed', () => {
    const rig = new Rig()
    const open = rig.exchange.desk.market(MARKET)
    const closed = new Exchange(new OrderDesk([{ ...open, status: 'closed' }]))
    const core = new LedgerCore([closed], rig.core.books.state())
    const command = order({ account: 16, side: 'buy', price: 100, quantity: 1 })
    const outcome = core.apply(rig.sequence + 1n, instant(1_800_000_000_000), command)
    expect(outcome).toMatchObject({ ok: false, error: { code: 'trading.market_closed' } })
  })

  it('takes orders of an account whose class the asset no longer allows out of the book', () => {
    const rig = new Rig()
    const listed = { type: 'listed', asset: BASE, token: '0x1', decimals: 4, allowed_classes: [1] }
    final(rig, 2, [listed])
    const bid = order({ account: 16, side: 'buy', price: 10, quantity: 1 })
    rig.apply(bid)
    final(rig, 3, [{ type: 'class_changed', account: 16, class: 2, expires_at: null }])
    expect(rig.exchange.desk.findOrder(bid.id)).toBeUndefined()
    expect(rig.balance(16, QUOTE).held).toBe(0n)
    expect(rig.code(Object.assign({}, bid, { id: newId() }))).toBe(
      'trading.asset_class_not_allowed',
    )
  })

  it('refuses orders of an expired registration', () => {
    const rig = new Rig()
    final(rig, 2, [{ type: 'registered', account: 20, wallet: '0x2', class: 1, expires_at: 1000 }])
    expect(rig.code(order({ account: 20, side: 'buy', price: 10, quantity: 1 }))).toBe(
      'trading.account_not_registered',
    )
  })

  it('passes over resting orders of an expired registration and closes them', () => {
    const rig = new Rig()
    const asks = [100, 101].map((price, place) =>
      order({ account: 16 + place, side: 'sell', price, quantity: 1 }),
    )
    for (const ask of asks) rig.apply(ask)
    final(rig, 2, [{ type: 'class_changed', account: 16, class: 1, expires_at: 1000 }])
    const { order: taker, trades } = rig.placed(order({ account: 18, side: 'buy', quantity: 1 }))
    expect(trades.map(({ makerOrder }) => makerOrder)).toEqual([asks[1]?.id])
    expect(taker.status).toBe('filled')
    expect(rig.exchange.desk.openOrders()).toEqual([])
    expect(rig.balance(16, BASE).held).toBe(0n)
  })

  it('leaves them where they are when the incoming order is refused', () => {
    const rig = new Rig()
    rig.apply(order({ account: 16, side: 'sell', price: 100, quantity: 1 }))
    final(rig, 2, [{ type: 'class_changed', account: 16, class: 1, expires_at: 1000 }])
    const before = rig.core.stateText()
    const dear = order({ account: 18, side: 'buy', price: 110, quantity: 1_000_000 })
    expect(rig.code(dear)).toBe('ledger.insufficient_funds')
    expect(rig.core.stateText()).toBe(before)
    expect(rig.placed(order({ account: 18, side: 'buy', quantity: 1 })).order.reason).toBe(
      'no_liquidity',
    )
    expect(rig.exchange.desk.openOrders()).toEqual([])
  })

  it('cancels all orders of an account and nobody else', () => {
    const rig = new Rig()
    for (const account of [16, 17])
      rig.apply(order({ account, side: 'sell', price: 100, quantity: 1 }))
    rig.apply(Object.assign({ type: 'cancel_orders' }, { account: 16 }))
    expect(rig.exchange.desk.openOrders().map((each) => each.account)).toEqual([17])
    expect(rig.exchange.desk.openOrders().every(isOpen)).toBe(true)
  })

  it('books custody against what users own', () => {
    const rig = new Rig()
    expect(rig.core.books.balance(systemAccount('custody', QUOTE), QUOTE).posted).toBe(
      -POT * BigInt(ACCOUNTS.length),
    )
  })
})

function final(rig: Rig, number: number, events: readonly object[]): void {
  const hash = `0x${number}`
  rig.apply(Object.assign({ type: 'apply_block' }, { number, hash, time: number, events }))
  rig.apply(Object.assign({ type: 'finalize_block' }, { number, hash }))
}

function cancelCommand(id: string, account: number): Command {
  return Object.assign({ type: 'cancel_order' }, { id, account })
}

function newId(): string {
  return order({ account: 16, side: 'buy', price: 1, quantity: 1 }).id
}
