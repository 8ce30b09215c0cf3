import { z } from 'zod'
import { ROLES } from '#accounts/rbac.ts'
import { addressString, id, instantString, pageOf, pageQuery } from '#platform/http/schema-parts.ts'
import { INVESTOR_CLASSES, REGISTRATION_STATUSES } from './wallet-registration.ts'

const status = z.enum(REGISTRATION_STATUSES)
const investorClass = z.int().min(INVESTOR_CLASSES.least).max(INVESTOR_CLASSES.most)

export const accountParams = z.strictObject({ account_id: id('account') })

export const walletProof = z.strictObject({
  address: addressString,
  signature: z.string().regex(/^0x[\da-fA-F]{130}$/, 'must be a signature of 65 bytes'),
})

export const wallet = z.strictObject({ address: addressString, status })

export const me = z.strictObject({
  id: id('user'),
  email: z.string(),
  name: z.string(),
  roles: z.array(z.enum(ROLES)),
  permissions: z.array(z.string()),
  account_id: id('account'),
  chain_account: z.int(),
  /** Why the account may neither trade nor withdraw; null when it may. */
  stop: z.enum(['account_frozen', 'exit_requested', 'exit_mode']).nullable(),
  wallet: addressString.nullable(),
  registration: z
    .strictObject({
      status,
      investor_class: investorClass.nullable(),
      expires_at: instantString.nullable(),
      reason: z.string().nullable(),
    })
    .nullable(),
})

export const registration = z.strictObject({
  account_id: id('account'),
  chain_account: z.int(),
  wallet: addressString,
  status,
  investor_class: investorClass.nullable(),
  expires_at: instantString.nullable(),
  reason: z.string().nullable(),
  created_at: instantString,
})

export const queueEntry = registration.extend({ name: z.string(), email: z.string() })

export const queueQuery = z.strictObject({ ...pageQuery, status: status.optional() })
export const queuePage = pageOf(queueEntry)

export const approval = z.strictObject({
  investor_class: investorClass,
  expires_at: z.iso.datetime('must be an RFC 3339 time in UTC').nullable().optional(),
})

export const refusal = z.strictObject({ reason: z.string().trim().min(1).max(500) })
