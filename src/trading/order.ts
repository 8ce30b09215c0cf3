import { divHalfEven, formatDecimal, isAtoms, mulDivUp } from '#kernel/money.ts'
import type { OrderStop } from '#ledger/stop.ts'
import { notionalOf, type MarketRules } from './market.ts'

export type Side = 'buy' | 'sell'
export type OrderType = 'limit' | 'market'
export type TimeInForce = 'gtc' | 'ioc'
export type OrderStatus =
  'open' | 'partially_filled' | 'filled' | 'cancelled' | 'rejected' | 'expired'
export type Reason =
  | 'immediate_or_cancel'
  | 'self_trade'
  | 'no_liquidity'
  | 'requested'
  | 'class_not_allowed'
  | 'registration_expired'
  | OrderStop
export type Liquidity = 'maker' | 'taker'

export interface Order {
  /** Bare UUID. */
  readonly id: string
  readonly account: number
  readonly market: string
  readonly side: Side
  readonly type: OrderType
  readonly timeInForce: TimeInForce
  readonly clientOrderId: string | null
  readonly requestHash: string
  /** The worst price it accepts, in ticks; for a market order the collar. */
  readonly limitTicks: bigint
  readonly lots: bigint
  readonly filledLots: bigint
  /** Atoms of quote that its fills cost, by its part in them. */
  readonly makerNotional: bigint
  readonly takerNotional: bigint
  readonly status: OrderStatus
  readonly reason: Reason | null
  readonly sequence: bigint
  /** Milliseconds. */
  readonly createdAt: number
}

const BPS = 10_000n
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER)

export function isOpen(order: Pick<Order, 'status'>): boolean {
  return order.status === 'open' || order.status === 'partially_filled'
}

export function remainingLots(order: Order): bigint {
  return order.lots - order.filledLots
}

/** ⌈Σ notionalᵢ · bpsᵢ / 10⁴⌉ over all fills so far: ten fills never cost more than one. */
function feeOf(market: MarketRules, makerNotional: bigint, takerNotional: bigint): bigint {
  const weighted =
    makerNotional * BigInt(market.makerFeeBps) + takerNotional * BigInt(market.takerFeeBps)
  return mulDivUp(weighted, 1n, BPS)
}

/** The increase that one more fill of `notional` costs. */
export function feeIncrease(
  market: MarketRules,
  order: Pick<Order, 'makerNotional' | 'takerNotional'>,
  notional: bigint,
  liquidity: Liquidity,
): bigint {
  const { makerNotional, takerNotional } = order
  const after =
    liquidity === 'maker'
      ? feeOf(market, makerNotional + notional, takerNotional)
      : feeOf(market, makerNotional, takerNotional + notional)
  return after - feeOf(market, makerNotional, takerNotional)
}

/**
 * What an open order holds: a sell its remaining base; a buy its worst price times the remainder and
 * the taker fee on that, in quote.
 */
export function holdOf(market: MarketRules, order: Order): bigint {
  const left = remainingLots(order)
  if (order.side === 'sell') return left * market.lotAtoms
  const worst = notionalOf(market, order.limitTicks, left)
  return worst + feeIncrease(market, order, worst, 'taker')
}

export function heldAsset(market: MarketRules, side: Side): number {
  return side === 'sell' ? market.base : market.quote
}

export function creditedAsset(market: MarketRules, side: Side): number {
  return side === 'sell' ? market.quote : market.base
}

/** Whether price, quantity, notional and fee stay within safe ticks · lots and within int64 atoms. */
export function isInRange(market: MarketRules, ticks: bigint, lots: bigint): boolean {
  if (ticks <= 0n || lots <= 0n || ticks * lots > MAX_SAFE) return false
  const notional = notionalOf(market, ticks, lots)
  const withFee = notional + feeOf(market, 0n, notional)
  return isAtoms(withFee) && isAtoms(lots * market.lotAtoms)
}

/** The worst price of a market order: best × (1 ± collar), rounded to a tick towards best. */
export function collarTicks(market: MarketRules, side: Side, bestTicks: bigint): bigint {
  const collar = BigInt(market.collarBps)
  if (side === 'buy') return (bestTicks * (BPS + collar)) / BPS
  const limit = mulDivUp(bestTicks, BPS - collar, BPS)
  return limit > 0n ? limit : 1n
}

/** Whether an order of this limit meets the opposite price. */
export function crosses(side: Side, limitTicks: bigint, oppositeTicks: bigint): boolean {
  return side === 'buy' ? limitTicks >= oppositeTicks : limitTicks <= oppositeTicks
}

/** Rounded half-even to the tick's decimals + 4; null without fills. */
export function averagePrice(market: MarketRules, order: AveragedOrder): string | null {
  if (order.filledLots === 0n) return null
  const scaled = (order.makerNotional + order.takerNotional) * market.tickUnits * 10_000n
  const average = divHalfEven(scaled, order.filledLots * market.factor)
  return formatDecimal(average, market.tickDecimals + 4)
}

type AveragedOrder = Pick<Order, 'filledLots' | 'makerNotional' | 'takerNotional'>
