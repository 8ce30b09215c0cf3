import { canonicalJson } from '#kernel/json.ts'
import { sha256 } from '../crypto.ts'
import { platformErrors } from '../errors.ts'
import type { Db, Tx } from './pool.ts'

/** What a finished command left under its key. */
export interface IdempotencyRecord {
  readonly inputHash: Buffer
  readonly resource: string
}

export interface IdempotencyKey {
  readonly scope: string
  readonly operation: string
  readonly key: string
}

/** Fingerprint of a command's input; the order of its fields does not matter. */
export function hashInput(input: unknown): Buffer {
  return sha256(canonicalJson(input ?? null))
}

export async function findIdempotency(
  db: Db,
  scope: string,
  operation: string,
  key: string,
): Promise<IdempotencyRecord | undefined> {
  const rows = await db.query<{ input_hash: Buffer; resource: string }>(
    `SELECT input_hash, resource FROM platform.idempotency
     WHERE scope = $1 AND operation = $2 AND key = $3`,
    [scope, operation, key],
  )
  const row = rows[0]
  return row === undefined ? undefined : { inputHash: row.input_hash, resource: row.resource }
}

/** The same for many keys, by `idempotencyName`. */
export async function findIdempotencies(
  db: Db,
  keys: readonly IdempotencyKey[],
): Promise<ReadonlyMap<string, IdempotencyRecord>> {
  const rows = await db.query<IdempotencyKey & { input_hash: Buffer; resource: string }>(
    `SELECT scope, operation, key, input_hash, resource
     FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (scope, operation, key)
     JOIN platform.idempotency USING (scope, operation, key)`,
    [
      keys.map(({ scope }) => scope),
      keys.map(({ operation }) => operation),
      keys.map(({ key }) => key),
    ],
  )
  return new Map(
    rows.map(({ input_hash: inputHash, resource, ...key }) => [
      idempotencyName(key),
      { inputHash, resource },
    ]),
  )
}

export function idempotencyName({ scope, operation, key }: IdempotencyKey): string {
  return canonicalJson([scope, operation, key])
}

/** The keys of the last two minutes, for who must know them without asking. */
export async function readRecentKeys(db: Db): Promise<readonly IdempotencyKey[]> {
  return db.query<{ scope: string; operation: string; key: string }>(
    `SELECT scope, operation, key FROM platform.idempotency
     WHERE created_at > clock_timestamp() - interval '2 minutes'`,
  )
}

/** Throws `platform.idempotency_mismatch` when the key belongs to another input. */
export function requireSameInput(record: IdempotencyRecord, inputHash: Buffer): void {
  if (!record.inputHash.equals(inputHash)) throw platformErrors.idempotency_mismatch()
}

/** Takes the key until the transaction ends, or throws `platform.idempotency_running`. */
export async function claimIdempotency(
  tx: Tx,
  scope: string,
  operation: string,
  key: string,
): Promise<void> {
  const rows = await tx.query<{ taken: boolean }>(
    `SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS taken`,
    [canonicalJson([scope, operation, key])],
  )
  if (rows[0]?.taken !== true) throw platformErrors.idempotency_running()
}

export async function insertIdempotency(
  tx: Tx,
  record: IdempotencyRecord & IdempotencyKey,
): Promise<void> {
  await tx.query(
    `INSERT INTO platform.idempotency (scope, operation, key, input_hash, resource)
     VALUES ($1, $2, $3, $4, $5)`,
    [record.scope, record.operation, record.key, record.inputHash, record.resource],
  )
}

/** Like `insertIdempotency`, but quiet when another process has just kept the key. */
export async function keepIdempotency(
  tx: Tx,
  record: IdempotencyRecord & IdempotencyKey,
): Promise<void> {
  await tx.query(
    `INSERT INTO platform.idempotency (scope, operation, key, input_hash, resource)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
    [record.scope, record.operation, record.key, record.inputHash, record.resource],
  )
}

/**
 * Forgets the oldest keys that are kept for longer than that, at most so many, and returns their
 * number. A request that runs has no row yet: its row comes with its outcome. An hour is far more
 * than whoever found no row, and the engine that remembers recent ones, needs of them.
 */
export async function pruneIdempotency(
  tx: Tx,
  options: { readonly keepHours: number; readonly atMost: number },
): Promise<number> {
  const rows = await tx.query<{ removed: bigint }>(
    `WITH old AS (
       SELECT scope, operation, key FROM platform.idempotency
       WHERE created_at < clock_timestamp() - make_interval(hours => $1)
       ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
     ), gone AS (
       DELETE FROM platform.idempotency USING old
       WHERE (idempotency.scope, idempotency.operation, idempotency.key)
         = (old.scope, old.operation, old.key) RETURNING 1
     )
     SELECT count(*) AS removed FROM gone`,
    [options.keepHours, options.atMost],
  )
  return Number(rows[0]?.removed ?? 0n)
}
