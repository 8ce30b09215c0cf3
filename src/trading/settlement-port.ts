/** How far the settlement of a trade is; the settlement context, which is higher, tells it. */
export interface TradeSettlement {
  /** Bare UUID of the batch. */
  readonly id: string | null
  readonly status: string
  readonly txHash: string | null
}

export interface SettlementPort {
  /** By the sequence of the trade. */
  settlementOf(sequences: readonly bigint[]): Promise<ReadonlyMap<bigint, TradeSettlement>>
}
