import type { ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { present } from '#kernel/assert.ts'
import { FolderClaim } from '../folder-claim.ts'
import { describeFailure } from '../lifecycle.ts'
import { endProcess, findProcess } from '../process-identity.ts'
import { embeddedErrors } from './embedded-errors.ts'
import { initialiseCluster, spawnServerProgram } from './postgres-cluster.ts'
import { findPostgresPackage, installBinaries } from './postgres-binaries.ts'
import { PostgresPlace, type ServerUser } from './postgres-place.ts'

export interface EmbeddedPostgresOptions {
  /** Folder of the sandbox; the database lives as long as it does. */
  readonly home: string
  readonly log: (line: string) => void
  /** Parent of the short folders for programs and socket. */
  readonly base?: string
  /** Who the server runs as when root starts it. */
  readonly runAs?: ServerUser
}

const DATABASE = 'mooring'
const READY_TIMEOUT_MS = 60_000
const LAUNCH_ATTEMPTS = 5
const RELAUNCH_AFTER_MS = 2000
const CONNECT_TIMEOUT_MS = 5000

/**
 * A Postgres server of our own, for the sandbox and for tests: a child process on a unix socket,
 * without TCP, as durable as any other. Whatever a killed node left behind is cleaned at the next
 * start, and a server that dies while the node runs is started again.
 */
export class EmbeddedPostgres {
  readonly #log: (line: string) => void
  readonly #base: string
  readonly #place: PostgresPlace
  readonly #claim: FolderClaim
  #child: ChildProcess | undefined
  #url: string | undefined
  #stopping = false
  readonly #interruptOnExit = (): void => {
    this.#child?.kill('SIGINT')
  }

  constructor(options: EmbeddedPostgresOptions) {
    this.#log = options.log
    this.#base = options.base ?? '/var/tmp'
    this.#place = new PostgresPlace(options.home, this.#base, options.runAs)
    this.#claim = new FolderClaim(this.#place.claim)
  }

  /** Connection string of the database `mooring`; only after `start`. */
  get url(): string {
    return present(this.#url, 'url of a started Postgres')
  }

  /**
   * Resolves when the database answers. Errors: `sandbox_postgres.in_use`, `other_major`,
   * `unsupported`, `unsafe_folder`, `damaged`, `failed`.
   */
  async start(): Promise<void> {
    this.#stopping = false
    this.#place.prepareHome()
    this.#takeClaim()
    try {
      await this.#startClaimed()
      process.once('exit', this.#interruptOnExit)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Ends the server; every acknowledged transaction is kept. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#url = undefined
    process.off('exit', this.#interruptOnExit)
    const child = this.#child
    this.#child = undefined
    await endChild(child)
    this.#claim.release()
  }

  /** Deletes the database with everything in it; `sandbox_postgres.in_use` while a node runs. */
  async remove(): Promise<void> {
    this.#place.prepareHome()
    this.#takeClaim()
    await this.#cleanPostmaster()
    this.#place.removeAll()
  }

  #takeClaim(): void {
    const holder = this.#claim.take()
    if (holder === undefined) return
    const advice = `process ${holder} uses ${this.#place.folder}; stop it or set MOORING_HOME to another folder`
    throw embeddedErrors.in_use(advice)
  }

  async #startClaimed(): Promise<void> {
    const source = findPostgresPackage()
    const binaries = installBinaries(source, this.#base)
    this.#place.prepareSocketFolder()
    const cluster = this.#place.cluster()
    await this.#cleanPostmaster()
    if (!this.#place.holds(cluster)) {
      this.#place.removeData()
      this.#log('creating the sandbox database')
      await initialiseCluster(binaries, this.#place, cluster)
    }
    requireMajor(this.#place.data, source.major)
    await this.#launch(binaries)
    await createDatabase(this.#place.url(cluster, 'postgres'))
    this.#url = this.#place.url(cluster, DATABASE)
  }

  /** A killed postmaster's workers need a moment to leave, so an early death is tried again. */
  async #launch(binaries: string): Promise<void> {
    for (let attempt = 1; !this.#stopping; attempt += 1) {
      const child = this.#spawn(binaries)
      if (await isReady(child, this.#place.url(this.#place.cluster(), 'postgres'))) {
        this.#watch(child, binaries)
        return
      }
      await endChild(child)
      if (attempt >= LAUNCH_ATTEMPTS) throw embeddedErrors.failed(lastWords(this.#place.log))
      await sleep(200 * attempt)
    }
  }

  #spawn(binaries: string): ChildProcess {
    const place = this.#place
    // A file, not a pipe: the server must be able to write when its parent was killed.
    const output = openSync(place.log, 'a', 0o600)
    try {
      const program = join(binaries, 'bin', 'postgres')
      const child = spawnServerProgram(program, serverArguments(place), place, output)
      child.on('error', (error) => this.#log(`Postgres: ${error.message}`))
      this.#child = child
      return child
    } finally {
      closeSync(output)
    }
  }

  #watch(child: ChildProcess, binaries: string): void {
    const died = (): void => {
      if (this.#stopping || this.#child !== child) return
      this.#log('the sandbox Postgres died; starting it again')
      void this.#relaunch(binaries)
    }
    // It may have died between its first answer and now.
    if (hasEnded(child)) died()
    else child.once('exit', died)
  }

  /** What keeps the server down, a full disk for one, may pass: tried until it runs or is stopped. */
  async #relaunch(binaries: string): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#launch(binaries)
        return
      } catch (error) {
        this.#log(`the sandbox Postgres stays down and is tried again: ${describeFailure(error)}`)
        await sleep(RELAUNCH_AFTER_MS)
      }
    }
  }

  /** Ends the server of a killed node, and removes lock files that name a stranger's pid. */
  async #cleanPostmaster(): Promise<void> {
    const pidFile = join(this.#place.data, 'postmaster.pid')
    if (!existsSync(pidFile)) return
    const found = findProcess(Number(readFileSync(pidFile, 'utf8').split('\n')[0]))
    if (found?.command.includes(this.#place.data) === true) {
      this.#log('stopping the Postgres that a killed node left behind')
      await endProcess(found.mark, ['SIGINT', 'SIGQUIT', 'SIGKILL'], 5000)
    }
    for (const file of [pidFile, join(this.#place.socketFolder, '.s.PGSQL.5432.lock')])
      rmSync(file, { force: true })
  }
}

function serverArguments(place: PostgresPlace): string[] {
  const settings = {
    listen_addresses: '',
    unix_socket_directories: place.socketFolder,
    unix_socket_permissions: '0700',
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    timezone: 'UTC',
    logging_collector: 'off',
  }
  return [
    '-D',
    place.data,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
}

function requireMajor(data: string, major: string): void {
  const found = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
  if (found === major) return
  const advice = `${data} was made by Postgres ${found}, this is ${major}; \`npm run reset\` starts afresh`
  throw embeddedErrors.other_major(advice)
}

async function isReady(child: ChildProcess, url: string): Promise<boolean> {
  let failed = false
  child.once('error', () => (failed = true))
  const until = performance.now() + READY_TIMEOUT_MS
  while (performance.now() < until) {
    if (failed || hasEnded(child)) return false
    if (await answers(url)) return true
    await sleep(15)
  }
  return false
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    // Its answer to the farewell is nobody's concern, and a dying server gives none.
    void client.end().catch(() => undefined)
  }
}

async function createDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE])
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`)
  } finally {
    await client.end()
  }
}

async function endChild(child: ChildProcess | undefined): Promise<void> {
  const found = child?.pid === undefined ? undefined : findProcess(child.pid)
  // SIGINT is Postgres's fast shutdown, SIGQUIT its immediate one.
  if (found !== undefined) await endProcess(found.mark, ['SIGINT', 'SIGQUIT', 'SIGKILL'], 10_000)
}

function lastWords(file: string): string {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const reason = lines.findLast((line) => line.includes('FATAL')) ?? lines.at(-1) ?? ''
  return `${reason} (${file})`
}
