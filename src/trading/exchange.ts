import { unreachable } from '#kernel/assert.ts'
import type { JsonObject } from '#kernel/json.ts'
import { allowsClass, isRegistered } from '#ledger/account.ts'
import { MAX_ATOMS } from '#kernel/money.ts'
import { FEE_ACCOUNT, userAccount } from '#ledger/account-code.ts'
import type { Books } from '#ledger/books.ts'
import { refuse, type Command, type Outcome } from '#ledger/command.ts'
import type { Reducer } from '#ledger/reducer.ts'
import { findStop, refuseStopped, type OrderStop } from '#ledger/stop.ts'
import {
  isTradingCommand,
  type CancelOrder,
  type CancelOrders,
  type CreateMarket,
  type PlaceOrder,
} from './command.ts'
import { makeMarket, notionalOf, type Market, type MarketStatus } from './market.ts'
import { planMatches, type MatchPlan } from './matching.ts'
import {
  collarTicks,
  creditedAsset,
  heldAsset,
  holdOf,
  isInRange,
  remainingLots,
  type Order,
  type OrderStatus,
  type Reason,
  type Side,
} from './order.ts'
import { OrderDesk } from './order-desk.ts'
import { executeMatch } from './execution.ts'
import type { Trade } from './trade.ts'

/** What a `place_order` came to, as of its own command. */
export interface Placed {
  readonly order: Order
  readonly trades: readonly Trade[]
}

/** A market as its own command left it. */
export interface MarketChanged {
  readonly market: Market
}

/** What a cancel came to. */
export interface Cancelled {
  readonly orders: readonly Order[]
}

interface Ready {
  readonly market: Market
  readonly order: Order
  readonly plan: MatchPlan
}

/** The order books on top of the ledger's books: the trading part of the core. */
export class Exchange implements Reducer {
  readonly context = 'trading'
  readonly desk: OrderDesk

  constructor(desk = new OrderDesk()) {
    this.desk = desk
  }

  handles(command: Command): boolean {
    return isTradingCommand(command)
  }

  apply(books: Books, command: Command): Outcome {
    if (!isTradingCommand(command)) return refuse('ledger.unknown_command', command.type)
    switch (command.type) {
      case 'create_market':
        return this.#createMarket(command)
      case 'close_market':
        return this.#setStatus(books, command.symbol, 'closed')
      case 'open_market':
        return this.#setStatus(books, command.symbol, 'open')
      case 'place_order':
        return this.#placeOrder(books, command)
      case 'cancel_order':
        return this.#cancelOrder(books, command)
      case 'cancel_orders':
        return this.#cancelOrders(books, command)
      default:
        return unreachable(command)
    }
  }

  /** Orders that the account's new class no longer allows leave the book. */
  accountChanged(books: Books, account: number): void {
    const accountClass = books.findAccount(account)?.class ?? 0
    for (const order of this.desk.ordersOf(account)) {
      const market = this.desk.market(order.market)
      const asset = books.findAsset(creditedAsset(market, order.side))
      if (asset === undefined || !allowsClass(asset, accountClass))
        this.#close(books, order, 'cancelled', 'class_not_allowed')
    }
  }

  /** Every open order of the account, or of all accounts, leaves the book. */
  stop(books: Books, account: number | undefined, reason: OrderStop): void {
    const orders = account === undefined ? this.desk.openOrders() : this.desk.ordersOf(account)
    for (const order of orders.toSorted((a, b) => Number(a.sequence - b.sequence)))
      this.#close(books, order, 'cancelled', reason)
  }

  takeEffects(): readonly JsonObject[] {
    return this.desk.takeRows()
  }

  stateLines(): readonly string[] {
    return this.desk.stateLines()
  }

