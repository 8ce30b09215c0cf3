import { z } from 'zod'
import {
  accountQuery,
  decimalString,
  hashString,
  instantString,
  counter,
  signedDecimalString,
  symbolString,
} from '#platform/http/schema-parts.ts'

const balanceReply = z.strictObject({
  asset: symbolString,
  total: decimalString,
  available: decimalString,
  held: decimalString,
  settled: signedDecimalString,
  unsettled: signedDecimalString,
  pending: decimalString,
})

export const balancesQuery = z.strictObject(accountQuery)
export const balancesReply = z.strictObject({ data: z.array(balanceReply) })

export const headReply = z.strictObject({ sequence: counter, hash: hashString })

/** No sequence comes near the end of a BIGINT, and Postgres takes nothing beyond it. */
const sequence = z.string().regex(/^(0|[1-9]\d{0,17})$/, 'must be a sequence')

export const journalQuery = z.strictObject({
  from: sequence.default('1'),
  limit: z.coerce.number<string>().int().min(1).max(200).default(50),
})

export const journalReply = z.strictObject({
  data: z.array(
    z.strictObject({
      first_sequence: counter,
      last_sequence: counter,
      epoch: counter,
      at: instantString,
      prev_hash: hashString,
      hash: hashString,
      body: z.string(),
    }),
  ),
  next_from: counter,
})
