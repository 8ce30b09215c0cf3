import { column } from '#kernel/array-literal.ts'
import { assert } from '#kernel/assert.ts'
import { isJsonObject, plainJson, stringifyJson } from '#kernel/json.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import type { BlockPlace, ChainEvent, IndexedBlock, IndexedLog, OwnReceipt } from './block.ts'
import { hashOf, type Hex } from './hex.ts'

/** How far the chain was read. */
export interface Cursor {
  readonly chainId: number
  readonly chainInstance: string | null
  readonly head: BlockPlace
  readonly final: BlockPlace
}

/** A block with its logs in raw form. */
export interface NewBlock extends Omit<IndexedBlock, 'events'> {
  readonly logs: readonly IndexedLog[]
}

interface CursorRow {
  readonly chain_id: bigint
  readonly chain_instance: string | null
  readonly head_number: bigint
  readonly head_hash: string
  readonly final_number: bigint
  readonly final_hash: string
}

const CURSOR = 'chain_id, chain_instance, head_number, head_hash, final_number, final_hash'

export async function findCursor(db: Db): Promise<Cursor | undefined> {
  const rows = await db.query<CursorRow>(`SELECT ${CURSOR} FROM chain.cursor`)
  return rows.map(toCursor)[0]
}

export async function lockCursor(tx: Tx): Promise<Cursor | undefined> {
  const rows = await tx.query<CursorRow>(`SELECT ${CURSOR} FROM chain.cursor FOR UPDATE`)
  return rows.map(toCursor)[0]
}

export async function putCursor(tx: Tx, cursor: Cursor): Promise<void> {
  const { chainId, chainInstance, head, final } = cursor
  await tx.query(
    `INSERT INTO chain.cursor (${CURSOR}) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (only_row) DO UPDATE SET chain_instance = excluded.chain_instance,
       head_number = excluded.head_number, head_hash = excluded.head_hash,
       final_number = excluded.final_number, final_hash = excluded.final_hash`,
    [chainId, chainInstance, head.number, head.hash, final.number, final.hash],
  )
}

export type HaltKind = 'beyond_finality' | 'unreadable_log'

/** Why nothing more of the chain is believed. */
export interface Halt {
  readonly kind: HaltKind
  readonly reason: string
}

export async function findHalt(db: Db): Promise<Halt | undefined> {
  const rows = await db.query<{ kind: string; reason: string }>(
    'SELECT kind, reason FROM chain.halt',
  )
  return rows.map(({ kind, reason }) => ({ kind: haltKindOf(kind), reason }))[0]
}

export async function putHalt(tx: Tx, { kind, reason }: Halt): Promise<void> {
  await tx.query(
    'INSERT INTO chain.halt (kind, reason) VALUES ($1, $2) ON CONFLICT (only_row) DO NOTHING',
    [kind, reason],
  )
}

/** Lets the watcher look again; it halts again when the chain is as it was. */
export async function clearHalt(tx: Tx, kind: HaltKind): Promise<void> {
  await tx.query('DELETE FROM chain.halt WHERE kind = $1', [kind])
}

function haltKindOf(kind: string): HaltKind {
  assert(kind === 'beyond_finality' || kind === 'unreadable_log', `halt ${kind}`)
  return kind
}

/** Blocks that are applied and not final, ascending. */
export async function listUnfinal(db: Db): Promise<readonly BlockPlace[]> {
  const rows = await db.query<PlaceRow>(
    `SELECT number, hash FROM chain.block WHERE state = 'applied' ORDER BY number`,
  )
  return rows.map(toPlace)
}

