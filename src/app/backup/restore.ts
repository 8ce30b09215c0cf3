import { verifyJournalIn, type Verification } from '#ledger/recovery-store.ts'
import { listMigrations, migrate } from '#platform/db/migrate.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import {
  actAsOwner,
  copyIn,
  emptyTables,
  hasRows,
  hasTable,
  listTables,
  runRestoredFunctions,
  writeSequences,
} from '#platform/db/table-copy.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { exchangeSource } from '#trading/exchange-source.ts'
import { appErrors } from '../errors.ts'
import { BackupFolder } from './backup-folder.ts'
import type { Manifest } from './manifest.ts'

export interface RestoreOptions {
  /** As the owner of the tables; without any row of a node. */
  readonly database: Database
  readonly url: string
  readonly path: string
  readonly onTable: (table: { readonly name: string; readonly rows: number }) => void
}

export interface Restored {
  readonly manifest: Manifest
  readonly verification: Verification
}

/**
 * Fills an empty database from a backup in one transaction: rows, then the proof that the journal
 * explains them, then a new log epoch and a halt of everything that would go to the chain. Throws
 * `app.backup_broken`, `app.backup_version`, `app.database_not_empty`; nothing is changed then.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { database, url, path, onTable } = options
  const folder = new BackupFolder(path)
  const manifest = await folder.verify()
  await requireSameMigrations(manifest)
  // Before the tables of a node in use become those of this version.
  await inTransaction(database, async (tx) => {
    await actAsOwner(tx)
    await requireEmpty(tx)
  })
  await migrate({ url })
  const verification = await inTransaction(database, async (tx) => {
    await actAsOwner(tx)
    await requireEmpty(tx)
    await fillTables(tx, folder, manifest, onTable)
    const found = await requireProof(tx, manifest)
    await runRestoredFunctions(tx)
    return found
  })
  return { manifest, verification }
}

async function requireSameMigrations({ migrations, version }: Manifest): Promise<void> {
  const own = await listMigrations()
  const [first] = [
    ...migrations.filter((name) => !own.includes(name)),
    ...own.filter((name) => !migrations.includes(name)),
  ]
  if (first === undefined) return
  throw appErrors.backup_version(
    `it was made by version ${version}, whose tables differ by ${first}; restore it with that version, then upgrade`,
  )
}

async function requireEmpty(tx: Tx): Promise<void> {
  for (const name of ['ledger.journal_batch', 'accounts.users'])
    if ((await hasTable(tx, name)) && (await hasRows(tx, name)))
      throw appErrors.database_not_empty('make a new database and name it by DATABASE_URL')
}

async function fillTables(
  tx: Tx,
  folder: BackupFolder,
  manifest: Manifest,
  onTable: RestoreOptions['onTable'],
): Promise<void> {
  const shapes = await listTables(tx)
  await emptyTables(tx, shapes)
  for (const shape of shapes) {
    const { name, columns, file, rows } = fileOf(manifest, shape.name)
    if (columns.join() !== shape.columns.join())
      throw appErrors.backup_broken(`the columns of ${name} are others`)
    const copied = await copyIn(tx, shape, folder.read(file))
    if (copied !== rows) throw appErrors.backup_broken(`${file} has ${copied} rows and not ${rows}`)
    onTable({ name, rows })
  }
  await writeSequences(
    tx,
    manifest.sequences.map(({ name, last_value: value }) => ({
      name,
      lastValue: value === null ? null : BigInt(value),
    })),
  )
}

function fileOf(manifest: Manifest, name: string): Manifest['tables'][number] {
  const found = manifest.tables.find((table) => table.name === name)
  if (found === undefined) throw appErrors.backup_broken(`it lacks the table ${name}`)
  return found
}

/** Replays the journal that came back and compares it with the tables and with the manifest. */
async function requireProof(tx: Tx, { journal }: Manifest): Promise<Verification> {
  const found = await verifyJournalIn(tx, exchangeSource)
  if (!found.equal) throw appErrors.journal_differs('replaying the journal gives other tables')
  const isHead =
    found.sequence.toString() === journal.sequence && found.hash.toString('hex') === journal.hash
  if (!isHead) throw appErrors.backup_broken('the journal does not end where the manifest says')
  return found
}
