import { z } from 'zod'
import { platformErrors } from '../errors.ts'
import type { Health } from '../lifecycle.ts'
import type { Metrics } from '../metrics.ts'
import { renderDocs } from './docs-page.ts'
import type { OpenApiDocument } from './openapi.ts'
import { reply, replyText, route, type Route } from './route.ts'

export interface SystemRouteOptions {
  /** Of every service of this process, by name. */
  readonly registryHealth: () => Readonly<Record<string, Health>>
  readonly metrics: Metrics
  /** Asked once, when the first reader comes. */
  readonly openapi: () => OpenApiDocument
  /** The address that may read /metrics besides loopback; `0.0.0.0` or `::` lets everybody. */
  readonly metricsHost?: string | undefined
}

const LOOPBACK = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1'])
const ANYBODY = new Set(['0.0.0.0', '::'])
const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8'
const HTML = 'text/html; charset=utf-8'

const health = z.strictObject({ ok: z.boolean(), detail: z.string().nullable() })
const readiness = z.strictObject({
  status: z.enum(['ready', 'not_ready']),
  services: z.record(z.string(), health),
})

/** What a machine or a newcomer asks of any node. */
export function systemRoutes(options: SystemRouteOptions): readonly Route[] {
  let built: OpenApiDocument | undefined
  const document = (): OpenApiDocument => (built ??= options.openapi())
  return [liveness(), ready(options), metrics(options), openapi(document), docs(document)]
}

function liveness(): Route {
  return route({
    method: 'GET',
    path: '/livez',
    id: 'getLiveness',
    summary: 'Whether the process answers',
    tags: ['system'],
    permission: 'public',
    responses: { 200: z.strictObject({ status: z.literal('alive') }) },
    errors: [],
    handle: () => reply(200, { status: 'alive' }),
  })
}

function ready({ registryHealth }: SystemRouteOptions): Route {
  return route({
    method: 'GET',
    path: '/readyz',
    id: 'getReadiness',
    summary: 'Whether every part of the node can work; names the one that cannot',
    tags: ['system'],
    permission: 'public',
    responses: { 200: readiness, 503: readiness },
    errors: [],
    handle: () => {
      const found = Object.entries(registryHealth())
      const isReady = found.every(([, { ok }]) => ok)
      const services = Object.fromEntries(
        found.map(([name, { ok, detail = null }]) => [name, { ok, detail }]),
      )
      return reply(isReady ? 200 : 503, { status: isReady ? 'ready' : 'not_ready', services })
    },
  })
}

function metrics(options: SystemRouteOptions): Route {
  const { metrics: figures, metricsHost = '127.0.0.1', registryHealth } = options
  const ready = figures.gauge('service_ready', '1 while a part of the node can work', ['service'])
  return route({
    method: 'GET',
    path: '/metrics',
    id: 'getMetrics',
    summary: 'Figures for Prometheus; for this machine only, unless configured otherwise',
    tags: ['system'],
    permission: 'public',
    responses: { 200: { contentType: PROMETHEUS } },
    errors: [platformErrors.forbidden],
    handle: async ({ remoteAddress }) => {
      const mayRead =
        LOOPBACK.has(remoteAddress) ||
        ANYBODY.has(metricsHost) ||
        remoteAddress.replace('::ffff:', '') === metricsHost
      if (!mayRead) throw platformErrors.forbidden('the figures are for this machine only')
      for (const [service, { ok }] of Object.entries(registryHealth())) {
        ready.set(ok ? 1 : 0, { service })
      }
      return replyText(200, PROMETHEUS, await figures.render())
    },
  })
}

function openapi(document: () => OpenApiDocument): Route {
  return route({
    method: 'GET',
    path: '/v1/openapi.json',
    id: 'getOpenApi',
    summary: 'This API as an OpenAPI 3.1 document',
    tags: ['system'],
    permission: 'public',
    responses: { 200: z.record(z.string(), z.unknown()) },
    errors: [],
    handle: () => reply(200, document()),
  })
}

function docs(document: () => OpenApiDocument): Route {
  return route({
    method: 'GET',
    path: '/docs',
    id: 'getDocs',
    summary: 'This API as a page for people',
    tags: ['system'],
    permission: 'public',
    responses: { 200: { contentType: HTML } },
    errors: [],
    handle: () => replyText(200, HTML, renderDocs(document())),
  })
}