/** Inserts blocks; one that was retracted before is applied again, and its logs are there. */
export async function insertBlocks(tx: Tx, blocks: readonly NewBlock[]): Promise<void> {
  const rows = await tx.query<{ hash: string; is_new: boolean }>(
    `INSERT INTO chain.block (hash, number, parent_hash, mined_at, state)
     SELECT hash, number, parent, mined_at, 'applied'
     FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[])
       AS b (hash, number, parent, mined_at)
     ON CONFLICT (hash) DO UPDATE SET state = 'applied' WHERE chain.block.state = 'retracted'
     RETURNING hash, xmax = 0 AS is_new`,
    [
      blocks.map(({ header }) => header.hash),
      blocks.map(({ header }) => header.number),
      blocks.map(({ header }) => header.parentHash),
      blocks.map(({ header }) => header.timestamp),
    ],
  )
  const fresh = new Set(rows.flatMap(({ hash, is_new }) => (is_new ? [hash] : [])))
  const inserted = blocks.filter(({ header }) => fresh.has(header.hash))
  await insertLogs(
    tx,
    inserted.flatMap(({ logs }) => logs),
  )
  const receipts = blocks.flatMap(({ header, receipts: own }) =>
    own.map((receipt) => ({ ...receipt, block: header.hash })),
  )
  if (receipts.length === 0) return
  await tx.query(
    `INSERT INTO chain.receipt (tx_hash, block_hash, status, gas_used)
     SELECT hash, block, status, "gasUsed" FROM jsonb_to_recordset($1::jsonb)
       AS r (hash text, block text, status smallint, "gasUsed" bigint)
     ON CONFLICT DO NOTHING`,
    [stringifyJson(receipts)],
  )
}

/** Columns of hex and names rather than objects: Postgres reads them in a fraction of the time. */
async function insertLogs(tx: Tx, logs: readonly IndexedLog[]): Promise<void> {
  if (logs.length === 0) return
  await tx.query(
    `INSERT INTO chain.log (block_hash, log_index, tx_hash, contract, name, args, topics, data)
     SELECT block, place, tx, contract, name, args, string_to_array(topics, ';'), data
     FROM ROWS FROM (
       unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]),
       jsonb_array_elements($8::jsonb)
     ) AS l (block, place, tx, contract, name, topics, data, args)`,
    [
      column(logs, ({ raw }) => raw.blockHash),
      column(logs, ({ raw }) => raw.logIndex),
      column(logs, ({ raw }) => raw.transactionHash),
      column(logs, ({ event }) => event.contract),
      column(logs, ({ event }) => event.name),
      column(logs, ({ raw }) => raw.topics.join(';')),
      column(logs, ({ raw }) => raw.data),
      plainJson(logs.map(({ event }) => event.args)),
    ],
  )
}

/** Takes blocks out of the chain and answers them as they were applied, in the order given. */
export async function retractBlocks(
  tx: Tx,
  places: readonly BlockPlace[],
): Promise<readonly IndexedBlock[]> {
  const hashes = places.map(({ hash }) => hash)
  const rows = await tx.query<BlockRow>(
    `UPDATE chain.block SET state = 'retracted' WHERE hash = ANY($1) AND state = 'applied'
     RETURNING hash, number, parent_hash, mined_at`,
    [hashes],
  )
  assert(rows.length === places.length, 'only applied blocks can be retracted')
  const [events, receipts] = [await readEvents(tx, hashes), await readReceipts(tx, hashes)]
  const blocks = new Map(rows.map((row) => [row.hash, row]))
  return places.map(({ hash }) => {
    const row = blocks.get(hash)
    assert(row !== undefined, `block ${hash}`)
    return {
      header: toHeader(row),
      events: events.get(hash) ?? [],
      receipts: receipts.get(hash) ?? [],
    }
  })
}

/** Makes applied blocks up to `target` final, at most `limit`, ascending. */
export async function finalizeBlocks(
  tx: Tx,
  target: number,
  limit: number,
): Promise<readonly BlockPlace[]> {
  const rows = await tx.query<PlaceRow>(
    `UPDATE chain.block SET state = 'final' WHERE hash IN (
       SELECT hash FROM chain.block WHERE state = 'applied' AND number <= $1
       ORDER BY number LIMIT $2)
     RETURNING number, hash`,
    [target, limit],
  )
  return rows.map(toPlace).toSorted((a, b) => a.number - b.number)
}

// Nobody may take the payment that cancels a request for the request itself.
const ATTEMPT_KEY = `CASE a.kind WHEN 'cancel' THEN 'cancel:' || r.key ELSE r.key END`

