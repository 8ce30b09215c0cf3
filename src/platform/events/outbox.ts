import { assert } from '#kernel/assert.ts'
import { plainJson } from '#kernel/json.ts'
import { formatInstant, instant, type Instant } from '#kernel/time.ts'
import { newUuid } from '../crypto.ts'
import type { Db, Tx } from '../db/pool.ts'
import type { Instance } from '../instance.ts'
import type { Envelope, OutboxEvent } from './event.ts'
import { lockRegistrations } from './position.ts'
import type { JsonObject } from '#kernel/json.ts'

const APPEND =
  'SELECT platform.append_events($1, $2::uuid[], $3::text[], $4::text[], $5::json, $6::timestamptz)'

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
  const streams = [...Map.groupBy(events, ({ stream }) => stream)]
  // In the order of their names, so that writers of several streams cannot deadlock.
  for (const [stream, own] of streams.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    await tx.query(APPEND, [
      stream,
      own.map(() => newUuid()),
      own.map(({ type }) => type),
      own.map(({ key }) => key),
      `[${own.map(({ data }) => plainJson(data)).join(',')}]`,
      formatInstant(at),
    ])
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

export interface PruneOptions {
  readonly stream: string
  /** Younger events stay, whoever has read them. */
  readonly before: Instant
  /** Whether the relay must have passed them too, as it must where Kafka carries events. */
  readonly isRelayed: boolean
  readonly atMost: number
}

/**
 * Removes the oldest events of a stream that are old enough and that every known group has passed;
 * returns their number. The relay's position counts only where it runs: it stands still elsewhere.
 */
export async function pruneOutbox(tx: Tx, options: PruneOptions): Promise<number> {
  const { stream, before, isRelayed, atMost } = options
  await lockRegistrations(tx)
  const rows = await tx.query<{ removed: bigint }>(
    `WITH edge AS (
       SELECT least(
         (SELECT min(seq) FROM platform.consumer_position
          WHERE stream = $1 AND (consumer_group <> 'relay' OR $3)),
         CASE WHEN $3 THEN coalesce((SELECT seq FROM platform.consumer_position
          WHERE stream = $1 AND consumer_group = 'relay'), 0) END,
         (SELECT min(seq) - 1 FROM platform.outbox WHERE stream = $1 AND occurred_at >= $2),
         (SELECT min(seq) - 1 + $4 FROM platform.outbox WHERE stream = $1)
       ) AS seq
     ), gone AS (
       DELETE FROM platform.outbox USING edge
       WHERE outbox.stream = $1 AND outbox.seq <= edge.seq RETURNING 1
     )
     SELECT count(*) AS removed FROM gone`,
    [stream, formatInstant(before), isRelayed, atMost],
  )
  return Number(rows[0]?.removed ?? 0n)
}

export interface GroupProgress {
  readonly group: string
  readonly seq: bigint
  /** Seconds since it moved. */
  readonly stillSeconds: number
}

/** How far a stream has come and how far each group has read it. */
export interface StreamProgress {
  readonly stream: string
  readonly head: bigint
  /** Events that the outbox still keeps. */
  readonly kept: bigint
  readonly positions: readonly GroupProgress[]
}

interface ProgressRow {
  readonly stream: string
  readonly head: bigint
  readonly kept: bigint
  readonly group: string | null
  readonly seq: bigint | null
  readonly still: number | null
}

export async function readProgress(db: Db): Promise<readonly StreamProgress[]> {
  const rows = await db.query<ProgressRow>(
    `SELECT head.stream, head.seq AS head, head.seq - coalesce(
         (SELECT min(outbox.seq) - 1 FROM platform.outbox WHERE outbox.stream = head.stream), head.seq
       ) AS kept, position.consumer_group AS group, position.seq,
       extract(epoch FROM clock_timestamp() - position.updated_at)::int AS still
     FROM platform.stream_head AS head
     LEFT JOIN platform.consumer_position AS position ON position.stream = head.stream
     ORDER BY head.stream, position.consumer_group`,
  )
  const groups = Map.groupBy(rows, ({ stream }) => stream)
  return [...groups].map(([stream, found]) => ({
    stream,
    head: found[0]?.head ?? 0n,
    kept: found[0]?.kept ?? 0n,
    positions: found.flatMap(({ group, seq, still }) =>
      group === null || seq === null ? [] : [{ group, seq, stillSeconds: Math.max(0, still ?? 0) }],
    ),
  }))
}
