import { instant } from '#kernel/time.ts'
import type { Db } from '#platform/db/pool.ts'
import type { BatchEnd, JournalBatch } from './journal.ts'

interface JournalRow {
  readonly first_seq: bigint
  readonly last_seq: bigint
  readonly epoch: bigint
  readonly at_ms: bigint
  readonly prev_hash: Buffer
  readonly hash: Buffer
  readonly body: string
}

/** Batches from the one that holds `fromSeq` on, at most `limit` and about 4 MiB of them. */
export async function readJournal(
  db: Db,
  fromSeq: bigint,
  limit: number,
): Promise<readonly JournalBatch[]> {
  const rows = await db.query<JournalRow>(
    `SELECT first_seq, last_seq, epoch, (extract(epoch FROM at) * 1000)::bigint AS at_ms,
            prev_hash, hash, body
     FROM (SELECT *, sum(octet_length(body)) OVER (ORDER BY first_seq) - octet_length(body) AS before
           FROM (SELECT * FROM ledger.journal_batch WHERE last_seq >= $1 ORDER BY last_seq LIMIT $2) AS page
          ) AS sized
     WHERE before < 4194304 ORDER BY first_seq`,
    [fromSeq, limit],
  )
  return rows.map((row) => ({
    firstSequence: row.first_seq,
    lastSequence: row.last_seq,
    epoch: row.epoch,
    at: instant(Number(row.at_ms)),
    prevHash: row.prev_hash,
    hash: row.hash,
    body: row.body,
  }))
}

interface EndRow {
  readonly last_seq: bigint
  readonly hash: Buffer
  readonly block_time: bigint | null
}

/** The journal batch that ends at `seq` or is the last to end before it. */
export async function findBatchEnd(db: Db, seq: bigint): Promise<BatchEnd | undefined> {
  const rows = await db.query<EndRow>(
    `SELECT last_seq, hash, block_time FROM ledger.journal_batch
     WHERE last_seq <= $1 ORDER BY last_seq DESC LIMIT 1`,
    [seq],
  )
  return rows[0] === undefined ? undefined : toEnd(rows[0])
}

/** The journal batch that holds `seq`. */
export async function findBatchHolding(db: Db, seq: bigint): Promise<BatchEnd | undefined> {
  const rows = await db.query<EndRow>(
    `SELECT last_seq, hash, block_time FROM ledger.journal_batch
     WHERE last_seq >= $1 ORDER BY last_seq LIMIT 1`,
    [seq],
  )
  return rows[0] === undefined ? undefined : toEnd(rows[0])
}

function toEnd(row: EndRow): BatchEnd {
  return {
    lastSeq: row.last_seq,
    hash: row.hash,
    blockTime: row.block_time === null ? 0 : Number(row.block_time),
  }
}
