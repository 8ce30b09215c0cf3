import { setTimeout as sleep } from 'node:timers/promises'
import knexPackage, { type Knex } from 'knex'
import { Client, Pool, types, type ClientConfig, type PoolClient, type Submittable } from 'pg'
import { AppError } from '#kernel/errors.ts'
import { platformErrors } from '../errors.ts'
import { Wakes } from '../events/wakes.ts'
import { describeFailure, type Health, type Service } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import { backoffMs, Loop } from '../scheduler.ts'
import { isAway, translateFailure } from './failure.ts'

/** What reads need: a transaction or the database itself. int8 columns arrive as bigint. */
export interface Db {
  query<R = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<R[]>
}

/** A connection of one's own, outside the pool, for session locks and hot prepared statements. */
export type Connection = Client

export interface DatabaseOptions {
  readonly url: string
  readonly log: Log
  readonly poolSize?: number
  readonly statementTimeoutMs?: number
  /** After so long without an answer a connection is given up: the server may stand still. */
  readonly answerTimeoutMs?: number
}

const INT8 = 20
const INT8_ARRAY = 1016
const POOL_SIZE = 16
const STATEMENT_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 5000
const PING_INTERVAL_MS = 1000
const NODE_ROLE = 'mooring_node'

const builder = knexPackage.knex({ client: 'pg' })

/** One transaction on one pooled connection; only `inTransaction` makes it. */
export class Tx implements Db {
  readonly #client: PoolClient
  readonly #onCommit: (() => void)[] = []
  readonly wakes: Wakes

  constructor(client: PoolClient, wakes: Wakes) {
    this.#client = client
    this.wakes = wakes
  }

  async query<R = Record<string, unknown>>(
    sql: string,
    params: readonly unknown[] = [],
  ): Promise<R[]> {
    const result = await this.#client.query(sql, [...params])
    return result.rows as R[]
  }

