import { Validator } from '@seriousme/openapi-schema-validator'
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { PERMISSIONS } from '#accounts/rbac.ts'
import { composeNode } from '#app/compose.ts'
import { listErrorDefinitions } from '#kernel/errors.ts'
import { isJsonObject } from '#kernel/json.ts'
import { loadConfig } from '#platform/config.ts'
import { silentLog } from '../support/database.ts'

const key = (digit: string): string => `0x${digit.repeat(64)}`
const ADDRESS = `0x${'a'.repeat(40)}`
const JWT_KEY = generateKeyPairSync('ed25519')
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()
const CONTRACTS = [
  'ClearingHouse',
  'InvestorRegistry',
  'AssetRegistry',
  'SupplyController',
  'CashToken',
]

/** The whole node, put together and never started. */
const settings = {
  log: silentLog,
  databaseUrl: 'postgres://nobody@127.0.0.1:1/none',
  rpcUrls: ['http://127.0.0.1:1'],
  deployment: {
    chainId: 31_337,
    deployedAt: 0,
    contracts: Object.fromEntries(CONTRACTS.map((name) => [name, ADDRESS])),
  },
  finality: { rule: { depth: 2 } },
  keys: { settler: key('1'), registrar: key('2'), jwt: JWT_KEY },
  version: '0.0.0',
}
const node = composeNode({ ...settings, config: loadConfig({}) })

/** Section 8: exactly these answer without a principal. */
const PUBLIC = [
  'GET /docs',
  'GET /livez',
  'GET /metrics',
  'GET /readyz',
  'GET /v1/contracts',
  'GET /v1/markets',
  'GET /v1/markets/:symbol/book',
  'GET /v1/markets/:symbol/trades',
  'GET /v1/openapi.json',
  'POST /v1/sessions',
  'POST /v1/users',
]

describe('routes', () => {
  it('answer without a principal only where the design says so', () => {
    const open = node.routes.filter(({ permission }) => permission === 'public')
    expect(open.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual(PUBLIC)
  })

  it('ask for permissions that some role has', () => {
    const unknown = node.routes
      .map(({ permission }) => permission)
      .filter((permission) => permission !== 'public' && !PERMISSIONS.has(permission))
    expect(unknown).toEqual([])
  })

  it('have an id, a summary, a schema for each reply and declared refusals', () => {
    const ids = node.routes.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const declared = new Set(listErrorDefinitions())
    const poor = node.routes.filter(
      ({ summary, responses, errors }) =>
        summary === '' ||
        Object.keys(responses).length === 0 ||
        errors.some((error) => !declared.has(error)),
    )
    expect(poor.map(({ id }) => id)).toEqual([])
  })

  it('name a parameter the same way wherever it stands', () => {
    const shapes = Map.groupBy(new Set(node.routes.map(({ path }) => path)), (path) =>
      path.replaceAll(/:\w+/g, ':'),
    )
    const twice = [...shapes.values()].filter((paths) => new Set(paths).size > 1)
    expect(twice).toEqual([])
  })

  it('make every POST that moves value idempotent', () => {
    const moving = ['placeOrder', 'requestWithdrawal']
    const rules = node.routes
      .filter(({ id }) => moving.includes(id))
      .map(({ idempotent }) => idempotent)
    expect(new Set(rules)).toEqual(new Set(['key_or_client_order_id', 'required']))
  })
})

describe('the event log', () => {
  it('is Postgres without brokers, and only Kafka with them', () => {
    const config = loadConfig({ KAFKA_BROKERS: '127.0.0.1:1' })
    const names = Object.keys(composeNode({ ...settings, config }).registry.health())
    expect(node.events.driver).toBe('pglog')
    expect(composeNode({ ...settings, config }).events.driver).toBe('kafka')
    expect(names).toContain('relay')
  })
})

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const document: Record<string, unknown> = { ...node.openapi() }
    const result = await new Validator().validate(JSON.parse(JSON.stringify(document)))
    expect(result.errors ?? []).toEqual([])
    expect(document['openapi']).toMatch(/^3\.1\./)
  })

  it('looks as its committed picture shows it', async () => {
    const text = JSON.stringify(node.openapi(), null, 2)
    await expect(`${text}\n`).toMatchFileSnapshot('openapi.json')
  })

  it('closes every object that it describes', () => {
    const loose: string[] = []
    const walk = (value: unknown, path: string): void => {
      if (Array.isArray(value))
        for (const [place, item] of value.entries()) walk(item, `${path}/${place}`)
      if (!isJsonObject(value)) return
      const isObject = value['type'] === 'object' && isJsonObject(value['properties'])
      if (isObject && value['additionalProperties'] !== false) loose.push(path)
      for (const [key, item] of Object.entries(value)) walk(item, `${path}/${key}`)
    }
    walk(JSON.parse(JSON.stringify(node.openapi())), '')
    expect(loose).toEqual([])
  })
})
