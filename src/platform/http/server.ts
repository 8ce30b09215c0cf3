import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Koa, { type Context } from 'koa'
import { assert, present } from '#kernel/assert.ts'
import { AppError } from '#kernel/errors.ts'
import { isJsonObject, stringifyJson } from '#kernel/json.ts'
import { newId } from '../crypto.ts'
import { platformErrors } from '../errors.ts'
import type { Health, Service } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { CounterMetric, HistogramMetric, Metrics } from '../metrics.ts'
import { KEEP_ALIVE_MS } from './keep-alive.ts'
import { Limits, type Allowances } from './limits.ts'
import type { Authenticator, Principal } from './principal.ts'
import { toProblem } from './problem.ts'
import { readBody } from './request-body.ts'
import type { Reply, Route } from './route.ts'
import { Router, type Match } from './router.ts'

type ListenPlace = Pick<HttpServerOptions, 'port' | 'host'>

export interface HttpServerOptions {
  readonly routes: readonly Route[]
  /** 0 takes a free one; `url` tells which. */
  readonly port: number
  readonly host: string
  readonly log: Log
  readonly metrics: Metrics
  readonly authenticator: Authenticator
  readonly allowances?: Allowances
}

/** Leaves the rest of the 25 s to the engine and its like. */
const DRAIN_MS = 17_000
/** For the bytes of the last replies. */
const CLOSE_MS = 1000
/** Whoever balances load still learns from these that the node is going. */
const PROBES: ReadonlySet<string> = new Set(['/livez', '/readyz', '/metrics'])
const REQUEST_ID_FORM = /^[\w-]{8,64}$/
const KEY_FORM = /^[\x21-\x7e]{1,255}$/

/** Serves the routes, and nothing else, as HTTP. */
export class HttpServer implements Service {
  readonly name = 'http'
  readonly #options: HttpServerOptions
  readonly #router: Router
  readonly #limits: Limits
  readonly #requests: CounterMetric
  readonly #seconds: HistogramMetric
  #server: Server | undefined
  #underWay = 0
  /** Resolves when nothing is under way; there while the server drains. */
  #drained: PromiseWithResolvers<void> | undefined

