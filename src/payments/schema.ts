import { z } from 'zod'
import {
  accountQuery,
  decimalString,
  hashString,
  id,
  instantString,
  counter,
  pageOf,
  pageQuery,
  symbolString,
} from '#platform/http/schema-parts.ts'
import { DEPOSIT_STATUSES } from './deposit.ts'
import { WITHDRAWAL_STATUSES } from './withdrawal.ts'

export const withdrawalBody = z.strictObject({ asset: symbolString, amount: decimalString })

export const withdrawalReply = z.strictObject({
  id: id('withdrawal'),
  asset: symbolString,
  amount: decimalString,
  status: z.enum(WITHDRAWAL_STATUSES),
  /** Sequence of the hold. */
  sequence: counter,
  tx_hash: hashString.nullable(),
  created_at: instantString,
})

export const withdrawalPage = pageOf(withdrawalReply)

export const depositReply = z.strictObject({
  id: id('deposit'),
  asset: symbolString,
  amount: decimalString,
  status: z.enum(DEPOSIT_STATUSES),
  tx_hash: hashString,
  block_number: counter,
  created_at: instantString,
})

export const depositPage = pageOf(depositReply)
export const listQuery = z.strictObject({ ...pageQuery, ...accountQuery })
export const withdrawalParams = z.strictObject({ id: id('withdrawal') })
