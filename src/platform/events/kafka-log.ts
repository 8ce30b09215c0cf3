import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel, type Consumer, type EachBatchPayload, type LogEntry } from 'kafkajs'
import { AppError } from '#kernel/errors.ts'
import type { Database } from '../db/pool.ts'
import { platformErrors } from '../errors.ts'
import { readInstance, type Instance } from '../instance.ts'
import { describeFailure, type Health } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { CounterMetric, Metrics } from '../metrics.ts'
import { backoffMs } from '../scheduler.ts'
import { foreignEventCounter } from './consumer.ts'
import { decodeEnvelope, type Envelope } from './event.ts'
import type { EventLog, EventSubscription, Subscriber } from './log.ts'
import { isOurs, takeRun } from './position.ts'

export interface KafkaLogOptions {
  readonly brokers: readonly string[]
  readonly database: Database
  readonly log: Log
  readonly metrics: Metrics
}

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests: (this: RequestQueue) => void
}

const PARTITION = 0
const MAX_EVENTS = 256
const FETCH_WAIT_MS = 500
/** Without an answer of the broker for this long the subscription is sick. */
const SILENCE_MS = 5000
/** A node that was killed keeps its successor waiting this long; brokers allow no less. */
const SESSION_MS = 6000
const HEARTBEAT_MS = 1500
const HINT_INTERVAL_MS = 5000
const MOST_BACKOFF_MS = 5000
const CLIENT_RETRY = { retries: 3, initialRetryTime: 200, maxRetryTime: 2000 }

/** kafkajs 2.2.4 re-arms a timer of a millisecond for ever, even with nothing to send. */
function stopIdleTimer(): void {
  const require = createRequire(import.meta.url)
  const queue = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue }
  const { prototype } = queue
  const schedule = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this)
  }
}

stopIdleTimer()

export function topicOf(stream: string): string {
  return `mooring.${stream}.v1`
}

/** A client whose own log lines come out as ours, one level lower: it calls retries errors. */
export function createKafka(brokers: readonly string[], log: Log): Kafka {
  return new Kafka({
    clientId: 'mooring',
    brokers: [...brokers],
    connectionTimeout: 3000,
    requestTimeout: 10_000,
    retry: CLIENT_RETRY,
    logLevel: logLevel.WARN,
    logCreator: () => (entry: LogEntry) => {
      log.debug({ event: 'kafka.client', detail: entry.log.message })
    },
  })
}

/** Events over Kafka. Postgres stays the truth: positions live there, offsets are a hint. */
export class KafkaLog implements EventLog {
  readonly driver = 'kafka'
  readonly #options: KafkaLogOptions
  readonly #kafka: Kafka

  constructor(options: KafkaLogOptions) {
    this.#options = options
    this.#kafka = createKafka(options.brokers, options.log)
  }

  subscribe(subscriber: Subscriber): EventSubscription {
    return new KafkaSubscription(this.#kafka, this.#options, subscriber)
  }
}

class KafkaSubscription implements EventSubscription {
  readonly name: string
  readonly #kafka: Kafka
  readonly #options: KafkaLogOptions
  readonly #subscriber: Subscriber
  readonly #topic: string
  readonly #foreign: CounterMetric
  readonly #abort = new AbortController()
  #sessions: Promise<void> | undefined
  #answeredAtMs = -Infinity
  #connectFailures = 0
  #lastFailure = 'connecting'
  #failures = 0
  #position: bigint | undefined
  /** Position at which the topic was read from its start to look for missing events. */
  #rewoundAt: bigint | undefined
  #hintedAtMs = -Infinity

  constructor(kafka: Kafka, options: KafkaLogOptions, subscriber: Subscriber) {
    this.#kafka = kafka
    this.#options = options
    this.#subscriber = subscriber
    this.#topic = topicOf(subscriber.stream)
    this.#foreign = foreignEventCounter(options.metrics)
    this.name = `kafka.${subscriber.group}.${subscriber.stream}`
  }

  start(): Promise<void> {
    this.#sessions ??= this.#run()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#sessions
  }

  /** The broker answers a waiting fetch as soon as there is something, so there is nothing to do. */
  wake(): void {}

