import { assert } from '#kernel/assert.ts'
import { idFromUuid, uuidOf } from '#kernel/id.ts'
import { formatInstant, type Instant } from '#kernel/time.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import { isRole, type Role } from './rbac.ts'
import type { User } from './user.ts'

interface UserRow {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly roles: readonly string[]
  readonly account_id: string
  readonly chain_account: bigint
}

const USER = 'u.id, u.email, u.name, u.roles, a.id AS account_id, a.chain_account'
const USERS = 'accounts.users u JOIN accounts.account a ON a.user_id = u.id'

export interface NewUser {
  /** `usr_…` */
  readonly id: string
  /** `acc_…` */
  readonly accountId: string
  readonly email: string
  readonly name: string
  readonly passwordHash: string
  readonly roles: readonly Role[]
}

/** Inserts a user with an account; undefined when the email is taken. */
export async function insertUser(tx: Tx, user: NewUser): Promise<User | undefined> {
  const rows = await tx.query<UserRow>(
    `WITH u AS (
       INSERT INTO accounts.users (id, email, name, password_hash, roles)
       VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email) DO NOTHING RETURNING *
     ), a AS (
       INSERT INTO accounts.account (id, user_id, chain_account)
       SELECT $6, u.id, nextval('accounts.chain_account') FROM u RETURNING *
     )
     SELECT ${USER} FROM u JOIN a ON a.user_id = u.id`,
    [
      uuidOf('user', user.id),
      user.email,
      user.name,
      user.passwordHash,
      user.roles,
      uuidOf('account', user.accountId),
    ],
  )
  return rows.map(toUser)[0]
}

export async function findUser(db: Db, id: string): Promise<User | undefined> {
  const rows = await db.query<UserRow>(`SELECT ${USER} FROM ${USERS} WHERE u.id = $1`, [
    uuidOf('user', id),
  ])
  return rows.map(toUser)[0]
}

/** `email` is normalized. */
export async function findUserByEmail(db: Db, email: string): Promise<User | undefined> {
  const rows = await db.query<UserRow>(`SELECT ${USER} FROM ${USERS} WHERE u.email = $1`, [email])
  return rows.map(toUser)[0]
}

/** Users by their accounts (`acc_…`); unknown ones are left out. */
export async function listUsersByAccount(
  db: Db,
  accountIds: readonly string[],
): Promise<readonly User[]> {
  const rows = await db.query<UserRow>(
    `SELECT ${USER} FROM ${USERS} WHERE a.id = ANY ($1::uuid[])`,
    [accountIds.map((id) => uuidOf('account', id))],
  )
  return rows.map(toUser)
}

/** Users by the numbers of their accounts; unknown ones are left out. */
export async function listUsersByChainAccount(
  db: Db,
  chainAccounts: readonly number[],
): Promise<readonly User[]> {
  const rows = await db.query<UserRow>(
    `SELECT ${USER} FROM ${USERS} WHERE a.chain_account = ANY ($1::bigint[])`,
    [chainAccounts],
  )
  return rows.map(toUser)
}

export async function findPasswordHash(db: Db, email: string): Promise<string | undefined> {
  const rows = await db.query<{ password_hash: string }>(
    'SELECT password_hash FROM accounts.users WHERE email = $1',
    [email],
  )
  return rows[0]?.password_hash
}

export async function addRole(tx: Tx, id: string, role: Role): Promise<void> {
  await tx.query(
    `UPDATE accounts.users SET roles = array_append(roles, $2)
     WHERE id = $1 AND NOT $2 = ANY (roles)`,
    [uuidOf('user', id), role],
  )
}

/** Numbers of accounts that the ledger has not opened yet. */
export async function listUnopened(db: Db, userId?: string): Promise<readonly number[]> {
  const rows = await db.query<{ chain_account: bigint }>(
    `SELECT chain_account FROM accounts.account
     WHERE opened_at IS NULL AND ($1::uuid IS NULL OR user_id = $1) ORDER BY chain_account`,
    [userId === undefined ? null : uuidOf('user', userId)],
  )
  return rows.map((row) => Number(row.chain_account))
}

