import { column } from '#kernel/array-literal.ts'
import { assert, present } from '#kernel/assert.ts'
import { instant } from '#kernel/time.ts'
import { sha256 } from '#platform/crypto.ts'
import type { Connection, Db } from '#platform/db/pool.ts'
import type { Account, ListedAsset } from './account.ts'
import type { Balance } from './balance.ts'
import {
  blockEventsJson,
  effectsJson,
  outboxJson,
  rareRowsJson,
  type SealedBatch,
} from './batch.ts'
import type { BlockPlace, BooksState } from './books.ts'
import type { LedgerChainEvent, TrackedBlock } from './chain-block.ts'
import type { Hold, HoldKind } from './hold.ts'
import type { JournalHead } from './journal.ts'
import type { Transfer, TransferCode } from './transfer.ts'

const COMMIT = `SELECT ledger.commit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
  $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36)`

/** The hash of a batch; the first `prevHash` is SHA-256 of the instance id. */
export function batchHash(prevHash: Uint8Array, body: string): Buffer {
  return sha256(prevHash, body)
}

/** Everything in one statement, which is its own transaction. */
export async function commitBatch(
  connection: Connection,
  batch: SealedBatch,
  prevHash: Buffer,
  hash: Buffer,
): Promise<void> {
  await connection.query({
    name: 'commit_batch',
    text: COMMIT,
    values: commitValues(batch, prevHash, hash),
  })
}

/** The parameters of `ledger.commit_batch`, in its order. */
function commitValues(batch: SealedBatch, prevHash: Buffer, hash: Buffer): unknown[] {
  const { header, headBlock, changes } = batch
  const { transfers, balances, holds } = changes
  return [
    header.epoch,
    header.firstSequence,
    header.lastSequence,
    header.at,
    headBlock?.number ?? null,
    headBlock?.time ?? null,
    prevHash,
    hash,
    batch.body,
    column(transfers, (row) => row.sequence),
    column(transfers, (row) => row.index),
    column(transfers, (row) => row.debit),
    column(transfers, (row) => row.credit),
    column(transfers, (row) => row.asset),
    column(transfers, (row) => row.amount),
    column(transfers, (row) => row.code),
    column(transfers, (row) => row.ref),
    column(balances, (row) => row.account),
    column(balances, (row) => row.asset),
    column(balances, (row) => row.posted),
    column(balances, (row) => row.held),
    column(balances, (row) => row.incoming),
    column(balances, (row) => row.settledDelta),
    column(balances, (row) => row.floor),
    column(balances, (row) => row.version),
    column(balances, (row) => row.lastSequence),
    column(holds, (row) => row.id),
    column(holds, (row) => row.account),
    column(holds, (row) => row.asset),
    column(holds, (row) => row.amount),
    column(holds, (row) => row.kind),
    column(holds, (row) => row.sequence),
    rareRowsJson(batch),
    blockEventsJson(batch),
    effectsJson(batch),
    outboxJson(batch),
  ]
}

/** Where the journal ends; sequence 0 before the first batch. */
export async function readHead(db: Db): Promise<JournalHead> {
  const rows = await db.query<{ last_seq: bigint; hash: Buffer; at_ms: string }>(
    `SELECT last_seq, hash, (extract(epoch FROM at) * 1000)::bigint::text AS at_ms
     FROM ledger.journal_batch ORDER BY last_seq DESC LIMIT 1`,
  )
  const row = rows[0]
  if (row !== undefined)
    return { sequence: row.last_seq, hash: row.hash, at: instant(Number(row.at_ms)) }
  const first = await db.query<{ id: string }>('SELECT id FROM platform.instance')
  assert(first[0] !== undefined, 'row of platform.instance')
  return { sequence: 0n, hash: sha256(first[0].id), at: instant(0) }
}

