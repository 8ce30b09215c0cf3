import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import type { Database } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { Consumer } from '#platform/events/consumer.ts'
import type { Envelope } from '#platform/events/event.ts'
import type { EventLog } from '#platform/events/log.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { readPosition } from '#platform/events/position.ts'
import { readInstance } from '#platform/instance.ts'
import { Metrics } from '#platform/metrics.ts'
import { randomToken } from '#platform/crypto.ts'
import { openDatabase, type OpenDatabase } from '../../support/database.ts'

/** What a driver needs around it to carry events from the outbox to a subscriber. */
export interface EventLogRig {
  readonly log: EventLog
  /** Empty where Postgres carries the events. */
  readonly brokers: readonly string[]
  /** Puts a message into the transport that no outbox of this node has written. */
  readonly inject?: (stream: string, batch: readonly Envelope[]) => Promise<void>
  /** Loses every message that the transport holds, and its place for them. */
  readonly lose?: (stream: string) => Promise<void>
  /** Forgets every message of the past, as retention does, so that no sender notices. */
  readonly forget?: (stream: string) => Promise<void>
  close(): Promise<void>
}

export type RigMaker = (rig: {
  database: Database
  metrics: Metrics
  streams: readonly string[]
}) => Promise<EventLogRig>

const CHILD = fileURLToPath(new URL('../../support/event-consumer-child.ts', import.meta.url))
const AT = instant(1_790_000_000_000)
const signal = new AbortController().signal
const PATIENCE = { interval: 20 }

/** Resolves when a consumer in a child process is within the effect after `seq`. */
async function lineSaying(child: ChildProcess, seq: number): Promise<void> {
  const { stdout } = child
  if (stdout === null) throw new TypeError('a child without output')
  for await (const line of createInterface(stdout)) {
    if (Number(line) >= seq) return
  }
  throw new RangeError('the consumer ended by itself')
}

