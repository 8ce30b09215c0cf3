import { assert, present } from '#kernel/assert.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import { SUPPLY_STATUSES, type SupplyRequest } from './supply-request.ts'

interface RequestRow {
  readonly id: string
  readonly ref: string
  readonly asset: number
  readonly change: bigint
  readonly beneficiary: bigint
  readonly status: string
  readonly batch: string | null
  readonly error: string | null
}

const COLUMNS = 'id, ref, asset, change, beneficiary, status, batch, error'

/** Keeps other proposals for the asset waiting until the transaction ends. */
export async function lockAsset(tx: Tx, asset: number): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('supply:' || $1::text, 0))`, [
    asset,
  ])
}

export async function insertRequest(
  tx: Tx,
  request: Pick<SupplyRequest, 'id' | 'ref' | 'asset' | 'changeAtoms' | 'beneficiary'>,
): Promise<void> {
  await tx.query(
    `INSERT INTO supply.request (id, ref, asset, change, beneficiary, status)
     VALUES ($1, $2, $3, $4, $5, 'proposed')`,
    [request.id, request.ref, request.asset, request.changeAtoms, request.beneficiary],
  )
}

export async function findRequestByRef(db: Db, ref: string): Promise<SupplyRequest | undefined> {
  const rows = await db.query<RequestRow>(`SELECT ${COLUMNS} FROM supply.request WHERE ref = $1`, [
    ref,
  ])
  return rows.map(toRequest)[0]
}

/** Oldest first. */
export async function listProposed(db: Db, limit: number): Promise<readonly SupplyRequest[]> {
  const rows = await db.query<RequestRow>(
    `SELECT ${COLUMNS} FROM supply.request WHERE status = 'proposed' ORDER BY id LIMIT $1`,
    [limit],
  )
  return rows.map(toRequest)
}

/** Atoms that are proposed or on their way in the direction of `change`, summed with their signs. */
export async function sumPending(db: Db, asset: number, change: bigint): Promise<bigint> {
  const rows = await db.query<{ pending: string }>(
    `SELECT coalesce(sum(change), 0)::text AS pending FROM supply.request
     WHERE asset = $1 AND status IN ('proposed', 'batched') AND (change > 0) = ($2::bigint > 0)`,
    [asset, change],
  )
  return BigInt(present(rows[0], 'pending supply').pending)
}

/** False when the request is no longer `from`. */
export async function setStatus(
  tx: Tx,
  id: string,
  from: SupplyRequest['status'],
  change: Pick<SupplyRequest, 'status'> & { readonly batch?: string; readonly error?: string },
): Promise<boolean> {
  const rows = await tx.query(
    `UPDATE supply.request
     SET status = $3, batch = coalesce($4, batch), error = $5, updated_at = clock_timestamp()
     WHERE id = $1 AND status = $2 RETURNING id`,
    [id, from, change.status, change.batch ?? null, change.error ?? null],
  )
  return rows.length > 0
}

/** How many there were. */
export async function failProposed(tx: Tx, error: string): Promise<number> {
  const rows = await tx.query(
    `UPDATE supply.request SET status = 'failed', error = $1, updated_at = clock_timestamp()
     WHERE status = 'proposed' RETURNING id`,
    [error],
  )
  return rows.length
}

/** Requests in a batch, for the settler that closes them. */
export async function listBatched(db: Db): Promise<readonly SupplyRequest[]> {
  const rows = await db.query<RequestRow>(
    `SELECT ${COLUMNS} FROM supply.request WHERE status = 'batched' ORDER BY id`,
  )
  return rows.map(toRequest)
}

function toRequest(row: RequestRow): SupplyRequest {
  const status = SUPPLY_STATUSES.find((known) => known === row.status)
  assert(status !== undefined && typeof row.change === 'bigint', 'supply.request')
  return {
    id: row.id,
    ref: row.ref,
    asset: row.asset,
    changeAtoms: row.change,
    beneficiary: Number(row.beneficiary),
    status,
    batch: row.batch,
    error: row.error,
  }
}
