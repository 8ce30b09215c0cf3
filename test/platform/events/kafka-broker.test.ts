import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { instant } from '#kernel/time.ts'
import { loadConfig, readEnvironment } from '#platform/config.ts'
import { randomToken } from '#platform/crypto.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { Consumer } from '#platform/events/consumer.ts'
import { createKafka, topicOf, withAdmin } from '#platform/events/kafka-client.ts'
import { KafkaLog } from '#platform/events/kafka-log.ts'
import { KafkaProducer } from '#platform/events/kafka-producer.ts'
import { createTopics, listTopics, requireTopics } from '#platform/events/kafka-topics.ts'
import type { EventLog } from '#platform/events/log.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { readPosition } from '#platform/events/position.ts'
import { Relay, RELAY_GROUP } from '#platform/events/relay.ts'
import { Leadership } from '#platform/leader.ts'
import { Metrics } from '#platform/metrics.ts'
import { Broker } from '../../support/broker.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../../support/database.ts'

const { kafkaBrokers } = loadConfig(readEnvironment())
const signal = new AbortController().signal
const PATIENCE = { interval: 20 }

describe('an idle connection of kafkajs', () => {
  it('arms no timer', async () => {
    const require = createRequire(import.meta.url)
    const RequestQueue: unknown = require('kafkajs/src/network/requestQueue')
    if (typeof RequestQueue !== 'function') throw new TypeError('kafkajs has no request queue')
    const timers = vi.spyOn(globalThis, 'setTimeout')
    try {
      const queue: unknown = Reflect.construct(RequestQueue, [{ maxInFlightRequests: 1 }])
      const check: unknown = Reflect.get(Object(queue), 'checkPendingRequests')
      if (typeof check !== 'function') throw new TypeError('the request queue checks nothing')
      Reflect.apply(check, queue, [])
      expect(timers).not.toHaveBeenCalled()
    } finally {
      timers.mockRestore()
    }
  })
})

