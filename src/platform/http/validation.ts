import type { z } from 'zod'
import type { FieldError } from '#kernel/errors.ts'
import { platformErrors } from '../errors.ts'

type Part = 'query' | 'body'

/** Checks each part against its schema; throws `platform.invalid_request` with every fault found. */
export function parseInput(
  schemas: Readonly<Record<Part, z.ZodType>>,
  raw: Readonly<Record<Part, unknown>>,
): Record<Part, unknown> {
  const errors: FieldError[] = []
  const parse = (part: Part): unknown => {
    const result = schemas[part].safeParse(raw[part])
    errors.push(...(result.success ? textFaults(result.data) : faultsOf(result.error)))
    return result.data
  }
  const input = { query: parse('query'), body: parse('body') }
  if (errors.length === 0) return input
  throw platformErrors.invalid_request(describe(errors), { errors })
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