  #createMarket(command: CreateMarket): Outcome {
    const known = this.desk.findMarket(command.symbol)
    const market = makeMarket(
      known?.id ?? this.desk.marketCount + 1,
      command,
      { asset: command.base, decimals: command.base_decimals },
      { asset: command.quote, decimals: command.quote_decimals },
    )
    if (typeof market === 'string') return refuse(`trading.market_${market}`, command.symbol)
    if (known !== undefined) return refuse('trading.market_exists', command.symbol)
    this.desk.addMarket(market)
    return { ok: true, value: { market } satisfies MarketChanged }
  }

  /** Quiet where the market is so already. */
  #setStatus(books: Books, symbol: string, status: MarketStatus): Outcome {
    const market = this.desk.findMarket(symbol)
    if (market === undefined) return refuse('trading.market_not_found', symbol)
    if (market.status === status) return { ok: true, value: { market } satisfies MarketChanged }
    const changed: Market = { ...market, status }
    this.desk.replaceMarket(changed)
    const type = status === 'open' ? 'trading.market_opened.v1' : 'trading.market_closed.v1'
    books.emit({ type, market: symbol })
    return { ok: true, value: { market: changed } satisfies MarketChanged }
  }

  #placeOrder(books: Books, command: PlaceOrder): Outcome {
    const market = this.desk.findMarket(command.market)
    if (market === undefined) return refuse('trading.market_not_found', command.market)
    const refusal = this.#eligibility(books, market, command)
    if (refusal !== undefined) return refusal
    const standing = new Standing(books, this.#opposite(market, command.side))
    const limitTicks = limitOf(market, command, standing)
    if (limitTicks === undefined) return this.#rejectWithoutLiquidity(books, command, standing)
    const lots = BigInt(command.quantity)
    if (!isInRange(market, limitTicks, lots))
      return refuse('trading.notional_out_of_range', `${limitTicks} ticks × ${lots} lots`)
    const order = newOrder(books, command, limitTicks)
    const asset = heldAsset(market, order.side)
    const needed = holdOf(market, order)
    if (books.available(userAccount(order.account), asset) < needed)
      return refuse('ledger.insufficient_funds', `needs ${needed} atoms of asset ${asset}`)
    const plan = planMatches(standing, order)
    if (!this.#fits(books, market, order, plan))
      return refuse('trading.balance_out_of_range', 'a balance would leave the range of an int64')
    this.#closeExpired(books, standing)
    books.placeHold(order.id, userAccount(order.account), asset, needed, 'order')
    return { ok: true, value: this.#execute(books, { market, order, plan }) }
  }

  /** Why this account may not place this order now. */
  #eligibility(books: Books, market: Market, command: PlaceOrder): Outcome | undefined {
    if (market.status !== 'open') return refuse('trading.market_closed', market.symbol)
    if (this.desk.findOrder(command.id) !== undefined)
      return refuse('trading.order_exists', command.id)
    const account = books.findAccount(command.account)
    if (account === undefined || !isRegistered(account, books.at))
      return refuse('trading.account_not_registered', `account ${command.account}`)
    const stop = findStop(account, books.isExitMode)
    if (stop !== undefined) return refuseStopped(stop, command.account)
    const asset = books.findAsset(creditedAsset(market, command.side))
    if (asset === undefined || !allowsClass(asset, account.class))
      return refuse('trading.asset_class_not_allowed', `class ${account.class}`)
    return undefined
  }

  #opposite(market: Market, side: Side): readonly Order[] {
    return this.desk.book(market.symbol).side(side === 'buy' ? 'sell' : 'buy')
  }

  #closeExpired(books: Books, { expired }: Standing): void {
    for (const order of expired) this.#close(books, order, 'cancelled', 'registration_expired')
  }

  #rejectWithoutLiquidity(books: Books, command: PlaceOrder, standing: Standing): Outcome {
    this.#closeExpired(books, standing)
    const order: Order = {
      ...newOrder(books, command, 0n),
      status: 'rejected',
      reason: 'no_liquidity',
    }
    this.desk.write(order)
    books.emit(orderEvent('trading.order_closed.v1', order))
    return { ok: true, value: { order, trades: [] } satisfies Placed }
  }

  /** Whether every balance that the fills may credit stays an int64. */
  #fits(books: Books, market: Market, order: Order, { matches }: MatchPlan): boolean {
    const base = sum(matches.map(({ lots }) => lots * market.lotAtoms))
    const quote = sum(matches.map(({ maker, lots }) => notionalOf(market, maker.limitTicks, lots)))
    const taker = [userAccount(order.account)]
    const makers = matches.map(({ maker }) => userAccount(maker.account))
    const [buyers, sellers] = order.side === 'buy' ? [taker, makers] : [makers, taker]
    const hasRoom = (accounts: readonly bigint[], asset: number, credit: bigint): boolean =>
      accounts.every((account) => books.balance(account, asset).posted + credit <= MAX_ATOMS)
    return (
      hasRoom(buyers, market.base, base) && hasRoom([FEE_ACCOUNT, ...sellers], market.quote, quote)
    )
  }

  #execute(books: Books, { market, order: placed, plan }: Ready): Placed {
    const trades: Trade[] = []
    let taker = placed
    books.emit(orderEvent('trading.order_placed.v1', placed))
    for (const match of plan.matches) {
      const result = executeMatch(books, market, taker, match, trades.length)
      taker = result.taker
      this.desk.write(result.maker)
      this.desk.addTrade(result.trade)
      trades.push(result.trade)
    }
    return { order: this.#settleRemainder(books, taker, plan.selfTrade), trades }
  }

  /** What is left rests, or is cancelled. */
  #settleRemainder(books: Books, taker: Order, selfTrade: boolean): Order {
    if (remainingLots(taker) > 0n) {
      if (selfTrade) return this.#close(books, taker, 'cancelled', 'self_trade')
      if (taker.timeInForce === 'ioc')
        return this.#close(books, taker, 'cancelled', 'immediate_or_cancel')
    }
    this.desk.write(taker)
    return taker
  }

  #cancelOrder(books: Books, { id, account }: CancelOrder): Outcome {
    const order = this.desk.findOrder(id)
    if (order?.account !== account) return refuse('trading.order_terminal', id)
    return { ok: true, value: { orders: [this.#close(books, order, 'cancelled', 'requested')] } }
  }

  #cancelOrders(books: Books, { account, market }: CancelOrders): Outcome {
    if (market !== undefined && this.desk.findMarket(market) === undefined)
      return refuse('trading.market_not_found', market)
    const orders = this.desk
      .ordersOf(account)
      .filter((order) => market === undefined || order.market === market)
      .map((order) => this.#close(books, order, 'cancelled', 'requested'))
    return { ok: true, value: { orders } satisfies Cancelled }
  }

  #close(books: Books, order: Order, status: OrderStatus, reason: Reason): Order {
    const closed: Order = { ...order, status, reason }
    books.setHold(order.id, 0n)
    this.desk.write(closed)
    books.emit(orderEvent('trading.order_closed.v1', closed))
    return closed
  }
}

