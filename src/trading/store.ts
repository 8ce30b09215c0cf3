import { assert } from '#kernel/assert.ts'
import { bps } from '#kernel/money.ts'
import type { Db } from '#platform/db/pool.ts'
import { makeMarket, type Market, type MarketStatus } from './market.ts'
import type { Order, OrderStatus, OrderType, Reason, Side, TimeInForce } from './order.ts'
import type { DepthRow } from './book.ts'
import type { Trade } from './trade.ts'
import type { TradePlace } from './trade-place.ts'

interface MarketRow {
  readonly id: number
  readonly symbol: string
  readonly base: number
  readonly quote: number
  readonly base_decimals: number
  readonly quote_decimals: number
  readonly tick_size: string
  readonly lot_size: string
  readonly maker_fee_bps: number
  readonly taker_fee_bps: number
  readonly market_collar_bps: number
  readonly status: string
}

export async function readMarkets(db: Db): Promise<readonly Market[]> {
  return (await db.query<MarketRow>('SELECT * FROM trading.market ORDER BY id')).map(toMarket)
}

export async function findMarket(db: Db, symbol: string): Promise<Market | undefined> {
  const rows = await db.query<MarketRow>('SELECT * FROM trading.market WHERE symbol = $1', [symbol])
  return rows[0] === undefined ? undefined : toMarket(rows[0])
}

function toMarket(row: MarketRow): Market {
  const market = makeMarket(
    row.id,
    row,
    { asset: row.base, decimals: row.base_decimals },
    { asset: row.quote, decimals: row.quote_decimals },
  )
  assert(typeof market !== 'string', `trading.market ${row.symbol}`)
  return {
    ...market,
    status: row.status as MarketStatus,
    collarBps: bps(row.market_collar_bps),
  }
}

interface OrderRow {
  readonly id: string
  readonly seq: bigint
  readonly account: bigint
  readonly market: string
  readonly side: string
  readonly type: string
  readonly time_in_force: string
  readonly client_order_id: string | null
  readonly request_hash: string
  readonly limit_ticks: bigint
  readonly lots: bigint
  readonly filled_lots: bigint
  readonly maker_notional: bigint
  readonly taker_notional: bigint
  readonly status: string
  readonly reason: string | null
  readonly created_at_ms: bigint
}

const ORDERS = `SELECT *, (extract(epoch FROM created_at) * 1000)::bigint AS created_at_ms
  FROM trading."order"`
const OPEN = `status IN ('open', 'partially_filled')`

/** Every resting order. */
export async function readOpenOrders(db: Db): Promise<readonly Order[]> {
  return (await db.query<OrderRow>(`${ORDERS} WHERE ${OPEN} ORDER BY seq`)).map(toOrder)
}

