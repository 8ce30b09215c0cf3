import { SystemClock } from '#platform/clock.ts'
import { migrationUrl, withDatabase } from '../production.ts'
import type { CliContext, Command } from '../command.ts'
import { appErrors } from '../errors.ts'
import type { Terminal } from '../terminal.ts'
import { writeBackup } from './backup.ts'
import { BackupFolder } from './backup-folder.ts'
import { restoreBackup } from './restore.ts'
import type { Manifest } from './manifest.ts'

const backup: Command['run'] = async ({ config, terminal, argv }) => {
  const path = folderOf(argv, 'backup')
  const manifest = await withDatabase(config, (database) =>
    writeBackup({ database, clock: new SystemClock(), path, onTable: printTable(terminal) }),
  )
  terminal.line(`${describe(manifest)}; every file was read back and is what was written.`)
  return 0
}

const verifyCommand: Command['run'] = async ({ terminal, argv }) => {
  const manifest = await new BackupFolder(folderOf(argv, 'backup verify')).verify()
  terminal.line(`The backup is whole: ${describe(manifest)}.`)
  return 0
}

const restore: Command['run'] = async ({ config, terminal, argv }) => {
  const path = folderOf(argv, 'restore')
  const url = migrationUrl(config)
  const { manifest, verification } = await withDatabase(
    { ...config, databaseUrl: url },
    (database) => restoreBackup({ database, url, path, onTable: printTable(terminal) }),
  )
  terminal.line(`Restored ${describe(manifest)}.`)
  terminal.line(`Replaying ${verification.sequence} commands gives the very same state.`)
  terminal.line('Settlement is halted and nothing that was unsent goes out by itself. Next:')
  terminal.line('  start the node, let it read the chain, look at GET /v1/reconciliation,')
  terminal.line('  then POST /v1/settlements/resume (deploy/runbooks/restore.md).')
  return 0
}

function folderOf(argv: CliContext['argv'], command: string): string {
  const [path, ...more] = argv
  if (path === undefined || path.startsWith('-') || more.length > 0)
    throw appErrors.usage(`give one folder: ${command} <folder>`)
  return path
}

function printTable(terminal: Terminal) {
  return ({ name, rows }: { readonly name: string; readonly rows: number }): void =>
    terminal.line(`  ${name.padEnd(32)} ${String(rows).padStart(12)} rows`)
}

function describe({ made_at: madeAt, journal, tables }: Manifest): string {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  return `${tables.length} tables, ${rows} rows, journal up to ${journal.sequence}, made at ${madeAt}`
}

export const BACKUP_COMMANDS: readonly Command[] = [
  {
    name: 'backup verify',
    usage: 'backup verify <folder>',
    summary: 'tell whether every file of a backup is as it was written',
    run: verifyCommand,
  },
  {
    name: 'backup',
    usage: 'backup <folder>',
    summary: 'write every table as of one moment to a new folder, while the node runs',
    run: backup,
  },
  {
    name: 'restore',
    usage: 'restore <folder>',
    summary: 'fill an empty database from a backup, prove it, and halt settlement',
    run: restore,
  },
]
