import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '#platform/db/migrate.ts'
import { Database } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../../support/database.ts'
import { createDatabase } from '../../support/postgres.ts'

const signal = new AbortController().signal

describe('Database', () => {
  let open: OpenDatabase
  beforeAll(async () => {
    open = await openDatabase()
  })
  afterAll(() => open.close())

  it('reads int8 as bigint, alone and in arrays, and leaves other types alone', async () => {
    const rows = await open.database.query(
      `SELECT 9007199254740993::int8 AS big, ARRAY[1, NULL]::int8[] AS many, 7::int4 AS small,
              ARRAY[]::int8[] AS none, $1::int8 AS given`,
      [-(2n ** 63n) + 1n],
    )
    expect(rows).toEqual([
      {
        big: 9007199254740993n,
        many: [1n, null],
        small: 7,
        none: [],
        given: -9223372036854775807n,
      },
    ])
  })

  it('survives a connection that dies in the middle of a transaction', async () => {
    const owner = new Client({ connectionString: open.url })
    await owner.connect()
    const work = inTransaction(open.database, async (tx) => {
      const [row] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
      await owner.query('SELECT pg_terminate_backend($1)', [row?.pid])
      await new Promise((resolve) => setTimeout(resolve, 100))
      await tx.query('SELECT 1')
    })
    await expect(work).rejects.toMatchObject({ code: 'platform.unavailable' })
    await owner.end()
    expect(await open.database.query('SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('leaves the parsers of other users of the driver as they are', async () => {
    const client = new Client({ connectionString: open.url })
    await client.connect()
    const result = await client.query<{ big: unknown }>('SELECT 1::int8 AS big')
    await client.end()
    expect(result.rows[0]?.big).toBe('1')
  })

  it('works as mooring_node, which may neither change tables nor what is append-only', async () => {
    const rows = await open.database.query('SELECT current_user AS role')
    expect(rows).toEqual([{ role: 'mooring_node' }])
    await expect(open.database.query('DROP TABLE platform.outbox')).rejects.toMatchObject({
      code: '42501',
    })
    await expect(open.database.query('TRUNCATE platform.outbox')).rejects.toMatchObject({
      code: '42501',
    })
    const connection = await open.database.connect()
    const own = await connection.query<{ role: string }>('SELECT current_user AS role')
    await connection.end()
    expect(own.rows[0]?.role).toBe('mooring_node')
  })

  it('refuses to start on a server that may lose commits', async () => {
    const made = await createDatabase({
      migrate: (url) => migrate({ url, upTo: 1 }),
      template: 'mooring_up_to_1',
    })
    const admin = new Client({ connectionString: made.url })
    await admin.connect()
    const { rows } = await admin.query<{ name: string }>('SELECT current_database() AS name')
    await admin.query(`ALTER DATABASE ${rows[0]?.name} SET synchronous_commit = off`)
    await admin.end()
    const database = new Database({ url: made.url, log: silentLog })
    await expect(database.start(signal)).rejects.toMatchObject({ code: 'platform.unsafe_database' })
    await database.stop()
    await made.drop()
  })

  it('says that it is away while nothing answers, and gives up when the start is aborted', async () => {
    const database = new Database({ url: 'postgres://nobody@127.0.0.1:1/none', log: silentLog })
    const abort = new AbortController()
    const started = database.start(abort.signal)
    const failure = expect(started).rejects.toMatchObject({ code: 'platform.unavailable' })
    setTimeout(() => abort.abort(), 150)
    await failure
    expect(database.health().ok).toBe(false)
    await database.stop()
  })

  it('gives up a connection whose server stands still, in a transaction too', async () => {
    const database = new Database({ url: open.url, log: silentLog, answerTimeoutMs: 300 })
    await database.start(signal)
    const stuck = { code: 'platform.unavailable' }
    await expect(database.query('SELECT pg_sleep(20)')).rejects.toMatchObject(stuck)
    const work = inTransaction(database, (tx) => tx.query('SELECT pg_sleep(20)'))
    await expect(work).rejects.toMatchObject(stuck)
    expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }])
    await database.stop()
  })

  it('refuses with platform.unavailable when its connections are cut, and recovers by itself', async () => {
    const killer = new Client({ connectionString: open.url })
    await killer.connect()
    const running = open.database.query('SELECT pg_sleep(20) AS cut')
    const failure = expect(running).rejects.toMatchObject({ code: 'platform.unavailable' })
    const isRunning = async () => {
      const { rows } = await killer.query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
         AND state = 'active' AND query = 'SELECT pg_sleep(20) AS cut'`,
      )
      return rows.length
    }
    await expect.poll(isRunning).toBe(1)
    await killer.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    )
    await failure
    await killer.end()
    await expect.poll(() => open.database.health().ok).toBe(true)
    expect(await open.database.query('SELECT 1::int8 AS one')).toEqual([{ one: 1n }])
  })

  it('builds statements with Knex on the transaction', async () => {
    const found = await inTransaction(open.database, async (tx) => {
      await tx.knex('platform.stream_head').insert({ stream: 'knex', seq: 5n })
      const rows: unknown = await tx
        .knex('platform.stream_head')
        .where({ stream: 'knex' })
        .select('seq')
      return rows
    })
    expect(found).toEqual([{ seq: 5n }])
    expect(
      await open.database.query(`SELECT seq FROM platform.stream_head WHERE stream = 'knex'`),
    ).toEqual([{ seq: 5n }])
  })
})
