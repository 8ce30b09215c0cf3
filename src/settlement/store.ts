import { assert, present } from '#kernel/assert.ts'
import { stringifyJson } from '#kernel/json.ts'
import type { PageRequest } from '#kernel/page.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import {
  BATCH_STATUSES,
  canBecome,
  type Batch,
  type BatchHeader,
  type BatchKind,
  type BatchStatus,
  type BatchSupply,
  type Hex,
} from './batch.ts'
import type { KnownBatch } from './chain-events.ts'
import type { AccountDelta } from './netting.ts'

export interface SettlementState {
  readonly status: 'running' | 'halted'
  readonly reason: string | null
  /** Every ledger sequence up to this one is in a batch or needed none. */
  readonly coveredSequence: bigint
  /** When it last halted or resumed, or was set up; milliseconds since 1970. */
  readonly changedAtMs: number
  /** Exit mode: no batch will ever be accepted again. */
  readonly isEnded: boolean
}

interface StateRow {
  readonly status: string
  readonly reason: string | null
  readonly covered_seq: bigint
  readonly changed_at: Date
  readonly is_ended: boolean
}

const STATE = 'SELECT status, reason, covered_seq, changed_at, is_ended FROM settlement.state'

export async function readState(db: Db): Promise<SettlementState> {
  return toState((await db.query<StateRow>(STATE))[0])
}

/** Keeps everybody else from making a batch until the transaction ends. */
export async function lockState(tx: Tx): Promise<SettlementState> {
  return toState((await tx.query<StateRow>(`${STATE} FOR UPDATE`))[0])
}

export async function setCovered(tx: Tx, sequence: bigint): Promise<void> {
  await tx.query('UPDATE settlement.state SET covered_seq = $1 WHERE covered_seq < $1', [sequence])
}

/** The reason of an end stays; later ones are incidents only. */
export async function setHalted(tx: Tx, reason: string, actor: string): Promise<void> {
  await tx.query(
    `UPDATE settlement.state SET status = 'halted', reason = $1, changed_at = clock_timestamp()
     WHERE NOT is_ended`,
    [reason],
  )
  await insertIncident(tx, 'halted', reason, actor)
}

export async function setRunning(tx: Tx, reason: string, actor: string): Promise<void> {
  await tx.query(
    `UPDATE settlement.state SET status = 'running', reason = NULL, changed_at = clock_timestamp()`,
  )
  await insertIncident(tx, 'resumed', reason, actor)
}

export async function insertIncident(
  tx: Tx,
  kind: 'halted' | 'resumed',
  reason: string,
  actor: string,
): Promise<void> {
  await tx.query('INSERT INTO settlement.incident (kind, reason, actor) VALUES ($1, $2, $3)', [
    kind,
    reason,
    actor,
  ])
}

/** Everything up to here is settled for good: nothing before it can come back. */
export async function readSettledSequence(db: Db): Promise<bigint> {
  const rows = await db.query<{ settled: bigint }>(
    `SELECT coalesce(
       (SELECT min(first_seq) - 1 FROM settlement.batch
        WHERE status IN ('netted', 'submitted', 'mined', 'reverted')),
       (SELECT covered_seq FROM settlement.state)
     ) AS settled`,
  )
  return present(rows[0], 'settled sequence').settled
}

interface BatchRow {
  readonly id: string
  readonly sequence: bigint
  readonly kind: string
  readonly status: string
  readonly first_seq: bigint | null
  readonly last_seq: bigint | null
  readonly header: Readonly<Record<string, string>>
  readonly head: string
  readonly records: Buffer
  readonly trades: number
  readonly transfers: number
  readonly delta_count: number
  readonly supply_asset: number | null
  readonly supply_change: bigint | null
  readonly beneficiary: bigint | null
  readonly supply_request: string | null
  readonly attempt: number
  readonly tx_key: string
  readonly tx_hash: string | null
  readonly block_number: bigint | null
  readonly gas_used: bigint | null
  readonly error: string | null
  readonly created_at: Date
}

const COLUMNS = `id, sequence, kind, status, first_seq, last_seq, header, head, records, trades,
  transfers, delta_count, supply_asset, supply_change, beneficiary, supply_request, attempt, tx_key,
  tx_hash, block_number, gas_used, error, created_at`

