import { mayRead, type Reader } from '#accounts/reader.ts'
import { present } from '#kernel/assert.ts'
import type { AppError } from '#kernel/errors.ts'
import { uuidOf } from '#kernel/id.ts'
import type { Clock, Instant } from '#kernel/time.ts'
import { claimOfClientOrder } from '#ledger/claim.ts'
import { isDuplicateCommand } from '#ledger/errors.ts'
import type { LedgerService } from '#ledger/service.ts'
import type { CommandSink, IdempotencyEntry, SubmitOptions } from '#ledger/submission.ts'
import type { Transfer } from '#ledger/transfer.ts'
import { newUuid } from '#platform/crypto.ts'
import { Gathering } from '#platform/db/gathering.ts'
import {
  findIdempotencies,
  hashInput,
  idempotencyName,
  keepIdempotency,
  requireSameInput,
  type IdempotencyKey,
  type IdempotencyRecord,
} from '#platform/db/idempotency.ts'
import { inSnapshot, inTransaction } from '#platform/db/transaction.ts'
import type { Database } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import type { DepthRow } from './book.ts'
import { tradingErrors } from './errors.ts'
import type { Cancelled, Placed } from './exchange.ts'
import { parsePrice, parseQuantity, type MarketRules, type SizeProblem } from './market.ts'
import { MarketService } from './market-service.ts'
import { isOpen, type Order, type OrderType, type Side, type TimeInForce } from './order.ts'
import * as store from './store.ts'
import { sideToRead, type Trade } from './trade.ts'
import type { TradePlace } from './trade-place.ts'
import { requireAccepted } from './verdict.ts'

export interface TradingServiceOptions {
  readonly database: Database
  readonly clock: Clock
  readonly ledger: LedgerService
  readonly sink: CommandSink
}

export interface OrderRequest {
  readonly market: string
  readonly side: Side
  readonly type: OrderType
  /** Decimal strings in asset units. */
  readonly quantity: string
  readonly price?: string | undefined
  readonly time_in_force?: TimeInForce | undefined
  readonly client_order_id?: string | undefined
}

export interface Trader {
  /** `acc_…` */
  readonly accountId: string
  readonly chainAccount: number
}

/** An order with its market and its fills, oldest first. */
export interface OrderView {
  readonly order: Order
  readonly market: MarketRules
  readonly fills: readonly Trade[]
}

/** A trade with its ledger transfers, seen from the side of `account`. */
export interface TradeView {
  readonly trade: Trade
  readonly account: number
  readonly transfers: readonly Transfer[]
}

export interface BookView {
  readonly market: MarketRules
  /** The last command that the levels contain. */
  readonly sequence: bigint
  readonly levels: readonly DepthRow[]
}

const PLACE_ORDER = 'POST /v1/orders'

/** Orders, trades and, as `markets`, what they happen on. Reads see committed state only. */
export class TradingService {
  readonly markets: MarketService
  readonly #database: Database
  readonly #clock: Clock
  readonly #ledger: LedgerService
  readonly #sink: CommandSink
  readonly #orders: Gathering<string, Order>
  readonly #ordersOfClients: Gathering<store.ClientOrderKey, Order>
  readonly #keys: Gathering<IdempotencyKey, IdempotencyRecord>
  /** Keys of orders that are on their way; held until the commit answered. */
  readonly #running = new Set<string>()

