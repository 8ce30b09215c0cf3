import type { Command } from '#ledger/command.ts'
import type { MarketTerms } from './market.ts'
import type { OrderType, Side, TimeInForce } from './order.ts'

export interface CreateMarket extends MarketTerms {
  readonly type: 'create_market'
  readonly base: number
  readonly quote: number
  readonly base_decimals: number
  readonly quote_decimals: number
}

/** A closed market keeps its resting orders and lets them be cancelled. */
export interface CloseMarket {
  readonly type: 'close_market'
  readonly symbol: string
}

export interface OpenMarket {
  readonly type: 'open_market'
  readonly symbol: string
}

export interface PlaceOrder {
  readonly type: 'place_order'
  /** Bare UUID. */
  readonly id: string
  readonly account: number
  readonly market: string
  readonly side: Side
  readonly order_type: OrderType
  /** Ticks; absent for a market order. */
  readonly price?: string
  /** Lots. */
  readonly quantity: string
  readonly time_in_force: TimeInForce
  readonly client_order_id?: string
  readonly request_hash: string
}

export interface CancelOrder {
  readonly type: 'cancel_order'
  readonly id: string
  readonly account: number
}

export interface CancelOrders {
  readonly type: 'cancel_orders'
  readonly account: number
  readonly market?: string
}

export type TradingCommand =
  CreateMarket | CloseMarket | OpenMarket | PlaceOrder | CancelOrder | CancelOrders

const TYPES: ReadonlySet<string> = new Set<TradingCommand['type']>([
  'create_market',
  'close_market',
  'open_market',
  'place_order',
  'cancel_order',
  'cancel_orders',
])

export function isTradingCommand(command: Command): command is TradingCommand {
  return TYPES.has(command.type)
}
