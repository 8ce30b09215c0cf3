/** `incoming` waits for finality, `retracted` left the chain again. */
export const DEPOSIT_STATUSES = ['incoming', 'final', 'retracted'] as const
export type DepositStatus = (typeof DEPOSIT_STATUSES)[number]

export interface Deposit {
  /** Bare UUID. */
  readonly id: string
  readonly account: number
  readonly asset: number
  readonly amountAtoms: bigint
  readonly status: DepositStatus
  readonly txHash: string
  readonly blockNumber: bigint
  readonly createdAtMs: number
}
