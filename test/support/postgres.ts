import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { inject } from 'vitest'

export interface TestDatabase {
  readonly url: string
  drop(): Promise<void>
}

export interface DatabaseOptions {
  /**
   * Brings an empty database up to date. With it the database is copied from a template that is
   * migrated once per run, which takes a tenth of the time.
   */
  readonly migrate?: (url: string) => Promise<void>
  /** Names the template, for suites whose `migrate` differs from the node's. */
  readonly template?: string
}

/** Arbitrary; serialises the making of the template between the workers of a run. */
const TEMPLATE_LOCK = 7_300_041

/** A database of one's own on the run's server. */
export async function createDatabase(options: DatabaseOptions = {}): Promise<TestDatabase> {
  const { migrate, template = 'mooring_template' } = options
  const name = `test_${randomBytes(8).toString('hex')}`
  await asAdministrator(async (client) => {
    if (migrate !== undefined) await ensureTemplate(client, template, migrate)
    await client.query(
      `CREATE DATABASE ${name} TEMPLATE ${migrate === undefined ? 'template0' : template}`,
    )
  })
  return { url: databaseUrl(name), drop: () => dropDatabase(name) }
}

/** Connection string of another database on the same server. */
function databaseUrl(name: string): string {
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${name}`
  return url.href
}

async function dropDatabase(name: string): Promise<void> {
  await asAdministrator((client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
}

async function ensureTemplate(
  client: Client,
  name: string,
  migrate: (url: string) => Promise<void>,
): Promise<void> {
  await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK])
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])
    if (found.rowCount === 1) return
    // Under another name until it is complete, so that a failed migration leaves no template.
    await client.query(`DROP DATABASE IF EXISTS ${name}_fresh WITH (FORCE)`)
    await client.query(`CREATE DATABASE ${name}_fresh TEMPLATE template0`)
    await migrate(databaseUrl(`${name}_fresh`))
    await client.query(`ALTER DATABASE ${name}_fresh RENAME TO ${name}`)
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK])
  }
}

async function asAdministrator(work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: inject('postgresUrl') })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
