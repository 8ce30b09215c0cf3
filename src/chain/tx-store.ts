import { assert, present } from '#kernel/assert.ts'
import type { PageRequest } from '#kernel/page.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import type { Fees } from './gas.ts'
import { addressOf, hashOf, hexOf, type Address, type Hex } from './hex.ts'
import { SIGNER_ROLES, type SignerRole } from './signer.ts'
import {
  TRANSACTION_STATES,
  WISHES,
  type AttemptKind,
  type Sighting,
  type TransactionState,
  type Wish,
} from './tx.ts'

export interface NewRequest {
  /** Bare UUID. */
  readonly id: string
  readonly key: string
  readonly signer: SignerRole
  readonly to: Address
  readonly data: Hex
  readonly gasCap: bigint | undefined
}

export interface StoredRequest extends NewRequest {
  readonly state: TransactionState
  readonly error: string | undefined
}

/** The newest bytes of the nonce that a request holds. */
export interface StoredAttempt {
  readonly kind: AttemptKind
  readonly hash: Hex
  readonly raw: Hex
  readonly gasLimit: bigint
  readonly fees: Fees
  readonly ageMs: number
  /** Since an endpoint took it; undefined when none did. */
  readonly sentAgoMs: number | undefined
  /** The newest block when it was signed; undefined for those of older versions. */
  readonly signedHead: number | undefined
}

/** A request with what was signed for it and what the chain says of that. */
export interface OpenRequest extends StoredRequest {
  readonly wish: Wish | undefined
  readonly nonce: number | undefined
  readonly attempt: StoredAttempt | undefined
  readonly hasCancel: boolean
  /** Of all attempts, the oldest first. */
  readonly hashes: readonly Hex[]
  readonly sighting: (Sighting & { readonly blockHash: Hex }) | undefined
  /** Since its first bytes were signed, else since it was asked for. */
  readonly ageMs: number
}

