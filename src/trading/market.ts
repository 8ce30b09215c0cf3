import type { ListedAsset } from '#ledger/account.ts'
import { bps, formatDecimal, isAtoms, MAX_DECIMALS, parseDecimal, type Bps } from '#kernel/money.ts'

export type MarketStatus = 'open' | 'closed'

/**
 * What never changes of a market. Prices count ticks, quantities count lots, and `factor` is what one lot at one
 * tick costs in atoms of quote, exactly; so a notional is ticks · lots · factor and never rounds.
 */
export interface MarketRules {
  readonly id: number
  readonly symbol: string
  readonly base: number
  readonly quote: number
  readonly baseDecimals: number
  readonly quoteDecimals: number
  /** Quote units per base unit, as entered. */
  readonly tickSize: string
  /** Base units, as entered. */
  readonly lotSize: string
  readonly tickDecimals: number
  /** `tickSize` in units of 10^−tickDecimals. */
  readonly tickUnits: bigint
  /** Atoms of base in a lot. */
  readonly lotAtoms: bigint
  readonly factor: bigint
  readonly makerFeeBps: Bps
  readonly takerFeeBps: Bps
  readonly collarBps: Bps
}

/** A pair that trades, or that is closed for now: then it takes no new orders. */
export interface Market extends MarketRules {
  readonly status: MarketStatus
}

export interface MarketTerms {
  readonly symbol: string
  readonly tick_size: string
  readonly lot_size: string
  readonly maker_fee_bps: number
  readonly taker_fee_bps: number
  readonly market_collar_bps: number
}

export type MarketProblem = 'tick_size' | 'lot_size' | 'inexact' | 'fees'

/** Most decimals that a tick may have: its factor must fit beside the decimals of quote. */
const MAX_TICK_DECIMALS = 12

/** Makes a market of its terms, or names what is wrong with them. */
export function makeMarket(
  id: number,
  terms: MarketTerms,
  base: Pick<ListedAsset, 'asset' | 'decimals'>,
  quote: Pick<ListedAsset, 'asset' | 'decimals'>,
): Market | MarketProblem {
  const tickDecimals = decimalsOf(terms.tick_size)
  const tickUnits = parseDecimal(terms.tick_size, tickDecimals)
  if (typeof tickUnits === 'string' || tickUnits === 0n || tickDecimals > MAX_TICK_DECIMALS)
    return 'tick_size'
  const lotAtoms = parseDecimal(terms.lot_size, Math.min(base.decimals, MAX_DECIMALS))
  if (typeof lotAtoms === 'string' || lotAtoms === 0n) return 'lot_size'
  const scaled = tickUnits * lotAtoms * 10n ** BigInt(quote.decimals)
  const scale = 10n ** BigInt(tickDecimals + base.decimals)
  const factor = scaled / scale
  if (scaled % scale !== 0n || !isAtoms(factor)) return 'inexact'
  if (terms.maker_fee_bps > terms.taker_fee_bps) return 'fees'
  return {
    id,
    symbol: terms.symbol,
    base: base.asset,
    quote: quote.asset,
    baseDecimals: base.decimals,
    quoteDecimals: quote.decimals,
    tickSize: terms.tick_size,
    lotSize: terms.lot_size,
    tickDecimals,
    tickUnits,
    lotAtoms,
    factor,
    makerFeeBps: bps(terms.maker_fee_bps),
    takerFeeBps: bps(terms.taker_fee_bps),
    collarBps: bps(terms.market_collar_bps),
    status: 'open',
  }
}

function decimalsOf(text: string): number {
  const dot = text.indexOf('.')
  return dot < 0 ? 0 : text.length - dot - 1
}

/** What `lots` cost at `ticks`, in atoms of quote. */
export function notionalOf(market: MarketRules, ticks: bigint, lots: bigint): bigint {
  return ticks * lots * market.factor
}

export type SizeProblem = 'not_a_decimal' | 'too_many_decimals' | 'out_of_range' | 'off_grid'

/** Reads a price as ticks; it may have the decimals of tick or quote, whichever are more. */
export function parsePrice(market: MarketRules, text: string): bigint | SizeProblem {
  const decimals = Math.max(market.tickDecimals, market.quoteDecimals)
  const units = parseDecimal(text, decimals)
  if (typeof units === 'string') return units
  return onGrid(units, market.tickUnits * 10n ** BigInt(decimals - market.tickDecimals))
}

/** Reads a quantity as lots. */
export function parseQuantity(market: MarketRules, text: string): bigint | SizeProblem {
  const atoms = parseDecimal(text, market.baseDecimals)
  return typeof atoms === 'string' ? atoms : onGrid(atoms, market.lotAtoms)
}

function onGrid(value: bigint, unit: bigint): bigint | SizeProblem {
  if (value === 0n) return 'out_of_range'
  return value % unit === 0n ? value / unit : 'off_grid'
}

export function formatPrice(market: MarketRules, ticks: bigint): string {
  return formatDecimal(ticks * market.tickUnits, market.tickDecimals)
}

export function formatQuantity(market: MarketRules, lots: bigint): string {
  return formatDecimal(lots * market.lotAtoms, market.baseDecimals)
}