/** Orders in the order in which they are met, without those whose account may trade no more. */
class Standing implements Iterable<Order> {
  /** Those that were passed over. */
  readonly expired = new Set<Order>()
  readonly #books: Books
  readonly #orders: readonly Order[]

  constructor(books: Books, orders: readonly Order[]) {
    this.#books = books
    this.#orders = orders
  }

  *[Symbol.iterator](): Iterator<Order> {
    for (const order of this.#orders) {
      if (isRegistered(this.#books.findAccount(order.account), this.#books.at)) yield order
      else this.expired.add(order)
    }
  }
}

/** The worst price in ticks; undefined for a market order without an opposite side. */
function limitOf(market: Market, command: PlaceOrder, standing: Standing): bigint | undefined {
  if (command.order_type === 'limit') return BigInt(command.price ?? 0)
  const [best] = standing
  return best === undefined ? undefined : collarTicks(market, command.side, best.limitTicks)
}

function newOrder(books: Books, command: PlaceOrder, limitTicks: bigint): Order {
  return {
    id: command.id,
    account: command.account,
    market: command.market,
    side: command.side,
    type: command.order_type,
    timeInForce: command.time_in_force,
    clientOrderId: command.client_order_id ?? null,
    requestHash: command.request_hash,
    limitTicks,
    lots: BigInt(command.quantity),
    filledLots: 0n,
    makerNotional: 0n,
    takerNotional: 0n,
    status: 'open',
    reason: null,
    sequence: books.sequence,
    createdAt: books.at,
  }
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n)
}

function orderEvent(type: string, order: Order) {
  const { id, account, market, status, reason } = order
  const filled = order.filledLots.toString()
  return { type, id, account, market, status, reason, filled_lots: filled }
}
