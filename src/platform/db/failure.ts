import { AppError } from '#kernel/errors.ts'
import { platformErrors } from '../errors.ts'

/** SQLSTATE that platform.require_epoch raises. */
const FENCED = 'MF001'

const RETRYABLE = new Set(['40001', '40P01'])

const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  '25006',
  '25P03',
  '53300',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
  '57P05',
])

/** The driver gives these no code. */
const AWAY_MESSAGES =
  /connection terminated|timeout exceeded when trying to connect|not queryable|client was closed|query read timeout|after calling end on the pool/i

/** A database closed for maintenance; its SQLSTATE 55000 has other meanings too. */
const CLOSED_MESSAGE = /not currently accepting connections/i

/** SQLSTATE or errno of a failure of the driver. */
export function failureCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Serialization failure or deadlock: the same transaction may succeed when it runs again. */
export function isRetryable(error: unknown): boolean {
  return RETRYABLE.has(failureCode(error) ?? '')
}

/** Whether the database, rather than the statement, failed; what was running may have committed. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof AppError) return false
  if (CLOSED_MESSAGE.test(error.message)) return true
  const code = failureCode(error)
  if (code !== undefined) return AWAY_CODES.has(code) || code.startsWith('08')
  return AWAY_MESSAGES.test(error.message)
}

/** Turns failures of the driver into refusals where callers can act on them. */
export function translateFailure(error: unknown): unknown {
  if (failureCode(error) === FENCED) return platformErrors.fenced(undefined, { cause: error })
  if (!isAway(error)) return error
  return platformErrors.unavailable('the database is away', { cause: error, retryAfterSeconds: 1 })
}
