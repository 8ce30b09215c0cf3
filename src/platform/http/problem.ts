import { AppError, type ErrorDefinition, type ErrorKind } from '#kernel/errors.ts'
import { platformErrors } from '../errors.ts'
import { reply, type Reply } from './route.ts'

const STATUS: Readonly<Record<ErrorKind, number>> = {
  malformed: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  invalid: 422,
  rate_limited: 429,
  unavailable: 503,
}

const RETRY_AFTER_SECONDS = 1

/** The HTTP status of a refusal. */
export function statusOf(definition: ErrorDefinition): number {
  if (definition === platformErrors.method_not_allowed) return 405
  if (definition === platformErrors.internal) return 500
  return STATUS[definition.kind]
}

/** The refusal as problem+json; what is no `AppError` becomes `platform.internal` without detail. */
export function toProblem(error: unknown, requestId: string): Reply {
  const refusal = error instanceof AppError ? error : platformErrors.internal()
  const { definition, detail, errors } = refusal
  const status = statusOf(definition)
  const body = {
    type: `/problems/${definition.code}`,
    title: definition.title,
    status,
    detail,
    code: definition.code,
    request_id: requestId,
    errors,
  }
  const answer = reply(status, body, headersOf(refusal, status))
  return { ...answer, contentType: 'application/problem+json' }
}

function headersOf(refusal: AppError, status: number): Record<string, string> {
  if (status === 401) return { 'www-authenticate': 'Bearer' }
  const seconds = refusal.retryAfterSeconds
  if (seconds !== undefined) return { 'retry-after': String(seconds) }
  const runsStill = refusal.definition === platformErrors.idempotency_running
  return status === 503 || runsStill ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {}
}
