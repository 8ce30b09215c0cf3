import { z } from 'zod'
import type { ErrorDefinition } from '#kernel/errors.ts'
import { platformErrors } from '../errors.ts'
import type { Permission, Principal } from './principal.ts'
import { parseInput } from './validation.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Requests of one bucket are counted together, per principal or, without one, per address. */
export type RateBucket = 'public' | 'login' | 'read' | 'write' | 'orders'

/**
 * Whether the call needs the header `Idempotency-Key`; `key_or_client_order_id` also takes a
 * `client_order_id` in the body.
 */
export type IdempotencyRule = 'required' | 'optional' | 'key_or_client_order_id'

/** A reply that is no JSON object. */
export interface MediaType {
  readonly contentType: string
}

export type ResponseSchema = z.ZodType | MediaType

export interface Reply {
  readonly status: number
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>
  /** Set when `body` is text of this type and not JSON. */
  readonly contentType?: string
}

export interface RouteRequest<P, Q, B, Caller> {
  readonly params: P
  readonly query: Q
  readonly body: B
  readonly principal: Caller
  readonly idempotencyKey: string | undefined
  readonly requestId: string
  readonly remoteAddress: string
}

/** Public routes have no principal. */
type CallerOf<Access> = Access extends 'public' ? undefined : Principal

type Empty = z.ZodObject<Record<never, never>, z.core.$strict>

interface RouteFacts {
  readonly method: Method
  /** `/v1/orders/:id` */
  readonly path: string
  /** Operation id: a verb and a noun, unique. */
  readonly id: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly permission: Permission | 'public'
  readonly idempotent?: IdempotencyRule
  readonly rate?: RateBucket
  readonly responses: Readonly<Record<number, ResponseSchema>>
  /** Refusals of the handler's own; those of every route are added. */
  readonly errors: readonly ErrorDefinition[]
  /** Refuses params of a wrong form, as they name nothing; `platform.route_not_found` by default. */
  readonly absent?: ErrorDefinition
}

export interface RouteDefinition<
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
  Access extends Permission | 'public',
> extends RouteFacts {
  readonly permission: Access
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  handle(
    request: RouteRequest<z.output<P>, z.output<Q>, z.output<B>, CallerOf<Access>>,
  ): Promise<Reply> | Reply
}

/** What came over the wire, before its schemas saw it. */
export type RawRequest = RouteRequest<unknown, unknown, unknown, Principal | undefined>

/** One call of the API as a value: server, documentation, limits and tests read the same one. */
export interface Route extends RouteFacts {
  readonly rate: RateBucket
  readonly params: z.ZodType
  readonly query: z.ZodType
  readonly body: z.ZodType
  readonly hasBody: boolean
  /** Checks the request against its schemas and handles it. */
  run(raw: RawRequest): Promise<Reply>
}

const nothing: Empty = z.strictObject({})

/** Makes a route of its definition; left out schemas allow nothing. */
export function route<
  P extends z.ZodType = Empty,
  Q extends z.ZodType = Empty,
  B extends z.ZodType = Empty,
  Access extends Permission | 'public' = Permission,
>(definition: RouteDefinition<P, Q, B, Access>): Route {
  const { params = nothing, query = nothing, body = nothing, rate, ...facts } = definition
  const absent = definition.absent ?? platformErrors.route_not_found
  return {
    ...facts,
    params,
    query,
    body,
    hasBody: definition.body !== undefined,
    rate: rate ?? defaultBucket(definition),
    errors: [...new Set([...definition.errors, ...commonErrors(definition)])],
    run: async (raw) => {
      const named = params.safeParse(raw.params)
      if (!named.success) throw absent()
      const input = parseInput({ query, body }, raw)
      const request = { ...raw, ...input, params: named.data } as Parameters<
        typeof definition.handle
      >[0]
      return definition.handle(request)
    },
  }
}

/** A JSON reply. */
export function reply(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return { status, body, headers }
}

/** `status` when a command ran now, 200 when it is answered with what an earlier one left. */
export function replyOnce(
  status: number,
  replayed: boolean,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return replayed
    ? reply(200, body, { ...headers, 'idempotent-replayed': 'true' })
    : reply(status, body, headers)
}

export function replyText(status: number, contentType: string, body: string): Reply {
  return { status, body, headers: {}, contentType }
}

function defaultBucket({ method, permission }: RouteFacts): RateBucket {
  if (permission === 'public') return 'public'
  return method === 'GET' ? 'read' : 'write'
}

function commonErrors(definition: RouteFacts & { readonly params?: unknown }): ErrorDefinition[] {
  const e = platformErrors
  const { method, permission, idempotent, params, absent } = definition
  return [
    e.invalid_request,
    e.rate_limited,
    e.unavailable,
    e.fenced,
    e.internal,
    ...(permission === 'public' ? [] : [e.unauthenticated, e.token_expired, e.forbidden]),
    ...(method === 'GET' ? [] : [e.malformed_json, e.too_large]),
    ...(params === undefined ? [] : [absent ?? e.route_not_found]),
    ...(idempotent === undefined ? [] : [e.idempotency_mismatch, e.idempotency_running]),
    ...(idempotent === undefined || idempotent === 'optional' ? [] : [e.idempotency_key_required]),
  ]
}
