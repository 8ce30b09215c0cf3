import type { NettableTransfer } from './netting.ts'

/** A transfer that knows which trade it belongs to. */
export interface TradeTransfer extends NettableTransfer {
  readonly code: string
  /** UUID of the trade. */
  readonly ref: string | null
}

/** Solidity types of a leaf of `tradesRoot`, in order. */
export const TRADE_LEAF_TYPES = [
  'uint64', // sequence
  'uint32', // index of the base leg within its sequence
  'bytes16', // trade id
  'uint32', // seller
  'uint32', // buyer
  'uint16', // base asset
  'uint64', // quantity, atoms
  'uint16', // quote asset
  'uint64', // notional, atoms
] as const

export type TradeLeaf = readonly [
  sequence: string,
  index: string,
  trade: string,
  seller: string,
  buyer: string,
  base: string,
  quantity: string,
  quote: string,
  notional: string,
]

/**
 * The trades of a range, read from their two legs alone, so that anybody with the journal can
 * build the same tree: the base leg moves seller → buyer, the quote leg buyer → seller.
 */
export function tradeLeaves(transfers: Iterable<TradeTransfer>): readonly TradeLeaf[] {
  const legs = new Map<string, { base?: TradeTransfer; quote?: TradeTransfer }>()
  for (const transfer of transfers) {
    const side = sideOf(transfer.code)
    if (transfer.ref === null || side === undefined) continue
    legs.set(transfer.ref, { ...legs.get(transfer.ref), [side]: transfer })
  }
  return [...legs].flatMap(([trade, { base, quote }]) =>
    base === undefined || quote === undefined ? [] : [leafOf(trade, base, quote)],
  )
}

function sideOf(code: string): 'base' | 'quote' | undefined {
  if (code === 'trade_base') return 'base'
  return code === 'trade_quote' ? 'quote' : undefined
}

function leafOf(trade: string, base: TradeTransfer, quote: TradeTransfer): TradeLeaf {
  return [
    base.sequence.toString(),
    base.index.toString(),
    `0x${trade.replaceAll('-', '')}`,
    base.debit.toString(),
    base.credit.toString(),
    base.asset.toString(),
    base.amount.toString(),
    quote.asset.toString(),
    quote.amount.toString(),
  ]
}

/** Solidity types of a leaf of `liabilitiesRoot`: account, asset, posted atoms. */
export const LIABILITY_LEAF_TYPES = ['uint32', 'uint16', 'uint64'] as const

export type LiabilityLeaf = readonly [account: string, asset: string, posted: string]
