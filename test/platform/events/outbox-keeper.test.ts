import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { OutboxKeeper } from '#platform/events/outbox-keeper.ts'
import { dropGroup } from '#platform/events/groups.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { writePosition } from '#platform/events/position.ts'
import { RELAY_GROUP } from '#platform/events/relay.ts'
import { Metrics } from '#platform/metrics.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../../support/database.ts'

const HOUR_MS = 3_600_000

describe('OutboxKeeper', () => {
  let open: OpenDatabase
  let metrics: Metrics
  let keeper: OutboxKeeper | undefined

  beforeEach(async () => {
    open = await openDatabase()
    metrics = new Metrics()
    await inTransaction(open.database, async (tx) => {
      const event = { stream: 's', type: 'test.counted.v1', key: 'k', data: {} }
      await appendEvents(tx, [event, event, event, event], instant(0))
      await appendEvents(tx, [event], instant(2 * HOUR_MS))
      await writePosition(tx, 'quick', 's', 5n, 1n)
      await writePosition(tx, 'slow', 's', 3n, 1n)
      await writePosition(tx, RELAY_GROUP, 's', 2n, 1n)
    })
  })
  afterEach(async () => {
    await keeper?.stop()
    await open.close()
  })

  async function keep(isRelayed: boolean): Promise<void> {
    keeper = new OutboxKeeper({
      database: open.database,
      clock: { now: () => instant(2 * HOUR_MS) },
      log: silentLog,
      metrics,
      keepHours: 1,
      isRelayed,
      intervalMs: 20,
    })
    await keeper.start()
  }

  const kept = async (): Promise<readonly bigint[]> => {
    const rows = await open.database.query<{ seq: bigint }>(
      `SELECT seq FROM platform.outbox WHERE stream = 's' ORDER BY seq`,
    )
    return rows.map(({ seq }) => seq)
  }

  const figures = async (): Promise<readonly string[]> =>
    (await metrics.render())
      .split('\n')
      .filter((line) => /^mooring_(.*lag|outbox_rows)\{/.test(line))

  it('removes what is old and read by all, and tells who is behind', async () => {
    await keep(false)
    await expect.poll(kept).toEqual([4n, 5n])
    await expect
      .poll(figures)
      .toEqual([
        'mooring_consumer_lag{group="quick",stream="s"} 0',
        'mooring_consumer_lag{group="slow",stream="s"} 2',
        'mooring_outbox_rows{stream="s"} 2',
      ])
    await inTransaction(open.database, (tx) => writePosition(tx, 'slow', 's', 5n, 1n))
    await expect.poll(kept).toEqual([5n])
  })

  it('keeps what the relay has yet to send where Kafka carries events', async () => {
    await keep(true)
    await expect.poll(kept).toEqual([3n, 4n, 5n])
    await expect.poll(figures).toContain('mooring_relay_lag{stream="s"} 3')
  })

  it('tells how long a group has stood still with something to do, until it is dropped', async () => {
    await open.database.query(
      `UPDATE platform.consumer_position SET updated_at = clock_timestamp() - interval '1 hour'`,
    )
    await keep(false)
    const still = async (): Promise<readonly string[]> =>
      (await metrics.render())
        .split('\n')
        .filter((line) => line.startsWith('mooring_consumer_still'))
    await expect.poll(still).toHaveLength(2)
    const [quick, slow] = await still()
    expect(quick).toBe('mooring_consumer_still_seconds{group="quick",stream="s"} 0')
    expect(Number(slow?.split(' ').at(-1))).toBeGreaterThanOrEqual(3600)
    await inTransaction(open.database, (tx) => dropGroup(tx, 'slow'))
    await expect.poll(still).toEqual([quick])
    expect((await figures()).some((line) => line.includes('slow'))).toBe(false)
    await expect.poll(kept).toEqual([5n])
  })

  it('tells from its start on how many events were set aside', async () => {
    const letters = async (): Promise<string | undefined> =>
      (await metrics.render()).split('\n').find((line) => line.startsWith('mooring_dead_letters'))
    await keep(false)
    await expect.poll(letters).toBe('mooring_dead_letters_waiting 0')
    await open.database.query(
      `INSERT INTO platform.dead_letter (consumer_group, stream, seq, envelope, error, attempts)
       VALUES ('webhooks', 's', 1, '{}', 'nobody listens', 5)`,
    )
    await expect.poll(letters).toBe('mooring_dead_letters_waiting 1')
  })
})
