import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDatabase, type OpenDatabase } from '../support/database.ts'

let open: OpenDatabase

beforeAll(async () => {
  open = await openDatabase()
})

afterAll(async () => {
  await open.close()
})

const COLUMNS = `
  SELECT table_schema || '.' || table_name AS place, column_name AS name,
    data_type || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END AS text
  FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
  WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'public') AND table_type = 'BASE TABLE'
  ORDER BY place, ordinal_position`

const RULES = `
  SELECT conrelid::regclass::text AS place, conname AS name, pg_get_constraintdef(oid) AS text
  FROM pg_constraint WHERE conrelid <> 0 AND contype <> 'n' ORDER BY place, conname`

const TRIGGERS = `
  SELECT tgrelid::regclass::text AS place, tgname AS name, tgfoid::regproc::text AS text
  FROM pg_trigger WHERE NOT tgisinternal ORDER BY place, tgname`

async function linesOf(sql: string, verb: string): Promise<readonly string[]> {
  const rows = await open.database.query<{ place: string; name: string; text: string }>(sql)
  return rows.map(({ place, name, text }) => `${place}: ${verb} ${name} ${text}`)
}

it('looks as its committed picture shows it', async () => {
  const lines = [
    ...(await linesOf(COLUMNS, 'column')),
    ...(await linesOf(RULES, 'rule')),
    ...(await linesOf(TRIGGERS, 'trigger')),
  ]
  const picture = lines.toSorted().filter((line) => !line.startsWith('platform.migration'))
  await expect(`${picture.join('\n')}\n`).toMatchFileSnapshot('schema.txt')
})
