import { assert, present } from '#kernel/assert.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import {
  BREAKER_NAMES,
  BREAKER_SCOPES,
  type Breaker,
  type BreakerChange,
  type BreakerName,
} from './breaker.ts'
import type { SignerRole } from './signer.ts'

export async function listBreakers(db: Db): Promise<readonly Breaker[]> {
  const rows = await db.query<BreakerRow>(
    `SELECT name, scope, is_open, reason, (extract(epoch FROM since) * 1000)::bigint AS since_ms
     FROM chain.breaker ORDER BY name, scope`,
  )
  return rows.map(toBreaker)
}

/** Keeps the breakers of a name from changing while a person resets them. */
export async function lockBreakers(tx: Tx, name: BreakerName): Promise<readonly Breaker[]> {
  const rows = await tx.query<BreakerRow>(
    `SELECT name, scope, is_open, reason, (extract(epoch FROM since) * 1000)::bigint AS since_ms
     FROM chain.breaker WHERE name = $1 ORDER BY scope FOR UPDATE`,
    [name],
  )
  return rows.map(toBreaker)
}

/** Opens or closes a breaker; one that is so already stays as it is. */
export async function putBreakerChange(
  tx: Tx,
  { name, scope, isOpen, reason }: BreakerChange,
  actor: string,
): Promise<void> {
  const rows = await tx.query(
    `UPDATE chain.breaker SET is_open = $3, reason = CASE WHEN $3 THEN $4 END,
       since = clock_timestamp()
     WHERE name = $1 AND scope = $2 AND is_open <> $3 RETURNING name`,
    [name, scope, isOpen, reason],
  )
  if (rows.length === 0) return
  await tx.query(
    `INSERT INTO chain.breaker_change (name, scope, is_open, reason, actor)
     VALUES ($1, $2, $3, $4, $5)`,
    [name, scope, isOpen, reason, actor],
  )
}

/** How many of a signer's last transactions reverted, of those that ended since an instant. */
export async function countReverted(
  db: Db,
  last: { readonly signer: SignerRole; readonly sinceMs: number; readonly window: number },
): Promise<number> {
  const rows = await db.query<{ reverted: bigint }>(
    `SELECT count(*) FILTER (WHERE state = 'reverted') AS reverted FROM (
       SELECT state FROM chain.tx_request
       WHERE signer = $1 AND state IN ('final', 'reverted')
         AND updated_at > to_timestamp($2::double precision / 1000)
       ORDER BY updated_at DESC LIMIT $3) last`,
    [last.signer, last.sinceMs, last.window],
  )
  return Number(present(rows[0], 'count').reverted)
}

interface BreakerRow {
  readonly name: string
  readonly scope: string
  readonly is_open: boolean
  readonly reason: string | null
  readonly since_ms: bigint
}

function toBreaker(row: BreakerRow): Breaker {
  const name = BREAKER_NAMES.find((known) => known === row.name)
  const scope = BREAKER_SCOPES.find((known) => known === row.scope)
  assert(name !== undefined && scope !== undefined, 'name and scope of a breaker')
  return {
    name,
    scope,
    isOpen: row.is_open,
    reason: row.reason ?? undefined,
    sinceMs: Number(row.since_ms),
  }
}
