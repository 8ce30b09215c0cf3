import type { Db, Tx } from '../db/pool.ts'
import { decodeEnvelope, encodeEnvelope, type Envelope } from './event.ts'

/** An event whose effect a group gave up on. */
export interface DeadLetter {
  readonly id: bigint
  readonly group: string
  readonly stream: string
  readonly seq: bigint
  readonly type: string
  readonly error: string
  readonly attempts: number
  readonly retryWanted: boolean
}

export async function insertDeadLetter(
  tx: Tx,
  letter: {
    readonly group: string
    readonly envelope: Envelope
    readonly error: string
    readonly attempts: number
  },
): Promise<void> {
  const { group, envelope, error, attempts } = letter
  await tx.query(
    `INSERT INTO platform.dead_letter (consumer_group, stream, seq, envelope, error, attempts)
     VALUES ($1, $2, $3, $4::jsonb, $5, $6) ON CONFLICT (consumer_group, stream, seq) DO NOTHING`,
    [group, envelope.stream, envelope.seq, encodeEnvelope(envelope), error, attempts],
  )
}

interface LetterRow {
  readonly id: bigint
  readonly consumer_group: string
  readonly stream: string
  readonly seq: bigint
  readonly type: string
  readonly error: string
  readonly attempts: number
  readonly retry_wanted: boolean
}

/** The oldest first, at most `limit`. */
export async function listDeadLetters(db: Db, limit: number): Promise<readonly DeadLetter[]> {
  const rows = await db.query<LetterRow>(
    `SELECT id, consumer_group, stream, seq, envelope ->> 'type' AS type, error, attempts, retry_wanted
     FROM platform.dead_letter ORDER BY id LIMIT $1`,
    [limit],
  )
  return rows.map(({ consumer_group: group, retry_wanted: retryWanted, ...row }) => ({
    ...row,
    group,
    retryWanted,
  }))
}

/** How many events of all groups wait for somebody to look at them. */
export async function countDeadLetters(db: Db): Promise<bigint> {
  const rows = await db.query<{ count: bigint }>('SELECT count(*) FROM platform.dead_letter')
  return rows[0]?.count ?? 0n
}

/** Asks the consumer to try again: one letter, or all without an id. Returns how many. */
export async function wantRetry(db: Db, id: bigint | undefined): Promise<number> {
  const rows = await db.query(
    `UPDATE platform.dead_letter SET retry_wanted = true, updated_at = clock_timestamp()
     WHERE $1::bigint IS NULL OR id = $1 RETURNING id`,
    [id ?? null],
  )
  return rows.length
}

export interface WantedLetter {
  readonly id: bigint
  readonly envelope: Envelope
}

/** The oldest letter of a group that shall be tried again, locked; undefined without one. */
export async function takeWanted(
  tx: Tx,
  group: string,
  stream: string,
): Promise<WantedLetter | undefined> {
  const rows = await tx.query<{ id: bigint; envelope: string }>(
    `SELECT id, envelope::text AS envelope FROM platform.dead_letter
     WHERE consumer_group = $1 AND stream = $2 AND retry_wanted
     ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [group, stream],
  )
  const row = rows[0]
  const envelope = row === undefined ? undefined : decodeEnvelope(row.envelope)
  return row === undefined || envelope === undefined ? undefined : { id: row.id, envelope }
}

export async function deleteDeadLetter(tx: Tx, id: bigint): Promise<void> {
  await tx.query('DELETE FROM platform.dead_letter WHERE id = $1', [id])
}

/** Another attempt failed; the letter waits until somebody asks again. */
export async function noteFailedRetry(db: Db, id: bigint, error: string): Promise<void> {
  await db.query(
    `UPDATE platform.dead_letter
     SET retry_wanted = false, attempts = attempts + 1, error = $2, updated_at = clock_timestamp()
     WHERE id = $1`,
    [id, error],
  )
}
