import { present } from '#kernel/assert.ts'
import type { Db } from '#platform/db/pool.ts'
import type { Hex } from './batch.ts'

/** When the newest batch was made that tells what the ledger had seen, in milliseconds since 1970. */
export async function findLastClosingMs(db: Db): Promise<number | undefined> {
  const rows = await db.query<{ created_at: Date }>(
    `SELECT created_at FROM settlement.batch
     WHERE kind <> 'supply' AND status <> 'abandoned' ORDER BY sequence DESC LIMIT 1`,
  )
  return rows[0]?.created_at.getTime()
}

/** The latest close time of a batch that tells what the ledger had seen, Unix seconds; 0 before any. */
export async function readLastClose(db: Db): Promise<number> {
  const rows = await db.query<{ closed_at: bigint }>(
    `SELECT coalesce(max((header ->> 'closeTime')::bigint), 0) AS closed_at FROM settlement.batch
     WHERE kind <> 'supply' AND status <> 'abandoned'`,
  )
  return Number(present(rows[0], 'last close').closed_at)
}

/** Whether a trade batch or heartbeat is not final; supply batches move nothing that a range nets. */
export async function hasUnfinalClosing(db: Db): Promise<boolean> {
  const rows = await db.query(
    `SELECT 1 FROM settlement.batch
     WHERE kind <> 'supply' AND status IN ('netted', 'submitted', 'mined', 'reverted') LIMIT 1`,
  )
  return rows.length > 0
}

/** When a batch last carried the root of what is owed, in milliseconds since 1970. */
export async function findLastLiabilities(db: Db, none: Hex): Promise<number | undefined> {
  const rows = await db.query<{ created_at: Date }>(
    `SELECT created_at FROM settlement.batch
     WHERE status <> 'abandoned' AND header ->> 'liabilitiesRoot' <> $1
     ORDER BY sequence DESC LIMIT 1`,
    [none],
  )
  return rows[0]?.created_at.getTime()
}
