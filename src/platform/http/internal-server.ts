import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { assert, present } from '#kernel/assert.ts'
import { AppError } from '#kernel/errors.ts'
import { stringifyJson } from '#kernel/json.ts'
import { constantTimeEqual } from '../crypto.ts'
import { platformErrors } from '../errors.ts'
import type { Health, Service } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import { KEEP_ALIVE_MS } from './keep-alive.ts'
import { toProblem } from './problem.ts'
import type { Route } from './route.ts'

export interface InternalReply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** Answers a request of another process of the node; `body` is its text. */
export type InternalHandler = (body: string) => Promise<InternalReply>

export interface InternalServerOptions {
  readonly host: string
  /** 0 takes a free one; `address` tells which. */
  readonly port: number
  /** Host under which other machines reach this process. */
  readonly advertisedHost?: string | undefined
  /** Without one nobody may ask anything but what the routes tell. */
  readonly token?: string | undefined
  readonly log: Log
}

const MAX_BYTES = 32 * 1024 * 1024
const DRAIN_MS = 3000

/**
 * The listener for the other processes of the node and for probes: state and figures for everybody
 * whom their routes admit, commands for bearers of the token.
 */
export class InternalServer implements Service {
  readonly name = 'http.internal'
  readonly #options: InternalServerOptions
  readonly #handlers = new Map<string, InternalHandler>()
  readonly #routes = new Map<string, Route>()
  #server: Server | undefined

  constructor(options: InternalServerOptions) {
    this.#options = options
  }

  /** For bearers of the token only. */
  handle(method: 'GET' | 'POST', path: string, handler: InternalHandler): void {
    this.#handlers.set(`${method} ${path}`, handler)
  }

  /** Public routes without parameters, such as `/readyz`. */
  serve(routes: readonly Route[]): void {
    for (const route of routes) this.#routes.set(`${route.method} ${route.path}`, route)
  }

  /** `http://10.0.0.7:41234`, once it runs. */
  get address(): string {
    const bound = present(this.#server, 'a running server').address()
    assert(bound !== null && typeof bound === 'object', 'the server listens on a port')
    const host = this.#options.advertisedHost ?? this.#options.host
    return `http://${host.includes(':') ? `[${host}]` : host}:${bound.port}`
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response))
    server.keepAliveTimeout = KEEP_ALIVE_MS
    const { host, port, log } = this.#options
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(platformErrors.unavailable(`INTERNAL_PORT ${port} cannot be used`, { cause })),
      )
      server.listen(port, host, () => resolve())
    })
    this.#server = server
    log.info({ event: 'http.internal_listening', url: this.address })
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
    server.closeIdleConnections()
    const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
    await closed
    clearTimeout(late)
  }

  health(): Health {
    return this.#server === undefined ? { ok: false, detail: 'not listening' } : { ok: true }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = await this.#reply(request).catch((error: unknown) => this.#failure(error))
    if (response.destroyed) return
    response.writeHead(reply.status, { 'content-type': reply.contentType })
    response.end(reply.body)
  }

  async #reply(request: IncomingMessage): Promise<InternalReply> {
    const name = `${request.method ?? ''} ${(request.url ?? '').split('?')[0] ?? ''}`
    const route = this.#routes.get(name)
    if (route !== undefined) return await runRoute(route, request)
    const handler = this.#handlers.get(name)
    if (handler === undefined) throw platformErrors.route_not_found()
    if (!this.#isOurs(request)) throw platformErrors.unauthenticated()
    return await handler(await readText(request))
  }

  #isOurs(request: IncomingMessage): boolean {
    const { token } = this.#options
    const given = request.headers.authorization ?? ''
    return token !== undefined && constantTimeEqual(given, `Bearer ${token}`)
  }

  #failure(error: unknown): InternalReply {
    if (!(error instanceof AppError)) this.#options.log.error({ event: 'http.failed', error })
    const { status, body } = toProblem(error, 'internal')
    return { status, contentType: 'application/problem+json', body: stringifyJson(body) }
  }
}

async function runRoute(route: Route, request: IncomingMessage): Promise<InternalReply> {
  const reply = await route.run({
    params: {},
    query: {},
    body: {},
    principal: undefined,
    idempotencyKey: undefined,
    requestId: 'internal',
    remoteAddress: request.socket.remoteAddress ?? '',
  })
  const { status, contentType, body } = reply
  if (contentType !== undefined && typeof body === 'string') return { status, contentType, body }
  return { status, contentType: contentType ?? 'application/json', body: stringifyJson(body) }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk as Uint8Array)
    size += bytes.length
    if (size > MAX_BYTES) throw platformErrors.too_large()
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}
