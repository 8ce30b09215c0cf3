import type { Db, Tx } from '../db/pool.ts'
import type { Instance } from '../instance.ts'
import type { Envelope } from './event.ts'

/** What to do with the event `seq` for a consumer that has applied everything up to `position`. */
export function decide(position: bigint, seq: bigint): 'skip' | 'apply' | 'gap' {
  if (seq <= position) return 'skip'
  return seq === position + 1n ? 'apply' : 'gap'
}

/** Whether the event belongs to this life of this node. */
export function isOurs(envelope: Envelope, instance: Instance): boolean {
  return envelope.instance === instance.id && envelope.epoch === instance.logEpoch.toString()
}

/** 0 for a group that has applied nothing yet. */
export async function readPosition(db: Db, group: string, stream: string): Promise<bigint> {
  const rows = await db.query<{ seq: bigint }>(
    `SELECT seq FROM platform.consumer_position WHERE consumer_group = $1 AND stream = $2`,
    [group, stream],
  )
  return rows[0]?.seq ?? 0n
}

/** Keeps pruning away while a group makes itself known. */
const REGISTRATION_LOCK = 7_300_044

/** Held until the commit; no group begins with an event that is being removed. */
export async function lockRegistrations(tx: Tx): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1)', [REGISTRATION_LOCK])
}

/**
 * Makes the group known, so that the outbox keeps what it has not read, and locks its position. A
 * new group begins with the oldest event that is kept.
 */
export async function lockPosition(tx: Tx, group: string, stream: string): Promise<bigint> {
  const known = await lockKnown(tx, group, stream)
  if (known !== undefined) return known
  await tx.query('SELECT pg_advisory_xact_lock_shared($1)', [REGISTRATION_LOCK])
  await tx.query(
    `INSERT INTO platform.consumer_position (consumer_group, stream, seq, log_epoch)
     VALUES ($1, $2, coalesce(
       (SELECT min(seq) - 1 FROM platform.outbox WHERE stream = $2),
       (SELECT seq FROM platform.stream_head WHERE stream = $2),
       0
     ), 0) ON CONFLICT DO NOTHING`,
    [group, stream],
  )
  return (await lockKnown(tx, group, stream)) ?? 0n
}

async function lockKnown(tx: Tx, group: string, stream: string): Promise<bigint | undefined> {
  const rows = await tx.query<{ seq: bigint }>(
    `SELECT seq FROM platform.consumer_position
     WHERE consumer_group = $1 AND stream = $2 FOR UPDATE`,
    [group, stream],
  )
  return rows[0]?.seq
}

/** Moves the position forward; `epoch` is the log epoch of the node. */
export async function writePosition(
  tx: Tx,
  group: string,
  stream: string,
  seq: bigint,
  epoch: bigint,
): Promise<void> {
  await tx.query('SELECT platform.write_position($1, $2, $3, $4)', [group, stream, seq, epoch])
}

/** The least of the positions of all groups that follow the stream, `except` one; 0 without any. */
export async function readLowestPosition(
  db: Db,
  stream: string,
  except: string,
): Promise<bigint | undefined> {
  const rows = await db.query<{ seq: bigint | null }>(
    `SELECT min(seq) AS seq FROM platform.consumer_position
     WHERE stream = $1 AND consumer_group <> $2`,
    [stream, except],
  )
  return rows[0]?.seq ?? undefined
}

/**
 * Sorts what a transport delivered, with repetitions and out of place, into the run that follows on
 * `position` and what lies beyond a gap.
 */
export function takeRun(
  position: bigint,
  envelopes: readonly Envelope[],
): { readonly run: readonly Envelope[]; readonly beyond: readonly Envelope[] } {
  const run: Envelope[] = []
  const ahead: Envelope[] = []
  let last = position
  for (const envelope of envelopes) {
    const verdict = decide(last, envelope.seq)
    if (verdict === 'gap') ahead.push(envelope)
    if (verdict !== 'apply') continue
    run.push(envelope)
    last = envelope.seq
  }
  return { run, beyond: ahead.filter((envelope) => envelope.seq > last) }
}