export async function loadBooks(db: Db): Promise<BooksState> {
  const blocks = await db.query<BlockRow>(
    `SELECT number, hash, at, events, state FROM ledger.chain_block WHERE state = 'applied' ORDER BY number`,
  )
  return {
    balances: await readBalances(db),
    holds: await readOpenHolds(db),
    accounts: await readAccounts(db),
    assets: await readAssets(db),
    blocks: blocks.map(toBlock),
    finalBlock: await readFinalBlock(db),
    isExitMode: await readExitMode(db),
  }
}

/** When the newest open exit was requested, Unix seconds; undefined when none is open. */
export async function findLastExit(db: Db): Promise<number | undefined> {
  const rows = await db.query<{ exit_at: bigint | null }>(
    'SELECT max(exit_at) AS exit_at FROM ledger.account WHERE exits > 0',
  )
  const exitAt = rows[0]?.exit_at ?? undefined
  return exitAt === undefined ? undefined : Number(exitAt)
}

/** Whether the core saw the end of settlement. */
export async function readExitMode(db: Db): Promise<boolean> {
  const rows = await db.query<{ is_exit_mode: boolean }>('SELECT is_exit_mode FROM ledger.mode')
  return present(rows[0], 'row of ledger.mode').is_exit_mode
}

export async function readFinalBlock(db: Db): Promise<BlockPlace | undefined> {
  const rows = await db.query<{ number: bigint; hash: string; at: bigint }>(
    `SELECT number, hash, at FROM ledger.chain_block WHERE state = 'final' ORDER BY number DESC LIMIT 1`,
  )
  const row = rows[0]
  if (row === undefined) return undefined
  return { number: Number(row.number), hash: row.hash, time: Number(row.at) }
}

interface BalanceRow {
  readonly account: bigint
  readonly asset: number
  readonly posted: bigint
  readonly held: bigint
  readonly incoming: string
  readonly settled: bigint
  readonly floor: bigint
  readonly version: bigint
  readonly last_seq: bigint
}

const BALANCES = `SELECT account, asset, posted, held, incoming, settled, floor, version, last_seq
  FROM ledger.balance`

async function readBalances(db: Db): Promise<readonly Balance[]> {
  return (await db.query<BalanceRow>(BALANCES)).map(toBalance)
}

export async function readBalancesOf(db: Db, account: bigint): Promise<readonly Balance[]> {
  const rows = await db.query<BalanceRow>(`${BALANCES} WHERE account = $1 ORDER BY asset`, [
    account,
  ])
  return rows.map(toBalance)
}

export async function readBalance(
  db: Db,
  account: bigint,
  asset: number,
): Promise<Balance | undefined> {
  const rows = await db.query<BalanceRow>(`${BALANCES} WHERE account = $1 AND asset = $2`, [
    account,
    asset,
  ])
  return rows[0] === undefined ? undefined : toBalance(rows[0])
}

/** Every balance with a lane or a supply of its own on the chain, by account and asset. */
export async function readMirrorBalances(db: Db): Promise<readonly Balance[]> {
  return (await db.query<BalanceRow>(`${BALANCES} ORDER BY account, asset`)).map(toBalance)
}

function toBalance(row: BalanceRow): Balance {
  assert(typeof row.posted === 'bigint' && typeof row.account === 'bigint', 'ledger.balance row')
  const { account, asset, posted, held, settled, floor } = row
  return {
    account,
    asset,
    posted,
    held,
    incoming: BigInt(row.incoming),
    settled,
    floor,
    version: Number(row.version),
    lastSequence: row.last_seq,
  }
}

async function readOpenHolds(db: Db): Promise<readonly Hold[]> {
  const rows = await db.query<{
    id: string
    account: bigint
    asset: number
    amount: bigint
    kind: string
    seq: bigint
  }>('SELECT id, account, asset, amount, kind, seq FROM ledger.hold WHERE amount > 0')
  return rows.map(({ seq, kind, ...row }) => ({ ...row, kind: kind as HoldKind, sequence: seq }))
}