/** By bare UUID. */
export async function findOrders(
  db: Db,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Order>> {
  const rows = await db.query<OrderRow>(`${ORDERS} WHERE id = ANY ($1::uuid[])`, [ids])
  return new Map(rows.map((row) => [row.id, toOrder(row)]))
}

/** The client's own name of an order. */
export interface ClientOrderKey {
  readonly account: number
  readonly clientOrderId: string
}

export function clientOrderName({ account, clientOrderId }: ClientOrderKey): string {
  return `${account} ${clientOrderId}`
}

/** By `clientOrderName`. */
export async function findOrdersByClientId(
  db: Db,
  keys: readonly ClientOrderKey[],
): Promise<ReadonlyMap<string, Order>> {
  const rows = await db.query<OrderRow>(
    `${ORDERS} WHERE client_order_id IS NOT NULL
       AND (account, client_order_id) IN (SELECT * FROM unnest($1::bigint[], $2::text[]))`,
    [keys.map(({ account }) => account), keys.map(({ clientOrderId }) => clientOrderId)],
  )
  return new Map(
    rows.map(toOrder).flatMap((order) => {
      const { account, clientOrderId } = order
      return clientOrderId === null ? [] : [[clientOrderName({ account, clientOrderId }), order]]
    }),
  )
}

export interface OrderFilter {
  readonly account: number
  readonly market: string | undefined
  /** `open` means everything that may still trade. */
  readonly status: string | undefined
  /** Sequence of the last order of the page before; newest first. */
  readonly before: bigint | undefined
  readonly limit: number
}

export async function readOrders(db: Db, filter: OrderFilter): Promise<readonly Order[]> {
  const { account, market, status, before, limit } = filter
  const rows = await db.query<OrderRow>(
    `${ORDERS} WHERE account = $1 AND ($2::text IS NULL OR market = $2)
       AND ($3::text IS NULL OR status = $3 OR ($3 = 'open' AND ${OPEN}))
       AND ($4::bigint IS NULL OR seq < $4)
     ORDER BY seq DESC LIMIT $5`,
    [account, market ?? null, status ?? null, before ?? null, limit],
  )
  return rows.map(toOrder)
}

function toOrder(row: OrderRow): Order {
  assert(typeof row.seq === 'bigint' && typeof row.lots === 'bigint', 'trading.order row')
  return {
    id: row.id,
    account: Number(row.account),
    market: row.market,
    side: row.side as Side,
    type: row.type as OrderType,
    timeInForce: row.time_in_force as TimeInForce,
    clientOrderId: row.client_order_id,
    requestHash: row.request_hash,
    limitTicks: row.limit_ticks,
    lots: row.lots,
    filledLots: row.filled_lots,
    makerNotional: row.maker_notional,
    takerNotional: row.taker_notional,
    status: row.status as OrderStatus,
    reason: row.reason as Reason | null,
    sequence: row.seq,
    createdAt: Number(row.created_at_ms),
  }
}

interface TradeRow {
  readonly id: string
  readonly market: string
  readonly seq: bigint
  readonly idx: number
  readonly ticks: bigint
  readonly lots: bigint
  readonly notional: bigint
  readonly maker_order: string
  readonly taker_order: string
  readonly taker_side: string
  readonly buyer: bigint
  readonly seller: bigint
  readonly maker_fee: bigint
  readonly taker_fee: bigint
  readonly at_ms: bigint
}

const TRADES = `SELECT *, (extract(epoch FROM at) * 1000)::bigint AS at_ms FROM trading.trade`

export async function findTrade(db: Db, id: string): Promise<Trade | undefined> {
  const rows = await db.query<TradeRow>(`${TRADES} WHERE id = $1`, [id])
  return rows[0] === undefined ? undefined : toTrade(rows[0])
}

/** All fills of the orders, oldest first. */
export async function readFills(db: Db, orders: readonly string[]): Promise<readonly Trade[]> {
  const rows = await db.query<TradeRow>(
    `${TRADES} WHERE maker_order = ANY($1::uuid[])
     UNION ALL ${TRADES} WHERE taker_order = ANY($1::uuid[]) ORDER BY seq, idx`,
    [orders],
  )
  return rows.map(toTrade)
}

const BEFORE = '($2::bigint IS NULL OR (seq, idx) < ($2, $3::int))'

/** Trades of a market, newest first. */
export async function readMarketTrades(
  db: Db,
  market: string,
  before: TradePlace | undefined,
  limit: number,
): Promise<readonly Trade[]> {
  const rows = await db.query<TradeRow>(
    `${TRADES} WHERE market = $1 AND ${BEFORE} ORDER BY seq DESC, idx DESC LIMIT $4`,
    [market, before?.sequence ?? null, before?.index ?? null, limit],
  )
  return rows.map(toTrade)
}

/** Trades of an account on either side, newest first. */
export async function readAccountTrades(
  db: Db,
  account: number,
  before: TradePlace | undefined,
  limit: number,
): Promise<readonly Trade[]> {
  const side = (column: string): string =>
    `(${TRADES} WHERE ${column} = $1 AND ${BEFORE} ORDER BY seq DESC, idx DESC LIMIT $4)`
  const rows = await db.query<TradeRow>(
    `${side('buyer')} UNION ALL ${side('seller')} ORDER BY seq DESC, idx DESC LIMIT $4`,
    [account, before?.sequence ?? null, before?.index ?? null, limit],
  )
  return rows.map(toTrade)
}

/** Trades of a range of sequences, both ends included, in journal order. */
export async function readTradesBetween(
  db: Db,
  fromSeq: bigint,
  toSeq: bigint,
): Promise<readonly Trade[]> {
  const rows = await db.query<TradeRow>(`${TRADES} WHERE seq BETWEEN $1 AND $2 ORDER BY seq, idx`, [
    fromSeq,
    toSeq,
  ])
  return rows.map(toTrade)
}

function toTrade(row: TradeRow): Trade {
  assert(typeof row.seq === 'bigint' && typeof row.notional === 'bigint', 'trading.trade row')
  return {
    id: row.id,
    market: row.market,
    sequence: row.seq,
    index: row.idx,
    ticks: row.ticks,
    lots: row.lots,
    notional: row.notional,
    makerOrder: row.maker_order,
    takerOrder: row.taker_order,
    takerSide: row.taker_side as Side,
    buyer: Number(row.buyer),
    seller: Number(row.seller),
    makerFee: row.maker_fee,
    takerFee: row.taker_fee,
    at: Number(row.at_ms),
  }
}

/** The committed book in one statement: levels of each side, best first. */
export async function readDepth(
  db: Db,
  market: string,
  depth: number,
): Promise<readonly DepthRow[]> {
  const side = (name: Side, direction: string): string =>
    `(SELECT side, limit_ticks AS ticks, sum(lots - filled_lots)::bigint AS lots, count(*)::int AS orders
      FROM trading."order" WHERE market = $1 AND side = '${name}' AND ${OPEN}
      GROUP BY side, limit_ticks ORDER BY limit_ticks ${direction} LIMIT $2)`
  const rows = await db.query<DepthRow>(`${side('buy', 'DESC')} UNION ALL ${side('sell', 'ASC')}`, [
    market,
    depth,
  ])
  return rows.map((row) => ({ ...row, side: row.side === 'buy' ? 'buy' : 'sell' }))
}

/** The client order ids of the last two minutes, each with its account. */
export async function readRecentClientIds(
  db: Db,
): Promise<readonly { readonly account: bigint; readonly clientOrderId: string }[]> {
  const rows = await db.query<{ account: bigint; client_order_id: string }>(
    `SELECT account, client_order_id FROM trading."order"
     WHERE created_at > clock_timestamp() - interval '2 minutes' AND client_order_id IS NOT NULL`,
  )
  return rows.map((row) => ({ account: row.account, clientOrderId: row.client_order_id }))
}
