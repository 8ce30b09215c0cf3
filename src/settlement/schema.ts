import { z } from 'zod'
import {
  counter,
  hashString,
  id,
  instantString,
  pageOf,
  pageQuery,
  signedDecimalString,
  symbolString,
} from '#platform/http/schema-parts.ts'
import { BATCH_STATUSES } from './batch.ts'

export const batchReply = z.strictObject({
  id: id('batch'),
  sequence: counter,
  kind: z.enum(['trade', 'supply', 'heartbeat']),
  status: z.enum(BATCH_STATUSES),
  first_seq: counter.nullable(),
  last_seq: counter.nullable(),
  trades: z.int(),
  transfers: z.int(),
  deltas: z.int(),
  /** Transfers per delta. */
  netting_ratio: z.number().nullable(),
  supply: z.strictObject({ asset: symbolString, change: signedDecimalString }).nullable(),
  header: z.strictObject({
    prev_head: hashString,
    close_time: counter,
    records_hash: hashString,
    trades_root: hashString,
    liabilities_root: hashString,
    journal_hash: hashString,
  }),
  head: hashString,
  attempt: z.int(),
  tx_hash: hashString.nullable(),
  block_number: counter.nullable(),
  gas_used: counter.nullable(),
  error: z.string().nullable(),
  created_at: instantString,
})

export const batchPage = pageOf(batchReply)
export const listQuery = z.strictObject(pageQuery)
export const batchParams = z.strictObject({ id: id('batch') })

export const resumeBody = z.strictObject({ reason: z.string().trim().min(1).max(500) })
export const stateReply = z.strictObject({
  status: z.enum(['running', 'halted']),
  reason: z.string().nullable(),
  covered_seq: counter,
})

export const reconciliationReply = z.strictObject({
  status: z.enum(['clean', 'different']),
  settlement: stateReply,
  block: counter,
  block_hash: hashString,
  sequence: counter,
  assets: z.array(
    z.strictObject({
      asset: symbolString,
      ledger: signedDecimalString,
      chain: signedDecimalString,
      difference: signedDecimalString,
      supply_ledger: signedDecimalString.nullable(),
      supply_chain: signedDecimalString.nullable(),
    }),
  ),
  differences: z.array(
    z.strictObject({
      kind: z.enum(['lane', 'total', 'supply']),
      account_id: id('account').nullable(),
      chain_account: z.int().nullable(),
      asset: symbolString,
      ledger: signedDecimalString,
      chain: signedDecimalString,
      difference: signedDecimalString,
    }),
  ),
})