/** `npm run test:kafka` sets the variable, and these tests start brokers of their own. */
describe.skipIf(kafkaBrokers.length === 0)('a broker (needs KAFKA_BROKERS)', () => {
  let broker: Broker
  let open: OpenDatabase
  let stream: string
  let stops: (() => Promise<void>)[]
  let seen: bigint[]

  beforeAll(async () => {
    broker = await Broker.start()
  })
  afterAll(() => broker.dispose())

  beforeEach(async () => {
    open = await openDatabase()
    stream = `test.${randomToken(6).replaceAll(/[^a-z0-9]/gi, 'x')}`
    stops = []
    seen = []
  })
  afterEach(async () => {
    for (const stop of stops.toReversed()) await stop()
    await open.close()
  })

  const access = () => ({ brokers: [broker.address], log: silentLog })
  const topics = () => ({ ...access(), streams: [stream] })
  const counted = (last: number): readonly bigint[] =>
    Array.from({ length: last }, (_item, place) => BigInt(place + 1))

  const publish = (amount: number): Promise<void> =>
    inTransaction(open.database, (tx) => {
      const event = { stream, type: 'test.counted.v1', key: 'k', data: {} }
      return appendEvents(
        tx,
        Array.from({ length: amount }, () => event),
        instant(0),
      )
    })

  const position = (group: string) => readPosition(open.database, group, stream)
  const kafkaLog = (): EventLog =>
    new KafkaLog({ ...access(), database: open.database, metrics: new Metrics() })
  const pgLog = (): EventLog => new PgLog({ database: open.database, log: silentLog })

  async function follow(log: EventLog): Promise<() => Promise<void>> {
    const consumer = new Consumer({
      log,
      database: open.database,
      metrics: new Metrics(),
      group: 'a',
      stream,
      apply: (tx, { seq }) => {
        tx.onCommit(() => seen.push(seq))
        return Promise.resolve()
      },
    })
    await consumer.start(signal)
    const stop = (): Promise<void> => consumer.stop()
    stops.push(stop)
    return stop
  }

  async function relay(options: { createTopics?: boolean } = {}): Promise<{
    readonly relay: Relay
    readonly stop: () => Promise<void>
  }> {
    const { database } = open
    const leadership = new Leadership({ role: 'relay', database, log: silentLog })
    const creation = options.createTopics === false ? {} : { createTopics: {} }
    const made = new Relay({
      database,
      leadership,
      producer: new KafkaProducer({ ...access(), ...creation }),
      streams: [stream],
      log: silentLog,
      metrics: new Metrics(),
    })
    await leadership.start()
    await made.start()
    const stop = async (): Promise<void> => {
      await made.stop()
      await leadership.stop()
    }
    stops.push(stop)
    return { relay: made, stop }
  }

  it('gets topics from the command and keeps them as they are', async () => {
    expect(await listTopics(topics())).toEqual([
      { topic: topicOf(stream), partitions: 0, replicas: 0 },
    ])
    await expect(requireTopics(topics())).rejects.toMatchObject({ code: 'platform.topic_missing' })
    expect(await createTopics(topics())).toEqual([topicOf(stream)])
    expect(await createTopics(topics())).toEqual([])
    expect(await listTopics(topics())).toEqual([
      { topic: topicOf(stream), partitions: 1, replicas: 1 },
    ])
    await requireTopics(topics())
  })

  it('is refused a topic that could not keep the order', async () => {
    await withAdmin(createKafka(access()), (admin) =>
      admin.createTopics({ topics: [{ topic: topicOf(stream), numPartitions: 2 }] }),
    )
    await expect(createTopics(topics())).rejects.toMatchObject({ code: 'platform.topic_unfit' })
  })

  it('makes no topic by itself: relay and consumer name the command and wait for it', async () => {
    await publish(3)
    const { relay: sender } = await relay({ createTopics: false })
    const log = kafkaLog()
    const subscription = log.subscribe({
      group: 'b',
      stream,
      position: () => Promise.resolve(0n),
      handle: () => Promise.resolve(),
    })
    stops.push(() => subscription.stop())
    await subscription.start(signal)
    await follow(log)
    const told = { detail: expect.stringContaining('topics create') as string, ok: false }
    await expect.poll(() => sender.health(), PATIENCE).toMatchObject(told)
    await expect.poll(() => subscription.health(), PATIENCE).toMatchObject(told)
    await createTopics(topics())
    await expect.poll(() => seen, PATIENCE).toEqual(counted(3))
    await expect.poll(() => sender.health(), PATIENCE).toEqual({ ok: true })
  })

  it('costs next to nothing while nothing happens', async () => {
    await relay()
    await follow(kafkaLog())
    await publish(1)
    await expect.poll(() => seen, PATIENCE).toEqual([1n])
    const timers = vi.spyOn(globalThis, 'setTimeout')
    await sleep(2000)
    const short = timers.mock.calls.filter(([, delayMs]) => (delayMs ?? 0) <= 5).length
    timers.mockRestore()
    expect(short).toBeLessThan(100)
  })

  it('may be exchanged for Postgres and back on a live database', async () => {
    const writing = new AbortController()
    const writer = (async () => {
      let written = 0
      while (!writing.signal.aborted) {
        await publish(3)
        written += 3
        await sleep(5)
      }
      return written
    })()
    const reach = async (more: number): Promise<void> => {
      const from = seen.length
      await expect.poll(() => seen.length - from, PATIENCE).toBeGreaterThan(more)
    }
    for (const driver of ['pglog', 'kafka', 'pglog', 'kafka']) {
      const relaying = driver === 'kafka' ? await relay() : undefined
      const stop = await follow(driver === 'kafka' ? kafkaLog() : pgLog())
      await reach(50)
      await stop()
      await relaying?.stop()
    }
    writing.abort()
    const written = await writer
    await follow(pgLog())
    await expect.poll(() => seen.length, PATIENCE).toBe(written)
    expect(seen).toEqual(counted(written))
    expect(await position('a')).toBe(BigInt(written))
  })

  it('may die and come back: positions stand still, then reach the head', async () => {
    const { relay: sender } = await relay()
    const log = kafkaLog()
    await follow(log)
    await publish(5)
    await expect.poll(() => seen, PATIENCE).toEqual(counted(5))
    await expect.poll(() => position(RELAY_GROUP), PATIENCE).toBe(5n)
    await broker.kill9()
    try {
      await publish(5)
      await expect
        .poll(() => sender.health(), PATIENCE)
        .toMatchObject({ ok: false, detail: expect.stringContaining(broker.address) as string })
      expect(await position(RELAY_GROUP)).toBe(5n)
      expect(await position('a')).toBe(5n)
    } finally {
      await broker.start()
    }
    await expect.poll(() => seen, PATIENCE).toEqual(counted(10))
    await publish(5)
    await expect.poll(() => seen, PATIENCE).toEqual(counted(15))
    await expect.poll(() => position(RELAY_GROUP), PATIENCE).toBe(15n)
    await expect.poll(() => sender.health(), PATIENCE).toEqual({ ok: true })
  })
})
