/** How a refusal is answered: the HTTP layer alone knows the status of each kind. */
export type ErrorKind =
  | 'malformed'
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'too_large'
  | 'rate_limited'
  | 'unavailable'

/** One place in the request that is wrong; `pointer` is an RFC 6901 JSON pointer. */
export interface FieldError {
  readonly pointer: string
  readonly code: string
  readonly message: string
}

export interface ErrorDefinition {
  /** `context.snake_case`, stable for ever; clients and tests rely on it. */
  readonly code: string
  readonly kind: ErrorKind
  readonly title: string
  (detail?: string, extra?: ErrorExtra): AppError
}

export interface ErrorExtra {
  readonly errors?: readonly FieldError[]
  readonly cause?: unknown
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number
}

/** A refused command. Services throw it; the HTTP layer turns it into problem+json (RFC 9457). */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly definition: ErrorDefinition
  readonly detail: string
  readonly errors: readonly FieldError[]
  readonly retryAfterSeconds: number | undefined

  constructor(definition: ErrorDefinition, detail: string, extra: ErrorExtra = {}) {
    super(`${definition.code}: ${detail}`, { cause: extra.cause })
    this.definition = definition
    this.detail = detail
    this.errors = extra.errors ?? []
    this.retryAfterSeconds = extra.retryAfterSeconds
  }

  get code(): string {
    return this.definition.code
  }
}

type Descriptions = Readonly<Record<string, { readonly kind: ErrorKind; readonly title: string }>>

const registry = new Map<string, ErrorDefinition>()

/** Declares the refusals of one context: `errors.insufficient_funds('needs 3.00 USD')` makes one. */
export function defineErrors<D extends Descriptions>(
  context: string,
  descriptions: D,
): { readonly [K in keyof D]: ErrorDefinition } {
  const entries = Object.entries(descriptions).map(([name, { kind, title }]) => {
    const make = (detail = title, extra: ErrorExtra = {}): AppError =>
      new AppError(definition, detail, extra)
    const definition: ErrorDefinition = Object.assign(make, {
      code: `${context}.${name}`,
      kind,
      title,
    })
    registry.set(definition.code, definition)
    return [name, definition] as const
  })
  return Object.freeze(Object.fromEntries(entries)) as { readonly [K in keyof D]: ErrorDefinition }
}

/** Finds a declared refusal by its code, for refusals that travel as data. */
export function findErrorDefinition(code: string): ErrorDefinition | undefined {
  return registry.get(code)
}

/** Every refusal that loaded contexts declare, sorted by code. */
export function listErrorDefinitions(): readonly ErrorDefinition[] {
  return [...registry.values()].toSorted((a, b) => (a.code < b.code ? -1 : 1))
}
