import { mayRead, type Reader } from '#accounts/reader.ts'
import type { Side } from './order.ts'

/** One maker order met: both sides pay their fee out of or on top of `notional`, in quote atoms. */
export interface Trade {
  /** Bare UUID, a function of the journal place. */
  readonly id: string
  readonly market: string
  readonly sequence: bigint
  readonly index: number
  readonly ticks: bigint
  readonly lots: bigint
  readonly notional: bigint
  readonly makerOrder: string
  readonly takerOrder: string
  readonly takerSide: Side
  readonly buyer: number
  readonly seller: number
  readonly makerFee: bigint
  readonly takerFee: bigint
  /** Milliseconds. */
  readonly at: number
}

/** The account from whose side the reader sees the trade; of a foreign one, the taker's. */
export function sideToRead(reader: Reader, trade: Trade): number | undefined {
  const { buyer, seller, takerSide } = trade
  if (reader.chainAccount === buyer || reader.chainAccount === seller) return reader.chainAccount
  const taker = takerSide === 'buy' ? buyer : seller
  return mayRead(reader, taker) ? taker : undefined
}
