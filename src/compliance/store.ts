import { assert } from '#kernel/assert.ts'
import { idFromUuid, uuidOf } from '#kernel/id.ts'
import type { PageRequest } from '#kernel/page.ts'
import { formatInstant, instant, type Instant } from '#kernel/time.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import {
  REGISTRATION_STATUSES,
  type RegistrationStatus,
  type WalletRegistration,
} from './wallet-registration.ts'

interface RegistrationRow {
  readonly id: string
  readonly account_id: string
  readonly chain_account: bigint
  readonly wallet: string
  readonly status: string
  readonly investor_class: number | null
  readonly expires_at: Date | null
  readonly reason: string | null
  readonly attempts: number
  readonly tx_key: string | null
  readonly identity_hash: Buffer
  readonly created_at: Date
}

const COLUMNS = `id, account_id, chain_account, wallet, status, investor_class, expires_at, reason,
  attempts, tx_key, identity_hash, created_at`

export async function findRegistration(
  db: Db,
  accountId: string,
): Promise<WalletRegistration | undefined> {
  const rows = await db.query<RegistrationRow>(
    `SELECT ${COLUMNS} FROM compliance.registration WHERE account_id = $1`,
    [uuidOf('account', accountId)],
  )
  return rows.map(toRegistration)[0]
}

/** The registration, with its row locked. */
export async function lockRegistration(
  tx: Tx,
  accountId: string,
): Promise<WalletRegistration | undefined> {
  const rows = await tx.query<RegistrationRow>(
    `SELECT ${COLUMNS} FROM compliance.registration WHERE account_id = $1 FOR UPDATE`,
    [uuidOf('account', accountId)],
  )
  return rows.map(toRegistration)[0]
}

/** Oldest first; one row more than the page holds. */
export async function listRegistrations(
  db: Db,
  status: RegistrationStatus | undefined,
  page: PageRequest,
): Promise<readonly WalletRegistration[]> {
  const rows = await db.query<RegistrationRow>(
    `SELECT ${COLUMNS} FROM compliance.registration
     WHERE ($1::text IS NULL OR status = $1) AND ($2::uuid IS NULL OR id > $2)
     ORDER BY id LIMIT $3`,
    [status ?? null, page.after ?? null, page.limit + 1],
  )
  return rows.map(toRegistration)
}

export interface NewRegistration {
  readonly id: string
  readonly accountId: string
  readonly chainAccount: number
  readonly wallet: string
  readonly identitySalt: Buffer
  readonly identityHash: Buffer
  readonly createdAt: Instant
}

/** Puts a wallet in place of a refused one; undefined when another account has the wallet. */
export async function putRegistration(
  tx: Tx,
  registration: NewRegistration,
): Promise<WalletRegistration | undefined> {
  const { accountId, chainAccount, wallet } = registration
  // Two accounts that link one wallet at a time: the second waits here and then finds the first.
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended(lower($1), 5))', [wallet])
  const rows = await tx.query<RegistrationRow>(
    `INSERT INTO compliance.registration AS known (account_id, id, chain_account, wallet, status,
       identity_salt, identity_hash, created_at)
     SELECT $1, $2, $3, $4, 'pending_approval', $5, $6, $7
     WHERE NOT EXISTS (SELECT FROM compliance.registration
                       WHERE lower(wallet) = lower($4) AND status <> 'refused' AND account_id <> $1)
     ON CONFLICT (account_id) DO UPDATE SET id = excluded.id, wallet = excluded.wallet,
       status = excluded.status, identity_salt = excluded.identity_salt,
       identity_hash = excluded.identity_hash, created_at = excluded.created_at,
       reason = NULL, decided_by = NULL, decided_at = NULL
       WHERE known.status = 'refused'
     RETURNING ${COLUMNS}`,
    [
      uuidOf('account', accountId),
      registration.id,
      chainAccount,
      wallet,
      registration.identitySalt,
      registration.identityHash,
      formatInstant(registration.createdAt),
    ],
  )
  return rows.map(toRegistration)[0]
}

export interface Decision {
  readonly status: RegistrationStatus
  readonly decidedBy: string
  readonly decidedAt: Instant
  readonly investorClass?: number
  readonly expiresAt?: Instant | null
  readonly reason?: string
  readonly txKey?: string
  readonly attempts?: number
}

export async function recordDecision(
  tx: Tx,
  accountId: string,
  decision: Decision,
): Promise<WalletRegistration> {
  const { expiresAt = null } = decision
  const rows = await tx.query<RegistrationRow>(
    `UPDATE compliance.registration
     SET status = $2, decided_by = $3, decided_at = $4, investor_class = $5, expires_at = $6,
         reason = $7, tx_key = $8, attempts = coalesce($9, attempts)
     WHERE account_id = $1 RETURNING ${COLUMNS}`,
    [
      uuidOf('account', accountId),
      decision.status,
      decision.decidedBy,
      formatInstant(decision.decidedAt),
      decision.investorClass ?? null,
      expiresAt === null ? null : formatInstant(expiresAt),
      decision.reason ?? null,
      decision.txKey ?? null,
      decision.attempts ?? null,
    ],
  )
  const row = rows[0]
  assert(row !== undefined, 'compliance.registration')
  return toRegistration(row)
}

/** Puts an approved registration back into the queue, undecided, with the reason. */
export async function returnToQueue(
  tx: Tx,
  accountId: string,
  status: RegistrationStatus,
  reason: string,
): Promise<void> {
  await tx.query(
    `UPDATE compliance.registration
     SET status = $2, reason = $3, investor_class = NULL, expires_at = NULL, decided_by = NULL,
         decided_at = NULL
     WHERE account_id = $1`,
    [uuidOf('account', accountId), status, reason],
  )
}

function toRegistration(row: RegistrationRow): WalletRegistration {
  const status = REGISTRATION_STATUSES.find((known) => known === row.status)
  assert(
    status !== undefined && typeof row.chain_account === 'bigint',
    'compliance.registration.status',
  )
  return {
    id: row.id,
    accountId: idFromUuid('account', row.account_id),
    chainAccount: Number(row.chain_account),
    wallet: row.wallet,
    status,
    investorClass: row.investor_class,
    expiresAt: row.expires_at === null ? null : instant(row.expires_at.getTime()),
    reason: row.reason,
    attempts: row.attempts,
    txKey: row.tx_key,
    identityHash: row.identity_hash,
    createdAt: instant(row.created_at.getTime()),
  }
}