/** The contract of the event log; every driver passes it. */
export function describeEventLog(driver: string, makeRig: RigMaker): void {
  describe(`event log on ${driver}`, () => {
    let open: OpenDatabase
    let rig: EventLogRig
    let metrics: Metrics
    let stream: string
    let consumers: Consumer[]

    beforeEach(async () => {
      open = await openDatabase()
      const owner = await open.database.connect()
      await owner.query('RESET ROLE')
      await owner.query('UPDATE platform.instance SET id = gen_random_uuid()')
      // Space that a killed process leaves is used again, so only a number tells the order.
      await owner.query(
        `CREATE TABLE platform.effect
         (consumer text, seq bigint, size int, place bigint GENERATED ALWAYS AS IDENTITY)`,
      )
      await owner.end()
      stream = `test.${randomToken(6).replaceAll(/[^a-z0-9]/gi, 'x')}`
      metrics = new Metrics()
      consumers = []
      rig = await makeRig({ database: open.database, metrics, streams: [stream] })
    })

    afterEach(async () => {
      for (const consumer of consumers) await consumer.stop()
      await rig.close()
      await open.close()
    })

    async function publish(amount: number, size = 10): Promise<void> {
      const event = { stream, type: 'test.counted.v1', key: 'k', data: { text: 'x'.repeat(size) } }
      await inTransaction(open.database, (tx) =>
        appendEvents(
          tx,
          Array.from({ length: amount }, () => event),
          AT,
        ),
      )
    }

    async function consume(
      group: string,
      hook: (envelope: Envelope) => void = () => undefined,
    ): Promise<Consumer> {
      const consumer = new Consumer({
        log: rig.log,
        database: open.database,
        metrics,
        group,
        stream,
        apply: async (tx, envelope) => {
          hook(envelope)
          const size = JSON.stringify(envelope.data['text'] ?? '').length - 2
          await tx.query('INSERT INTO platform.effect VALUES ($1, $2, $3)', [
            group,
            envelope.seq,
            size,
          ])
        },
      })
      consumers.push(consumer)
      await consumer.start(signal)
      return consumer
    }

    async function effects(group: string): Promise<readonly number[]> {
      const rows = await open.database.query<{ seq: bigint }>(
        `SELECT seq FROM platform.effect WHERE consumer = $1 ORDER BY place`,
        [group],
      )
      return rows.map(({ seq }) => Number(seq))
    }

    const counted = (last: number): readonly number[] =>
      Array.from({ length: last }, (_item, place) => place + 1)

    const count = async (metric: string): Promise<number> => {
      const text = await metrics.render()
      const lines = text.split('\n').filter((line) => line.startsWith(`mooring_${metric}{`))
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
    }

    it('delivers what was written before and after the start, in order and whole', async () => {
      await publish(3)
      await publish(300)
      const seen: Envelope[] = []
      await consume('a', (envelope) => seen.push(envelope))
      await publish(7)
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(310))
      const instance = await readInstance(open.database)
      expect(seen[0]).toEqual({
        id: expect.stringMatching(/^[\da-f-]{36}$/) as string,
        type: 'test.counted.v1',
        stream,
        seq: 1n,
        key: 'k',
        occurredAt: '2026-09-21T14:13:20.000Z',
        instance: instance.id,
        epoch: '1',
        data: { text: 'xxxxxxxxxx' },
      })
    })

    it('gives every group every event', async () => {
      await consume('a')
      await consume('b')
      await publish(5)
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(5))
      await expect.poll(() => effects('b'), PATIENCE).toEqual(counted(5))
    })

    it('goes on from the position after a stop', async () => {
      const first = await consume('a')
      await publish(4)
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(4))
      await first.stop()
      await publish(4)
      await consume('a')
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(8))
      expect(await readPosition(open.database, 'a', stream)).toBe(8n)
    })

    it('delivers again from the position that the subscriber names', async () => {
      const seen: bigint[] = []
      let failed = false
      const subscription = rig.log.subscribe({
        group: 'raw',
        stream,
        position: () => Promise.resolve(failed ? 1n : 0n),
        handle: (batch) => {
          seen.push(...batch.map(({ seq }) => seq))
          if (failed || !seen.includes(3n)) return Promise.resolve()
          failed = true
          return Promise.reject(new RangeError('once'))
        },
      })
      await publish(3)
      await subscription.start(signal)
      await expect.poll(() => seen, PATIENCE).toEqual([1n, 2n, 3n, 2n, 3n])
      await subscription.stop()
    })

    it('applies twins of one group exactly once', async () => {
      await consume('a')
      const twin = await consume('a')
      await publish(20)
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(20))
      await twin.stop()
      await publish(5)
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(25))
    })

    it('gets what precedes a bad event through and tries the bad one again', async () => {
      let bad = true
      const consumer = await consume('a', ({ seq }) => {
        if (seq === 4n && bad) throw new RangeError('poison')
      })
      await publish(6)
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(3))
      await expect.poll(() => consumer.health().ok, PATIENCE).toBe(false)
      bad = false
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(6))
      await expect.poll(() => consumer.health().ok, PATIENCE).toBe(true)
    })

    it('stops at a missing event and raises an alarm', async () => {
      await publish(5)
      await open.database.query('DELETE FROM platform.outbox WHERE stream = $1 AND seq = 3', [
        stream,
      ])
      const consumer = await consume('a')
      await expect.poll(() => consumer.health().ok, PATIENCE).toBe(false)
      await expect.poll(() => count('stream_gaps_total'), PATIENCE).toBeGreaterThan(0)
      expect(await effects('a')).toEqual([1, 2])
      expect(await readPosition(open.database, 'a', stream)).toBe(2n)
    })

    it('goes on by itself when the transport has lost its messages', async (context) => {
      const { lose } = rig
      if (lose === undefined) {
        context.skip(`${driver} has no transport besides the outbox`)
        return
      }
      const first = await consume('a')
      await publish(3)
      await expect.poll(() => effects('a'), PATIENCE).toEqual([1, 2, 3])
      await first.stop()
      await publish(3)
      await lose(stream)
      await publish(3)
      await consume('a')
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(9))
    })

    it('gets again what the transport forgot while events went on', async (context) => {
      const { forget } = rig
      if (forget === undefined) {
        context.skip(`${driver} has no transport besides the outbox`)
        return
      }
      const first = await consume('a')
      await publish(3)
      await expect.poll(() => effects('a'), PATIENCE).toEqual([1, 2, 3])
      await first.stop()
      await publish(300)
      await expect.poll(() => readPosition(open.database, 'relay', stream), PATIENCE).toBe(303n)
      await forget(stream)
      await publish(3)
      const consumer = await consume('a')
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(306))
      expect(await count('stream_gaps_total')).toBeGreaterThan(0)
      await publish(1)
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(307))
      await expect.poll(() => consumer.health().ok, PATIENCE).toBe(true)
    })

    it.each([900_000, 5_000_000])('carries a message of %i bytes among others', async (size) => {
      await consume('a')
      await publish(2)
      await publish(1, size)
      await publish(2)
      await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(5))
      const rows = await open.database.query(
        'SELECT seq FROM platform.effect WHERE size = $1 AND consumer = $2',
        [size, 'a'],
      )
      expect(rows).toEqual([{ seq: 3n }])
    })

    it('loses and doubles nothing when the process of a consumer is killed', async () => {
      const start = (): ChildProcess =>
        spawn(process.execPath, [CHILD, open.url, stream, 'a', rig.brokers.join(',')], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
      await publish(120)
      for (const wanted of [20, 60]) {
        const child = start()
        await lineSaying(child, wanted)
        child.kill('SIGKILL')
        await new Promise((resolve) => child.once('close', resolve))
      }
      const last = start()
      try {
        await expect.poll(() => effects('a'), PATIENCE).toEqual(counted(120))
      } finally {
        last.kill('SIGKILL')
      }
      expect(await readPosition(open.database, 'a', stream)).toBe(120n)
    })

    it('drops and counts messages of another node and of a former life', async (context) => {
      const { inject } = rig
      if (inject === undefined) {
        context.skip(`${driver} reads the outbox, which holds nothing foreign`)
        return
      }
      await consume('a')
      const instance = await readInstance(open.database)
      const own: Envelope = {
        id: 'e',
        type: 'test.counted.v1',
        stream,
        seq: 1n,
        key: 'k',
        occurredAt: '2026-09-21T14:13:20.000Z',
        instance: instance.id,
        epoch: '1',
        data: { text: 'foreign' },
      }
      await inject(stream, [
        { ...own, instance: '00000000-0000-4000-8000-000000000000' },
        { ...own, epoch: '7' },
      ])
      await publish(2)
      await expect.poll(() => effects('a'), PATIENCE).toEqual([1, 2])
      expect(await count('foreign_events_total')).toBe(2)
      const rows = await open.database.query('SELECT max(size) AS size FROM platform.effect')
      expect(rows).toEqual([{ size: 10 }])
    })
  })
}
