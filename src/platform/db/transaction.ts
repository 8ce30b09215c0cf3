import type { PoolClient } from 'pg'
import { assert } from '#kernel/assert.ts'
import { isAway, isRetryable, translateFailure } from './failure.ts'
import { Tx, type Database } from './pool.ts'

const MAX_ATTEMPTS = 4
/** A process that is paused in a transaction must not hold its rows, a role's fence among them. */
const BEGIN_WRITE = `BEGIN ISOLATION LEVEL READ COMMITTED;
  SET LOCAL idle_in_transaction_session_timeout = '5s'`

/**
 * Runs `work` in one READ COMMITTED transaction and commits. A serialization failure or deadlock
 * runs it again, up to three times, so `work` does nothing but SQL. Throws `platform.unavailable`
 * when the database is away; the transaction may then have committed all the same.
 */
export function inTransaction<T>(database: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  return repeat(database, BEGIN_WRITE, work)
}

/** Runs reads that must all see the same state of the database. */
export function inSnapshot<T>(database: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  return repeat(database, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', work)
}

async function repeat<T>(
  database: Database,
  begin: string,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await runOnce(database, begin, work)
    } catch (error) {
      if (attempt >= MAX_ATTEMPTS || !isRetryable(error)) throw translateFailure(error)
    }
  }
}

async function runOnce<T>(
  database: Database,
  begin: string,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const client = await database.acquire()
  const tx = new Tx(client, database.wakes)
  let broken = false
  try {
    await client.query(begin)
    const result = await work(tx)
    const end = await client.query('COMMIT')
    assert(end.command === 'COMMIT', 'a failed statement was swallowed inside a transaction')
    tx.committed()
    return result
  } catch (error) {
    broken = isAway(error) || !(await rollBack(client))
    throw error
  } finally {
    client.release(broken)
  }
}

/** Whether the connection is fit for the next user. */
async function rollBack(client: PoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK')
    return true
  } catch {
    return false
  }
}
