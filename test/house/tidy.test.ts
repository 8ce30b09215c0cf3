import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { codeOf, importsOf, listFiles, type SourceFile } from './source.ts'

const src = listFiles('src', ['.ts'])
const all = [
  ...src,
  ...listFiles('scripts', ['.ts', '.mjs']),
  ...listFiles('test', ['.ts', '.sol']),
  ...listFiles('contracts', ['.sol']),
  ...listFiles('deploy', ['.ts']),
]

/** `path:line` of every match of `pattern` in the code (not in comments or strings) of `files`. */
function places(files: readonly SourceFile[], pattern: RegExp): readonly string[] {
  return files.flatMap((file) =>
    codeOf(file.text)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}`] : [])),
  )
}

const except = (...paths: readonly string[]): readonly SourceFile[] =>
  src.filter(
    (file) => !paths.some((path) => file.path === path || file.path.startsWith(`${path}/`)),
  )

describe('tidy', () => {
  it('reads the clock in one file', () => {
    expect(places(except('src/platform/clock.ts'), /\bDate\.now\(|\bnew Date\(\)/)).toEqual([])
  })

  it('reads the environment in one file', () => {
    expect(places(except('src/platform/config.ts'), /\bprocess\.env\b/)).toEqual([])
  })

  it('draws no unseeded random number', () => {
    expect(places(src, /\bMath\.random\b/)).toEqual([])
  })

  it('throws no bare Error', () => {
    const bare = /\bnew Error\(/
    expect(places(src, bare)).toEqual([])
  })

  it('escapes from no type', () => {
    const escapes = /: any\b|<any>|\bas any\b|\bas unknown as\b|@ts-ignore|@ts-expect-error/
    expect(places(src, escapes)).toEqual([])
    expect(
      src
        .filter((file) => /@ts-(ignore|expect-error|nocheck)/.test(file.text))
        .map((file) => file.path),
    ).toEqual([])
  })

  it('asserts types only where brands are minted and outside data is read', () => {
    const allowed =
      /(^src\/kernel\/(brand|errors)\.ts$)|(-|\/)(store|adapter|parser)\.ts$|^src\/platform\//
    const casts = places(
      src.filter((file) => !allowed.test(file.path)),
      /[\w)\]}>'] as (?!const\b)[A-Z{(\w]/,
    )
    const imports = new Set(places(src, /^\s*(import|export)\b|^\s*\w+ as \w+,?$|\* as /))
    expect(casts.filter((place) => !imports.has(place))).toEqual([])
  })

  it('writes SQL in stores, platform/db and migrations only', () => {
    const sql = /`[^`]*\b(SELECT\s+[\w*(]|INSERT INTO|UPDATE\s+\w+\.\w+|DELETE FROM)\b/
    const outside = src.filter(
      (file) =>
        !/(^|\/|-)store\.ts$/.test(file.path) &&
        !file.path.startsWith('src/platform/') &&
        sql.test(file.text),
    )
    expect(outside.map((file) => file.path)).toEqual([])
  })

  it('lets a store touch the tables of its own context only', () => {
    const schemas = [
      'accounts',
      'chain',
      'ledger',
      'compliance',
      'assets',
      'trading',
      'payments',
      'supply',
      'settlement',
      'issuance',
    ]
    const foreign = src
      .filter((file) => /(^|\/|-)store\.ts$/.test(file.path))
      .flatMap((file) => {
        const own = file.path.split('/')[1]
        const touched = [...file.text.matchAll(/\b(?:FROM|JOIN|INTO|UPDATE)\s+([a-z_]+)\.[a-z_]+/g)]
        return touched
          .map((match) => match[1] ?? '')
          .filter((schema) => schemas.includes(schema) && schema !== own)
          .map((schema) => `${file.path} touches ${schema}`)
      })
    expect(foreign).toEqual([])
  })

  it('leaves no unfinished word behind', () => {
    const words = /\b(TODO|FIXME|XXX|HACK|not implemented|unimplemented)\b/
    const self = 'test/house/tidy.test.ts'
    expect(
      all.filter((file) => file.path !== self && words.test(file.text)).map((file) => file.path),
    ).toEqual([])
  })

  it('skips or singles out no test', () => {
    const tests = listFiles('test', ['.test.ts'])
    expect(places(tests, /\b(it|test|describe)\.(only|todo)\b/)).toEqual([])
  })

  it('keeps files of src under 400 lines and lines of code under 130 columns', () => {
    expect(
      src.filter((file) => file.text.split('\n').length > 401).map((file) => file.path),
    ).toEqual([])
  })

  it('names files as kebab-case nouns and has no grab-bags or barrels', () => {
    const bad = src.filter((file) => {
      const stem = posix.basename(file.path, '.ts')
      return (
        !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem) ||
        /^(utils?|helpers?|common|lib|misc|types|index)$/.test(stem)
      )
    })
    expect(bad.map((file) => file.path)).toEqual([])
  })

  it('exports nothing by default', () => {
    expect(places(src, /^export default\b/)).toEqual([])
  })

  it('has no dead file', () => {
    const used = new Set<string>(['src/main.ts'])
    for (const file of all) {
      for (const specifier of importsOf(file)) {
        if (specifier.startsWith('#')) used.add(posix.join('src', specifier.slice(1)))
        if (specifier.startsWith('.')) used.add(posix.join(posix.dirname(file.path), specifier))
      }
      for (const [, worker = ''] of file.text.matchAll(/new Worker\(new URL\('([^']+)'/g)) {
        used.add(posix.join(posix.dirname(file.path), worker))
      }
    }
    expect(src.filter((file) => !used.has(file.path)).map((file) => file.path)).toEqual([])
  })

  it('speaks of the product alone: no path of a machine, no host of a registry', () => {
    const machine = /(?<![\w/])\/(root|work|home)\/[a-z]|registry\.npm|repo1?\.maven|deb\.debian/i
    const self = 'test/house/tidy.test.ts'
    expect(
      all.filter((file) => file.path !== self && machine.test(file.text)).map((file) => file.path),
    ).toEqual([])
  })
})
