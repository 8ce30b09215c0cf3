import { assert, present } from '#kernel/assert.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import type { Fees } from './gas.ts'
import { addressOf, hashOf, hexOf, type Address, type Hex } from './hex.ts'
import { TRANSACTION_STATES, type Sighting, type TransactionState } from './tx.ts'

/** Whose key signs. */
export const SIGNER_ROLES = ['settler', 'registrar'] as const
export type SignerRole = (typeof SIGNER_ROLES)[number]

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

/** A request with what was signed for it and what the chain says of that. */
export interface OpenRequest extends StoredRequest {
  readonly nonce: number | undefined
  readonly attempt:
    { readonly hash: Hex; readonly raw: Hex; readonly sentAgoMs: number | undefined } | undefined
  readonly sighting: (Sighting & { readonly blockHash: Hex }) | undefined
  /** Since it was signed. */
  readonly ageMs: number
}

export interface TransactionRow extends StoredRequest {
  readonly hash: Hex | undefined
  readonly blockNumber: number | undefined
  readonly gasUsed: bigint | undefined
}

const REQUEST = 'r.id, r.key, r.signer, r.target, r.data, r.gas_cap, r.state, r.error'
const LAST_ATTEMPT = `LEFT JOIN LATERAL (
    SELECT * FROM chain.tx_attempt WHERE request = r.id ORDER BY attempt DESC LIMIT 1
  ) a ON true`
const CANONICAL_RECEIPT = `LEFT JOIN LATERAL (
    SELECT t.hash, b.hash AS block_hash, b.number, b.state AS block_state, c.status, c.gas_used
    FROM chain.tx_attempt t JOIN chain.receipt c ON c.tx_hash = t.hash
      JOIN chain.block b ON b.hash = c.block_hash AND b.state <> 'retracted'
    WHERE t.request = r.id LIMIT 1
  ) m ON true`

/** Inserts the request unless its key is known; answers what is stored under the key. */
export async function putRequest(tx: Tx, request: NewRequest): Promise<StoredRequest> {
  const { id, key, signer, to, data, gasCap = null } = request
  await tx.query(
    `INSERT INTO chain.tx_request (id, key, signer, target, data, gas_cap, state)
     VALUES ($1, $2, $3, $4, $5, $6, 'requested') ON CONFLICT (key) DO NOTHING`,
    [id, key, signer, to, data, gasCap],
  )
  const rows = await tx.query<RequestRow>(
    `SELECT ${REQUEST} FROM chain.tx_request r WHERE r.key = $1`,
    [key],
  )
  return toRequest(present(rows[0], 'the request just made'))
}

export async function findTransaction(db: Db, key: string): Promise<TransactionRow | undefined> {
  const rows = await db.query<FoundRow>(
    `SELECT ${REQUEST}, coalesce(m.hash, a.hash) AS hash, m.number, m.gas_used
     FROM chain.tx_request r ${LAST_ATTEMPT} ${CANONICAL_RECEIPT} WHERE r.key = $1`,
    [key],
  )
  return rows.map(toTransaction)[0]
}

/** What is not over yet, in the order of the requests. */
export async function listOpen(
  db: Db,
  signers: readonly SignerRole[],
  limit: number,
): Promise<readonly OpenRequest[]> {
  const rows = await db.query<OpenRow>(
    `SELECT ${REQUEST}, n.nonce, a.hash, a.raw, m.block_hash, m.block_state, m.status,
       (extract(epoch FROM clock_timestamp() - a.sent_at) * 1000)::bigint AS sent_ago_ms,
       (extract(epoch FROM clock_timestamp() - coalesce(a.signed_at, r.created_at)) * 1000)::bigint
         AS age_ms
     FROM chain.tx_request r LEFT JOIN chain.nonce n ON n.request = r.id
     ${LAST_ATTEMPT} ${CANONICAL_RECEIPT}
     WHERE r.state NOT IN ('final', 'reverted', 'rejected') AND r.signer = ANY($1)
     ORDER BY r.seq LIMIT $2`,
    [signers, limit],
  )
  return rows.map(toOpen)
}

