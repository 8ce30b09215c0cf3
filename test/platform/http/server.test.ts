import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AppError, defineErrors } from '#kernel/errors.ts'
import { platformErrors } from '#platform/errors.ts'
import type { Authenticator, Principal } from '#platform/http/principal.ts'
import { reply, route, type Route } from '#platform/http/route.ts'
import { pageQuery, pageRequest } from '#platform/http/schema-parts.ts'
import { HttpServer } from '#platform/http/server.ts'
import { systemRoutes } from '#platform/http/system-routes.ts'
import { createLog } from '#platform/log.ts'
import { Metrics } from '#platform/metrics.ts'
import { TestApi } from '../../support/http.ts'

const errors = defineErrors('shelf', {
  book_not_found: { kind: 'not_found', title: 'No such book' },
  book_lent: { kind: 'conflict', title: 'The book is lent' },
})

const book = z.strictObject({ title: z.string().min(1), pages: z.int().positive() })
const view = z.strictObject({ id: z.string(), title: z.string(), key: z.string().nullable() })

const facts = { tags: ['shelf'], summary: 'A test', errors: [] } as const

function shelfRoutes(): readonly Route[] {
  return [
    route({
      ...facts,
      method: 'POST',
      path: '/v1/books',
      id: 'addBook',
      permission: 'books:write',
      idempotent: 'required',
      body: book,
      responses: { 201: view },
      handle: ({ body, idempotencyKey = null }) =>
        reply(201, { id: 'new', title: body.title, key: idempotencyKey }),
    }),
    route({
      ...facts,
      method: 'GET',
      path: '/v1/books/:id',
      id: 'getBook',
      permission: 'books:read',
      params: z.strictObject({ id: z.string().regex(/^\w{1,20}$/) }),
      absent: errors.book_not_found,
      responses: { 200: view },
      errors: [errors.book_not_found, errors.book_lent],
      handle: ({ params }) => answerFor(params.id),
    }),
    route({
      ...facts,
      method: 'GET',
      path: '/v1/books',
      id: 'listBooks',
      permission: 'public',
      query: z.strictObject({ ...pageQuery, shelf: z.string().optional() }),
      responses: { 200: z.strictObject({ limit: z.int(), after: z.string().nullable() }) },
      handle: ({ query }) => {
        const { limit, after = null } = pageRequest(query)
        return reply(200, { limit, after })
      },
    }),
    route({
      ...facts,
      method: 'POST',
      path: '/v1/orders',
      id: 'orderBook',
      permission: 'books:write',
      idempotent: 'key_or_client_order_id',
      body: z.strictObject({ client_order_id: z.string().optional() }),
      responses: { 201: z.strictObject({}) },
      handle: () => reply(201, {}),
    }),
    route({
      ...facts,
      method: 'POST',
      path: '/v1/books/:id/burn',
      id: 'burnBook',
      permission: 'books:write',
      params: z.strictObject({ id: z.string() }),
      responses: { 200: z.strictObject({}) },
      handle: () => reply(200, {}),
    }),
  ]
}

function answerFor(id: string) {
  if (id === 'lent') throw errors.book_lent('by Ann')
  if (id === 'broken') throw new TypeError('secret detail')
  if (id === 'away') throw platformErrors.unavailable('Postgres is away')
  if (id === 'absent') throw errors.book_not_found()
  return reply(200, { id, title: 'Moby Dick', key: null })
}

const reader: Principal = {
  userId: 'usr_1',
  accountId: 'acc_1',
  chainAccount: 16,
  roles: ['investor'],
  permissions: new Set(['books:read']),
}
const writer = { ...reader, userId: 'usr_2', permissions: new Set(['books:read', 'books:write']) }

const authenticator: Authenticator = {
  authenticate: async (bearer) => {
    if (bearer === 'expired') throw platformErrors.token_expired()
    if (bearer === 'reader') return Promise.resolve(reader)
    if (bearer === 'writer') return writer
    throw platformErrors.unauthenticated()
  },
}

