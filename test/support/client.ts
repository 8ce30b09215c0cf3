import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiContract } from './api-contract.ts'
import { at, isBody, rows, show, text, type Body } from '../../scripts/body.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

export interface CallOptions {
  readonly body?: unknown
  /** Sent as it is instead of `body`. */
  readonly raw?: string
  readonly key?: string
  readonly contentType?: string
}

/** A refusal or success that a story did not expect. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer'
}

/** One caller of the API. Every reply is held against the API's own description. */
export class Client {
  readonly #api: string
  readonly #contract: ApiContract
  readonly #bearer: string | undefined

  constructor(api: string, contract: ApiContract, bearer?: string) {
    this.#api = api
    this.#contract = contract
    this.#bearer = bearer
  }

  /** The same node with another bearer token, or with none. */
  as(bearer: string | undefined): Client {
    return new Client(this.#api, this.#contract, bearer)
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const payload =
      options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
    const response = await fetch(`${this.#api}${path}`, {
      method,
      headers: {
        ...(this.#bearer === undefined ? {} : { authorization: `Bearer ${this.#bearer}` }),
        ...(payload === undefined
          ? {}
          : { 'content-type': options.contentType ?? 'application/json' }),
        ...(options.key === undefined ? {} : { 'idempotency-key': options.key }),
      },
      ...(payload === undefined ? {} : { body: payload }),
    })
    const type = response.headers.get('content-type') ?? ''
    const received = await response.text()
    const body: unknown = type.includes('json') ? JSON.parse(received) : received
    const route = path.split('?')[0] ?? path
    this.#contract.check({ method, path: route, status: response.status, type, body })
    return { status: response.status, headers: response.headers, body: isBody(body) ? body : {} }
  }

  async get(path: string): Promise<Body> {
    return this.#expect('GET', path, {})
  }

  async post(path: string, body: unknown = {}, key?: string): Promise<Body> {
    return this.#expect('POST', path, { body, ...(key === undefined ? {} : { key }) })
  }

  async delete(path: string): Promise<Body> {
    return this.#expect('DELETE', path, {})
  }

  /** Status and problem code of a call, as the stories about refusals compare them. */
  async refusal(method: string, path: string, options: CallOptions = {}): Promise<string> {
    const { status, body } = await this.call(method, path, options)
    return `${status} ${show(body['code'] ?? 'accepted')}`
  }

  /** The rows of a reply that has no pages. */
  async data(path: string): Promise<readonly Body[]> {
    return rows(await this.get(path), 'data')
  }

  /** Every row of a listing, page after page. */
  async all(path: string): Promise<readonly Body[]> {
    const found: Body[] = []
    let cursor: string | undefined
    do {
      const separator = path.includes('?') ? '&' : '?'
      const suffix = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page = await this.get(`${path}${separator}limit=200${suffix}`)
      found.push(...rows(page, 'data'))
      cursor = at(page, 'has_more') === true ? text(page, 'next_cursor') : undefined
    } while (cursor !== undefined)
    return found
  }

  async #expect(method: string, path: string, options: CallOptions): Promise<Body> {
    const { status, body } = await this.call(method, path, options)
    if (status < 300) return body
    throw new UnexpectedAnswer(
      `${method} ${path} answered ${status} ${String(body['code'])}: ${String(body['detail'])}`,
    )
  }
}

/** Far above what a busy machine needs for anything: a wait that ends here is a failure. */
const PATIENCE_MS = 120_000

/** Asks again until there is an answer; says what it waited for and what it saw last. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let seen: unknown
  while (performance.now() < deadline) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    seen = found
    await sleep(40)
  }
  throw new UnexpectedAnswer(`waited ${timeoutMs} ms for ${what}; last: ${JSON.stringify(seen)}`)
}