/** Which of these ids have a withdrawal's hold that is still open. */
export async function readOpenWithdrawals(
  db: Db,
  ids: readonly string[],
): Promise<readonly string[]> {
  const rows = await db.query<{ id: string }>(
    `SELECT id FROM ledger.hold WHERE id = ANY ($1::uuid[]) AND kind = 'withdrawal' AND amount > 0`,
    [ids],
  )
  return rows.map(({ id }) => id)
}

const ACCOUNTS =
  'SELECT account, class, wallet, expires_at, freezes, exits, exit_at FROM ledger.account'

export async function readAccounts(db: Db): Promise<readonly Account[]> {
  const rows = await db.query<AccountRow>(ACCOUNTS)
  return rows.map(toAccount)
}

export async function findAccount(db: Db, account: number): Promise<Account | undefined> {
  const rows = await db.query<AccountRow>(`${ACCOUNTS} WHERE account = $1`, [account])
  return rows[0] === undefined ? undefined : toAccount(rows[0])
}

interface AccountRow {
  readonly account: bigint
  readonly class: number
  readonly wallet: string | null
  readonly expires_at: bigint | null
  readonly freezes: number
  readonly exits: number
  readonly exit_at: bigint | null
}

function toAccount(row: AccountRow): Account {
  return {
    account: Number(row.account),
    class: row.class,
    wallet: row.wallet,
    expiresAt: row.expires_at === null ? null : Number(row.expires_at),
    freezes: row.freezes,
    exits: row.exits,
    exitAt: row.exit_at === null ? null : Number(row.exit_at),
  }
}

export async function readAssets(db: Db): Promise<readonly ListedAsset[]> {
  return db.query<ListedAsset>(
    `SELECT asset, symbol, decimals, external, token, allowed_classes AS "allowedClasses"
     FROM ledger.asset ORDER BY asset`,
  )
}

interface BlockRow {
  readonly number: bigint
  readonly hash: string
  readonly at: bigint
  readonly events: unknown
}

function toBlock(row: BlockRow): TrackedBlock {
  assert(Array.isArray(row.events), 'ledger.chain_block.events')
  return {
    number: Number(row.number),
    hash: row.hash,
    time: Number(row.at),
    events: row.events as readonly LedgerChainEvent[],
    state: 'applied',
  }
}

interface TransferRow {
  readonly seq: bigint
  readonly idx: number
  readonly debit: bigint
  readonly credit: bigint
  readonly asset: number
  readonly amount: bigint
  readonly code: string
  readonly ref: string | null
}

const TRANSFERS = 'SELECT seq, idx, debit, credit, asset, amount, code, ref FROM ledger.transfer'

/** Transfers of a range of sequences, both ends included, in journal order. */
export async function readTransfers(
  db: Db,
  range: { readonly fromSeq: bigint; readonly toSeq: bigint; readonly codes?: readonly string[] },
): Promise<readonly Transfer[]> {
  const rows = await db.query<TransferRow>(
    `${TRANSFERS} WHERE seq BETWEEN $1 AND $2 AND ($3::text[] IS NULL OR code = ANY($3)) ORDER BY seq, idx`,
    [range.fromSeq, range.toSeq, range.codes ?? null],
  )
  return rows.map(toTransfer)
}

/** Transfers of one trade or withdrawal. */
export async function readTransfersOf(db: Db, ref: string): Promise<readonly Transfer[]> {
  return (await db.query<TransferRow>(`${TRANSFERS} WHERE ref = $1 ORDER BY seq, idx`, [ref])).map(
    toTransfer,
  )
}

function toTransfer({ seq, idx, code, ...row }: TransferRow): Transfer {
  assert(typeof row.amount === 'bigint' && typeof seq === 'bigint', 'ledger.transfer row')
  return { ...row, sequence: seq, index: idx, code: code as TransferCode }
}