export interface TransactionRow extends StoredRequest {
  readonly wish: Wish | undefined
  readonly nonce: number | undefined
  readonly attempts: number
  readonly hash: Hex | undefined
  readonly blockNumber: number | undefined
  readonly gasUsed: bigint | undefined
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

const REQUEST = 'r.id, r.key, r.signer, r.target, r.data, r.gas_cap, r.state, r.error'
const LIVE_NONCE = 'LEFT JOIN chain.nonce n ON n.request = r.id AND NOT n.is_lost'
const LAST_ATTEMPT = `LEFT JOIN LATERAL (
    SELECT * FROM chain.tx_attempt WHERE request = r.id ORDER BY attempt DESC LIMIT 1
  ) a ON true`
const LIVE_ATTEMPT = `LEFT JOIN LATERAL (
    SELECT * FROM chain.tx_attempt
    WHERE request = r.id AND signer = n.signer AND nonce = n.nonce ORDER BY attempt DESC LIMIT 1
  ) a ON true`
const CANONICAL_RECEIPT = `LEFT JOIN LATERAL (
    SELECT t.hash, t.kind, b.hash AS block_hash, b.number, b.state AS block_state, c.status,
      c.gas_used
    FROM chain.tx_attempt t JOIN chain.receipt c ON c.tx_hash = t.hash
      JOIN chain.block b ON b.hash = c.block_hash AND b.state <> 'retracted'
    WHERE t.request = r.id LIMIT 1
  ) m ON true`
const TRANSACTION = `SELECT ${REQUEST}, r.wish, n.nonce, coalesce(m.hash, a.hash) AS hash,
    a.kind AS last_kind, coalesce(a.attempt, 0) AS attempts, m.number, m.gas_used,
    (extract(epoch FROM r.created_at) * 1000)::bigint AS created_ms,
    (extract(epoch FROM r.updated_at) * 1000)::bigint AS updated_ms
  FROM chain.tx_request r ${LIVE_NONCE} ${LAST_ATTEMPT} ${CANONICAL_RECEIPT}`

/** Inserts the request unless its key is known; answers what is stored under the key. */
export async function putRequest(
  tx: Tx,
  request: NewRequest,
  isUrgent: boolean,
): Promise<StoredRequest> {
  const { id, key, signer, to, data, gasCap = null } = request
  await tx.query(
    `INSERT INTO chain.tx_request (id, key, signer, target, data, gas_cap, is_urgent, state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 'requested') ON CONFLICT (key) DO NOTHING`,
    [id, key, signer, to, data, gasCap, isUrgent],
  )
  const rows = await tx.query<RequestRow>(
    `SELECT ${REQUEST} FROM chain.tx_request r WHERE r.key = $1`,
    [key],
  )
  return toRequest(present(rows[0], 'the request just made'))
}

export async function findTransaction(db: Db, key: string): Promise<TransactionRow | undefined> {
  const rows = await db.query<FoundRow>(`${TRANSACTION} WHERE r.key = $1`, [key])
  return rows.map(toTransaction)[0]
}

/** How far the requests with these keys are; a key that nobody used is left out. */
export async function readStates(
  db: Db,
  keys: readonly string[],
): Promise<ReadonlyMap<string, TransactionState>> {
  const rows = await db.query<{ key: string; state: string }>(
    'SELECT key, state FROM chain.tx_request WHERE key = ANY($1)',
    [keys],
  )
  return new Map(rows.map(({ key, state }) => [key, stateOf(state)]))
}

export async function findTransactionById(db: Db, id: string): Promise<TransactionRow | undefined> {
  const rows = await db.query<FoundRow>(`${TRANSACTION} WHERE r.id = $1`, [id])
  return rows.map(toTransaction)[0]
}

export interface TransactionFilter {
  readonly state?: TransactionState | undefined
  readonly signer?: SignerRole | undefined
}

/** Newest first, one row more than the page. */
export async function listTransactions(
  db: Db,
  filter: TransactionFilter,
  page: PageRequest,
): Promise<readonly TransactionRow[]> {
  const rows = await db.query<FoundRow>(
    `${TRANSACTION} WHERE ($1::text IS NULL OR r.state = $1)
       AND ($2::text IS NULL OR r.signer = $2) AND ($3::uuid IS NULL OR r.id < $3)
     ORDER BY r.id DESC LIMIT $4`,
    [filter.state ?? null, filter.signer ?? null, page.after ?? null, page.limit + 1],
  )
  return rows.map(toTransaction)
}

/** Keeps the state from changing while an operator's wish is judged. */
export async function lockRequest(tx: Tx, id: string): Promise<TransactionState | undefined> {
  const rows = await tx.query<{ state: string }>(
    'SELECT state FROM chain.tx_request WHERE id = $1 FOR UPDATE',
    [id],
  )
  return rows.map(({ state }) => stateOf(state))[0]
}

/** What an operator wants; the transaction manager does it. */
export async function putWish(
  tx: Tx,
  id: string,
  wish: { readonly wish: Wish; readonly reason: string; readonly actor: string },
): Promise<void> {
  await tx.query('UPDATE chain.tx_request SET wish = $2 WHERE id = $1', [id, wish.wish])
  await tx.query(
    'INSERT INTO chain.tx_wish (request, wish, reason, actor) VALUES ($1, $2, $3, $4)',
    [id, wish.wish, wish.reason, wish.actor],
  )
}

/**
 * What of a signer is not over yet: what has a nonce, then the urgent, then the rest, each in the
 * order of the requests. Those that wait for a person come last, so that they keep nothing else back.
 */
export async function listOpen(
  db: Db,
  signer: SignerRole,
  limit: number,
): Promise<readonly OpenRequest[]> {
  const rows = await db.query<OpenRow>(
    `SELECT ${REQUEST}, r.wish, n.nonce, a.hash, a.raw, a.kind, a.gas_limit, a.max_fee_wei::text,
       a.priority_fee_wei::text, a.signed_head, m.block_hash, m.block_state, m.status,
       m.kind AS mined_kind, h.hashes, h.has_cancel,
       (extract(epoch FROM clock_timestamp() - a.sent_at) * 1000)::bigint AS sent_ago_ms,
       (extract(epoch FROM clock_timestamp() - a.signed_at) * 1000)::bigint AS attempt_age_ms,
       (extract(epoch FROM clock_timestamp() - coalesce(h.signed_at, r.created_at)) * 1000)::bigint
         AS age_ms
     FROM chain.tx_request r ${LIVE_NONCE} ${LIVE_ATTEMPT} ${CANONICAL_RECEIPT}
       LEFT JOIN LATERAL (
         SELECT array_agg(hash::text ORDER BY attempt) AS hashes, min(signed_at) AS signed_at,
           bool_or(kind = 'cancel' AND nonce = n.nonce AND signer = n.signer) AS has_cancel
         FROM chain.tx_attempt WHERE request = r.id
       ) h ON true
     WHERE r.state NOT IN ('final', 'reverted', 'rejected', 'cancelled') AND r.signer = $1
     ORDER BY (r.state = 'held' AND r.wish IS NULL), n.nonce IS NULL, n.nonce IS NULL AND NOT r.is_urgent,
       r.seq
     LIMIT $2`,
    [signer, limit],
  )
  return rows.map(toOpen)
}

/** A wish that is fulfilled, or has become pointless, goes with the state that it was for. */
export async function setState(
  tx: Tx,
  id: string,
  state: TransactionState,
  change: { readonly error?: string | null; readonly endsWish?: boolean } = {},
): Promise<void> {
  const { error = null, endsWish = false } = change
  await tx.query(
    `UPDATE chain.tx_request SET state = $2, error = $3, updated_at = clock_timestamp(),
       wish = CASE WHEN $4 THEN NULL ELSE wish END
     WHERE id = $1`,
    [id, state, error, endsWish],
  )
}

interface RequestRow {
  readonly id: string
  readonly key: string
  readonly signer: string
  readonly target: string
  readonly data: string
  readonly gas_cap: bigint | null
  readonly state: string
  readonly error: string | null
}

interface FoundRow extends RequestRow {
  readonly wish: string | null
  readonly nonce: bigint | null
  readonly last_kind: string | null
  readonly attempts: number
  readonly created_ms: bigint
  readonly updated_ms: bigint
  readonly hash: string | null
  readonly number: bigint | null
  readonly gas_used: bigint | null
}

interface OpenRow extends RequestRow {
  readonly wish: string | null
  readonly nonce: bigint | null
  readonly kind: string | null
  readonly gas_limit: bigint | null
  readonly max_fee_wei: string | null
  readonly priority_fee_wei: string | null
  readonly signed_head: bigint | null
  readonly attempt_age_ms: bigint | null
  readonly mined_kind: string | null
  readonly hashes: readonly string[] | null
  readonly has_cancel: boolean | null
  readonly hash: string | null
  readonly raw: string | null
  readonly sent_ago_ms: bigint | null
  readonly age_ms: bigint
  readonly block_hash: string | null
  readonly block_state: string | null
  readonly status: number | null
}

function toRequest(row: RequestRow): StoredRequest {
  const signer = SIGNER_ROLES.find((role) => role === row.signer)
  assert(signer !== undefined, 'signer of a request')
  return {
    id: row.id,
    key: row.key,
    signer,
    to: addressOf(row.target, 'tx_request.target'),
    data: hexOf(row.data, 'tx_request.data'),
    gasCap: row.gas_cap ?? undefined,
    state: stateOf(row.state),
    error: row.error ?? undefined,
  }
}

function stateOf(text: string): TransactionState {
  return present(
    TRANSACTION_STATES.find((name) => name === text),
    'state of a request',
  )
}

function wishOf(text: string | null): Wish | undefined {
  return WISHES.find((name) => name === text)
}

function kindOf(text: string | null): AttemptKind {
  return text === 'cancel' ? 'cancel' : 'intent'
}

function numberOf(value: bigint | null): number | undefined {
  return value === null ? undefined : Number(value)
}

function toTransaction(row: FoundRow): TransactionRow {
  const request = toRequest(row)
  // A block is retracted a moment before the transaction manager notes it.
  const isLost = request.state === 'mined' && row.number === null
  const before = row.last_kind === 'cancel' ? 'cancelling' : 'broadcast'
  return {
    ...request,
    state: isLost ? before : request.state,
    wish: wishOf(row.wish),
    nonce: numberOf(row.nonce),
    attempts: row.attempts,
    hash: row.hash === null ? undefined : hashOf(row.hash, 'hash'),
    blockNumber: numberOf(row.number),
    gasUsed: row.gas_used ?? undefined,
    createdAtMs: Number(row.created_ms),
    updatedAtMs: Number(row.updated_ms),
  }
}

function toOpen(row: OpenRow): OpenRequest {
  const { block_hash: blockHash } = row
  return {
    ...toRequest(row),
    wish: wishOf(row.wish),
    nonce: numberOf(row.nonce),
    ageMs: Number(row.age_ms),
    hasCancel: row.has_cancel ?? false,
    hashes: (row.hashes ?? []).map((hash) => hashOf(hash, 'hash')),
    attempt: toAttempt(row),
    sighting:
      blockHash === null
        ? undefined
        : {
            kind: kindOf(row.mined_kind),
            status: row.status === 1 ? 1 : 0,
            isFinal: row.block_state === 'final',
            blockHash: hashOf(blockHash, 'block_hash'),
          },
  }
}

function toAttempt(row: OpenRow): StoredAttempt | undefined {
  const { hash, raw, gas_limit: gasLimit, max_fee_wei: maxFee, priority_fee_wei: tip } = row
  if (hash === null || raw === null) return undefined
  assert(gasLimit !== null && maxFee !== null && tip !== null, 'gas and fees of an attempt')
  return {
    kind: kindOf(row.kind),
    hash: hashOf(hash, 'hash'),
    raw: hexOf(raw, 'raw'),
    gasLimit,
    fees: { maxFeeWei: BigInt(maxFee), priorityFeeWei: BigInt(tip) },
    ageMs: Number(row.attempt_age_ms),
    sentAgoMs: numberOf(row.sent_ago_ms),
    signedHead: numberOf(row.signed_head),
  }
}
