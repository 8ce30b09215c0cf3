import type { Db, Tx } from '../db/pool.ts'

/** Where a group stands on a stream. */
export interface GroupPosition {
  readonly group: string
  readonly stream: string
  readonly seq: bigint
  readonly head: bigint
  /** Seconds since the group moved or said that it is there. */
  readonly seenSecondsAgo: number
}

/** A consumer that runs says so more often than this. */
const LIVE_SECONDS = 300

export function isLive({ seenSecondsAgo }: GroupPosition): boolean {
  return seenSecondsAgo < LIVE_SECONDS
}

interface GroupRow {
  readonly group: string
  readonly stream: string
  readonly seq: bigint
  readonly head: bigint
  readonly seen: number
}

/** All groups, or one. */
export async function listGroups(db: Db, group?: string): Promise<readonly GroupPosition[]> {
  const rows = await db.query<GroupRow>(
    `SELECT position.consumer_group AS group, position.stream, position.seq,
       coalesce(head.seq, position.seq) AS head,
       extract(epoch FROM clock_timestamp() - greatest(position.updated_at, position.seen_at))::int AS seen
     FROM platform.consumer_position AS position LEFT JOIN platform.stream_head AS head USING (stream)
     WHERE $1::text IS NULL OR position.consumer_group = $1
     ORDER BY position.stream, position.consumer_group`,
    [group ?? null],
  )
  return rows.map(({ seen, ...row }) => ({ ...row, seenSecondsAgo: Math.max(0, seen) }))
}

/** Keeps the positions of a group as they are until the commit. */
export async function lockGroup(tx: Tx, group: string): Promise<void> {
  await tx.query(
    `SELECT seq FROM platform.consumer_position
     WHERE consumer_group = $1 ORDER BY stream FOR UPDATE`,
    [group],
  )
}

/** The outbox no longer keeps anything for the group; should it come back, it begins anew. */
export async function dropGroup(tx: Tx, group: string): Promise<void> {
  await tx.query('DELETE FROM platform.consumer_position WHERE consumer_group = $1', [group])
  await tx.query('DELETE FROM platform.resend_request WHERE consumer_group = $1', [group])
}

/** Says that a consumer of the group runs, though there may be nothing for it to do. */
export async function noteSeen(db: Db, group: string, stream: string): Promise<void> {
  await db.query(
    `UPDATE platform.consumer_position SET seen_at = clock_timestamp()
     WHERE consumer_group = $1 AND stream = $2`,
    [group, stream],
  )
}
