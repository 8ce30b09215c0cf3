import { isJsonObject, parseJson } from '#kernel/json.ts'
import { appErrors } from '../errors.ts'

interface Call {
  readonly method: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

export type ApiBody = Record<string, unknown>

/** A client of the node's own API: the sandbox seeds its demo data as any user would. */
export class ApiClient {
  readonly #base: string
  readonly #bearer: string

  constructor(base: string, bearer: string) {
    this.#base = base
    this.#bearer = bearer
  }

  async get(path: string): Promise<ApiBody> {
    return await this.#send(path, { method: 'GET' })
  }

  /** `key` makes a repeated seed replay the same resource instead of making another. */
  async post(path: string, body: ApiBody, key?: string): Promise<ApiBody> {
    return await this.#send(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
    })
  }

  async #send(path: string, init: Call): Promise<ApiBody> {
    const response = await fetch(`${this.#base}${path}`, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${this.#bearer}` },
    })
    const body = parseJson(await response.text())
    if (!isJsonObject(body)) throw appErrors.seed_failed(`${path} answered no JSON object`)
    if (response.ok) return body
    throw appErrors.seed_failed(
      `${init.method} ${path} answered ${response.status} ${String(body['code'])}: ${String(body['detail'])}`,
    )
  }
}
