import { z } from 'zod'

export const integer = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine((value) => value >= least && value <= most, {
      error: `must be a whole number from ${least} to ${most}`,
    })

export const list = z
  .string()
  .transform((text) => text.split(',').map((item) => item.trim()))
  .transform((items) => items.filter((item) => item !== ''))

const url = (rule: string, ...protocols: readonly string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    error: rule,
  })

export const postgresUrl = url(
  'must be a URL such as postgres://user:password@host:5432/database',
  'postgres:',
  'postgresql:',
)
export const rpcUrl = url('must be http or https URLs, separated by commas', 'http:', 'https:')
export const broker = z
  .string()
  .regex(/^[^\s:,/]+:\d{1,5}$|^\[[\da-f:]+\]:\d{1,5}$/i, 'must be host:port, separated by commas')

export const privateKey = z
  .string()
  .regex(/^0x[\da-f]{64}$/i, 'must be 0x and 64 hex digits, or @ and the path of a file with them')

export const keystore = z
  .string()
  .regex(
    /^\{[\s\S]*\}$/,
    'must be @ and the path of a keystore file (npm run cli -- keystore create)',
  )
  .optional()
export const secret = z.string().min(1).optional()
export const signerUrl = url('must be an http or https URL', 'http:', 'https:').optional()
export const publicUrl = z
  .string()
  .refine((text) => /^https?:$/.test(siteOf(text)?.protocol ?? ''), {
    error: 'must be an http or https URL without a path, such as https://exchange.example',
  })
  .transform((text) => new URL(text).origin)
  .optional()
export const address = z
  .string()
  .regex(/^0x[\da-f]{40}$/i, 'must be an address')
  .optional()

/** Undefined for what names more than a site, or none. */
function siteOf(text: string): URL | undefined {
  const found = URL.parse(text) ?? undefined
  return found?.href === `${found?.origin}/` ? found : undefined
}