/** Keys of the requests whose attempts are among these transactions, by hash. */
export async function findOwnKeys(
  db: Db,
  hashes: readonly Hex[],
): Promise<ReadonlyMap<Hex, string>> {
  if (hashes.length === 0) return new Map()
  const rows = await db.query<{ hash: string; key: string }>(
    `SELECT a.hash, ${ATTEMPT_KEY} AS key FROM chain.tx_attempt a JOIN chain.tx_request r ON r.id = a.request
     WHERE a.hash = ANY($1)`,
    [hashes],
  )
  return new Map(rows.map(({ hash, key }) => [hashOf(hash, 'tx_attempt.hash'), key]))
}

/** Block by block, since for many at once the planner reads all logs there are. */
async function readEvents(tx: Tx, hashes: readonly Hex[]) {
  const rows = await tx.query<LogRow>(
    `SELECT l.* FROM unnest($1::text[]) AS h (hash) CROSS JOIN LATERAL (
       SELECT block_hash, log_index, tx_hash, contract, name, args FROM chain.log
       WHERE block_hash = h.hash ORDER BY log_index OFFSET 0
     ) AS l`,
    [hashes],
  )
  return groupByBlock(rows, toEvent)
}

async function readReceipts(tx: Tx, hashes: readonly Hex[]) {
  const rows = await tx.query<ReceiptRow>(
    `SELECT c.block_hash, c.tx_hash, c.status, c.gas_used, ${ATTEMPT_KEY} AS key
     FROM chain.receipt c JOIN chain.tx_attempt a ON a.hash = c.tx_hash
       JOIN chain.tx_request r ON r.id = a.request
     WHERE c.block_hash = ANY($1) ORDER BY c.block_hash, c.tx_hash`,
    [hashes],
  )
  return groupByBlock(rows, toReceipt)
}

function groupByBlock<R extends { readonly block_hash: string }, T>(
  rows: readonly R[],
  map: (row: R) => T,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const group = groups.get(row.block_hash) ?? []
    groups.set(row.block_hash, group)
    group.push(map(row))
  }
  return groups
}

interface PlaceRow {
  readonly number: bigint
  readonly hash: string
}

interface BlockRow extends PlaceRow {
  readonly parent_hash: string
  readonly mined_at: bigint
}

interface LogRow {
  readonly block_hash: string
  readonly log_index: number
  readonly tx_hash: string
  readonly contract: string
  readonly name: string
  readonly args: unknown
}

interface ReceiptRow {
  readonly block_hash: string
  readonly tx_hash: string
  readonly status: number
  readonly gas_used: bigint
  readonly key: string
}

function placeOf(number: bigint, hash: string): BlockPlace {
  assert(typeof number === 'bigint', 'number of a block')
  return { number: Number(number), hash: hashOf(hash, 'hash of a block') }
}

function toPlace({ number, hash }: PlaceRow): BlockPlace {
  return placeOf(number, hash)
}

function toCursor(row: CursorRow): Cursor {
  assert(typeof row.chain_id === 'bigint', 'cursor.chain_id')
  return {
    chainId: Number(row.chain_id),
    chainInstance: row.chain_instance,
    head: placeOf(row.head_number, row.head_hash),
    final: placeOf(row.final_number, row.final_hash),
  }
}

function toHeader(row: BlockRow): IndexedBlock['header'] {
  assert(typeof row.mined_at === 'bigint', 'block.mined_at')
  return {
    ...toPlace(row),
    parentHash: hashOf(row.parent_hash, 'block.parent_hash'),
    timestamp: Number(row.mined_at),
  }
}

function toEvent({ contract, name, log_index, tx_hash, args }: LogRow): ChainEvent {
  assert(isJsonObject(args) && Number.isSafeInteger(log_index), 'log')
  return {
    contract,
    name,
    log_index,
    tx_hash: hashOf(tx_hash, 'log.tx_hash'),
    args: args as ChainEvent['args'],
  }
}

function toReceipt({ tx_hash, status, gas_used, key }: ReceiptRow): OwnReceipt {
  assert(typeof gas_used === 'bigint', 'receipt.gas_used')
  return {
    hash: hashOf(tx_hash, 'receipt.tx_hash'),
    status: status === 1 ? 1 : 0,
    gasUsed: gas_used,
    requestKey: key,
  }
}