export async function markOpened(tx: Tx, chainAccount: number, at: Instant): Promise<void> {
  await tx.query('UPDATE accounts.account SET opened_at = $2 WHERE chain_account = $1', [
    chainAccount,
    formatInstant(at),
  ])
}

export interface NewApiKey {
  /** `key_…` */
  readonly id: string
  readonly userId: string
  readonly name: string
  readonly hash: Buffer
  readonly scopes: readonly string[] | null
}

/** Keeps a key that is already there; returns whose it is. */
export async function insertApiKey(
  tx: Tx,
  key: NewApiKey,
): Promise<{ readonly id: string; readonly userId: string }> {
  await tx.query(
    `INSERT INTO accounts.api_key (id, user_id, name, hash, scopes)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (hash) DO NOTHING`,
    [uuidOf('apiKey', key.id), uuidOf('user', key.userId), key.name, key.hash, key.scopes],
  )
  const rows = await tx.query<{ id: string; user_id: string }>(
    'SELECT id, user_id FROM accounts.api_key WHERE hash = $1',
    [key.hash],
  )
  const row = rows[0]
  assert(row !== undefined, 'accounts.api_key')
  return { id: idFromUuid('apiKey', row.id), userId: idFromUuid('user', row.user_id) }
}

export interface KeyHolder {
  /** `key_…` */
  readonly keyId: string
  readonly scopes: readonly string[] | null
  readonly user: User
}

/** Whose unrevoked key has this hash. */
export async function findKeyHolder(db: Db, hash: Buffer): Promise<KeyHolder | undefined> {
  const rows = await db.query<
    UserRow & { readonly key_id: string; readonly scopes: readonly string[] | null }
  >(
    `SELECT k.id AS key_id, k.scopes, ${USER}
     FROM accounts.api_key k
     JOIN accounts.users u ON u.id = k.user_id
     JOIN accounts.account a ON a.user_id = u.id
     WHERE k.hash = $1 AND k.revoked_at IS NULL`,
    [hash],
  )
  const row = rows[0]
  if (row === undefined) return undefined
  return { keyId: idFromUuid('apiKey', row.key_id), scopes: row.scopes, user: toUser(row) }
}

export interface Challenge {
  /** Lower case. */
  readonly address: string
  readonly message: string
  readonly expiresAtMs: number
}

/** Replaces whatever the user was asked to sign before. */
export async function putChallenge(tx: Tx, userId: string, challenge: Challenge): Promise<void> {
  await tx.query(
    `INSERT INTO accounts.wallet_challenge (user_id, address, message, expires_at)
     VALUES ($1, $2, $3, to_timestamp($4::double precision / 1000))
     ON CONFLICT (user_id) DO UPDATE SET address = excluded.address,
       message = excluded.message, expires_at = excluded.expires_at`,
    [uuidOf('user', userId), challenge.address, challenge.message, challenge.expiresAtMs],
  )
}

/** Removes the user's challenge of this address and returns it. */
export async function takeChallenge(
  tx: Tx,
  userId: string,
  address: string,
): Promise<Challenge | undefined> {
  const rows = await tx.query<{ address: string; message: string; expires_at: Date }>(
    `DELETE FROM accounts.wallet_challenge WHERE user_id = $1 AND address = $2
     RETURNING address, message, expires_at`,
    [uuidOf('user', userId), address],
  )
  const row = rows[0]
  if (row === undefined) return undefined
  return { address: row.address, message: row.message, expiresAtMs: row.expires_at.getTime() }
}

function toUser(row: UserRow): User {
  assert(typeof row.chain_account === 'bigint' && Array.isArray(row.roles), 'accounts.users')
  return {
    id: idFromUuid('user', row.id),
    email: row.email,
    name: row.name,
    roles: row.roles.filter(isRole),
    accountId: idFromUuid('account', row.account_id),
    chainAccount: Number(row.chain_account),
  }
}
