import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { ROOT } from './source.ts'

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'contracts/README.md',
  'contracts/FORMAT.md',
  'contracts/OPERATIONS.md',
]

function scripts(): readonly string[] {
  const manifest = parseJson(read('package.json'))
  const table = isJsonObject(manifest) ? manifest['scripts'] : undefined
  return isJsonObject(table) ? Object.keys(table) : []
}

it.each(documents)('names only commands that exist: %s', (document) => {
  const named = [...read(document).matchAll(/\bnpm (?:run ([\w:]+)|(start|test)\b)/g)]
  const missing = named
    .map((match) => match[1] ?? match[2] ?? '')
    .filter((name) => !scripts().includes(name))
  expect(missing).toEqual([])
})

it.each(documents)('links only to what is there: %s', (document) => {
  const folder = document.includes('/') ? document.slice(0, document.lastIndexOf('/')) : '.'
  const links = [...read(document).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(
    (match) => match[1] ?? '',
  )
  expect(links.filter((link) => !existsSync(join(ROOT, folder, link)))).toEqual([])
})

it('names only variables that the configuration reads', () => {
  const config = read('src/platform/config.ts')
  const named = [...read('README.md').matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`/g)].map(
    (match) => match[1] ?? '',
  )
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter((name) => !config.includes(name))).toEqual([])
})

it('lists every dependency with its reason in ARCHITECTURE.md', () => {
  const manifest = parseJson(read('package.json'))
  const sections = isJsonObject(manifest)
    ? [manifest['dependencies'], manifest['devDependencies']]
    : []
  const packages = sections.flatMap((section) =>
    isJsonObject(section) ? Object.keys(section) : [],
  )
  const reasons = read('ARCHITECTURE.md')
  const unexplained = packages.filter(
    (name) => !name.startsWith('@types/') && !reasons.includes(name),
  )
  expect(unexplained).toEqual([])
})

it('pins every dependency exactly', () => {
  const manifest = parseJson(read('package.json'))
  const sections = isJsonObject(manifest)
    ? [manifest['dependencies'], manifest['devDependencies'], manifest['optionalDependencies']]
    : []
  const versions = sections.flatMap((section) =>
    isJsonObject(section) ? Object.entries(section) : [],
  )
  expect(
    versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version))),
  ).toEqual([])
})