/** The highest nonce that was ever given out for this address. */
export async function findLastNonce(db: Db, signer: Address): Promise<number | undefined> {
  const rows = await db.query<{ nonce: bigint | null }>(
    'SELECT max(nonce) AS nonce FROM chain.nonce WHERE signer = $1',
    [signer],
  )
  const nonce = rows[0]?.nonce
  return typeof nonce === 'bigint' ? Number(nonce) : undefined
}

/** Nonce, bytes and hash, before anybody outside sees them. */
export async function insertSigned(
  tx: Tx,
  signed: {
    readonly request: string
    readonly signer: Address
    readonly nonce: number
    readonly hash: Hex
    readonly raw: Hex
    readonly gasLimit: bigint
    readonly fees: Fees
  },
): Promise<void> {
  const { request, signer, nonce, hash, raw, gasLimit, fees } = signed
  await tx.query('INSERT INTO chain.nonce (signer, nonce, request) VALUES ($1, $2, $3)', [
    signer,
    nonce,
    request,
  ])
  await tx.query(
    `INSERT INTO chain.tx_attempt
       (request, attempt, hash, raw, gas_limit, max_fee_wei, priority_fee_wei)
     VALUES ($1, 1, $2, $3, $4, $5, $6)`,
    [request, hash, raw, gasLimit, fees.maxFeeWei.toString(), fees.priorityFeeWei.toString()],
  )
  await setState(tx, request, 'signed')
}

export async function setState(
  tx: Tx,
  id: string,
  state: TransactionState,
  error: string | null = null,
): Promise<void> {
  await tx.query(
    `UPDATE chain.tx_request SET state = $2, error = $3, updated_at = clock_timestamp()
     WHERE id = $1`,
    [id, state, error],
  )
}

export async function markSent(tx: Tx, hash: Hex): Promise<void> {
  await tx.query('UPDATE chain.tx_attempt SET sent_at = clock_timestamp() WHERE hash = $1', [hash])
}

/** Makes the bytes due again at once. */
export async function markUnsent(tx: Tx, hash: Hex): Promise<void> {
  await tx.query('UPDATE chain.tx_attempt SET sent_at = NULL WHERE hash = $1', [hash])
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
  readonly hash: string | null
  readonly number: bigint | null
  readonly gas_used: bigint | null
}

interface OpenRow extends RequestRow {
  readonly nonce: bigint | null
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
  const state = TRANSACTION_STATES.find((name) => name === row.state)
  assert(signer !== undefined && state !== undefined, 'signer and state of a request')
  return {
    id: row.id,
    key: row.key,
    signer,
    to: addressOf(row.target, 'tx_request.target'),
    data: hexOf(row.data, 'tx_request.data'),
    gasCap: row.gas_cap ?? undefined,
    state,
    error: row.error ?? undefined,
  }
}

function toTransaction(row: FoundRow): TransactionRow {
  const request = toRequest(row)
  // A block is retracted a moment before the transaction manager notes it.
  const isLost = request.state === 'mined' && row.number === null
  return {
    ...request,
    state: isLost ? 'broadcast' : request.state,
    hash: row.hash === null ? undefined : hashOf(row.hash, 'hash'),
    blockNumber: row.number === null ? undefined : Number(row.number),
    gasUsed: row.gas_used ?? undefined,
  }
}

function toOpen(row: OpenRow): OpenRequest {
  const sentAgoMs = row.sent_ago_ms === null ? undefined : Number(row.sent_ago_ms)
  const { hash, raw, block_hash: blockHash } = row
  return {
    ...toRequest(row),
    nonce: row.nonce === null ? undefined : Number(row.nonce),
    ageMs: Number(row.age_ms),
    attempt:
      hash === null || raw === null
        ? undefined
        : { hash: hashOf(hash, 'hash'), raw: hexOf(raw, 'raw'), sentAgoMs },
    sighting:
      blockHash === null
        ? undefined
        : {
            status: row.status === 1 ? 1 : 0,
            isFinal: row.block_state === 'final',
            blockHash: hashOf(blockHash, 'block_hash'),
          },
  }
}
