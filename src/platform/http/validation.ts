import type { z } from 'zod'
import type { FieldError } from '#kernel/errors.ts'
import { platformErrors } from '../errors.ts'

type Part = 'query' | 'body'

/** A reply with every fault of a long request would be many times as long. */
const MAX_FAULTS = 100

/**
 * Checks each part against its schema; throws `platform.invalid_request` with the faults found, at
 * most a hundred of them.
 */
export function parseInput(
  schemas: Readonly<Record<Part, z.ZodType>>,
  raw: Readonly<Record<Part, unknown>>,
): Record<Part, unknown> {
  const query = schemas.query.safeParse(raw.query)
  const body = schemas.body.safeParse(raw.body)
  const faults = [query, body].flatMap((result) =>
    result.success ? textFaults(result.data) : faultsOf(result.error),
  )
  if (faults.length === 0) return { query: query.data, body: body.data }
  throw platformErrors.invalid_request(describe(faults), { errors: faults.slice(0, MAX_FAULTS) })
}

/** Postgres stores neither NUL nor half a surrogate pair. */
function textFaults(value: unknown, path: readonly string[] = []): readonly FieldError[] {
  if (typeof value === 'string') {
    if (!value.includes('\0') && value.isWellFormed()) return []
    return [{ pointer: toPointer(path), code: 'invalid_text', message: 'must be Unicode text' }]
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, item]) => textFaults(item, [...path, key]))
}

function faultsOf({ issues }: z.ZodError): readonly FieldError[] {
  return issues.flatMap(toFieldErrors)
}

function describe(errors: readonly FieldError[]): string {
  const first = errors[0]
  const place = first === undefined || first.pointer === '' ? 'the request' : first.pointer
  const others = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  return `${place}: ${first?.message ?? 'is wrong'}${others}`
}

type Issue = z.core.$ZodIssue

/** An unknown field is named itself, not the object around it. */
function toFieldErrors(issue: Issue): readonly FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: toPointer([...issue.path, key]),
      code: 'unknown_field',
      message: 'is not known',
    }))
  }
  return [{ pointer: toPointer(issue.path), code: issue.code, message: messageOf(issue) }]
}

/** zod's own words begin with `Invalid input: `. */
function messageOf(issue: Issue): string {
  return issue.message.replace(/^Invalid input: /, '')
}

/** RFC 6901. */
function toPointer(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