export async function insertBatch(
  tx: Tx,
  batch: Omit<Batch, 'createdAtMs' | 'txHash' | 'blockNumber' | 'gasUsed' | 'error'>,
  deltas: readonly AccountDelta[],
): Promise<void> {
  const { header, supply } = batch
  await tx.query(
    `INSERT INTO settlement.batch (id, sequence, kind, status, first_seq, last_seq, header,
       prev_head, head, records, journal_hash, trades, transfers, delta_count, supply_asset,
       supply_change, beneficiary, supply_request, attempt, tx_key)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
    [
      batch.id,
      batch.sequence,
      batch.kind,
      batch.status,
      batch.firstSequence,
      batch.lastSequence,
      stringifyJson(header),
      header.prevHead,
      batch.head,
      batch.records,
      header.journalHash,
      batch.trades,
      batch.transfers,
      batch.deltaCount,
      supply?.asset,
      supply?.change,
      supply?.beneficiary,
      supply?.request,
      batch.attempt,
      batch.txKey,
    ],
  )
  await tx.query(
    `INSERT INTO settlement.delta (batch, account, asset, amount)
     SELECT $1, account, asset, amount
     FROM unnest($2::bigint[], $3::integer[], $4::bigint[]) AS listed (account, asset, amount)`,
    [
      batch.id,
      deltas.map(({ account }) => account),
      deltas.map(({ asset }) => asset),
      deltas.map(({ amount }) => amount.toString()),
    ],
  )
}

/** The newest batch that holds its place in the chain of heads. */
export async function findLastBatch(db: Db): Promise<Batch | undefined> {
  return await findOne(db, `status <> 'abandoned' ORDER BY sequence DESC LIMIT 1`)
}

/** The oldest batch that no block holds. */
export async function findOpenBatch(db: Db): Promise<Batch | undefined> {
  return await findOne(
    db,
    `status IN ('netted', 'submitted', 'reverted') ORDER BY sequence LIMIT 1`,
  )
}

export async function findBatch(db: Db, id: string): Promise<Batch | undefined> {
  return await findOne(db, 'id = $1', [id])
}

/** Newest first; one row more than the page holds. */
export async function listBatches(db: Db, page: PageRequest): Promise<readonly Batch[]> {
  const rows = await db.query<BatchRow>(
    `SELECT ${COLUMNS} FROM settlement.batch
     WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2`,
    [page.after ?? null, page.limit + 1],
  )
  return rows.map(toBatch)
}

/** Batches that failed, in their order. */
export async function listReverted(tx: Tx): Promise<readonly Batch[]> {
  const rows = await tx.query<BatchRow>(
    `SELECT ${COLUMNS} FROM settlement.batch WHERE status = 'reverted' ORDER BY sequence`,
  )
  return rows.map(toBatch)
}

/** Batches that no longer change place but still lack their gas, or whose request is not closed. */
export async function listMinedWithoutGas(db: Db): Promise<readonly Batch[]> {
  const rows = await db.query<BatchRow>(
    `SELECT ${COLUMNS} FROM settlement.batch
     WHERE status IN ('mined', 'final') AND gas_used IS NULL ORDER BY sequence LIMIT 20`,
  )
  return rows.map(toBatch)
}

export async function hasUnfinalBatch(db: Db): Promise<boolean> {
  const rows = await db.query(
    `SELECT 1 FROM settlement.batch
     WHERE status IN ('netted', 'submitted', 'mined', 'reverted') LIMIT 1`,
  )
  return rows.length > 0
}

/**
 * The batches of these heads with their deltas, as the ledger is told of them. An abandoned one may
 * have been in blocks that left the chain, which an engine that is late still reads; if one becomes
 * final all the same, settlement halts. Where another has its head, that one counts.
 */
export async function listKnownBatches(
  db: Db,
  heads: readonly string[],
): Promise<ReadonlyMap<string, KnownBatch>> {
  const rows = await db.query<
    BatchRow & { deltas: readonly (readonly [number, number, string])[] }
  >(
    `SELECT ${COLUMNS}, (
       SELECT coalesce(jsonb_agg(jsonb_build_array(account, asset, amount::text)
         ORDER BY account, asset), '[]')
       FROM settlement.delta WHERE delta.batch = batch.id) AS deltas
     FROM settlement.batch WHERE head = ANY ($1) ORDER BY status <> 'abandoned'`,
    [heads],
  )
  return new Map(rows.map((row) => [row.head, knownBatch(toBatch(row), row.deltas)]))
}

/** Moves a batch on; false when it was elsewhere already. */
export async function setBatchStatus(
  tx: Tx,
  batch: Batch,
  to: BatchStatus,
  change: { readonly txHash?: string | undefined; readonly error?: string } = {},
): Promise<boolean> {
  assert(canBecome(batch.status, to), `a batch that is ${batch.status} cannot become ${to}`)
  const rows = await tx.query(
    `UPDATE settlement.batch
     SET status = $3, tx_hash = coalesce($4, tx_hash), error = coalesce($5, error),
         updated_at = clock_timestamp()
     WHERE id = $1 AND status = $2 RETURNING id`,
    [batch.id, batch.status, to, change.txHash ?? null, change.error ?? null],
  )
  return rows.length > 0
}

/** Sends a reverted batch out again under a new transaction. */
/** False when the batch was found on chain meanwhile. */
export async function setNextAttempt(tx: Tx, batch: Batch, txKey: string): Promise<boolean> {
  const rows = await tx.query(
    `UPDATE settlement.batch
     SET status = 'netted', attempt = attempt + 1, tx_key = $2, tx_hash = NULL, error = NULL,
         updated_at = clock_timestamp()
     WHERE id = $1 AND status = 'reverted' RETURNING id`,
    [batch.id, txKey],
  )
  return rows.length > 0
}

export async function setGasUsed(tx: Tx, id: string, gasUsed: bigint): Promise<void> {
  await tx.query('UPDATE settlement.batch SET gas_used = $2 WHERE id = $1', [id, gasUsed])
}

/** Which batch settles each of these ledger sequences; those that wait are missing. */
export async function listBatchesOf(
  db: Db,
  sequences: readonly bigint[],
): Promise<ReadonlyMap<bigint, Pick<Batch, 'id' | 'status' | 'txHash'>>> {
  const rows = await db.query<{ seq: bigint; id: string; status: string; tx_hash: string | null }>(
    `SELECT wanted.seq, batch.id, batch.status, batch.tx_hash
     FROM unnest($1::bigint[]) AS wanted (seq)
     CROSS JOIN LATERAL (
       SELECT id, status, tx_hash, first_seq FROM settlement.batch
       WHERE kind = 'trade' AND status <> 'abandoned' AND last_seq >= wanted.seq
       ORDER BY last_seq LIMIT 1
     ) AS batch
     WHERE batch.first_seq <= wanted.seq`,
    [sequences.map(String)],
  )
  return new Map(
    rows.map((row) => [row.seq, { id: row.id, status: toStatus(row.status), txHash: row.tx_hash }]),
  )
}

async function findOne(db: Db, where: string, params: readonly unknown[] = []) {
  const rows = await db.query<BatchRow>(
    `SELECT ${COLUMNS} FROM settlement.batch WHERE ${where}`,
    params,
  )
  return rows.map(toBatch)[0]
}

function knownBatch(batch: Batch, deltas: KnownBatch['deltas']): KnownBatch {
  const { head, supply } = batch
  const base = { sequence: Number(batch.sequence), head, deltas }
  if (supply === null) return base
  const { asset, change, beneficiary } = supply
  return { ...base, supply: { asset, change: change.toString(), beneficiary } }
}

function toState(row: StateRow | undefined): SettlementState {
  const found = present(row, 'settlement.state')
  const { status, reason, covered_seq: coveredSequence } = found
  assert(status === 'running' || status === 'halted', 'settlement.state.status')
  const changedAtMs = found.changed_at.getTime()
  return { status, reason, coveredSequence, changedAtMs, isEnded: found.is_ended }
}

function toStatus(text: string): BatchStatus {
  return present(
    BATCH_STATUSES.find((status) => status === text),
    `batch status ${text}`,
  )
}

function toKind(text: string): BatchKind {
  assert(text === 'trade' || text === 'supply' || text === 'heartbeat', `batch kind ${text}`)
  return text
}

function toHex(text: string | undefined): Hex {
  assert(text !== undefined && /^0x[0-9a-f]{64}$/.test(text), `not a hash: ${text}`)
  return `0x${text.slice(2)}`
}

function toHeader(row: Readonly<Record<string, string>>): BatchHeader {
  return {
    prevHead: toHex(row['prevHead']),
    sequence: BigInt(present(row['sequence'], 'header.sequence')),
    kind: toKind(present(row['kind'], 'header.kind')),
    closeTime: BigInt(present(row['closeTime'], 'header.closeTime')),
    supplyAsset: Number(row['supplyAsset']),
    supplyChange: BigInt(present(row['supplyChange'], 'header.supplyChange')),
    recordsHash: toHex(row['recordsHash']),
    tradesRoot: toHex(row['tradesRoot']),
    liabilitiesRoot: toHex(row['liabilitiesRoot']),
    journalHash: toHex(row['journalHash']),
  }
}

function toSupply(row: BatchRow): BatchSupply | null {
  if (row.supply_request === null) return null
  return {
    request: row.supply_request,
    asset: present(row.supply_asset, 'batch.supply_asset'),
    change: present(row.supply_change, 'batch.supply_change'),
    beneficiary: Number(present(row.beneficiary, 'batch.beneficiary')),
  }
}

function toBatch(row: BatchRow): Batch {
  return {
    id: row.id,
    sequence: row.sequence,
    kind: toKind(row.kind),
    status: toStatus(row.status),
    firstSequence: row.first_seq,
    lastSequence: row.last_seq,
    header: toHeader(row.header),
    head: toHex(row.head),
    records: row.records,
    trades: row.trades,
    transfers: row.transfers,
    deltaCount: row.delta_count,
    supply: toSupply(row),
    attempt: row.attempt,
    txKey: row.tx_key,
    txHash: row.tx_hash,
    blockNumber: row.block_number,
    gasUsed: row.gas_used,
    error: row.error,
    createdAtMs: row.created_at.getTime(),
  }
}
