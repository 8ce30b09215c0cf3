import { formatInstant, type Clock } from '#kernel/time.ts'
import { readHead } from '#ledger/store.ts'
import { listMigrations } from '#platform/db/migrate.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import {
  copyOut,
  listTables,
  readSequences,
  withoutTimeout,
  type TableShape,
} from '#platform/db/table-copy.ts'
import { inSnapshot } from '#platform/db/transaction.ts'
import { readInstance } from '#platform/instance.ts'
import { VERSION } from '../version.ts'
import { BackupFolder } from './backup-folder.ts'
import type { Manifest } from './manifest.ts'

type TableFile = Manifest['tables'][number]

export interface BackupOptions {
  readonly database: Database
  readonly clock: Clock
  readonly path: string
  /** Hears of each table that is written. */
  readonly onTable: (table: { readonly name: string; readonly rows: number }) => void
}

/**
 * Writes every table of the node as one moment has them, while the node goes on, and reads back what
 * it wrote. Throws `app.backup_exists`, `app.backup_broken`.
 */
export async function writeBackup(options: BackupOptions): Promise<Manifest> {
  const { database, clock, path, onTable } = options
  const folder = new BackupFolder(path)
  await folder.create((partial) =>
    inSnapshot(database, async (tx) => {
      await withoutTimeout(tx)
      const { id, logEpoch } = await readInstance(tx)
      const head = await readHead(tx)
      const tables: TableFile[] = []
      for (const shape of await listTables(tx)) {
        const table = await writeTable(tx, partial, shape)
        tables.push(table)
        onTable(table)
      }
      return {
        format: 'mooring.backup.v1' as const,
        made_at: formatInstant(clock.now()),
        version: VERSION,
        instance: id,
        log_epoch: logEpoch.toString(),
        migrations: [...(await listMigrations())],
        journal: { sequence: head.sequence.toString(), hash: head.hash.toString('hex') },
        tables,
        sequences: (await readSequences(tx)).map(({ name, lastValue }) => ({
          name,
          last_value: lastValue?.toString() ?? null,
        })),
      }
    }),
  )
  return folder.verify()
}

async function writeTable(tx: Tx, folder: BackupFolder, shape: TableShape): Promise<TableFile> {
  const { name, columns } = shape
  const file = `${name.replaceAll('"', '')}.copy.gz`
  let rows = 0
  const sha256 = await folder.write(file, async (sink) => {
    rows = await copyOut(tx, shape, sink)
  })
  return { name, columns: [...columns], rows, file, sha256 }
}
