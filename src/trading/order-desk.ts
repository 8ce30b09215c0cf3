import { assert, present } from '#kernel/assert.ts'
import type { JsonObject } from '#kernel/json.ts'
import { Book } from './book.ts'
import type { Market } from './market.ts'
import { isOpen, type Order } from './order.ts'
import { marketRow, orderColumns, orderUpdateColumns, tradeColumns } from './row.ts'
import type { Trade } from './trade.ts'

/** Markets, their books and every open order; remembers what changed for the tables. */
export class OrderDesk {
  readonly #markets = new Map<string, Market>()
  readonly #books = new Map<string, Book>()
  readonly #orders = new Map<string, Order>()
  readonly #byAccount = new Map<number, Set<string>>()
  #changed = new Map<string, Order>()
  #fresh = new Set<string>()
  #changedMarkets = new Map<string, Market>()
  #trades: Trade[] = []

  constructor(markets: readonly Market[] = [], orders: readonly Order[] = []) {
    for (const market of markets) this.#keep(market)
    for (const order of orders) this.#store(order)
  }

  get marketCount(): number {
    return this.#markets.size
  }

  findMarket(symbol: string): Market | undefined {
    return this.#markets.get(symbol)
  }

  market(symbol: string): Market {
    return present(this.#markets.get(symbol), `market ${symbol}`)
  }

  book(symbol: string): Book {
    return present(this.#books.get(symbol), `book of ${symbol}`)
  }

  /** An open order; closed ones live in the table only. */
  findOrder(id: string): Order | undefined {
    return this.#orders.get(id)
  }

  /** Open orders of an account, oldest first. */
  ordersOf(account: number): readonly Order[] {
    const ids = [...(this.#byAccount.get(account) ?? [])]
    return ids
      .map((id) => present(this.#orders.get(id), 'order'))
      .toSorted((a, b) => Number(a.sequence - b.sequence))
  }

  openOrders(): readonly Order[] {
    return [...this.#orders.values()]
  }

  addMarket(market: Market): void {
    this.#keep(market)
    this.#changedMarkets.set(market.symbol, market)
  }

  /** Stores another status of a market; its book stays. */
  replaceMarket(market: Market): void {
    assert(this.#markets.has(market.symbol), `market ${market.symbol} is unknown`)
    this.#markets.set(market.symbol, market)
    this.#changedMarkets.set(market.symbol, market)
  }

  addTrade(trade: Trade): void {
    this.#trades.push(trade)
  }

  /** Stores the newest version of an order: it enters, stays in or leaves the book accordingly. */
  write(order: Order): void {
    const before = this.#orders.get(order.id)
    if (before === undefined && !this.#changed.has(order.id)) this.#fresh.add(order.id)
    this.#changed.set(order.id, order)
    if (before === undefined) {
      if (isOpen(order)) this.#store(order)
    } else if (isOpen(order)) {
      this.#orders.set(order.id, order)
      this.book(order.market).replace(order)
    } else this.#drop(order)
  }

  /** One effect with all rows that changed since the last call; none when nothing did. */
  takeRows(): readonly JsonObject[] {
    const fresh = this.#fresh
    const changed = [...this.#changed.values()]
    const isFresh = (order: Order): boolean => fresh.has(order.id)
    const rows = {
      markets: [...this.#changedMarkets.values()].map(marketRow),
      inserted: orderColumns(changed.filter(isFresh)),
      updated: orderUpdateColumns(changed.filter((order) => !isFresh(order))),
      trades: tradeColumns(this.#trades),
    }
    const empty = this.#changedMarkets.size + changed.length + this.#trades.length === 0
    this.#changedMarkets = new Map()
    this.#changed = new Map()
    this.#fresh = new Set()
    this.#trades = []
    return empty ? [] : [rows]
  }

  stateLines(): readonly string[] {
    const markets = [...this.#markets.values()].map((market) => {
      const { id, symbol, base, quote, tickSize, lotSize } = market
      const fees = `${market.makerFeeBps} ${market.takerFeeBps} ${market.collarBps}`
      return `market ${id} ${symbol} ${base} ${quote} ${tickSize} ${lotSize} ${fees} ${market.status}`
    })
    const orders = [...this.#orders.values()].map((order) => {
      const { id, account, market, side, limitTicks, lots, filledLots, sequence, status } = order
      const paid = `${order.makerNotional} ${order.takerNotional}`
      return `order ${id} ${account} ${market} ${side} ${limitTicks} ${lots} ${filledLots} ${paid} ${status} ${sequence}`
    })
    return [...markets.toSorted(), ...orders.toSorted()]
  }

  #keep(market: Market): void {
    assert(!this.#markets.has(market.symbol), `market ${market.symbol} twice`)
    this.#markets.set(market.symbol, market)
    this.#books.set(market.symbol, new Book())
  }

  #store(order: Order): void {
    this.#orders.set(order.id, order)
    this.book(order.market).insert(order)
    const own = this.#byAccount.get(order.account)
    if (own === undefined) this.#byAccount.set(order.account, new Set([order.id]))
    else own.add(order.id)
  }

  #drop(order: Order): void {
    this.#orders.delete(order.id)
    this.#byAccount.get(order.account)?.delete(order.id)
    this.book(order.market).remove(order)
  }
}
