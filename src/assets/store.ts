import { assert } from '#kernel/assert.ts'
import { idFromUuid, uuidOf } from '#kernel/id.ts'
import type { PageRequest } from '#kernel/page.ts'
import { formatInstant, instant, type Instant } from '#kernel/time.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import {
  ASSET_CLASSES,
  ASSET_STATUSES,
  RESERVES,
  type Asset,
  type AssetDocument,
  type AssetStatus,
  type Viewer,
} from './asset.ts'

interface AssetRow {
  readonly id: string
  readonly chain_asset: number | null
  readonly symbol: string
  readonly name: string
  readonly class: string
  readonly decimals: number
  readonly reserve: string
  readonly allowed_classes: readonly number[]
  readonly ceiling: bigint | null
  readonly status: string
  readonly external: boolean
  readonly token: string | null
  readonly issuer: bigint | null
  readonly approved_by: bigint | null
  readonly created_at: Date
}

const COLUMNS = `id, chain_asset, symbol, name, class, decimals, reserve, allowed_classes, ceiling,
  status, external, token, issuer, approved_by, created_at`

/** Inserts the asset; undefined when the symbol is taken. */
export async function insertAsset(tx: Tx, asset: Asset): Promise<Asset | undefined> {
  const rows = await tx.query<AssetRow>(
    `INSERT INTO assets.asset (${COLUMNS})
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
     ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
    [
      uuidOf('asset', asset.id),
      asset.chainAsset,
      asset.symbol,
      asset.name,
      asset.class,
      asset.decimals,
      asset.reserve,
      asset.allowedClasses,
      asset.ceilingAtoms,
      asset.status,
      asset.external,
      asset.token,
      asset.issuer,
      asset.approvedBy,
      formatInstant(asset.createdAt),
    ],
  )
  return rows.map(toAsset)[0]
}

export async function findAsset(db: Db, id: string): Promise<Asset | undefined> {
  const rows = await db.query<AssetRow>(`SELECT ${COLUMNS} FROM assets.asset WHERE id = $1`, [
    uuidOf('asset', id),
  ])
  return rows.map(toAsset)[0]
}

/** The asset, with its row locked. */
export async function lockAsset(tx: Tx, id: string): Promise<Asset | undefined> {
  const rows = await tx.query<AssetRow>(
    `SELECT ${COLUMNS} FROM assets.asset WHERE id = $1 FOR UPDATE`,
    [uuidOf('asset', id)],
  )
  return rows.map(toAsset)[0]
}

export async function findAssetBySymbol(db: Db, symbol: string): Promise<Asset | undefined> {
  const rows = await db.query<AssetRow>(`SELECT ${COLUMNS} FROM assets.asset WHERE symbol = $1`, [
    symbol,
  ])
  return rows.map(toAsset)[0]
}

export async function findAssetByNumber(db: Db, chainAsset: number): Promise<Asset | undefined> {
  const rows = await db.query<AssetRow>(
    `SELECT ${COLUMNS} FROM assets.asset WHERE chain_asset = $1`,
    [chainAsset],
  )
  return rows.map(toAsset)[0]
}

/** What the viewer may see, oldest first; one row more than the page holds. */
export async function listAssets(
  db: Db,
  viewer: Viewer,
  page: PageRequest,
): Promise<readonly Asset[]> {
  const rows = await db.query<AssetRow>(
    `SELECT ${COLUMNS} FROM assets.asset
     WHERE ($1 OR issuer = $2 OR status NOT IN ('draft', 'submitted')
            OR (status = 'submitted' AND $3))
       AND ($4::uuid IS NULL OR id > $4)
     ORDER BY id LIMIT $5`,
    [viewer.seesAll, viewer.chainAccount, viewer.mayApprove, page.after ?? null, page.limit + 1],
  )
  return rows.map(toAsset)
}

export async function setStatus(tx: Tx, id: string, status: AssetStatus): Promise<Asset> {
  const rows = await tx.query<AssetRow>(
    `UPDATE assets.asset SET status = $2 WHERE id = $1 RETURNING ${COLUMNS}`,
    [uuidOf('asset', id), status],
  )
  return requireRow(rows[0])
}

/** Gives the asset its number on the chain. */
export async function setApproved(
  tx: Tx,
  id: string,
  approval: { readonly chainAsset: number; readonly approvedBy: number },
): Promise<Asset> {
  const rows = await tx.query<AssetRow>(
    `UPDATE assets.asset SET status = 'approved', chain_asset = $2, approved_by = $3
     WHERE id = $1 RETURNING ${COLUMNS}`,
    [uuidOf('asset', id), approval.chainAsset, approval.approvedBy],
  )
  return requireRow(rows[0])
}

/** The lowest number above all that were given; undefined when there is none left. */
export async function takeNumber(tx: Tx): Promise<number | undefined> {
  const rows = await tx.query<{ number: bigint | null }>(
    `SELECT CASE WHEN is_called AND last_value >= 65535 THEN NULL
                 ELSE nextval('assets.chain_asset') END AS number
     FROM assets.chain_asset`,
  )
  const number = rows[0]?.number
  return number === null || number === undefined ? undefined : Number(number)
}

/** False when the asset has a document of this hash. */
export async function insertDocument(
  tx: Tx,
  document: AssetDocument & {
    readonly id: string
    readonly assetId: string
    readonly createdAt: Instant
  },
): Promise<boolean> {
  const rows = await tx.query(
    `INSERT INTO assets.document (id, asset, name, uri, sha256, created_at)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (asset, sha256) DO NOTHING RETURNING id`,
    [
      document.id,
      uuidOf('asset', document.assetId),
      document.name,
      document.uri,
      Buffer.from(document.sha256, 'hex'),
      formatInstant(document.createdAt),
    ],
  )
  return rows.length === 1
}

/** Documents of these assets, oldest first. */
export async function listDocuments(
  db: Db,
  assetIds: readonly string[],
): Promise<ReadonlyMap<string, readonly AssetDocument[]>> {
  const rows = await db.query<{
    asset: string
    name: string
    uri: string
    sha256: Buffer
  }>(
    `SELECT asset, name, uri, sha256 FROM assets.document
     WHERE asset = ANY ($1::uuid[]) ORDER BY id`,
    [assetIds.map((id) => uuidOf('asset', id))],
  )
  const documents = rows.map(({ asset, name, uri, sha256 }) => ({
    assetId: idFromUuid('asset', asset),
    document: { name, uri, sha256: sha256.toString('hex') },
  }))
  return new Map(
    [...Map.groupBy(documents, ({ assetId }) => assetId)].map(([assetId, list]) => [
      assetId,
      list.map(({ document }) => document),
    ]),
  )
}

function requireRow(row: AssetRow | undefined): Asset {
  assert(row !== undefined, 'assets.asset')
  return toAsset(row)
}

function toAsset(row: AssetRow): Asset {
  const assetClass = ASSET_CLASSES.find((known) => known === row.class)
  const reserve = RESERVES.find((known) => known === row.reserve)
  const status = ASSET_STATUSES.find((known) => known === row.status)
  assert(
    assetClass !== undefined && reserve !== undefined && status !== undefined,
    'assets.asset holds a word that is not known',
  )
  return {
    id: idFromUuid('asset', row.id),
    chainAsset: row.chain_asset,
    symbol: row.symbol,
    name: row.name,
    class: assetClass,
    decimals: row.decimals,
    reserve,
    allowedClasses: row.allowed_classes,
    ceilingAtoms: row.ceiling,
    status,
    external: row.external,
    token: row.token,
    issuer: row.issuer === null ? null : Number(row.issuer),
    approvedBy: row.approved_by === null ? null : Number(row.approved_by),
    createdAt: instant(row.created_at.getTime()),
  }
}
