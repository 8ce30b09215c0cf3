import { column } from '#kernel/array-literal.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Market } from './market.ts'
import type { Order } from './order.ts'
import type { Trade } from './trade.ts'

/** A row as `trading.apply(jsonb)` takes it. */
export function marketRow(market: Market): JsonObject {
  return {
    id: market.id,
    symbol: market.symbol,
    base: market.base,
    quote: market.quote,
    base_decimals: market.baseDecimals,
    quote_decimals: market.quoteDecimals,
    tick_size: market.tickSize,
    lot_size: market.lotSize,
    maker_fee_bps: market.makerFeeBps,
    taker_fee_bps: market.takerFeeBps,
    market_collar_bps: market.collarBps,
    status: market.status,
  }
}

/** New orders as columns. */
export function orderColumns(orders: readonly Order[]): JsonObject {
  return {
    ...orderUpdateColumns(orders),
    account: column(orders, (order) => order.account),
    market: column(orders, (order) => order.market),
    side: column(orders, (order) => order.side),
    type: column(orders, (order) => order.type),
    time_in_force: column(orders, (order) => order.timeInForce),
    client_order_id: column(orders, (order) => order.clientOrderId),
    request_hash: column(orders, (order) => order.requestHash),
    limit_ticks: column(orders, (order) => order.limitTicks),
    lots: column(orders, (order) => order.lots),
    seq: column(orders, (order) => order.sequence),
    created_at: column(orders, (order) => order.createdAt),
  }
}

/** What changes in an order, as columns. */
export function orderUpdateColumns(orders: readonly Order[]): JsonObject {
  return {
    id: column(orders, (order) => order.id),
    filled_lots: column(orders, (order) => order.filledLots),
    maker_notional: column(orders, (order) => order.makerNotional),
    taker_notional: column(orders, (order) => order.takerNotional),
    status: column(orders, (order) => order.status),
    reason: column(orders, (order) => order.reason),
  }
}

export function tradeColumns(trades: readonly Trade[]): JsonObject {
  return {
    id: column(trades, (trade) => trade.id),
    market: column(trades, (trade) => trade.market),
    seq: column(trades, (trade) => trade.sequence),
    idx: column(trades, (trade) => trade.index),
    ticks: column(trades, (trade) => trade.ticks),
    lots: column(trades, (trade) => trade.lots),
    notional: column(trades, (trade) => trade.notional),
    maker_order: column(trades, (trade) => trade.makerOrder),
    taker_order: column(trades, (trade) => trade.takerOrder),
    taker_side: column(trades, (trade) => trade.takerSide),
    buyer: column(trades, (trade) => trade.buyer),
    seller: column(trades, (trade) => trade.seller),
    maker_fee: column(trades, (trade) => trade.makerFee),
    taker_fee: column(trades, (trade) => trade.takerFee),
    at: column(trades, (trade) => trade.at),
  }
}
