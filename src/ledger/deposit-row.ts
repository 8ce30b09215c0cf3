import { column } from '#kernel/array-literal.ts'
import type { JsonObject } from '#kernel/json.ts'

/** How far a deposit is: its row in `payments.deposit`. */
export interface DepositRow {
  /** `<transaction hash>:<log index>` */
  readonly ref: string
  readonly account: number
  readonly asset: number
  readonly amount: string
  readonly status: 'incoming' | 'final' | 'retracted'
  readonly block: number
}

/** Deposits as one effect, which `payments.apply_deposits` takes: a range of blocks brings thousands. */
export function depositColumns(rows: readonly DepositRow[]): JsonObject {
  return {
    type: 'deposits',
    ref: column(rows, (row) => row.ref),
    account: column(rows, (row) => row.account),
    asset: column(rows, (row) => row.asset),
    amount: column(rows, (row) => row.amount),
    status: column(rows, (row) => row.status),
    block: column(rows, (row) => row.block),
  }
}