const health: Record<string, { ok: boolean; detail?: string }> = { database: { ok: true } }

const routes = [
  ...shelfRoutes(),
  ...systemRoutes({
    registryHealth: () => health,
    metrics: new Metrics(),
    openapi: () => document,
  }),
]
const api = new TestApi(routes, authenticator, { write: { requests: 1000, windowSeconds: 60 } })
const document = api.document
const good = { title: 'Moby Dick', pages: 635 }

beforeAll(async () => {
  await api.server.start()
})
afterAll(async () => {
  await api.server.stop()
})

describe('a request', () => {
  it('is answered with the resource, a request id and the limits that are left', async () => {
    const { status, headers, body } = await api.call('POST', '/v1/books', {
      bearer: 'writer',
      key: 'k-1',
      body: good,
      headers: { 'x-request-id': 'given-by-caller' },
    })
    expect([status, body['title'], body['key']]).toEqual([201, 'Moby Dick', 'k-1'])
    expect(headers.get('x-request-id')).toBe('given-by-caller')
    expect(headers.get('ratelimit-policy')).toBe('"write";q=1000;w=60')
    expect(headers.get('ratelimit')).toMatch(/^"write";r=\d+;t=\d+$/)
  })

  it.each([
    ['an unknown field', { ...good, shelf: 1 }, '/shelf'],
    ['a wrong type', { ...good, pages: '635' }, '/pages'],
    ['an absent field', { pages: 1 }, '/title'],
    ['a number out of range', { ...good, pages: 0 }, '/pages'],
    ['a list', [], ''],
    ['null', null, ''],
  ])('with %s is refused with 422 and names the place', async (_name, body, pointer) => {
    const refusal = await api.refusal('POST', '/v1/books', { bearer: 'writer', key: 'k', body })
    expect(refusal).toBe(`422 platform.invalid_request ${pointer}`)
  })

  it('names every fault at once', async () => {
    const call = { bearer: 'writer', key: 'k', body: { title: '', pages: -1, 'a/b': 1 } }
    const refusal = await api.refusal('POST', '/v1/books', call)
    expect(refusal).toBe('422 platform.invalid_request /title /pages /a~1b')
  })

  it('names a hundred faults at most', async () => {
    const unknown = Array.from({ length: 100_000 }, (_, place) => `"${place.toString(36)}":0`)
    const call = { bearer: 'writer', key: 'k', body: `{${unknown.join(',')}}` }
    const { status, body } = await api.call('POST', '/v1/books', call)
    expect([status, body['errors']]).toEqual([422, expect.objectContaining({ length: 100 })])
  })

  it.each([
    ['half a text', '{"title":'],
    ['nothing but text', 'title'],
  ])('whose body is %s is refused with 400', async (_name, body) => {
    const refusal = await api.refusal('POST', '/v1/books', { bearer: 'writer', key: 'k', body })
    expect(refusal).toBe('400 platform.malformed_json')
  })

  it.each(['a\0b', '\uD800'])('has text that Postgres can store, so not %j', async (title) => {
    const call = { bearer: 'writer', key: 'k', body: { title, pages: 1 } }
    const answer = await api.refusal('POST', '/v1/books', call)
    expect(answer).toBe('422 platform.invalid_request /title')
  })

  it('of another media type is refused with 400', async () => {
    const headers = { 'content-type': 'text/plain' }
    const call = { bearer: 'writer', key: 'k', body: JSON.stringify(good), headers }
    expect(await api.refusal('POST', '/v1/books', call)).toBe('400 platform.malformed_json')
  })

  it('beyond one MiB is refused with 413, and the next one is answered', async () => {
    const body = { ...good, title: 'x'.repeat(2 * 1024 * 1024) }
    const call = { bearer: 'writer', key: 'k' }
    const refusal = await api.refusal('POST', '/v1/books', { ...call, body })
    expect(refusal).toBe('413 platform.too_large')
    expect((await api.call('POST', '/v1/books', { ...call, body: good })).status).toBe(201)
  })

  it('to a call without a body takes none, an empty one, and no unknown field', async () => {
    const path = '/v1/books/a/burn'
    expect((await api.call('POST', path, { bearer: 'writer' })).status).toBe(200)
    expect((await api.call('POST', path, { bearer: 'writer', body: {} })).status).toBe(200)
    const refusal = await api.refusal('POST', path, { bearer: 'writer', body: { now: true } })
    expect(refusal).toBe('422 platform.invalid_request /now')
  })

  it('needs its idempotency key, which has a form', async () => {
    const call = { bearer: 'writer', body: good }
    const without = await api.refusal('POST', '/v1/books', call)
    expect(without).toBe('422 platform.idempotency_key_required')
    const long = await api.refusal('POST', '/v1/books', { ...call, key: 'x'.repeat(256) })
    expect(long).toBe('422 platform.invalid_request')
  })

  it('may bring a client order id in place of the key', async () => {
    const call = { bearer: 'writer', body: { client_order_id: 'mine' } }
    expect((await api.call('POST', '/v1/orders', call)).status).toBe(201)
    const without = await api.refusal('POST', '/v1/orders', { bearer: 'writer', body: {} })
    expect(without).toBe('422 platform.idempotency_key_required')
  })

  it('has query fields of known names, once each', async () => {
    expect((await api.call('GET', '/v1/books')).body).toEqual({ limit: 50, after: null })
    const refusal = (query: string) => api.refusal('GET', `/v1/books?${query}`)
    expect(await refusal('color=red')).toBe('422 platform.invalid_request /color')
    expect(await refusal('shelf=a&shelf=b')).toBe('422 platform.invalid_request /shelf')
    expect(await refusal('limit=201')).toBe('422 platform.invalid_request /limit')
    expect(await refusal('limit=x')).toBe('422 platform.invalid_request /limit')
    expect(await refusal('cursor=bm9uZQ')).toBe('422 platform.invalid_request /cursor')
  })
})