  health(): Health {
    if (this.#failures >= 3) {
      return { ok: false, detail: `failed ${this.#failures} times: ${this.#lastFailure}` }
    }
    if (performance.now() - this.#answeredAtMs < SILENCE_MS) return { ok: true }
    const brokers = this.#options.brokers.join(', ')
    return { ok: false, detail: `Kafka at ${brokers} is away: ${this.#lastFailure}` }
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      try {
        await this.#session()
      } catch (error) {
        if (signal.aborted) return
        this.#connectFailures += 1
        this.#lastFailure = describeFailure(error)
        this.#options.log.warn({ event: 'kafka.session_failed', subscription: this.name, error })
        await this.#pause(backoffMs(this.#connectFailures, 250, MOST_BACKOFF_MS))
      }
    }
  }

  /** From connecting until the consumer crashes or the node stops. */
  async #session(): Promise<void> {
    const instance = await readInstance(this.#options.database)
    this.#position = await this.#subscriber.position()
    const groupId = `mooring.${instance.id}.${instance.logEpoch}.${this.#subscriber.group}`
    const aheadOfPosition = await this.#isHintAhead(groupId, this.#position)
    const consumer = this.#createConsumer(groupId)
    const ended = Promise.withResolvers<void>()
    consumer.on(consumer.events.CRASH, ({ payload }) => ended.reject(payload.error))
    consumer.on(consumer.events.FETCH, () => this.#answered())
    consumer.on(consumer.events.HEARTBEAT, () => this.#answered())
    const onAbort = (): void => ended.resolve()
    this.#abort.signal.addEventListener('abort', onAbort)
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [this.#topic], fromBeginning: true })
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: (payload) => this.#receive(consumer, payload, instance),
      })
      if (aheadOfPosition) await this.#rewind(consumer)
      if (!this.#abort.signal.aborted) await ended.promise
    } finally {
      ended.promise.catch(() => undefined)
      this.#abort.signal.removeEventListener('abort', onAbort)
      await consumer.disconnect().catch(() => undefined)
    }
  }

  #createConsumer(groupId: string): Consumer {
    return this.#kafka.consumer({
      groupId,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      allowAutoTopicCreation: false,
      retry: { ...CLIENT_RETRY, restartOnFailure: () => Promise.resolve(false) },
    })
  }

  #answered(): void {
    this.#answeredAtMs = performance.now()
    this.#connectFailures = 0
  }

  /** Whether the committed offset skips events that this database has yet to apply. */
  async #isHintAhead(groupId: string, position: bigint): Promise<boolean> {
    const admin = this.#kafka.admin()
    try {
      await admin.connect()
      const topics = await admin.fetchOffsets({ groupId, topics: [this.#topic] })
      const hint = topics[0]?.partitions.find(({ partition }) => partition === PARTITION)
      if (hint === undefined || hint.offset === '-1') return false
      const metadata = hint.metadata ?? ''
      return !/^\d{1,19}$/.test(metadata) || BigInt(metadata) > position
    } finally {
      await admin.disconnect().catch(() => undefined)
    }
  }

  async #rewind(consumer: Consumer): Promise<void> {
    const admin = this.#kafka.admin()
    try {
      await admin.connect()
      const offsets = await admin.fetchTopicOffsets(this.#topic)
      const low = offsets.find(({ partition }) => partition === PARTITION)?.low ?? '0'
      consumer.seek({ topic: this.#topic, partition: PARTITION, offset: low })
    } finally {
      await admin.disconnect().catch(() => undefined)
    }
  }

  async #receive(consumer: Consumer, payload: EachBatchPayload, instance: Instance): Promise<void> {
    const beat = setInterval(() => void payload.heartbeat().catch(() => undefined), HEARTBEAT_MS)
    try {
      const envelopes = this.#ours(payload, instance)
      const beyond = await this.#deliver(envelopes, payload)
      if (beyond === undefined) return
      if (beyond.length > 0) {
        await this.#meetGap(consumer, beyond)
        return
      }
      payload.resolveOffset(payload.batch.lastOffset())
      await this.#hint(consumer, payload.batch.lastOffset())
    } finally {
      clearInterval(beat)
    }
  }

  #ours({ batch }: EachBatchPayload, instance: Instance): readonly Envelope[] {
    const decoded = batch.messages.map(({ value }) => decodeEnvelope(value?.toString('utf8') ?? ''))
    const ours = decoded.filter(
      (envelope) =>
        envelope !== undefined &&
        envelope.stream === this.#subscriber.stream &&
        isOurs(envelope, instance),
    )
    const dropped = decoded.length - ours.length
    if (dropped > 0) this.#foreign.inc({ stream: this.#subscriber.stream }, dropped)
    return ours.filter((envelope) => envelope !== undefined)
  }

  /** Hands over what follows on the position; returns what lies beyond a gap, undefined if stopped. */
  async #deliver(
    envelopes: readonly Envelope[],
    payload: EachBatchPayload,
  ): Promise<readonly Envelope[] | undefined> {
    for (;;) {
      if (this.#abort.signal.aborted || !payload.isRunning() || payload.isStale()) return undefined
      try {
        const position = (this.#position ??= await this.#subscriber.position())
        const { run, beyond } = takeRun(position, envelopes)
        const batch = run.slice(0, MAX_EVENTS)
        const last = batch.at(-1)
        if (last === undefined) return beyond
        await this.#subscriber.handle(batch)
        this.#position = last.seq
        this.#failures = 0
      } catch (error) {
        await this.#failed(error)
      }
    }
  }

  async #failed(error: unknown): Promise<void> {
    this.#position = undefined
    if (this.#abort.signal.aborted) return
    this.#failures += 1
    this.#lastFailure = describeFailure(error)
    const { log } = this.#options
    log.warn({
      event: 'events.delivery_failed',
      reader: this.name,
      failures: this.#failures,
      error,
    })
    await this.#pause(backoffMs(this.#failures, 50, MOST_BACKOFF_MS))
  }

  /** The topic may still hold what is missing; if not, the subscriber gets to see the gap. */
  async #meetGap(consumer: Consumer, beyond: readonly Envelope[]): Promise<void> {
    if (this.#rewoundAt === this.#position) {
      try {
        await this.#subscriber.handle(beyond.slice(0, 1))
      } catch (error) {
        await this.#failed(error)
      }
    }
    this.#position ??= await this.#subscriber.position()
    this.#rewoundAt = this.#position
    await this.#rewind(consumer)
  }

  async #hint(consumer: Consumer, lastOffset: string): Promise<void> {
    const now = performance.now()
    if (this.#position === undefined || now - this.#hintedAtMs < HINT_INTERVAL_MS) return
    this.#hintedAtMs = now
    const offset = (BigInt(lastOffset) + 1n).toString()
    const metadata = this.#position.toString()
    await consumer
      .commitOffsets([{ topic: this.#topic, partition: PARTITION, offset, metadata }])
      .catch(() => undefined)
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#abort.signal }).catch(() => undefined)
  }
}

const MAX_MESSAGE_BYTES = 24 * 1024 * 1024
const RETENTION_MS = 7 * 86_400_000

/** Makes the topics that are missing, with one partition, which keeps the order of the stream. */
export async function ensureTopics(options: {
  readonly brokers: readonly string[]
  readonly streams: readonly string[]
  readonly log: Log
}): Promise<void> {
  const admin = createKafka(options.brokers, options.log).admin()
  try {
    await admin.connect()
    const known = new Set(await admin.listTopics())
    const missing = options.streams.map(topicOf).filter((topic) => !known.has(topic))
    if (missing.length === 0) return
    const { brokers } = await admin.describeCluster()
    const replicas = Math.min(3, brokers.length)
    await admin.createTopics({
      waitForLeaders: true,
      topics: missing.map((topic) => ({
        topic,
        numPartitions: 1,
        replicationFactor: replicas,
        configEntries: [
          { name: 'min.insync.replicas', value: replicas === 3 ? '2' : '1' },
          { name: 'max.message.bytes', value: String(MAX_MESSAGE_BYTES) },
          { name: 'retention.ms', value: String(RETENTION_MS) },
          { name: 'cleanup.policy', value: 'delete' },
        ],
      })),
    })
    options.log.info({ event: 'kafka.topics_created', topics: missing })
  } catch (error) {
    throw kafkaAway(options.brokers, error)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** The refusal that names the brokers. */
export function kafkaAway(brokers: readonly string[], cause: unknown): Error {
  if (cause instanceof AppError) return cause
  const detail = `Kafka at ${brokers.join(', ')} is away: ${describeFailure(cause)}`
  return platformErrors.unavailable(detail, { cause })
}

export interface Message {
  readonly key: string
  readonly value: string
  readonly headers: Readonly<Record<string, string>>
}

/** A connected producer, as little of it as the port needs. */
export interface Sender {
  send(topic: string, messages: readonly Message[]): Promise<void>
  close(): Promise<void>
}

export async function connectProducer(options: {
  readonly brokers: readonly string[]
  readonly log: Log
}): Promise<Sender> {
  const producer = createKafka(options.brokers, options.log).producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: CLIENT_RETRY,
  })
  await producer.connect()
  return {
    send: async (topic, messages) => {
      const placed = messages.map((message) => ({ ...message, partition: PARTITION }))
      await producer.send({ topic, acks: -1, messages: placed })
    },
    close: () => producer.disconnect(),
  }
}
