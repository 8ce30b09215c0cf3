import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '#platform/db/migrate.ts'
import { createDatabase, type TestDatabase } from '../../support/postgres.ts'

describe('migrate', () => {
  let made: TestDatabase
  let folder: string
  beforeEach(async () => {
    made = await createDatabase()
    folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  })
  afterEach(async () => {
    await made.drop()
    await rm(folder, { recursive: true })
  })

  const run = (): Promise<void> => migrate({ url: made.url, folder: pathToFileURL(`${folder}/`) })

  async function query(sql: string): Promise<unknown[]> {
    const client = new Client({ connectionString: made.url })
    await client.connect()
    try {
      const result = await client.query<Record<string, unknown>>(sql)
      return result.rows
    } finally {
      await client.end()
    }
  }

  it('runs each file once, question marks and all, also when two processes start together', async () => {
    await writeFile(
      join(folder, '0001_first.sql'),
      `CREATE TABLE one AS SELECT '{"a":1}'::jsonb ? 'a' AS found;`,
    )
    await writeFile(join(folder, '0002_second.sql'), 'INSERT INTO one VALUES (false);')
    await Promise.all([run(), run()])
    await run()
    expect(await query('SELECT found FROM one ORDER BY found')).toEqual([
      { found: false },
      { found: true },
    ])
  })

  it('leaves nothing of a file that fails and says where it failed', async () => {
    await writeFile(join(folder, '0001_bad.sql'), 'CREATE TABLE kept (a int);\n\nSELECT nonsense;')
    await expect(run()).rejects.toMatchObject({
      code: 'platform.migration_failed',
      detail: expect.stringContaining('0001_bad.sql line 3') as string,
    })
    expect(await query(`SELECT to_regclass('kept') AS kept`)).toEqual([{ kept: null }])
    await writeFile(join(folder, '0001_bad.sql'), 'CREATE TABLE kept (a int);')
    await run()
    expect(await query('SELECT * FROM kept')).toEqual([])
  })

  it('goes on after a process that was killed while it migrated', async () => {
    await writeFile(join(folder, '0001_first.sql'), 'CREATE TABLE one (a int);')
    await run()
    await query('UPDATE platform.migration_lock SET is_locked = 1')
    await writeFile(join(folder, '0002_second.sql'), 'CREATE TABLE two (a int);')
    await run()
    expect(await query('SELECT * FROM two')).toEqual([])
  })

  it('refuses a misnamed file and a number that is taken twice', async () => {
    await writeFile(join(folder, '0001_a.sql'), 'SELECT 1;')
    await writeFile(join(folder, '0001_b.sql'), 'SELECT 1;')
    await expect(run()).rejects.toThrow()
    await rm(join(folder, '0001_b.sql'))
    await writeFile(join(folder, 'second.sql'), 'SELECT 1;')
    await expect(run()).rejects.toThrow()
  })

  it('makes append-only tables refuse their owner too', async () => {
    await migrate({ url: made.url, upTo: 1 })
    await query('CREATE TABLE book (line text)')
    await query(`CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON book
                 EXECUTE FUNCTION platform.refuse_change()`)
    await query(`INSERT INTO book VALUES ('written')`)
    for (const change of [`UPDATE book SET line = ''`, 'DELETE FROM book', 'TRUNCATE book']) {
      await expect(query(change)).rejects.toMatchObject({ code: 'MA001' })
    }
    expect(await query('SELECT line FROM book')).toEqual([{ line: 'written' }])
  })

  it('says that the database is away when nothing listens', async () => {
    const away = migrate({ url: 'postgres://nobody@127.0.0.1:1/none' })
    await expect(away).rejects.toMatchObject({ code: 'platform.unavailable' })
  })
})
