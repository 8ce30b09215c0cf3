import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { at, isBody, rows, type Body } from '../body.ts'
import { ScriptFailure } from '../sandbox-access.ts'

/** One person at the API: plain HTTP with a bearer token. */
export class Api {
  readonly #base: string
  readonly #bearer: string | undefined

  constructor(base: string, bearer?: string) {
    this.#base = base
    this.#bearer = bearer
  }

  async get(path: string): Promise<Body> {
    return this.#send('GET', path)
  }

  async post(path: string, body: Body = {}): Promise<Body> {
    return this.#send('POST', path, body)
  }

  async delete(path: string): Promise<Body> {
    return this.#send('DELETE', path)
  }

  async rows(path: string): Promise<readonly Body[]> {
    return rows(await this.get(path), 'data')
  }

  /** What a refusal was called; undefined when there was none. */
  async tryPost(path: string, body: Body = {}): Promise<string | undefined> {
    const { ok, answer } = await this.#call('POST', path, body)
    return ok ? undefined : String(at(answer, 'code'))
  }

  async #send(method: string, path: string, body?: Body): Promise<Body> {
    const { ok, status, answer } = await this.#call(method, path, body)
    if (ok && isBody(answer)) return answer
    const [code, detail] = [at(answer, 'code'), at(answer, 'detail')]
    throw new ScriptFailure(
      `${method} ${path} answered ${status} ${String(code)}: ${String(detail)}`,
    )
  }

  async #call(
    method: string,
    path: string,
    body?: Body,
  ): Promise<{ ok: boolean; status: number; answer: unknown }> {
    const response = await fetch(`${this.#base}${path}`, {
      method,
      headers: {
        ...(this.#bearer === undefined ? {} : { authorization: `Bearer ${this.#bearer}` }),
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'idempotency-key': randomUUID() }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer: unknown = await response.json()
    return { ok: response.ok, status: response.status, answer }
  }
}

const PATIENCE_MS = 60_000
const POLL_MS = 60

/** Looks again until there is something; throws after a minute. */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  while (performance.now() < deadline) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await sleep(POLL_MS)
  }
  throw new ScriptFailure(`waited ${PATIENCE_MS / 1000} s for ${what}`)
}
