import { accountText } from './account-code.ts'

/** Internal transfers are settled by batches; the others have a chain event of their own. */
export const INTERNAL_CODES = ['trade_base', 'trade_quote', 'fee', 'reversal'] as const
type BoundaryCode = 'deposit' | 'withdrawal' | 'exit' | 'mint' | 'burn' | 'suspense'

export type TransferCode = (typeof INTERNAL_CODES)[number] | BoundaryCode

/** One movement: `debit` loses `amount` atoms of `asset`, `credit` gains them. */
export interface Transfer {
  readonly sequence: bigint
  /** Place within its command. */
  readonly index: number
  readonly debit: bigint
  readonly credit: bigint
  readonly asset: number
  readonly amount: bigint
  readonly code: TransferCode
  /** The UUID of the trade or withdrawal that it belongs to. */
  readonly ref: string | null
}

/** The transfer as the journal writes it. */
export function transferJson(transfer: Transfer): string {
  const { sequence, index, debit, credit, asset, amount, code, ref } = transfer
  const tail = ref === null ? 'null' : `"${ref}"`
  return `{"sequence":"${sequence}","index":${index},"debit":"${accountText(debit)}","credit":"${accountText(credit)}","asset":${asset},"amount":"${amount}","code":"${code}","ref":${tail}}`
}