describe('a place that is not there', () => {
  it.each(['/', '/v1', '/v1/nothing', '/v1/books/', '/v1/books/a/b', '/v1/%zz', '/V1/books'])(
    'is refused with 404: %s',
    async (path) => {
      const [status, code] = (await api.refusal('GET', path, { bearer: 'reader' })).split(' ')
      expect(status).toBe('404')
      expect(['platform.route_not_found', 'shelf.book_not_found']).toContain(code)
    },
  )

  it('tells which methods the path knows', async () => {
    const { status, headers, body } = await api.call('DELETE', '/v1/books')
    expect([status, body['code']]).toEqual([405, 'platform.method_not_allowed'])
    expect(headers.get('allow')).toBe('POST, GET')
  })

  it('refuses an id of another form as it does an absent one', async () => {
    const refusal = (id: string) => api.refusal('GET', `/v1/books/${id}`, { bearer: 'reader' })
    expect(await refusal('absent')).toBe('404 shelf.book_not_found')
    expect(await refusal('!')).toBe('404 shelf.book_not_found')
  })
})

describe('a caller', () => {
  it('without credentials, with wrong or with old ones is refused with 401', async () => {
    const refusal = (bearer?: string) =>
      api.refusal('GET', '/v1/books/a', bearer === undefined ? {} : { bearer })
    expect(await refusal()).toBe('401 platform.unauthenticated')
    expect(await refusal('wrong')).toBe('401 platform.unauthenticated')
    expect(await refusal('expired')).toBe('401 platform.token_expired')
    const headers = { authorization: 'Basic cmVhZGVyOg==' }
    const basic = await api.refusal('GET', '/v1/books/a', { headers })
    expect(basic).toBe('401 platform.unauthenticated')
  })

  it('without the permission is refused with 403, before the body is looked at', async () => {
    const call = { bearer: 'reader', body: '{', key: 'k' }
    expect(await api.refusal('POST', '/v1/books', call)).toBe('403 platform.forbidden')
  })

  it('who asks too often is told when to come back', async () => {
    const slow = new TestApi(shelfRoutes(), authenticator, {
      read: { requests: 2, windowSeconds: 30 },
    })
    await slow.server.start()
    await slow.call('GET', '/v1/books/a', { bearer: 'reader' })
    const second = await slow.call('GET', '/v1/books/a', { bearer: 'reader' })
    expect(second.headers.get('ratelimit')).toMatch(/^"read";r=0;/)
    const third = await slow.call('GET', '/v1/books/a', { bearer: 'reader' })
    expect([third.status, third.body['code']]).toEqual([429, 'platform.rate_limited'])
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await slow.call('GET', '/v1/books/a', { bearer: 'writer' })).status).toBe(200)
    await slow.server.stop()
  })
})

