import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCommand, type CommandDefinition } from '#platform/db/command.ts'
import { IdempotencyKeeper } from '#platform/db/idempotency-keeper.ts'
import { Metrics } from '#platform/metrics.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../../support/database.ts'

const PATIENCE = { timeout: 10_000 }

describe('IdempotencyKeeper', () => {
  let open: OpenDatabase
  let keeper: IdempotencyKeeper
  let metrics: Metrics

  beforeEach(async () => {
    open = await openDatabase()
    metrics = new Metrics()
    keeper = new IdempotencyKeeper({
      database: open.database,
      log: silentLog,
      metrics,
      keepHours: 2,
      intervalMs: 20,
      rowsPerTransaction: 3,
    })
  })
  afterEach(async () => {
    await keeper.stop()
    await open.close()
  })

  const command = (key: string, work?: CommandDefinition<string>['work']) =>
    runCommand(open.database, {
      scope: 'usr_a',
      operation: 'POST /v1/things',
      key,
      input: {},
      work: work ?? (() => Promise.resolve({ result: 'made', resource: key })),
      replay: () => Promise.resolve('found'),
    })

  /** Makes the row of a key look as old as that. */
  async function age(key: string, minutes: number): Promise<void> {
    const rows = await open.database.query(
      `UPDATE platform.idempotency SET created_at = clock_timestamp() - make_interval(mins => $2)
       WHERE key = $1 RETURNING key`,
      [key, minutes],
    )
    expect(rows).toHaveLength(1)
  }

  const kept = async (): Promise<readonly string[]> => {
    const rows = await open.database.query<{ key: string }>(
      'SELECT key FROM platform.idempotency ORDER BY key',
    )
    return rows.map(({ key }) => key)
  }

  it('forgets keys that are older than it keeps them, a few at a time, and no others', async () => {
    const old = Array.from({ length: 7 }, (_, number) => `old-${number}`)
    for (const key of [...old, 'almost', 'young']) await command(key)
    for (const key of old) await age(key, 121)
    await age('almost', 119)
    await keeper.start()
    await expect.poll(kept, PATIENCE).toEqual(['almost', 'young'])
    expect((await command('almost')).replayed).toBe(true)
    expect((await command('old-0')).replayed).toBe(false)
    expect(await metrics.render()).toMatch(/idempotency_pruned_total 7\n/)
    expect(keeper.health()).toEqual({ ok: true })
  })

  it('keeps the key of a request that runs, and one that somebody else holds', async () => {
    const isHeld = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    await command('held')
    await command('old')
    for (const key of ['held', 'old']) await age(key, 300)
    const running = command('running', async (tx) => {
      await tx.query(`SELECT 1 FROM platform.idempotency WHERE key = 'held' FOR UPDATE`)
      isHeld.resolve()
      await mayEnd.promise
      return { result: 'made', resource: 'thing' }
    })
    await isHeld.promise
    await keeper.start()
    await expect.poll(kept, PATIENCE).toEqual(['held'])
    mayEnd.resolve()
    expect(await running).toMatchObject({ replayed: false })
    await expect.poll(kept, PATIENCE).toEqual(['running'])
    expect(await command('running')).toEqual({ result: 'found', replayed: true })
  })
})
