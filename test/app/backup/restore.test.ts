import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { writeBackup } from '#app/backup/backup.ts'
import { restoreBackup } from '#app/backup/restore.ts'
import { SystemClock } from '#platform/clock.ts'
import { migrate } from '#platform/db/migrate.ts'
import { Database } from '#platform/db/pool.ts'
import { listTables, readSequences } from '#platform/db/table-copy.ts'
import { silentLog } from '../../support/database.ts'
import { startEngine } from '../../support/engine.ts'
import { createDatabase, type TestDatabase } from '../../support/postgres.ts'

const OLDER = 23

describe('a restore that is refused', () => {
  let root: string
  /** A whole backup of a ledger with two accounts. */
  let whole: string
  let home: TestDatabase
  let database: Database

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'mooring-restore-'))
    whole = join(root, 'whole')
    const source = await createDatabase({ migrate: (url) => migrate({ url }) })
    const engine = await startEngine(source.url)
    for (const account of [16, 17])
      await engine.sequencer.submit({ type: 'open_account', account } as { type: string })
    const own = { database: engine.database, clock: new SystemClock(), onTable: () => undefined }
    await writeBackup({ ...own, path: whole })
    await engine.stop()
    await source.drop()
  })
  afterAll(() => rm(root, { recursive: true }))

  beforeEach(async () => {
    home = await createDatabase()
  })
  afterEach(async () => {
    await database?.stop()
    await home.drop()
  })

  async function open(upTo?: number): Promise<void> {
    await migrate({ url: home.url, ...(upTo !== undefined && { upTo }) })
    database = new Database({ url: home.url, log: silentLog })
    await database.start(new AbortController().signal)
  }

  /** The database of a node that somebody registered with, and which keeps what it sent. */
  async function openInUse(upTo?: number): Promise<void> {
    await open(upTo)
    await database.query(
      `INSERT INTO accounts.users (id, email, name, roles, password_hash)
       VALUES (gen_random_uuid(), 'a@example.com', 'A', '{investor}', '$argon2id$x')`,
    )
    await database.query(`UPDATE settlement.state SET covered_seq = 7`)
  }

  /** Every row, every sequence and every migration that there is. */
  async function picture(): Promise<Readonly<Record<string, unknown>>> {
    const tables = [...(await listTables(database)).map(({ name }) => name), 'platform.migration']
    const rows: Record<string, unknown> = {}
    for (const name of tables)
      rows[name] = await database.query(`SELECT t::text AS row FROM ${name} AS t ORDER BY 1`)
    return { ...rows, sequences: await readSequences(database) }
  }

  const restore = (path = whole) =>
    restoreBackup({ database, url: home.url, path, onTable: () => undefined })

  /** A copy of the backup that `spoil` makes another one of. */
  async function spoilt(name: string, spoil: (path: string) => Promise<void>): Promise<string> {
    const path = join(root, name)
    await cp(whole, path, { recursive: true })
    await spoil(path)
    return path
  }

  async function editManifest(path: string, edit: (text: string) => string): Promise<void> {
    const file = join(path, 'manifest.json')
    const text = await readFile(file, 'utf8')
    expect(edit(text)).not.toBe(text)
    await writeFile(file, edit(text))
  }

  async function expectRefused(code: string, path?: string): Promise<void> {
    const before = await picture()
    await expect(restore(path)).rejects.toMatchObject({ code })
    expect(await picture()).toEqual(before)
  }

  it('leaves a database in use as it is, also one of an older version', async () => {
    await openInUse()
    await expectRefused('app.database_not_empty')
    await database.stop()
    await home.drop()
    home = await createDatabase()
    await openInUse(OLDER)
    await expectRefused('app.database_not_empty')
  })

  it('leaves a database in use as it is when the backup is broken', async () => {
    await openInUse()
    const cut = await spoilt('cut', (path) => truncate(join(path, 'ledger.account.copy.gz'), 20))
    await expectRefused('app.backup_broken', cut)
    await expectRefused('app.backup_broken', join(root, 'nowhere'))
  })

  it('leaves an empty database empty, however late it finds what is wrong', async () => {
    await open()
    const rows = await spoilt('rows', (path) =>
      editManifest(path, (text) => text.replace(/("ledger\.account",[^}]*?"rows": )2,/s, '$13,')),
    )
    await expectRefused('app.backup_broken', rows)
    const head = await spoilt('head', (path) =>
      editManifest(path, (text) => text.replace(/("hash": ")[\da-f]{8}/, '$100000000')),
    )
    await expectRefused('app.backup_broken', head)
    const { verification } = await restore()
    expect(verification).toMatchObject({ sequence: 2n, equal: true })
  })
})
