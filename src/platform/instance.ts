import { present } from '#kernel/assert.ts'
import type { Db } from './db/pool.ts'

/** Which life of which node a database holds. */
export interface Instance {
  readonly id: string
  /** Raised by restore and reset: events of a former life are told by it. */
  readonly logEpoch: bigint
}

export async function readInstance(db: Db): Promise<Instance> {
  const rows = await db.query<{ id: string; log_epoch: bigint }>(
    'SELECT id, log_epoch FROM platform.instance',
  )
  const row = present(rows[0], 'row of platform.instance')
  return { id: row.id, logEpoch: row.log_epoch }
}
