import { z } from 'zod'
import {
  addressString,
  counter,
  hashString,
  id,
  instantString,
  pageOf,
  pageQuery,
} from '#platform/http/schema-parts.ts'
import { BREAKER_NAMES, BREAKER_SCOPES } from './breaker.ts'
import { SIGNER_ROLES } from './signer.ts'
import { TRANSACTION_STATES, WISHES } from './tx.ts'

export const transactionReply = z.strictObject({
  id: id('transaction'),
  key: z.string(),
  signer: z.enum(SIGNER_ROLES),
  to: addressString,
  state: z.enum(TRANSACTION_STATES),
  /** What an operator asked for and is not done yet. */
  wish: z.enum(WISHES).nullable(),
  nonce: counter.nullable(),
  /** Signed versions: the first one, those that pay more, the cancelling ones. */
  attempts: counter,
  tx_hash: hashString.nullable(),
  block_number: counter.nullable(),
  gas_used: counter.nullable(),
  error: z.string().nullable(),
  created_at: instantString,
  updated_at: instantString,
})

export const transactionPage = pageOf(transactionReply)
export const transactionParams = z.strictObject({ id: id('transaction') })
export const transactionQuery = z.strictObject({
  ...pageQuery,
  state: z.enum(TRANSACTION_STATES).optional(),
  signer: z.enum(SIGNER_ROLES).optional(),
})

export const orderBody = z.strictObject({ reason: z.string().trim().min(1).max(500) })

const breakerReply = z.strictObject({
  name: z.enum(BREAKER_NAMES),
  /** Whose new transactions wait while it is open. */
  scope: z.enum(BREAKER_SCOPES),
  state: z.enum(['closed', 'open']),
  reason: z.string().nullable(),
  since: instantString,
  /** Whether it closes when its cause is gone. */
  closes_itself: z.boolean(),
})

export const breakerParams = z.strictObject({ name: z.enum(BREAKER_NAMES) })
export const breakersReply = z.strictObject({
  data: z.array(breakerReply),
  /** The endpoints of the chain as the process that answers finds them. */
  endpoints: z.array(
    z.strictObject({
      url: z.string(),
      healthy: z.boolean(),
      head: counter.nullable(),
      lag_blocks: counter.nullable(),
      error_rate: z.number(),
    }),
  ),
})
export const breakerResetReply = z.strictObject({ data: z.array(breakerReply) })
