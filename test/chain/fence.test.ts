import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SystemClock } from '#platform/clock.ts'
import { present } from '#kernel/assert.ts'
import { BlockWriter } from '#chain/block-writer.ts'
import { findCursor } from '#chain/store.ts'
import { WriteTransactions } from '../support/write-transactions.ts'
import { until } from './chain-lab.ts'
import { TxRig } from './tx-rig.ts'

let rig: TxRig
let writes: WriteTransactions

beforeEach(async () => {
  rig = await TxRig.start()
  writes = new WriteTransactions()
})

afterEach(async () => {
  writes.stop()
  await rig.stop()
})

/** A takeover: nobody writes under the old epoch from its start on, `finish` makes the new one known. */
class Takeover {
  readonly #client = new Client({ connectionString: rig.lab.store.url })
  /** What a transaction once saw of the others it goes on seeing. */
  readonly #eye = new Client({ connectionString: rig.lab.store.url })

  async start(role: 'watcher' | 'txm'): Promise<void> {
    await this.#client.connect()
    await this.#eye.connect()
    await this.#client.query('BEGIN;')
    const raise = 'UPDATE platform.fence SET epoch = epoch + 1 WHERE role = $1'
    await this.#client.query(raise, [role])
  }

  /** Resolves when a write of the former leader waits to see the epoch. */
  async isAwaited(): Promise<boolean> {
    const found = await this.#eye.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database()
       AND wait_event_type = 'Lock' AND query LIKE '%FROM platform.fence%'`,
    )
    return found.rows.length > 0
  }

  async finish(): Promise<void> {
    await this.#client.query('COMMIT;')
    await this.#client.end()
    await this.#eye.end()
  }
}

const count = async (table: string): Promise<number> => {
  const sql = `SELECT count(*)::int AS rows FROM chain.${table}`
  const [found] = await rig.lab.database.query<{ rows: number }>(sql)
  return present(found, table).rows
}

describe('watcher and transaction manager', () => {
  it('begin every write of a registration with their epochs', async () => {
    await rig.register(16)
    writes.stop()
    writes = new WriteTransactions()
    await rig.watch()
    await rig.manage()
    await rig.state('register:16', 'broadcast')
    await rig.suite.mine(4)
    await rig.state('register:16', 'final')
    expect(writes.all().length).toBeGreaterThan(5)
    expect(writes.unfenced()).toEqual([])
  })

  it.each(['watcher', 'txm'] as const)('are refused while another %s takes over', async (role) => {
    await rig.watch()
    await rig.manage()
    const takeover = new Takeover()
    await takeover.start(role)
    await rig.register(16)
    await rig.suite.mine(1)
    await until(() => takeover.isAwaited(), 'a write that waits for the fence')
    const before = [await count('block'), await count('tx_attempt')]
    await takeover.finish()
    await until(() => writes.refused() > 0, 'a refused write')
    if (role === 'txm') expect(await count('tx_attempt')).toBe(before[1])
    // It strives for the role again, under an epoch of its own.
    await rig.state('register:16', 'broadcast')
    expect(writes.unfenced().filter(({ statements }) => !isRequest(statements))).toEqual([])
  })
})

describe('a former watcher', () => {
  it('begins, halts and forgets nothing', async () => {
    await rig.watch()
    const { database } = rig.lab
    const cursor = await until(async () => await findCursor(database))
    const base = { database, clock: new SystemClock(), chainId: cursor.chainId }
    const writer = new BlockWriter({ ...base, chainInstance: null })
    const attempts = [
      () => writer.begin(cursor.head, 0n),
      () => writer.halt({ kind: 'beyond_finality', reason: 'test' }, 0n),
      () => writer.forgetUnreadable(0n),
    ]
    for (const attempt of attempts)
      await expect(attempt()).rejects.toMatchObject({ code: 'platform.fenced' })
    expect(await count('halt')).toBe(0)
  })
})

/** What the test asks for itself. */
function isRequest(statements: readonly string[]): boolean {
  return statements.some((sql) => sql.includes('INSERT INTO chain.tx_request'))
}
