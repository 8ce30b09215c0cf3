import { z } from 'zod'
import { addressString, id, instantString } from '#platform/http/schema-parts.ts'
import { ROLES } from './rbac.ts'
import { PASSWORD_LENGTH, isPasswordLength } from './user.ts'

const password = z
  .string()
  .refine(
    isPasswordLength,
    `must have ${PASSWORD_LENGTH.least} to ${PASSWORD_LENGTH.most} characters`,
  )
  .meta({ minLength: PASSWORD_LENGTH.least, format: 'password' })

const email = z.string().trim().max(254).pipe(z.email('must be an email address'))

/** Without control characters, which have no place in a name. */
const name = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}]*$/u, 'must have no control characters')

export const newUser = z.strictObject({ email, password, name })

export const user = z.strictObject({
  id: id('user'),
  email: z.string(),
  name: z.string(),
  roles: z.array(z.enum(ROLES)),
  account_id: id('account'),
})

export const credentials = z.strictObject({
  email: z.string().max(254),
  password: z.string().min(1).max(1024),
})

export const session = z.strictObject({
  access_token: z.string(),
  expires_in: z.int().meta({ description: 'Seconds' }),
})

export const challengeRequest = z.strictObject({ address: addressString })

export const challenge = z.strictObject({
  message: z.string().meta({ description: 'ERC-4361 text to sign as it is' }),
  expires_at: instantString,
})
