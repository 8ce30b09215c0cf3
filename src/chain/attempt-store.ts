import type { Db, Tx } from '#platform/db/pool.ts'
import type { Fees } from './gas.ts'
import type { Address, Hex } from './hex.ts'
import type { AttemptKind } from './tx.ts'

/** The highest nonce that was ever given out for this address. */
export async function findLastNonce(db: Db, signer: Address): Promise<number | undefined> {
  const rows = await db.query<{ nonce: bigint | null }>(
    'SELECT max(nonce) AS nonce FROM chain.nonce WHERE signer = $1',
    [signer],
  )
  const nonce = rows[0]?.nonce
  return typeof nonce === 'bigint' ? Number(nonce) : undefined
}

export interface NewAttempt {
  readonly request: string
  readonly kind: AttemptKind
  readonly signer: Address
  readonly nonce: number
  readonly hash: Hex
  readonly raw: Hex
  readonly gasLimit: bigint
  readonly fees: Fees
  readonly signedHead: number
}

/** Gives a nonce to a request that holds none; a nonce is never given twice. */
export async function insertNonce(
  tx: Tx,
  { signer, nonce, request }: Pick<NewAttempt, 'signer' | 'nonce' | 'request'>,
): Promise<void> {
  await tx.query('INSERT INTO chain.nonce (signer, nonce, request) VALUES ($1, $2, $3)', [
    signer,
    nonce,
    request,
  ])
}

/** Bytes and hash, before anybody outside sees them. */
export async function insertAttempt(tx: Tx, attempt: NewAttempt): Promise<void> {
  const { request, kind, signer, nonce, hash, raw, gasLimit, fees, signedHead } = attempt
  await tx.query(
    `INSERT INTO chain.tx_attempt (request, attempt, kind, signer, nonce, hash, raw, gas_limit,
       max_fee_wei, priority_fee_wei, signed_head)
     SELECT $1, coalesce(max(attempt), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10
     FROM chain.tx_attempt WHERE request = $1`,
    [
      request,
      kind,
      signer,
      nonce,
      hash,
      raw,
      gasLimit,
      fees.maxFeeWei.toString(),
      fees.priorityFeeWei.toString(),
      signedHead,
    ],
  )
}

/** Somebody else used the nonce for good: the request holds none any more. */
export async function loseNonce(tx: Tx, request: string): Promise<void> {
  await tx.query('UPDATE chain.nonce SET is_lost = true WHERE request = $1 AND NOT is_lost', [
    request,
  ])
}

export async function markSent(tx: Tx, hash: Hex): Promise<void> {
  await tx.query('UPDATE chain.tx_attempt SET sent_at = clock_timestamp() WHERE hash = $1', [hash])
}

/** Makes the bytes due again at once. */
export async function markUnsent(tx: Tx, hash: Hex): Promise<void> {
  await tx.query('UPDATE chain.tx_attempt SET sent_at = NULL WHERE hash = $1', [hash])
}
