import { stringifyJson, type JsonObject } from '#kernel/json.ts'
import type { Tx } from './db/pool.ts'

/** Notes, for good, what somebody does from the command line; the database knows as whom. */
export async function recordAction(tx: Tx, action: string, detail: JsonObject): Promise<void> {
  await tx.query('INSERT INTO platform.operator_action (action, detail) VALUES ($1, $2::jsonb)', [
    action,
    stringifyJson(detail),
  ])
}
