import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importsOf, listFiles, type SourceFile } from './source.ts'

const CONTEXT_RANKS: Readonly<Record<string, number>> = {
  kernel: 0,
  platform: 1,
  accounts: 2,
  chain: 2,
  ledger: 3,
  compliance: 4,
  assets: 5,
  trading: 6,
  payments: 7,
  supply: 7,
  settlement: 8,
  issuance: 9,
  'market-data': 10,
  portfolio: 11,
  monitoring: 12,
  analysis: 13,
  console: 14,
  app: 15,
}

const PURE = 0
const WORKER = 6

/** The layer of a file by its name; a bare noun is pure, unless it is a declared worker or shell. */
function layerOf(file: SourceFile): number {
  const stem = posix.basename(file.path, '.ts')
  if (stem === 'module') return 7
  if (/(^|-)(routes|jobs|consumers|stream)$/.test(stem)) return WORKER
  if (stem === 'schema' || stem.endsWith('-schema')) return 5
  if (stem === 'service' || stem.endsWith('-service')) return 4
  if (stem.endsWith('-adapter')) return 3
  if (stem === 'store' || stem.endsWith('-store')) return 2
  if (stem === 'errors' || stem === 'events') return 1
  return isImpure(file) ? WORKER : PURE
}

const IMPURE_PACKAGES =
  /^(node:(?!crypto$|buffer$)|knex|koa|@koa\/|ethers|zod|pg$|pino|undici|kafkajs|jose|prom-client|rate-limiter)/

/** A noun that needs the outside world is a worker: it stands above the service of its context. */
function isImpure(file: SourceFile): boolean {
  return importsOf(file).some(
    (specifier) =>
      IMPURE_PACKAGES.test(specifier) ||
      specifier.startsWith('#platform/') ||
      /\/(service|store)\.ts$/.test(specifier) ||
      /-(service|store|adapter)\.ts$/.test(specifier),
  )
}

const files = new Map(listFiles('src', ['.ts']).map((file) => [file.path, file]))

function contextOf(path: string): string {
  return path.split('/')[1] ?? ''
}

function resolveImport(from: SourceFile, specifier: string): string | undefined {
  if (specifier.startsWith('#')) return posix.join('src', specifier.slice(1))
  if (specifier.startsWith('.')) return posix.join(posix.dirname(from.path), specifier)
  return undefined
}

interface Step {
  readonly from: SourceFile
  readonly to: SourceFile
  readonly specifier: string
}

function steps(): readonly Step[] {
  return [...files.values()].flatMap((from) =>
    importsOf(from).flatMap((specifier) => {
      const to = files.get(resolveImport(from, specifier) ?? '')
      return to === undefined ? [] : [{ from, to, specifier }]
    }),
  )
}

const show = (step: Step): string => `${step.from.path} → ${step.to.path}`

const isInside = (step: Step): boolean => contextOf(step.from.path) === contextOf(step.to.path)

describe('the stairs only go down', () => {
  it('knows every folder of src as a context', () => {
    const unknown = [...files.keys()].filter(
      (path) => path !== 'src/main.ts' && CONTEXT_RANKS[contextOf(path)] === undefined,
    )
    expect(unknown).toEqual([])
  })

  it('resolves every import of our own', () => {
    const broken = [...files.values()].flatMap((file) =>
      importsOf(file)
        .filter((specifier) => /^[#.]/.test(specifier) && specifier.endsWith('.ts'))
        .filter((specifier) => !files.has(resolveImport(file, specifier) ?? ''))
        .filter((specifier) => !specifier.includes('/deploy/'))
        .map((specifier) => `${file.path}: ${specifier}`),
    )
    expect(broken).toEqual([])
  })

  it('imports only lower contexts', () => {
    const upward = steps().filter((step) => {
      const from = CONTEXT_RANKS[contextOf(step.from.path)] ?? 99
      const to = CONTEXT_RANKS[contextOf(step.to.path)] ?? 99
      return !isInside(step) && from <= to
    })
    expect(upward.map(show)).toEqual([])
  })

  it('imports only the same or a lower layer inside a context', () => {
    const upward = steps().filter(
      (step) =>
        isInside(step) &&
        !['app', 'platform', 'kernel'].includes(contextOf(step.from.path)) &&
        layerOf(step.from) < layerOf(step.to),
    )
    expect(upward.map(show)).toEqual([])
  })

  it('uses nouns, events, errors and services of other contexts, never their stores or routes', () => {
    const private_ = steps().filter(
      (step) =>
        !isInside(step) &&
        contextOf(step.to.path) !== 'platform' &&
        contextOf(step.from.path) !== 'app' &&
        step.from.path !== 'src/main.ts' &&
        /(^|\/|-)(store|routes|jobs|consumers|schema|module|stream)\.ts$/.test(step.to.path),
    )
    expect(private_.map(show)).toEqual([])
  })

  it('writes ./file.ts inside a context and #context/file.ts across', () => {
    const odd = steps().filter(
      (step) =>
        step.from.path !== 'src/main.ts' &&
        !['platform', 'app'].includes(contextOf(step.from.path)) &&
        step.specifier.startsWith('#') === isInside(step),
    )
    expect(odd.map(show)).toEqual([])
  })

  it('keeps the kernel free of packages and of every other folder', () => {
    const heavy = [...files.values()]
      .filter((file) => contextOf(file.path) === 'kernel')
      .flatMap((file) => importsOf(file).filter((specifier) => !specifier.startsWith('./')))
    expect(heavy).toEqual([])
  })

  it('has no circle', () => {
    const next = Map.groupBy(steps(), (step) => step.from.path)
    const done = new Set<string>()
    const circles: string[] = []
    const walk = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path))
        circles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      if (done.has(path) || trail.includes(path)) return
      for (const step of next.get(path) ?? []) walk(step.to.path, [...trail, path])
      done.add(path)
    }
    for (const path of files.keys()) walk(path, [])
    expect(circles).toEqual([])
  })
})
