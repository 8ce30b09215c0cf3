import { Agent, request } from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { HttpServer } from '#platform/http/server.ts'
import { reply, route } from '#platform/http/route.ts'
import { systemRoutes } from '#platform/http/system-routes.ts'
import { Registry } from '#platform/lifecycle.ts'
import { Metrics } from '#platform/metrics.ts'
import { silentLog } from '../../support/database.ts'
import { TestApi } from '../../support/http.ts'

const agents: Agent[] = []

afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.destroy()
})

/** A server with one route that says when it is asked and answers when it is let. */
function slowServer(
  asked: () => void,
  until: Promise<void>,
): { server: HttpServer; registry: Registry } {
  const registry = new Registry({ log: silentLog })
  const slow = route({
    method: 'GET',
    path: '/v1/slow',
    id: 'getSlow',
    summary: 'Takes its time',
    tags: ['test'],
    permission: 'public',
    responses: { 200: z.strictObject({ done: z.boolean() }) },
    errors: [],
    handle: async () => {
      asked()
      await until
      return reply(200, { done: true })
    },
  })
  const system = systemRoutes({
    registryHealth: () => registry.health(),
    metrics: new Metrics(),
    openapi: () => api.document,
  })
  const authenticate = () => Promise.reject(new TypeError('nobody has to prove anything here'))
  const api: TestApi = new TestApi([slow, ...system], { authenticate })
  registry.add(api.server)
  return { server: api.server, registry }
}

describe('a node that stops', () => {
  it('answers what is under way, refuses what is new, and says that it goes', async () => {
    const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const { server, registry } = slowServer(asked.resolve, gate.promise)
    await registry.start()
    const { url } = server
    const dispatcher = new Agent({ connections: 4 })
    agents.push(dispatcher)
    const get = async (path: string) => {
      const { statusCode, body } = await request(`${url}${path}`, { dispatcher })
      return { status: statusCode, body: await body.json() }
    }
    expect(await get('/readyz')).toEqual({
      status: 200,
      body: { status: 'ready', services: { http: { ok: true, detail: null } } },
    })
    const underWay = get('/v1/slow')
    await asked.promise
    const stopped = registry.stop()
    expect(await get('/v1/slow')).toMatchObject({
      status: 503,
      body: { code: 'platform.unavailable' },
    })
    expect(await get('/readyz')).toEqual({
      status: 503,
      body: { status: 'not_ready', services: { http: { ok: false, detail: 'stopping' } } },
    })
    gate.resolve()
    expect(await underWay).toEqual({ status: 200, body: { done: true } })
    await stopped
    await expect(get('/livez')).rejects.toThrow()
  })
})