  /** A query builder on this transaction: `await tx.knex('chain.block').where({ number })`. */
  knex(table: string): Knex.QueryBuilder {
    return builder(table).connection(this.#client)
  }

  /** Hands the connection a query of its own kind, such as a COPY stream. */
  submit<T extends Submittable>(query: T): T {
    return this.#client.query(query)
  }

  /** `action` runs after the commit and never when there is none. */
  onCommit(action: () => void): void {
    this.#onCommit.push(action)
  }

  committed(): void {
    for (const action of this.#onCommit.splice(0)) action()
  }
}

/** The pool of one Postgres database. The node works in it as the role `mooring_node`. */
export class Database implements Service {
  readonly name = 'database'
  readonly wakes = new Wakes()
  readonly #options: DatabaseOptions
  readonly #pool: Pool
  readonly #ping: Loop
  #role: string | undefined
  #away: string | undefined = 'not started'

  constructor(options: DatabaseOptions) {
    this.#options = options
    const { poolSize = POOL_SIZE } = options
    this.#pool = new Pool({
      ...this.#clientConfig(),
      max: poolSize,
      idleTimeoutMillis: 30_000,
      verify: (client, done) => this.#assumeRole(client, done),
    })
    this.#pool.on('error', (error) => this.#markAway(error))
    // The pool listens to idle clients only; one that breaks in a transaction would end the process.
    this.#pool.on('connect', (client) => client.on('error', (error) => this.#markAway(error)))
    this.#ping = new Loop({
      name: 'database.ping',
      intervalMs: PING_INTERVAL_MS,
      run: () => this.#check(),
      log: options.log.child({}, { level: 'silent' }),
    })
  }

  /** Waits for the server, and refuses one that loses what it has committed. */
  async start(signal: AbortSignal): Promise<void> {
    const first = await this.#waitForServer(signal)
    try {
      await requireSafeSettings(first)
      await this.#chooseRole(first)
    } finally {
      await first.end()
    }
    await this.#check()
    await this.#ping.start()
  }

  async stop(): Promise<void> {
    await this.#ping.stop()
    if (!this.#pool.ending) await this.#pool.end()
    this.#away = 'stopped'
  }

  health(): Health {
    return this.#away === undefined ? { ok: true } : { ok: false, detail: this.#away }
  }

  /** Runs one statement by itself; throws `platform.unavailable` when the database is away. */
  async query<R = Record<string, unknown>>(
    sql: string,
    params: readonly unknown[] = [],
  ): Promise<R[]> {
    try {
      const result = await this.#pool.query(sql, [...params])
      return result.rows as R[]
    } catch (error) {
      this.#noteFailure(error)
      throw translateFailure(error)
    }
  }

  /** Takes a connection of the pool; the caller releases it. */
  async acquire(): Promise<PoolClient> {
    try {
      return await this.#pool.connect()
    } catch (error) {
      this.#noteFailure(error)
      throw translateFailure(error)
    }
  }

  /** Opens a connection outside the pool, without statement timeout; the caller ends it. */
  async connect(): Promise<Connection> {
    const client = new Client({ ...this.#clientConfig(), statement_timeout: 0 })
    client.on('error', (error) => this.#noteFailure(error))
    try {
      await client.connect()
      if (this.#role !== undefined) await client.query(`SET ROLE ${this.#role}`)
      return client
    } catch (error) {
      this.#noteFailure(error)
      await client.end().catch(() => undefined)
      throw translateFailure(error)
    }
  }

  #clientConfig(): ClientConfig {
    const { answerTimeoutMs } = this.#options
    return {
      connectionString: this.#options.url,
      application_name: 'mooring',
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: this.#options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
      ...(answerTimeoutMs !== undefined && { query_timeout: answerTimeoutMs }),
      types: { getTypeParser: findTypeParser },
    }
  }

  #assumeRole(client: PoolClient, done: (error?: Error) => void): void {
    if (this.#role === undefined) done()
    else client.query(`SET ROLE ${this.#role}`).then(() => done(), done)
  }

  /** The connection is not one of the pool, whose connections all take the role from the start. */
  async #waitForServer(signal: AbortSignal): Promise<Connection> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.connect()
      } catch (error) {
        if (signal.aborted || !isUnavailable(error)) throw error
        const { log } = this.#options
        log.warn({ event: 'database.away', attempt, error })
        await sleep(backoffMs(attempt, 100, 2000), undefined, { signal }).catch(() => undefined)
      }
    }
  }

  async #chooseRole(connection: Connection): Promise<void> {
    const found = await connection.query<{ member: boolean }>(
      `SELECT pg_has_role(session_user, oid, 'MEMBER') AS member FROM pg_roles WHERE rolname = $1`,
      [NODE_ROLE],
    )
    if (found.rows[0]?.member === true) this.#role = NODE_ROLE
    else this.#options.log.warn({ event: 'database.no_role', role: NODE_ROLE })
  }

  async #check(): Promise<void> {
    try {
      await this.#pool.query('SELECT 1')
      this.#away = undefined
    } catch (error) {
      this.#markAway(error)
      throw error
    }
  }

  #noteFailure(error: unknown): void {
    if (!isAway(error)) return
    this.#markAway(error)
    this.#ping.wake()
  }

  #markAway(error: unknown): void {
    this.#away = `Postgres is away: ${describeFailure(error)}`
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof AppError && error.code === platformErrors.unavailable.code
}

async function requireSafeSettings(connection: Connection): Promise<void> {
  const unsafe = await connection.query<{ name: string }>(
    `SELECT name FROM pg_settings WHERE name = ANY($1) AND setting = 'off'`,
    [['fsync', 'synchronous_commit', 'full_page_writes']],
  )
  const names = unsafe.rows.map(({ name }) => name).join(', ')
  if (names !== '') throw platformErrors.unsafe_database(`Postgres runs with ${names} off`)
}

/** bigint for int8 in text form; every other type as the driver does it. */
function findTypeParser(oid: number, format?: 'text' | 'binary'): (value: never) => unknown {
  if (format !== 'binary' && oid === INT8) return (value: string) => BigInt(value)
  if (format !== 'binary' && oid === INT8_ARRAY) return parseBigints
  return types.getTypeParser(oid, format)
}

function parseBigints(text: string): readonly (bigint | null)[] {
  const inside = text.slice(1, -1)
  if (inside === '') return []
  return inside.split(',').map((item) => (item === 'NULL' ? null : BigInt(item)))
}
