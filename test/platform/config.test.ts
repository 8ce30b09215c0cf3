import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, describeVariables, loadConfig } from '#platform/config.ts'

const KEY = `0x${'ab'.repeat(32)}`

function refusal(environment: Record<string, string>): ConfigError {
  try {
    loadConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new RangeError('accepted')
}

describe('loadConfig', () => {
  it('has a value for everything that can have one', () => {
    expect(loadConfig({})).toMatchObject({
      httpPort: 8080,
      httpHost: '127.0.0.1',
      rpcUrls: [],
      chainRpcPort: 8545,
      kafkaBrokers: [],
      home: '.mooring',
      logLevel: 'info',
      roles: ['api', 'engine', 'settler', 'watcher', 'txm', 'relay', 'projector', 'jobs'],
    })
    expect(loadConfig({}).finalityDepth).toBeUndefined()
  })

  it('reads lists, numbers and URLs, and ignores what it does not know', () => {
    const config = loadConfig({
      HTTP_PORT: '0',
      ROLES: 'api, engine,api',
      KAFKA_BROKERS: 'a:9092, [::1]:9093',
      RPC_URLS: 'https://a/x,http://b',
      FINALITY_DEPTH: '2',
      DATABASE_URL: 'postgres://u:p@h/d',
      MOORING_NOISE: 'x',
    })
    expect(config).toMatchObject({
      httpPort: 0,
      roles: ['api', 'engine'],
      kafkaBrokers: ['a:9092', '[::1]:9093'],
      rpcUrls: ['https://a/x', 'http://b'],
      finalityDepth: 2,
      migrationDatabaseUrl: 'postgres://u:p@h/d',
    })
    expect(loadConfig({ ROLES: 'all' }).roles).toHaveLength(8)
    expect(loadConfig({ HTTP_PORT: '' }).httpPort).toBe(8080)
  })

  it.each([
    ['HTTP_PORT', '65536'],
    ['HTTP_PORT', '80x'],
    ['HTTP_PORT', '-1'],
    ['RATE_LIMITS', 'orders=10'],
    ['RATE_LIMITS', 'lookups=10/60'],
    ['RATE_LIMITS', 'orders=0/60'],
    ['DATABASE_URL', 'mysql://h/secretvalue'],
    ['RPC_URLS', 'http://a,ftp://secretvalue'],
    ['KAFKA_BROKERS', 'secretvalue'],
    ['ROLES', 'api,secretvalue'],
    ['LOG_LEVEL', 'secretvalue'],
    ['SETTLER_KEY', '0xsecretvalue'],
    ['JWT_PRIVATE_KEY', 'secretvalue'],
    ['JWT_PRIVATE_KEY', '@/nowhere/secretvalue'],
    ['FINALITY_DEPTH', '1.5'],
    ['PUBLIC_URL', 'secretvalue.example'],
    ['PUBLIC_URL', 'https://secretvalue.example/app'],
    ['PUBLIC_URL', 'ftp://secretvalue.example'],
  ])('refuses %s=%s in one line that names it and does not repeat it', (name, value) => {
    const error = refusal({ [name]: value })
    expect(error.variable).toBe(name)
    expect(error.message.startsWith(`${name} `)).toBe(true)
    expect(error.message).not.toMatch(/\n|secretvalue/)
  })

  it('reads a secret from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'config-'))
    const path = join(folder, 'key')
    writeFileSync(path, `${KEY}\n`)
    expect(loadConfig({ SETTLER_KEY: `@${path}` }).settlerKey).toBe(KEY)
    rmSync(folder, { recursive: true })
  })
})

describe('describeVariables', () => {
  const described = (environment: Record<string, string>) =>
    new Map(describeVariables(loadConfig(environment)).map((variable) => [variable.name, variable]))

  it('shows what this process sees, without keys and the secret parts of URLs', () => {
    const variables = described({
      DATABASE_URL: 'postgres://someone:hush@db.example:5432/ledger',
      RPC_URLS: 'https://rpc.example/v1/hush',
      SETTLER_KEY: `0x${'7'.repeat(64)}`,
    })
    expect([...variables.values()].map(({ value }) => value).join(' ')).not.toMatch(/hush|777/)
    expect(variables.get('DATABASE_URL')?.value).toContain('db.example')
    expect(variables.get('HTTP_PORT')?.value).toBe('8080')
    expect(variables.get('KAFKA_BROKERS')?.value).toBeUndefined()
  })

  it('has a meaning for every variable', () => {
    expect([...described({}).values()].filter(({ description }) => description === '')).toEqual([])
    expect(described({}).has('SETTLEMENT_INTERVAL_MS')).toBe(true)
  })
})
