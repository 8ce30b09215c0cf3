import { z } from 'zod'
import { idPattern, type IdNoun } from '#kernel/id.ts'
import { DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT, decodeCursor, type PageRequest } from '#kernel/page.ts'

/** An amount, price or quantity of a request: no sign, exponent or leading zero. */
export const decimalString = z
  .string()
  .max(64)
  .regex(/^(0|[1-9]\d*)(\.\d+)?$/, 'must be a decimal string such as "12.50"')

/** A figure of a reply that may be negative. */
export const signedDecimalString = z.string().regex(/^-?(0|[1-9]\d*)(\.\d+)?$/)

/** A sequence, a block number, gas: a JSON number, since it counts and is no amount. */
export const counter = z.int().nonnegative()

/** RFC 3339, UTC, milliseconds. */
export const instantString = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)
  .meta({ format: 'date-time' })

export const addressString = z.string().regex(/^0x[\da-fA-F]{40}$/, 'must be an address')
export const hashString = z.string().regex(/^0x[\da-f]{64}$/)

/** Symbol of an asset. */
export const symbolString = z
  .string()
  .regex(/^[A-Z][A-Z0-9]{1,11}$/, 'must be 2 to 12 capital letters and digits, a letter first')

/** Symbol of a market: base, dash, quote. */
export const marketString = z
  .string()
  .max(25)
  .regex(/^[A-Z][A-Z0-9]{1,11}-[A-Z][A-Z0-9]{1,11}$/, 'must be two symbols with a dash between')

export function id(noun: IdNoun) {
  return z.string().regex(idPattern(noun), `must be an id of ${noun}`)
}

/** Query field of a listing of one account's records: the caller's own, or any for auditors. */
export const accountQuery = { account_id: id('account').optional() }

const UUID_FORM = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

/** Query fields of a listing whose cursor holds what `place` matches. */
export function pageQueryOf(place: RegExp) {
  return {
    limit: z.coerce.number<string>().int().min(1).max(MAX_PAGE_LIMIT).default(DEFAULT_PAGE_LIMIT),
    cursor: z
      .string()
      .max(256)
      .refine((cursor) => place.test(decodeCursor(cursor)), 'must be a cursor of this listing')
      .optional(),
  }
}

/** Query fields of a listing whose rows are placed by their bare UUID. */
export const pageQuery = pageQueryOf(UUID_FORM)

/** What a store takes of a listing's query. */
export function pageRequest(query: {
  readonly limit: number
  readonly cursor?: string | undefined
}): PageRequest {
  const { limit, cursor } = query
  return { after: cursor === undefined ? undefined : decodeCursor(cursor), limit }
}

/** One page of `item`. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    data: z.array(item),
    next_cursor: z.string().nullable(),
    has_more: z.boolean(),
  })
}

/** Body of every refusal (RFC 9457). */
export const problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string().regex(/^[a-z_]+\.[a-z_]+$/),
  request_id: z.string(),
  errors: z.array(z.strictObject({ pointer: z.string(), code: z.string(), message: z.string() })),
})