  constructor(options: TradingServiceOptions) {
    const { database, clock, ledger, sink } = options
    this.markets = new MarketService(options)
    this.#database = database
    this.#clock = clock
    this.#ledger = ledger
    this.#sink = sink
    this.#orders = new Gathering({
      find: (ids) => store.findOrders(database, ids),
      nameOf: (id) => id,
    })
    this.#ordersOfClients = new Gathering({
      find: (keys) => store.findOrdersByClientId(database, keys),
      nameOf: store.clientOrderName,
    })
    this.#keys = new Gathering({
      find: (keys) => findIdempotencies(database, keys),
      nameOf: idempotencyName,
    })
  }

  /**
   * Places an order once per key or client order id: the same request again gives the order as it
   * is now. Throws what the core refuses (`ledger.insufficient_funds`, `trading.market_closed`, …).
   */
  async placeOrder(
    trader: Trader,
    request: OrderRequest,
    key: string | undefined,
  ): Promise<{ readonly result: OrderView; readonly replayed: boolean }> {
    const places = claimsOf(trader, request, key)
    if (places.length === 0) throw platformErrors.idempotency_key_required()
    if (places.some((place) => this.#running.has(place))) throw platformErrors.idempotency_running()
    for (const place of places) this.#running.add(place)
    try {
      return await this.#placeOnce({ trader, request, key, inputHash: hashInput(request) })
    } finally {
      for (const place of places) this.#running.delete(place)
    }
  }

  /** Throws `trading.order_not_found`, for another's order too unless the reader sees all. */
  async getOrder(reader: Reader, id: string): Promise<OrderView> {
    const order = await this.#orders.find(uuidOf('order', id))
    if (order === undefined || !mayRead(reader, order.account))
      throw tradingErrors.order_not_found()
    return this.#view(order)
  }

  /** Newest first; one row more than `limit`. */
  async listOrders(filter: store.OrderFilter): Promise<readonly OrderView[]> {
    if (filter.market !== undefined) await this.markets.getRules(filter.market)
    return this.#views(await store.readOrders(this.#database, filter))
  }

  /** Throws `trading.order_not_found` or `trading.order_terminal`. */
  async cancelOrder(trader: Trader, id: string): Promise<OrderView> {
    const order = await this.#ownOrder(trader, id)
    if (!isOpen(order)) throw tradingErrors.order_terminal(`the order is ${order.status}`)
    const account = trader.chainAccount
    const result = await this.#sink.submit({ type: 'cancel_order', id: order.id, account })
    const [cancelled] = cancelledOf(requireAccepted(result))
    return this.#view(present(cancelled, 'cancelled order'))
  }

  /** Cancels every open order of the account, or those of one market. */
  async cancelOrders(trader: Trader, market: string | undefined): Promise<readonly OrderView[]> {
    if (market !== undefined) await this.markets.getRules(market)
    const result = await this.#sink.submit({
      type: 'cancel_orders',
      account: trader.chainAccount,
      ...(market !== undefined && { market }),
    })
    return this.#views(cancelledOf(requireAccepted(result)))
  }

  async getBook(symbol: string, depth: number): Promise<BookView> {
    const market = await this.markets.getRules(symbol)
    return inSnapshot(this.#database, async (tx) => ({
      market,
      sequence: (await this.#ledger.journalHead(tx)).sequence,
      levels: await store.readDepth(tx, symbol, depth),
    }))
  }

  /** Trades of a market, newest first. */
  async listMarketTrades(
    symbol: string,
    before: TradePlace | undefined,
    limit: number,
  ): Promise<readonly Trade[]> {
    await this.markets.getRules(symbol)
    return store.readMarketTrades(this.#database, symbol, before, limit)
  }

  /** Trades of an account, newest first. */
  async listAccountTrades(
    account: number,
    before: TradePlace | undefined,
    limit: number,
  ): Promise<readonly Trade[]> {
    return store.readAccountTrades(this.#database, account, before, limit)
  }

  /** Throws `trading.trade_not_found`, for trades of others too unless the reader sees all. */
  async getTrade(reader: Reader, id: string): Promise<TradeView> {
    const trade = await store.findTrade(this.#database, uuidOf('trade', id))
    const account = trade === undefined ? undefined : sideToRead(reader, trade)
    if (trade === undefined || account === undefined) throw tradingErrors.trade_not_found()
    return { trade, account, transfers: await this.#ledger.listTransfersOf(trade.id) }
  }

  /** Trades of a range of sequences, both ends included, in journal order. */
  async listTradesBetween(fromSeq: bigint, toSeq: bigint): Promise<readonly Trade[]> {
    return store.readTradesBetween(this.#database, fromSeq, toSeq)
  }

  /** Another process may place the same order meanwhile: the engine takes one, and tells the other. */
  async #placeOnce(
    intent: Intent,
  ): Promise<{ readonly result: OrderView; readonly replayed: boolean }> {
    const checkedAt = this.#clock.now()
    const earlier = await this.#findEarlier(intent)
    if (earlier !== undefined) return { result: await this.#view(earlier), replayed: true }
    try {
      return { result: await this.#place(intent, checkedAt), replayed: false }
    } catch (error) {
      if (!isDuplicateCommand(error)) throw error
      const first = await this.#findEarlier(intent)
      if (first === undefined) throw platformErrors.idempotency_running(undefined, { cause: error })
      return { result: await this.#view(first), replayed: true }
    }
  }

  async #findEarlier({ trader, request, key, inputHash }: Intent): Promise<Order | undefined> {
    if (key !== undefined) {
      const known = await this.#keys.find(keyOf(trader, key))
      if (known !== undefined) {
        requireSameInput(known, inputHash)
        return present(await this.#orders.find(known.resource), known.resource)
      }
    }
    if (request.client_order_id === undefined) return undefined
    const { chainAccount } = trader
    const order = await this.#ordersOfClients.find({
      account: chainAccount,
      clientOrderId: request.client_order_id,
    })
    if (order !== undefined && order.requestHash !== inputHash.toString('hex'))
      throw platformErrors.idempotency_mismatch('the client order id was used with another body')
    if (order !== undefined && key !== undefined) {
      const entry = { ...keyOf(trader, key), inputHash, resource: order.id }
      await inTransaction(this.#database, (tx) => keepIdempotency(tx, entry))
    }
    return order
  }

  async #place(intent: Intent, checkedAt: Instant): Promise<OrderView> {
    const { trader, request, inputHash } = intent
    const market = await this.markets.getRules(request.market)
    const id = newUuid()
    const command = {
      type: 'place_order',
      id,
      account: trader.chainAccount,
      market: market.symbol,
      side: request.side,
      order_type: request.type,
      ...priceOf(market, request),
      quantity: sized(parseQuantity(market, request.quantity), tradingErrors.lot_size).toString(),
      time_in_force: timeInForceOf(request),
      ...(request.client_order_id !== undefined && { client_order_id: request.client_order_id }),
      request_hash: inputHash.toString('hex'),
    }
    const options = { ...claimsBy(intent, id), checkedAt }
    const result = await this.#sink.submit(command, options)
    const { order, trades } = placedOf(requireAccepted(result))
    return { order, market, fills: trades }
  }

  async #ownOrder(trader: Trader, id: string): Promise<Order> {
    const order = await this.#orders.find(uuidOf('order', id))
    if (order?.account !== trader.chainAccount) throw tradingErrors.order_not_found()
    return order
  }

  async #view(order: Order): Promise<OrderView> {
    const [view] = await this.#views([order])
    return present(view, 'order view')
  }

  async #views(orders: readonly Order[]): Promise<readonly OrderView[]> {
    const filled = orders.filter((order) => order.filledLots > 0n).map((order) => order.id)
    const fills = filled.length === 0 ? [] : await store.readFills(this.#database, filled)
    const views: OrderView[] = []
    for (const order of orders) {
      const own = fills.filter(
        (trade) => trade.makerOrder === order.id || trade.takerOrder === order.id,
      )
      views.push({ order, market: await this.markets.getRules(order.market), fills: own })
    }
    return views
  }
}

/** One request to place an order, by whom and under which key. */
interface Intent {
  readonly trader: Trader
  readonly request: OrderRequest
  readonly key: string | undefined
  readonly inputHash: Buffer
}

/** What the engine refuses to see twice. */
function claimsBy({ trader, request, key, inputHash }: Intent, resource: string): SubmitOptions {
  const { client_order_id: clientId } = request
  const idempotency: IdempotencyEntry | undefined =
    key === undefined ? undefined : { ...keyOf(trader, key), inputHash, resource }
  return {
    ...(idempotency !== undefined && { idempotency }),
    ...(clientId !== undefined && { claims: [claimOfClientOrder(trader.chainAccount, clientId)] }),
  }
}

function claimsOf(
  { accountId }: Trader,
  request: OrderRequest,
  key: string | undefined,
): readonly string[] {
  return [
    ...(key === undefined ? [] : [`key ${accountId} ${key}`]),
    ...(request.client_order_id === undefined
      ? []
      : [`client ${accountId} ${request.client_order_id}`]),
  ]
}

function keyOf({ accountId }: Trader, key: string) {
  return { scope: accountId, operation: PLACE_ORDER, key }
}

function priceOf(market: MarketRules, request: OrderRequest): { readonly price?: string } {
  const { type, price } = request
  if (type === 'market') {
    if (price !== undefined) throw tradingErrors.price_not_allowed()
    return {}
  }
  if (price === undefined) throw tradingErrors.price_required()
  return { price: sized(parsePrice(market, price), tradingErrors.tick_size).toString() }
}

function timeInForceOf({ type, time_in_force: given }: OrderRequest): TimeInForce {
  if (type === 'market' && given === 'gtc') throw tradingErrors.time_in_force()
  return given ?? (type === 'market' ? 'ioc' : 'gtc')
}

/** The size in ticks or lots; `offGrid` tells that it is no multiple. */
function sized(size: bigint | SizeProblem, offGrid: () => AppError): bigint {
  if (typeof size === 'bigint') return size
  if (size === 'off_grid') throw offGrid()
  if (size === 'too_many_decimals') throw tradingErrors.too_many_decimals()
  throw tradingErrors.notional_out_of_range('it must be above zero and within the safe range')
}

function placedOf(value: object): Placed {
  if (isPlaced(value)) return value
  throw platformErrors.internal('place_order answered something else')
}

function isPlaced(value: object): value is Placed {
  return 'order' in value && 'trades' in value
}

function cancelledOf(value: object): readonly Order[] {
  if (isCancelled(value)) return value.orders
  throw platformErrors.internal('a cancel answered something else')
}

function isCancelled(value: object): value is Cancelled {
  return 'orders' in value && Array.isArray(value.orders)
}
