import type { Db, Tx } from '../db/pool.ts'

/** A group asks for what follows on `after`, which its transport does not have. */
export interface ResendRequest {
  readonly group: string
  readonly after: bigint
  /** Where the group is by now; undefined when it is gone. */
  readonly position: bigint | undefined
  /** Whether the outbox has what is asked for. */
  readonly isKept: boolean
}

/** How far the relay has come with going back on a stream. */
export interface ResendState {
  /** Seq of the last event sent. */
  readonly sentUpTo: bigint
  /** Where it turned back the last time; it is through when it has sent that again. */
  readonly until: bigint
  /** When it turned back, in milliseconds. */
  readonly atMs: number
}

export interface ResendDecision {
  readonly goBack: boolean
  /** Groups whose requests are answered or void. */
  readonly settled: readonly string[]
  /** Groups that lack an event which the outbox lacks too. */
  readonly lost: readonly string[]
}

/**
 * What the relay does about the requests for one stream. It goes back at once the first time, and
 * not again before it is through and `restMs` have passed: a group has to read up to what it asked
 * for, and goes on asking meanwhile.
 */
export function decideResend(
  requests: readonly ResendRequest[],
  state: ResendState | undefined,
  nowMs: number,
  restMs: number,
): ResendDecision {
  const open = requests.filter(({ after, position }) => position === after)
  const lost = open.filter(({ isKept }) => !isKept)
  const wanted = open.filter(({ isKept }) => isKept)
  const isBusy =
    state !== undefined && (state.sentUpTo < state.until || nowMs - state.atMs < restMs)
  const waiting = isBusy ? wanted : []
  return {
    goBack: wanted.length > 0 && !isBusy,
    settled: requests.filter((request) => !waiting.includes(request)).map(({ group }) => group),
    lost: lost.map(({ group }) => group),
  }
}

/** Asks the relay to send again what follows on the position of the group. */
export async function wantResend(
  db: Db,
  request: { readonly stream: string; readonly group: string; readonly after: bigint },
): Promise<void> {
  const { stream, group, after } = request
  await db.query(
    `INSERT INTO platform.resend_request AS request (stream, consumer_group, after_seq)
     VALUES ($1, $2, $3) ON CONFLICT (stream, consumer_group)
     DO UPDATE SET after_seq = excluded.after_seq, wanted_at = clock_timestamp()
     WHERE request.after_seq <> excluded.after_seq`,
    [stream, group, after],
  )
}

interface RequestRow {
  readonly group: string
  readonly after: bigint
  readonly position: bigint | null
  readonly is_kept: boolean
}

export async function listResendRequests(
  db: Db,
  stream: string,
): Promise<readonly ResendRequest[]> {
  const rows = await db.query<RequestRow>(
    `SELECT request.consumer_group AS group, request.after_seq AS after, position.seq AS position,
       EXISTS (SELECT FROM platform.outbox
               WHERE outbox.stream = request.stream AND outbox.seq = request.after_seq + 1) AS is_kept
     FROM platform.resend_request AS request
     LEFT JOIN platform.consumer_position AS position
       ON position.stream = request.stream AND position.consumer_group = request.consumer_group
     WHERE request.stream = $1 ORDER BY request.consumer_group`,
    [stream],
  )
  return rows.map(({ group, after, position, is_kept: isKept }) => ({
    group,
    after,
    position: position ?? undefined,
    isKept,
  }))
}

export async function forgetResendRequests(
  tx: Tx,
  stream: string,
  groups: readonly string[],
): Promise<void> {
  await tx.query(
    'DELETE FROM platform.resend_request WHERE stream = $1 AND consumer_group = ANY($2)',
    [stream, groups],
  )
}
