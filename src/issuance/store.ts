import { assert } from '#kernel/assert.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import { TOKENIZATION_STEPS, type Tokenization, type TokenizationPlace } from './tokenization.ts'

interface TokenizationRow {
  readonly id: string
  readonly asset: string
  readonly chain_asset: number
  readonly beneficiary: bigint
  readonly supply: bigint
  readonly step: string
}

const COLUMNS = 'id, asset, chain_asset, beneficiary, supply, step'
const PLACES: readonly TokenizationPlace[] = [...TOKENIZATION_STEPS, 'done', 'failed']

export async function insertTokenization(
  tx: Tx,
  tokenization: Omit<Tokenization, 'place'>,
): Promise<void> {
  const { id, asset, chainAsset, beneficiary, supplyAtoms } = tokenization
  await tx.query(
    `INSERT INTO issuance.tokenization (id, asset, chain_asset, beneficiary, supply, step)
     VALUES ($1, $2, $3, $4, $5, 'create_asset')`,
    [id, asset, chainAsset, beneficiary, supplyAtoms],
  )
}

/** Oldest first. */
export async function listOpen(db: Db, limit: number): Promise<readonly Tokenization[]> {
  const rows = await db.query<TokenizationRow>(
    `SELECT ${COLUMNS} FROM issuance.tokenization
     WHERE step NOT IN ('done', 'failed') ORDER BY id LIMIT $1`,
    [limit],
  )
  return rows.map(toTokenization)
}

/** Moves on from `from`; false when another worker did it before. */
export async function setPlace(
  tx: Tx,
  id: string,
  from: TokenizationPlace,
  to: TokenizationPlace,
  error: string | null = null,
): Promise<boolean> {
  const rows = await tx.query(
    `UPDATE issuance.tokenization SET step = $3, error = $4, updated_at = clock_timestamp()
     WHERE id = $1 AND step = $2 RETURNING id`,
    [id, from, to, error],
  )
  return rows.length > 0
}

function toTokenization(row: TokenizationRow): Tokenization {
  const place = PLACES.find((known) => known === row.step)
  assert(place !== undefined && typeof row.supply === 'bigint', 'issuance.tokenization')
  return {
    id: row.id,
    asset: row.asset,
    chainAsset: row.chain_asset,
    beneficiary: Number(row.beneficiary),
    supplyAtoms: row.supply,
    place,
  }
}
