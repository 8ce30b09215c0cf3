import type { Trade } from './trade.ts'

/** Where a trade is in the journal, for cursors. */
export interface TradePlace {
  readonly sequence: bigint
  readonly index: number
}

export function tradePlaceText(trade: Trade): string {
  return `${trade.sequence}:${trade.index}`
}

/** Reads the place of a checked cursor. */
export function tradePlace(text: string | undefined): TradePlace | undefined {
  if (text === undefined) return undefined
  const [sequence = '0', index = '0'] = text.split(':')
  return { sequence: BigInt(sequence), index: Number(index) }
}