  constructor(options: HttpServerOptions) {
    const { metrics } = options
    this.#options = options
    this.#router = new Router(options.routes)
    this.#limits = new Limits(options.allowances)
    this.#requests = metrics.counter('http_requests_total', 'Requests by route and status', [
      'route',
      'status',
    ])
    this.#seconds = metrics.histogram('http_request_seconds', 'Time to the reply', ['route'])
  }

  /** `http://127.0.0.1:8080`, once it runs. */
  get url(): string {
    const address = present(this.#server, 'a running server').address()
    assert(address !== null && typeof address === 'object', 'the server listens on a port')
    return urlOf(address)
  }

  async start(): Promise<void> {
    const koa = new Koa()
    koa.use((context) => this.#answer(context))
    koa.on('error', (error: unknown) => this.#options.log.debug({ event: 'http.broken', error }))
    const handle = koa.callback()
    const server = createServer((request, response) => void handle(request, response))
    server.keepAliveTimeout = KEEP_ALIVE_MS
    await listen(server, this.#options)
    this.#server = server
    this.#options.log.info({ event: 'http.listening', url: this.url })
  }

  /**
   * Refuses what is new with `platform.unavailable` and answers what is under way, for a while; then
   * nobody can connect any more. Probes are answered until then.
   */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    await this.#drain()
    this.#server = undefined
    const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
    server.closeIdleConnections()
    const late = setTimeout(() => server.closeAllConnections(), CLOSE_MS)
    await closed
    clearTimeout(late)
  }

  async #drain(): Promise<void> {
    this.#drained ??= Promise.withResolvers()
    if (this.#underWay === 0) return
    const late = new AbortController()
    const patience = sleep(DRAIN_MS, undefined, { signal: late.signal }).catch(() => undefined)
    await Promise.race([this.#drained.promise, patience])
    late.abort()
  }

  health(): Health {
    return this.#server === undefined ? { ok: false, detail: 'not listening' } : { ok: true }
  }

  async #answer(context: Context): Promise<void> {
    this.#underWay += 1
    try {
      await this.#answerOne(context)
    } finally {
      this.#underWay -= 1
      if (this.#underWay === 0) this.#drained?.resolve()
    }
  }

  async #answerOne(context: Context): Promise<void> {
    const startedAt = performance.now()
    const given = context.get('x-request-id')
    const requestId = REQUEST_ID_FORM.test(given) ? given : newId('request')
    const call: Call = { context, requestId, headers: {}, match: undefined }
    let answer: Reply
    try {
      answer = await this.#handle(call)
    } catch (error) {
      this.#logFailure(error, call)
      answer = toProblem(error, requestId)
    }
    send(call, answer)
    const route = call.match?.route.id ?? 'none'
    this.#requests.inc({ route, status: String(answer.status) })
    this.#seconds.observe((performance.now() - startedAt) / 1000, { route })
  }

  async #handle(call: Call): Promise<Reply> {
    const { context, requestId } = call
    this.#requireOpen(call)
    const { route, params } = this.#match(call)
    const principal = await this.#admit(call, route)
    const body = route.method === 'GET' ? {} : await readBody(context.req)
    const idempotencyKey = requireKey(route, context.get('idempotency-key'), body)
    const query = queryOf(new URLSearchParams(context.querystring))
    const remoteAddress = context.req.socket.remoteAddress ?? ''
    return route.run({
      params,
      query,
      body,
      principal,
      idempotencyKey,
      requestId,
      remoteAddress,
    })
  }

  #requireOpen({ context, headers }: Call): void {
    if (this.#drained === undefined) return
    headers['connection'] = 'close'
    if (PROBES.has(context.path)) return
    throw platformErrors.unavailable('the node is stopping', { retryAfterSeconds: 1 })
  }

  #match(call: Call): Match {
    const { method, path } = call.context
    try {
      call.match = this.#router.match(method === 'HEAD' ? 'GET' : method, path)
      return call.match
    } catch (error) {
      if (error instanceof AppError && error.definition === platformErrors.method_not_allowed) {
        call.headers['allow'] = this.#router.methodsOf(path).join(', ')
      }
      throw error
    }
  }

  /** Counts the request and checks who may make it. */
  async #admit(call: Call, route: Route): Promise<Principal | undefined> {
    const address = call.context.req.socket.remoteAddress ?? ''
    if (route.permission === 'public') {
      Object.assign(call.headers, await this.#limits.take(route.rate, address))
      return undefined
    }
    const principal = await this.#authenticate(call, address)
    Object.assign(call.headers, await this.#limits.take(route.rate, principal.userId))
    if (!principal.permissions.has(route.permission)) {
      throw platformErrors.forbidden(`this needs the permission ${route.permission}`)
    }
    return principal
  }

  async #authenticate(call: Call, address: string): Promise<Principal> {
    const [, bearer] =
      /^Bearer ([\w.~+/=-]{1,4096})$/i.exec(call.context.get('authorization')) ?? []
    try {
      if (bearer === undefined) throw platformErrors.unauthenticated('a bearer token is needed')
      return await this.#options.authenticator.authenticate(bearer)
    } catch (error) {
      // Guesses count against their address, as nobody is known who made them.
      Object.assign(call.headers, await this.#limits.take('public', address))
      throw error
    }
  }

  #logFailure(error: unknown, { requestId, match }: Call): void {
    const line = { request_id: requestId, route: match?.route.id, error }
    if (!(error instanceof AppError)) this.#options.log.error({ event: 'http.failed', ...line })
    else if (error.definition.kind === 'unavailable') {
      this.#options.log.warn({ event: 'http.unavailable', ...line })
    }
  }
}

interface Call {
  readonly context: Context
  readonly requestId: string
  readonly headers: Record<string, string>
  match: Match | undefined
}

function send({ context, requestId, headers }: Call, answer: Reply): void {
  context.status = answer.status
  context.set({
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...headers,
    ...answer.headers,
    'x-request-id': requestId,
  })
  context.type = answer.contentType ?? 'application/json'
  const isText = answer.contentType !== undefined && typeof answer.body === 'string'
  context.body = isText ? answer.body : stringifyJson(answer.body)
  // An unread body would be taken for the next request of the connection.
  if (!context.req.complete) context.set('connection', 'close')
}

function requireKey(route: Route, key: string, body: unknown): string | undefined {
  if (key !== '') {
    if (KEY_FORM.test(key)) return key
    throw platformErrors.invalid_request('Idempotency-Key has 1 to 255 visible ASCII characters')
  }
  const { idempotent = 'optional' } = route
  const hasOwn = isJsonObject(body) && typeof body['client_order_id'] === 'string'
  const isEnough = idempotent === 'optional' || (idempotent === 'key_or_client_order_id' && hasOwn)
  if (!isEnough) throw platformErrors.idempotency_key_required()
  return undefined
}

/** A name that is given twice becomes a list, which no schema takes. */
function queryOf(search: URLSearchParams): Record<string, unknown> {
  return Object.fromEntries(
    [...new Set(search.keys())].map((name) => {
      const values = search.getAll(name)
      return [name, values.length === 1 ? values[0] : values]
    }),
  )
}

function urlOf({ address, family, port }: AddressInfo): string {
  const isAny = address === '::' || address === '0.0.0.0'
  const host = isAny ? 'localhost' : family === 'IPv6' ? `[${address}]` : address
  return `http://${host}:${port}`
}

/** Error `platform.unavailable` when a server could not listen there. */
export async function requireFreePort(place: ListenPlace): Promise<void> {
  const server = createServer()
  await listen(server, place)
  await new Promise<void>((resolve) => server.close(() => resolve()))
}

async function listen(server: Server, { port, host }: ListenPlace): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => resolve())
    })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : 'unknown'
    const reason = code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${String(code)})`
    throw platformErrors.unavailable(
      `port ${port} of ${host} ${reason}; set HTTP_PORT or HTTP_HOST to another`,
      { cause },
    )
  }
}
