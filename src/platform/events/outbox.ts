import { assert } from '#kernel/assert.ts'
import { stringifyJson } from '#kernel/json.ts'
import { formatInstant, instant, type Instant } from '#kernel/time.ts'
import { newUuid } from '../crypto.ts'
import type { Db, Tx } from '../db/pool.ts'
import type { Instance } from '../instance.ts'
import type { Envelope, OutboxEvent } from './event.ts'
import type { JsonObject } from '#kernel/json.ts'

/**
 * Appends events to their streams, in order, each with the next seq of its stream. Call it as the
 * last write of a transaction: it holds the streams' heads until the commit.
 */
export async function appendEvents(
  tx: Tx,
  events: readonly OutboxEvent[],
  at: Instant,
): Promise<void> {
  if (events.length === 0) return
  const rows = events.map((event) => ({ ...event, id: newUuid() }))
  await tx.query('SELECT platform.append_events($1::jsonb, $2::timestamptz)', [
    stringifyJson(rows),
    formatInstant(at),
  ])
  for (const stream of new Set(events.map((event) => event.stream))) {
    tx.onCommit(() => tx.wakes.wake(stream))
  }
}

interface OutboxRow {
  readonly seq: bigint
  readonly id: string
  readonly type: string
  readonly key: string
  readonly occurred_at: Date
  readonly payload: JsonObject
}

export interface OutboxPage {
  readonly stream: string
  readonly after: bigint
  readonly maxEvents: number
  readonly maxBytes: number
}

/** Events after a seq, in order; at least one when there is one, however large. */
export async function readOutbox(
  db: Db,
  instance: Instance,
  page: OutboxPage,
): Promise<readonly Envelope[]> {
  const rows = await db.query<OutboxRow>(
    `WITH next AS (
       SELECT seq, size_bytes FROM platform.outbox
       WHERE stream = $1 AND seq > $2 ORDER BY seq LIMIT $3
     ), sized AS (
       SELECT seq, sum(size_bytes) OVER (ORDER BY seq) - size_bytes AS before FROM next
     )
     SELECT seq, id, type, key, occurred_at, payload FROM platform.outbox
     WHERE stream = $1 AND seq IN (SELECT seq FROM sized WHERE before < $4)
     ORDER BY seq`,
    [page.stream, page.after, page.maxEvents, page.maxBytes],
  )
  return rows.map((row) => toEnvelope(row, page.stream, instance))
}

function toEnvelope(row: OutboxRow, stream: string, instance: Instance): Envelope {
  assert(typeof row.seq === 'bigint', 'platform.outbox.seq')
  return {
    id: row.id,
    type: row.type,
    stream,
    seq: row.seq,
    key: row.key,
    occurredAt: formatInstant(instant(row.occurred_at.getTime())),
    instance: instance.id,
    epoch: instance.logEpoch.toString(),
    data: row.payload,
  }
}

/** Removes what every group that follows the stream has passed; returns the number of rows. */
export async function pruneOutbox(tx: Tx, stream: string, keepLast: bigint): Promise<number> {
  const rows = await tx.query<{ seq: bigint }>(
    `DELETE FROM platform.outbox WHERE stream = $1 AND seq <= (
       SELECT min(seq) - $2::bigint FROM platform.consumer_position WHERE stream = $1
     ) RETURNING seq`,
    [stream, keepLast],
  )
  return rows.length
}