describe('a failure', () => {
  it('of the command keeps its code and detail', async () => {
    const { status, body } = await api.call('GET', '/v1/books/lent', { bearer: 'reader' })
    expect([status, body['code'], body['detail']]).toEqual([409, 'shelf.book_lent', 'by Ann'])
  })

  it('of the program shows no detail', async () => {
    const { status, body } = await api.call('GET', '/v1/books/broken', { bearer: 'reader' })
    expect([status, body['code']]).toEqual([500, 'platform.internal'])
    expect(JSON.stringify(body)).not.toContain('secret')
  })

  it('of something the node needs asks for another try', async () => {
    const { status, headers } = await api.call('GET', '/v1/books/away', { bearer: 'reader' })
    expect([status, headers.get('retry-after')]).toEqual([503, '1'])
  })

  it('to listen names the port', async () => {
    const port = Number(new URL(api.server.url).port)
    const log = createLog({ level: 'silent' })
    const second = new HttpServer({
      routes: [],
      port,
      host: '127.0.0.1',
      log,
      metrics: new Metrics(),
      authenticator,
    })
    const failure = await second.start().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(AppError)
    expect(failure).toMatchObject({ code: 'platform.unavailable' })
    expect(String(failure)).toContain(`port ${port} of 127.0.0.1 is taken`)
    expect(second.health().ok).toBe(false)
  })
})

describe('the node itself', () => {
  it('is alive, and ready only when all its services are', async () => {
    expect((await api.call('GET', '/livez')).body).toEqual({ status: 'alive' })
    expect((await api.call('GET', '/readyz')).status).toBe(200)
    health['chain'] = { ok: false, detail: 'the chain is away' }
    const { status, body } = await api.call('GET', '/readyz')
    expect(status).toBe(503)
    expect(body).toMatchObject({ status: 'not_ready', services: { chain: { ok: false } } })
    const figures = async () => await (await fetch(`${api.server.url}/metrics`)).text()
    expect(await figures()).toContain('mooring_service_ready{service="chain"} 0')
    health['chain'] = { ok: true }
    expect(await figures()).toContain('mooring_service_ready{service="chain"} 1')
    delete health['chain']
  })

  it('shows its figures and its documentation', async () => {
    const figures = await fetch(`${api.server.url}/metrics`)
    expect([figures.status, figures.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ])
    const page = await (await fetch(`${api.server.url}/docs`)).text()
    expect(page).toContain('<code>/v1/books/{id}</code>')
    expect(page).not.toMatch(/<script|src=/)
    const { body } = await api.call('GET', '/v1/openapi.json')
    expect(body['openapi']).toBe('3.1.0')
  })

  it('keeps a connection that it answered on, for longer than clients do', async () => {
    const sockets = new Set<unknown>()
    const offers = new Set<string>()
    const once = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const call = request(`${api.server.url}/livez`, { agent }, (response) => {
          sockets.add(call.socket)
          offers.add(String(response.headers['keep-alive']))
          response.resume().on('end', resolve)
        })
        call.on('error', reject).end()
      })
    const { Agent } = await import('node:http')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    await once()
    await once()
    agent.destroy()
    expect(sockets.size).toBe(1)
    expect([...offers]).toEqual(['timeout=65'])
  })
})
