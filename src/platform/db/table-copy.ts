import { pipeline } from 'node:stream/promises'
import type { Readable, Writable } from 'node:stream'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { assert, present } from '#kernel/assert.ts'
import type { Db, Tx } from './pool.ts'

/** A table of ours with the columns that are stored, in their order. */
export interface TableShape {
  /** `schema.table`, as SQL names it. */
  readonly name: string
  readonly columns: readonly string[]
}

export interface SequenceState {
  /** `schema.sequence`, as SQL names it. */
  readonly name: string
  /** Null while it gave no number. */
  readonly lastValue: bigint | null
}

/** Knex keeps its own account of migrations, which restoring must not overwrite. */
const OURS = `n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
  AND c.relname NOT IN ('migration', 'migration_lock')`

/** Every table of the node; a table comes after those that its foreign keys name. */
export async function listTables(db: Db): Promise<readonly TableShape[]> {
  const shapes = await db.query<{ name: string; columns: string[] }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name,
            array_agg(quote_ident(a.attname) ORDER BY a.attnum) AS columns
     FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
       AND NOT a.attisdropped AND a.attgenerated = ''
     WHERE c.relkind = 'r' AND ${OURS}
     GROUP BY 1 ORDER BY 1`,
  )
  const keys = await db.query<{ child: string; parent: string }>(
    `SELECT DISTINCT format('%I.%I', n.nspname, c.relname) AS child,
            format('%I.%I', pn.nspname, p.relname) AS parent
     FROM pg_constraint k
     JOIN pg_class c ON c.oid = k.conrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_class p ON p.oid = k.confrelid
     JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE k.contype = 'f' AND k.conrelid <> k.confrelid AND ${OURS}`,
  )
  return parentsFirst(shapes, keys)
}

function parentsFirst(
  shapes: readonly TableShape[],
  keys: readonly { readonly child: string; readonly parent: string }[],
): readonly TableShape[] {
  const ordered: TableShape[] = []
  const placed = new Set<string>()
  while (ordered.length < shapes.length) {
    const ready = shapes.filter(
      ({ name }) =>
        !placed.has(name) &&
        keys.every(({ child, parent }) => child !== name || placed.has(parent)),
    )
    assert(ready.length > 0, 'foreign keys form a ring')
    for (const { name } of ready) placed.add(name)
    ordered.push(...ready)
  }
  return ordered
}

/** Writes the rows of a table in Postgres' COPY text form; returns how many. */
export async function copyOut(tx: Tx, table: TableShape, sink: Writable): Promise<number> {
  const source = tx.submit(copyTo(`COPY ${table.name} (${table.columns.join()}) TO STDOUT`))
  await pipeline(source, sink)
  return source.rowCount
}

/** Replaces the rows of a table by those of `source`; returns how many. */
export async function copyIn(tx: Tx, table: TableShape, source: Readable): Promise<number> {
  const sink = tx.submit(copyFrom(`COPY ${table.name} (${table.columns.join()}) FROM STDIN`))
  await pipeline(source, sink)
  return sink.rowCount
}

/** Empties tables, those that others refer to last; an append-only one must be empty already. */
export async function emptyTables(tx: Tx, tables: readonly TableShape[]): Promise<void> {
  for (const { name } of tables.toReversed())
    if (await hasRows(tx, name)) await tx.query(`DELETE FROM ${name}`)
}

/** Whether a table has any row; `name` as `listTables` gives it. */
export async function hasRows(db: Db, name: string): Promise<boolean> {
  const [row] = await db.query<{ filled: boolean }>(`SELECT EXISTS (SELECT FROM ${name}) AS filled`)
  return present(row, name).filled
}

/** Whether there is such a table at all. */
export async function hasTable(db: Db, name: string): Promise<boolean> {
  const [row] = await db.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    name,
  ])
  return present(row, name).there
}

export async function readSequences(db: Db): Promise<readonly SequenceState[]> {
  const rows = await db.query<{ name: string; last_value: bigint | null }>(
    `SELECT format('%I.%I', schemaname, sequencename) AS name, last_value
     FROM pg_sequences
     WHERE schemaname !~ '^pg_' AND schemaname <> 'public' AND sequencename !~ '^migration'
     ORDER BY 1`,
  )
  return rows.map(({ name, last_value: lastValue }) => ({ name, lastValue }))
}

export async function writeSequences(tx: Tx, states: readonly SequenceState[]): Promise<void> {
  for (const { name, lastValue } of states)
    if (lastValue !== null) await tx.query('SELECT setval($1::regclass, $2)', [name, lastValue])
}

/** Each context's own `restored()`, which makes its tables safe to go on with. */
export async function runRestoredFunctions(tx: Tx): Promise<void> {
  const functions = await tx.query<{ call: string }>(
    `SELECT format('SELECT %I.restored()', n.nspname) AS call
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE p.proname = 'restored' AND p.pronargs = 0 ORDER BY 1`,
  )
  for (const { call } of functions) await tx.query(call)
}

/** Lets a transaction, its statements and what happens between them, take as long as they need. */
export async function withoutTimeout(tx: Tx): Promise<void> {
  await tx.query('SET LOCAL statement_timeout = 0')
  await tx.query('SET LOCAL idle_in_transaction_session_timeout = 0')
}

/** Works as the owner of the tables, for as long as it takes. */
export async function actAsOwner(tx: Tx): Promise<void> {
  await tx.query('SET LOCAL ROLE NONE')
  await withoutTimeout(tx)
}
