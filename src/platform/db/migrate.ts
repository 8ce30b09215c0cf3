import { readdir, readFile } from 'node:fs/promises'
import knexPackage, { type Knex } from 'knex'
import { Client } from 'pg'
import { assert } from '#kernel/assert.ts'
import { platformErrors } from '../errors.ts'
import { describeFailure } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import { translateFailure } from './failure.ts'

export interface MigrateOptions {
  /** Connection string of the owner of the tables. */
  readonly url: string
  readonly log?: Log
  /** The user that the node logs in as, when it is another than the owner. */
  readonly nodeUser?: string
  /** Stops after this number, for tests of one migration. */
  readonly upTo?: number
  readonly folder?: URL
}

const FOLDER = new URL('./migrations/', import.meta.url)
const FILE_FORM = /^(\d{4})_[a-z0-9_]+\.sql$/
/** Arbitrary; the same in every process that migrates. */
const MIGRATION_LOCK = 7_300_042

/** Brings the database up to date; processes that start together wait for one another. */
export async function migrate(options: MigrateOptions): Promise<void> {
  const client = new Client({ connectionString: options.url, application_name: 'mooring-migrate' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
    await client.query('CREATE SCHEMA IF NOT EXISTS platform')
    await runMigrations(options)
    if (options.nodeUser !== undefined) await grantNodeRole(client, options.nodeUser)
  } catch (error) {
    throw translateFailure(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Names of every migration of this program, in their order. */
export async function listMigrations(): Promise<readonly string[]> {
  return new SqlFiles({ url: '' }).getMigrations()
}

async function runMigrations(options: MigrateOptions): Promise<void> {
  const source = new SqlFiles(options)
  await source.getMigrations()
  const database = knexPackage.knex({
    client: 'pg',
    log: { warn: () => undefined, error: () => undefined },
    connection: { connectionString: options.url },
    pool: { min: 0, max: 1 },
  })
  try {
    const config = {
      migrationSource: source,
      schemaName: 'platform',
      tableName: 'migration',
    }
    // Our advisory lock is held, so a lock row can only be left from a process that was killed.
    await database.migrate.forceFreeMigrationsLock(config)
    const done: unknown = await database.migrate.latest(config)
    options.log?.info({
      event: 'database.migrated',
      migrations: Array.isArray(done) ? done[1] : [],
    })
  } finally {
    await database.destroy()
  }
}

async function grantNodeRole(client: Client, user: string): Promise<void> {
  await client.query(`GRANT mooring_node TO ${client.escapeIdentifier(user)}`)
}

/** Numbered SQL files, run as they are: `knex.raw` would take a `?` in them for a parameter. */
class SqlFiles implements Knex.MigrationSource<string> {
  readonly #folder: URL
  readonly #upTo: number

  constructor({ folder = FOLDER, upTo = Infinity }: MigrateOptions) {
    this.#folder = folder
    this.#upTo = upTo
  }

  async getMigrations(): Promise<string[]> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith('.sql')).toSorted()
    const numbers = names.map((name) => Number(FILE_FORM.exec(name)?.[1]))
    assert(!numbers.some(Number.isNaN), `a migration is misnamed: ${names.join(', ')}`)
    assert(new Set(numbers).size === numbers.length, `a number is taken twice: ${names.join(', ')}`)
    return names.filter((_name, place) => (numbers[place] ?? 0) <= this.#upTo)
  }

  getMigrationName(name: string): string {
    return name
  }

  async getMigration(name: string): Promise<Knex.Migration> {
    const sql = await readFile(new URL(name, this.#folder), 'utf8')
    return {
      up: (transaction) => runSql(transaction, name, sql),
      down: () => Promise.reject(platformErrors.migration_failed('migrations only go forward')),
    }
  }
}

/** Knex types its client loosely; this is what the raw connection of `pg` offers. */
interface RawConnection {
  query(sql: string): Promise<unknown>
}

async function runSql(transaction: Knex, name: string, sql: string): Promise<void> {
  const connection = (await transaction.client.acquireConnection()) as RawConnection
  try {
    await connection.query(sql)
  } catch (error) {
    throw platformErrors.migration_failed(
      `${name}${lineOf(error, sql)}: ${describeFailure(error)}`,
      { cause: error },
    )
  }
}

function lineOf(error: unknown, sql: string): string {
  if (!(error instanceof Error) || !('position' in error)) return ''
  return ` line ${sql.slice(0, Number(error.position)).split('\n').length}`
}
