import { Client } from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { createDatabase, type DatabaseOptions, type TestDatabase } from './postgres.ts'

const databases: TestDatabase[] = []

afterEach(async () => {
  for (const database of databases.splice(0)) await database.drop()
})

async function database(options?: DatabaseOptions): Promise<TestDatabase> {
  const made = await createDatabase(options)
  databases.push(made)
  return made
}

async function run(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql)
    return rows
  } finally {
    await client.end()
  }
}

describe('createDatabase', () => {
  it('keeps what one test writes from another', async () => {
    const [one, two] = [await database(), await database()]
    await run(one.url, 'CREATE TABLE mine AS SELECT 1 AS one')
    expect(await run(two.url, "SELECT to_regclass('mine') AS found")).toEqual([{ found: null }])
  })

  it('migrates a template once and copies it, also for callers at the same time', async () => {
    let migrations = 0
    const migrate = async (url: string): Promise<void> => {
      migrations += 1
      await run(url, 'CREATE TABLE migrated AS SELECT 7 AS seven')
    }
    const options = { migrate, template: 'template_of_support_test' }
    const made = await Promise.all([database(options), database(options), database(options)])
    for (const { url } of made)
      expect(await run(url, 'SELECT seven FROM migrated')).toEqual([{ seven: 7 }])
    expect(migrations).toBe(1)
  })

  it('leaves no template behind when its migration fails', async () => {
    const template = 'template_that_failed'
    const failing = {
      template,
      migrate: (url: string) => run(url, 'SELECT nonsense').then(() => undefined),
    }
    await expect(database(failing)).rejects.toMatchObject({ code: '42703' })
    const { url } = await database({ template, migrate: () => Promise.resolve() })
    expect(await run(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })
})
