import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, describeVariables, loadConfig, maskedConfig } from '#platform/config.ts'

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
    ['DATABASE_URL', 'mysql://h/secretvalue'],
    ['RPC_URLS', 'http://a,ftp://secretvalue'],
    ['KAFKA_BROKERS', 'secretvalue'],
    ['ROLES', 'api,secretvalue'],
    ['LOG_LEVEL', 'secretvalue'],
    ['SETTLER_KEY', '0xsecretvalue'],
    ['JWT_PRIVATE_KEY', 'secretvalue'],
    ['JWT_PRIVATE_KEY', '@/nowhere/secretvalue'],
    ['FINALITY_DEPTH', '1.5'],
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

describe('maskedConfig', () => {
  it('shows neither keys nor what stands in URLs besides the host', () => {
    const shown = JSON.stringify(
      maskedConfig(
        loadConfig({
          SETTLER_KEY: KEY,
          DATABASE_URL: 'postgres://user:pa55@db.example:5432/x',
          RPC_URLS: 'https://rpc.example/v3/apikey77',
        }),
      ),
    )
    expect(shown).not.toMatch(/abab|pa55|user:|apikey77/)
    expect(shown).toContain('rpc.example')
    expect(shown).toContain('db.example')
  })
})

describe('describeVariables', () => {
  it('describes each one', () => {
    const undescribed = describeVariables().filter(({ description }) => description === '')
    expect(undescribed).toEqual([])
    expect(describeVariables().map(({ name }) => name)).toContain('SETTLEMENT_INTERVAL_MS')
  })
})
