import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import type { Envelope } from '#platform/events/event.ts'
import type { EventProducer } from '#platform/events/log.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { lockPosition, readPosition, writePosition } from '#platform/events/position.ts'
import { Relay, RELAY_GROUP } from '#platform/events/relay.ts'
import { listResendRequests, wantResend } from '#platform/events/resend.ts'
import { Leadership } from '#platform/leader.ts'
import { Metrics } from '#platform/metrics.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../../support/database.ts'
import { WriteTransactions } from '../../support/write-transactions.ts'

const isPublishing = (sql: string): boolean => sql.includes('append_events')

/** Stands for the broker, which is outside: keeps what arrives, or fails as long as it is told. */
class Recorder implements EventProducer {
  readonly seqs: bigint[] = []
  isAway = false
  failures = 0
  resets = 0

  send(_stream: string, batch: readonly Envelope[]): Promise<void> {
    if (this.isAway) {
      this.failures += 1
      return Promise.reject(new RangeError('broker away'))
    }
    this.seqs.push(...batch.map(({ seq }) => seq))
    return Promise.resolve()
  }

  reset(): Promise<void> {
    this.resets += 1
    return Promise.resolve()
  }
}

describe('Relay', () => {
  let open: OpenDatabase
  let leadership: Leadership
  let producer: Recorder
  let relay: Relay
  beforeEach(async () => {
    open = await openDatabase()
    leadership = new Leadership({ role: 'relay', database: open.database, log: silentLog })
    producer = new Recorder()
    relay = makeRelay()
    await leadership.start()
  })
  afterEach(async () => {
    await relay.stop()
    await leadership.stop()
    await open.close()
  })

  const makeRelay = (resendRestMs = 60_000): Relay =>
    new Relay({
      resendRestMs,
      database: open.database,
      leadership,
      producer,
      streams: ['s'],
      log: silentLog,
      metrics: new Metrics(),
    })

  const publish = (amount: number): Promise<void> =>
    inTransaction(open.database, (tx) => {
      const event = { stream: 's', type: 'test.counted.v1', key: 'k', data: {} }
      return appendEvents(
        tx,
        Array.from({ length: amount }, () => event),
        instant(0),
      )
    })

  const position = (): Promise<bigint> => readPosition(open.database, RELAY_GROUP, 's')

  it('sends nothing twice at its next start, where nobody reads the stream', async () => {
    await publish(5)
    await relay.start()
    await expect.poll(() => producer.seqs.length).toBe(5)
    await relay.stop()
    relay = makeRelay()
    await relay.start()
    await publish(2)
    await expect.poll(position).toBe(7n)
    expect(producer.seqs).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n])
  })

  it('moves no position once another process leads', async () => {
    await leadership.whenLeading()
    await relay.start()
    await publish(2)
    await expect.poll(position).toBe(2n)
    const writes = new WriteTransactions()
    const taker = new Client({ connectionString: open.url })
    await taker.connect()
    await taker.query('BEGIN;')
    await taker.query("UPDATE platform.fence SET epoch = epoch + 1 WHERE role = 'relay'")
    await publish(1)
    await expect.poll(() => producer.seqs).toContain(3n)
    await taker.query('COMMIT;')
    await taker.end()
    await expect.poll(() => writes.refused()).toBeGreaterThan(0)
    // The role is won again, and the event is sent again: consumers know its number.
    await expect.poll(position).toBe(3n)
    writes.stop()
    const own = writes.unfenced().filter(({ statements }) => !statements.some(isPublishing))
    expect(own).toEqual([])
  })

  it('begins behind the group that has read least, so that no consumer misses anything', async () => {
    await publish(6)
    await inTransaction(open.database, async (tx) => {
      await writePosition(tx, RELAY_GROUP, 's', 5n, 1n)
      await writePosition(tx, 'fast', 's', 5n, 1n)
      await writePosition(tx, 'slow', 's', 2n, 1n)
    })
    await relay.start()
    await expect.poll(position).toBe(6n)
    expect(producer.seqs).toEqual([3n, 4n, 5n, 6n])
  })

  it('keeps its position while the broker is away, and sends again from there', async () => {
    await inTransaction(open.database, (tx) => lockPosition(tx, 'reader', 's'))
    producer.isAway = true
    await publish(3)
    await relay.start()
    await expect.poll(() => producer.failures).toBeGreaterThan(1)
    expect(await position()).toBe(0n)
    producer.isAway = false
    await expect.poll(position).toBe(3n)
    expect(producer.seqs).toEqual([1n, 2n, 3n])
    expect(producer.resets).toBe(producer.failures)
  })

  it('moves no position once another epoch has begun', async () => {
    await leadership.whenLeading()
    await relay.start()
    await publish(1)
    await expect.poll(position).toBe(1n)
    const [raised] = await open.database.query(
      `UPDATE platform.fence SET epoch = epoch + 1 WHERE role = 'relay' RETURNING epoch`,
    )
    await publish(1)
    await expect.poll(() => producer.seqs.includes(2n)).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 100))
    // A later term may have sent it again by now, under an epoch of its own.
    const moved = await open.database.query(
      `SELECT 1 FROM platform.fence, platform.consumer_position
       WHERE role = 'relay' AND epoch = $1 AND consumer_group = 'relay' AND seq > 1`,
      [raised?.['epoch']],
    )
    expect(moved).toEqual([])
  })

  describe('asked for what a topic lost', () => {
    const asked = () => listResendRequests(open.database, 's')
    const want = (group: string, after: bigint) =>
      wantResend(open.database, { stream: 's', group, after })
    const sent = () => producer.seqs.map(Number)

    beforeEach(async () => {
      await publish(5)
      await inTransaction(open.database, async (tx) => {
        await writePosition(tx, RELAY_GROUP, 's', 2n, 1n)
        await writePosition(tx, 'slow', 's', 2n, 1n)
        await writePosition(tx, 'quick', 's', 5n, 1n)
      })
    })

    async function started(resendRestMs?: number): Promise<void> {
      relay = makeRelay(resendRestMs)
      await relay.start()
      await expect.poll(position).toBe(5n)
      expect(sent()).toEqual([3, 4, 5])
    }

    it('goes back to the group that has read least, while it runs', async () => {
      await started()
      await want('slow', 2n)
      await expect.poll(sent).toEqual([3, 4, 5, 3, 4, 5])
      expect(await asked()).toEqual([])
      expect(await position()).toBe(5n)
      await publish(1)
      await expect.poll(sent).toEqual([3, 4, 5, 3, 4, 5, 6])
    })

    it('does not go back again before its rest is over, and keeps the request', async () => {
      await started()
      await want('slow', 2n)
      await expect.poll(sent).toHaveLength(6)
      await want('slow', 2n)
      await new Promise((resolve) => setTimeout(resolve, 1500))
      expect(sent()).toHaveLength(6)
      expect(await asked()).toHaveLength(1)
    })

    it('goes back again for a request that it kept, once its rest is over', async () => {
      await started(2000)
      await want('slow', 2n)
      await expect.poll(sent).toHaveLength(6)
      await want('slow', 2n)
      await expect.poll(sent).toHaveLength(9)
      await expect.poll(asked).toEqual([])
    })

    it('forgets requests of groups that have moved on or are gone', async () => {
      await started()
      await want('quick', 3n)
      await want('gone', 0n)
      await expect.poll(asked).toEqual([])
      expect(sent()).toHaveLength(3)
    })

    it('sends nothing for an event that Postgres lacks too', async () => {
      await started()
      await open.database.query('DELETE FROM platform.outbox WHERE seq = 3')
      await want('slow', 2n)
      await expect.poll(asked).toEqual([])
      expect(sent()).toHaveLength(3)
    })
  })
})
