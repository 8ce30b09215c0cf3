import { jsonInteger } from '#kernel/json.ts'
import { idFromUuid } from '#kernel/id.ts'
import { formatDecimal } from '#kernel/money.ts'
import { formatInstant, instant } from '#kernel/time.ts'
import { accountText } from '#ledger/account-code.ts'
import type { ListedAsset } from '#ledger/account.ts'
import type { Transfer } from '#ledger/transfer.ts'
import { formatPrice, formatQuantity, type Market, type MarketRules } from './market.ts'
import { averagePrice, remainingLots, type Order, type Side } from './order.ts'
import type { TradeSettlement } from './settlement-port.ts'
import type { Trade } from './trade.ts'

/** Replies of the API: every figure with exactly the decimals of its asset or tick. */
export function marketView(market: Market, symbolOf: (asset: number) => string) {
  return {
    symbol: market.symbol,
    base: symbolOf(market.base),
    quote: symbolOf(market.quote),
    tick_size: market.tickSize,
    lot_size: market.lotSize,
    maker_fee_bps: market.makerFeeBps,
    taker_fee_bps: market.takerFeeBps,
    market_collar_bps: market.collarBps,
    status: market.status,
  }
}

interface OrderParts {
  readonly order: Order
  readonly market: MarketRules
  readonly fills: readonly Trade[]
}

export function orderView({ order, market, fills }: OrderParts) {
  return {
    id: idFromUuid('order', order.id),
    client_order_id: order.clientOrderId,
    market: order.market,
    side: order.side,
    type: order.type,
    time_in_force: order.timeInForce,
    price: order.type === 'limit' ? formatPrice(market, order.limitTicks) : null,
    quantity: formatQuantity(market, order.lots),
    filled_quantity: formatQuantity(market, order.filledLots),
    remaining_quantity: formatQuantity(market, remainingLots(order)),
    average_price: averagePrice(market, order),
    status: order.status,
    ...(order.reason !== null && { reason: order.reason }),
    sequence: jsonInteger(order.sequence),
    fills: fills.map((trade) => ({
      trade_id: idFromUuid('trade', trade.id),
      price: formatPrice(market, trade.ticks),
      quantity: formatQuantity(market, trade.lots),
      ...feeView(market, trade, order.id),
      created_at: timeText(trade.at),
    })),
    created_at: timeText(order.createdAt),
  }
}

export function publicTradeView(market: MarketRules, trade: Trade) {
  return {
    id: idFromUuid('trade', trade.id),
    market: trade.market,
    price: formatPrice(market, trade.ticks),
    quantity: formatQuantity(market, trade.lots),
    taker_side: trade.takerSide,
    sequence: jsonInteger(trade.sequence),
    created_at: timeText(trade.at),
  }
}

/** A trade as one of its two sides sees it. */
export function ownTradeView(
  market: MarketRules,
  trade: Trade,
  account: number,
  settlement: TradeSettlement | undefined,
) {
  const side: Side = trade.buyer === account ? 'buy' : 'sell'
  const order = side === trade.takerSide ? trade.takerOrder : trade.makerOrder
  return {
    id: idFromUuid('trade', trade.id),
    market: trade.market,
    order_id: idFromUuid('order', order),
    side,
    price: formatPrice(market, trade.ticks),
    quantity: formatQuantity(market, trade.lots),
    ...feeView(market, trade, order),
    sequence: jsonInteger(trade.sequence),
    created_at: timeText(trade.at),
    settlement: settlementView(settlement),
  }
}

export function transferView(transfer: Transfer, asset: ListedAsset) {
  return {
    sequence: jsonInteger(transfer.sequence),
    index: transfer.index,
    debit: accountText(transfer.debit),
    credit: accountText(transfer.credit),
    asset: asset.symbol,
    amount: formatDecimal(transfer.amount, asset.decimals),
    code: transfer.code,
  }
}

function settlementView(settlement: TradeSettlement | undefined) {
  if (settlement === undefined) return { id: null, status: 'unsettled', tx_hash: null }
  const { id, status, txHash } = settlement
  return { id: id === null ? null : idFromUuid('batch', id), status, tx_hash: txHash }
}

function feeView(market: MarketRules, trade: Trade, order: string) {
  const isMaker = trade.makerOrder === order
  const fee = isMaker ? trade.makerFee : trade.takerFee
  return {
    fee: formatDecimal(fee, market.quoteDecimals),
    liquidity: isMaker ? 'maker' : 'taker',
  }
}

function timeText(ms: number): string {
  return formatInstant(instant(ms))
}
