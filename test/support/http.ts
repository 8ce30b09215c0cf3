import { expect } from 'vitest'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { createLog } from '#platform/log.ts'
import { Metrics } from '#platform/metrics.ts'
import type { Allowances } from '#platform/http/limits.ts'
import { buildOpenApi, type OpenApiDocument } from '#platform/http/openapi.ts'
import type { Authenticator } from '#platform/http/principal.ts'
import type { Route } from '#platform/http/route.ts'
import { HttpServer } from '#platform/http/server.ts'
import { assertReplyMatches } from './openapi.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

export interface Call {
  readonly bearer?: string
  readonly key?: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

/** The real server with some routes; every reply is checked against their OpenAPI document. */
export class TestApi {
  readonly document: OpenApiDocument
  readonly server: HttpServer

  constructor(routes: readonly Route[], authenticator: Authenticator, allowances?: Allowances) {
    this.document = buildOpenApi(routes, {
      title: 'Test',
      version: '1',
      description: 'Test',
      idempotencyKeepHours: 24,
    })
    this.server = new HttpServer({
      routes,
      authenticator,
      ...(allowances !== undefined && { allowances }),
      port: 0,
      host: '127.0.0.1',
      log: createLog({ level: 'silent' }),
      metrics: new Metrics(),
    })
  }

  async call(method: string, path: string, call: Call = {}): Promise<Answer> {
    const { bearer, key, body, headers = {} } = call
    const response = await fetch(`${this.server.url}${path}`, {
      method,
      headers: {
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(key !== undefined && { 'idempotency-key': key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const answer = parseJson(await response.text())
    if (!isJsonObject(answer)) throw new TypeError(`${path} answered no JSON object`)
    assertReplyMatches(this.document, method, path, response.status, answer)
    expect(response.headers.get('x-request-id')).toMatch(/^[\w-]+$/)
    return { status: response.status, headers: response.headers, body: answer }
  }

  /** Expects a refusal and returns its code with the pointers it names. */
  async refusal(method: string, path: string, call: Call = {}): Promise<string> {
    const { status, headers, body } = await this.call(method, path, call)
    expect(headers.get('content-type')).toBe('application/problem+json')
    const errors = Array.isArray(body['errors']) ? body['errors'] : []
    const pointers = errors.map((error: { pointer: string }) => error.pointer)
    return [status, body['code'], ...pointers].join(' ')
  }
}
