import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { appendEvents, pruneOutbox, readOutbox } from '#platform/events/outbox.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { lockPosition, writePosition } from '#platform/events/position.ts'
import { RELAY_GROUP } from '#platform/events/relay.ts'
import { readInstance } from '#platform/instance.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../../support/database.ts'
import { describeEventLog } from './event-log.suite.ts'

describeEventLog('pglog', ({ database }) =>
  Promise.resolve({
    log: new PgLog({ database, log: silentLog }),
    brokers: [],
    close: () => Promise.resolve(),
  }),
)

describe('outbox', () => {
  let open: OpenDatabase
  beforeAll(async () => {
    open = await openDatabase()
  })
  afterAll(() => open.close())

  const at = instant(0)
  const old = { stream: 'old', before: instant(1), isRelayed: false, atMost: 100 }
  const event = (stream: string, text = ''): Parameters<typeof appendEvents>[1][number] => ({
    stream,
    type: 'test.counted.v1',
    key: 'k',
    data: { text },
  })

  it('numbers without gaps under concurrent writers, of which some roll back', async () => {
    const write = (place: number): Promise<void> =>
      inTransaction(open.database, async (tx) => {
        const streams = place % 2 === 0 ? ['left', 'right'] : ['right', 'left']
        await appendEvents(
          tx,
          streams.map((stream) => event(stream)),
          at,
        )
        if (place % 5 === 0) throw new RangeError('rolled back')
      })
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_item, place) => write(place)),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(32)
    const rows = await open.database.query(
      `SELECT stream, count(*), min(seq), max(seq) FROM platform.outbox GROUP BY 1 ORDER BY 1`,
    )
    expect(rows).toEqual(
      ['left', 'right'].map((stream) => ({ stream, count: 32n, min: 1n, max: 32n })),
    )
  })

  it('reads a page by number and by size, and always at least one event', async () => {
    await inTransaction(open.database, (tx) =>
      appendEvents(tx, [event('sized', 'x'.repeat(5000)), event('sized'), event('sized')], at),
    )
    const instance = await readInstance(open.database)
    const read = async (after: bigint, maxEvents: number, maxBytes: number): Promise<bigint[]> => {
      const page = { stream: 'sized', after, maxEvents, maxBytes }
      const batch = await readOutbox(open.database, instance, page)
      return batch.map(({ seq }) => seq)
    }
    expect(await read(0n, 10, 100)).toEqual([1n])
    expect(await read(0n, 2, 100_000)).toEqual([1n, 2n])
    expect(await read(1n, 10, 100)).toEqual([2n, 3n])
    expect(await read(3n, 10, 100)).toEqual([])
  })

  it('prunes only what every group has passed', async () => {
    await inTransaction(open.database, async (tx) => {
      await appendEvents(tx, [event('old'), event('old'), event('old')], at)
      await lockPosition(tx, 'slow', 'old')
      await writePosition(tx, 'fast', 'old', 3n, 1n)
      expect(await pruneOutbox(tx, old)).toBe(0)
      await writePosition(tx, 'slow', 'old', 2n, 1n)
      expect(await pruneOutbox(tx, { ...old, isRelayed: true })).toBe(0)
      expect(await pruneOutbox(tx, { ...old, before: at })).toBe(0)
      expect(await pruneOutbox(tx, { ...old, atMost: 1 })).toBe(1)
      await lockPosition(tx, RELAY_GROUP, 'old')
      expect(await pruneOutbox(tx, { ...old, isRelayed: true })).toBe(0)
      expect(await pruneOutbox(tx, old)).toBe(1)
      expect(await pruneOutbox(tx, old)).toBe(0)
    })
  })

  it('lets a new group begin with the oldest event that is kept', async () => {
    await inTransaction(open.database, async (tx) => {
      await appendEvents(tx, [event('aged'), event('aged'), event('aged')], at)
      await writePosition(tx, 'first', 'aged', 2n, 1n)
      await pruneOutbox(tx, { ...old, stream: 'aged' })
      expect(await lockPosition(tx, 'later', 'aged')).toBe(2n)
      await writePosition(tx, 'first', 'aged', 3n, 1n)
      await writePosition(tx, 'later', 'aged', 3n, 1n)
      await pruneOutbox(tx, { ...old, stream: 'aged' })
      expect(await lockPosition(tx, 'last', 'aged')).toBe(3n)
      expect(await lockPosition(tx, 'last', 'unheard')).toBe(0n)
    })
  })

  it('never moves a position back', async () => {
    const move = (seq: bigint): Promise<void> =>
      inTransaction(open.database, (tx) => writePosition(tx, 'g', 'moving', seq, 1n))
    await move(4n)
    for (const seq of [4n, 3n]) await expect(move(seq)).rejects.toMatchObject({ code: 'MP001' })
  })

  it('goes on by itself when the database was away', async () => {
    const seen: bigint[] = []
    const subscription = new PgLog({ database: open.database, log: silentLog }).subscribe({
      group: 'patient',
      stream: 'patient',
      position: () => Promise.resolve(seen.at(-1) ?? 0n),
      handle: (batch) => {
        seen.push(...batch.map(({ seq }) => seq))
        return Promise.resolve()
      },
    })
    await subscription.start(new AbortController().signal)
    const killer = new Client({ connectionString: open.url })
    await killer.connect()
    for (let round = 0; round < 5; round += 1) {
      await killer.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      )
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    await killer.end()
    await expect
      .poll(() =>
        inTransaction(open.database, (tx) => appendEvents(tx, [event('patient')], at)).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    await expect.poll(() => seen.length).toBeGreaterThan(0)
    await subscription.stop()
  })
})
