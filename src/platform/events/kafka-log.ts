import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/pool.ts'
import { readInstance, type Instance } from '../instance.ts'
import { describeFailure, type Health } from '../lifecycle.ts'
import type { CounterMetric, Metrics } from '../metrics.ts'
import { backoffMs } from '../scheduler.ts'
import { foreignEventCounter } from './consumer.ts'
import { decodeEnvelope, type Envelope } from './event.ts'
import { afterLostAsk, decideGap, NO_GAP } from './gap.ts'
import {
  CLIENT_RETRY,
  createKafka,
  explainKafka,
  PARTITION,
  topicOf,
  withAdmin,
  type EachBatchPayload,
  type Kafka,
  type KafkaAccess,
  type KafkaConsumer,
  type KafkaMessage,
} from './kafka-client.ts'
import {
  isGap,
  reportFailure,
  type EventLog,
  type EventSubscription,
  type Subscriber,
} from './log.ts'
import { PartAssembly, readPlace } from './parts.ts'
import { isOurs, takeRun } from './position.ts'
import { wantResend } from './resend.ts'

export interface KafkaLogOptions extends KafkaAccess {
  readonly database: Database
  readonly metrics: Metrics
}

const MAX_EVENTS = 256
const FETCH_WAIT_MS = 500
/** Without an answer of the broker for this long the subscription is sick. */
const SILENCE_MS = 5000
/** A node that was killed keeps its successor waiting this long; brokers allow no less. */
const SESSION_MS = 6000
const HEARTBEAT_MS = 1500
const HINT_INTERVAL_MS = 5000
const MOST_BACKOFF_MS = 5000

/** Events over Kafka. Postgres stays the truth: positions live there, offsets are a hint. */
export class KafkaLog implements EventLog {
  readonly driver = 'kafka'
  readonly #options: KafkaLogOptions
  readonly #kafka: Kafka

  constructor(options: KafkaLogOptions) {
    this.#options = options
    this.#kafka = createKafka(options)
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
  readonly #parts = new PartAssembly()
  #sessions: Promise<void> | undefined
  #answeredAtMs = -Infinity
  #connectFailures = 0
  #lastFailure: string
  #failures = 0
  #position: bigint | undefined
  #gap = NO_GAP
  #hintedAtMs = -Infinity

  constructor(kafka: Kafka, options: KafkaLogOptions, subscriber: Subscriber) {
    this.#kafka = kafka
    this.#options = options
    this.#subscriber = subscriber
    this.#topic = topicOf(subscriber.stream)
    this.#foreign = foreignEventCounter(options.metrics)
    this.#lastFailure = `connecting to Kafka at ${options.brokers.join(', ')}`
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
    return { ok: false, detail: this.#lastFailure }
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      try {
        await this.#session()
      } catch (error) {
        if (signal.aborted) return
        this.#connectFailures += 1
        this.#lastFailure = describeFailure(explainKafka(this.#options.brokers, error))
        this.#options.log.warn({ event: 'kafka.session_failed', subscription: this.name, error })
        await this.#pause(backoffMs(this.#connectFailures, 250, MOST_BACKOFF_MS))
      }
    }
  }

  /** From connecting until the consumer crashes or the node stops. */
  async #session(): Promise<void> {
    const instance = await readInstance(this.#options.database)
    this.#position = await this.#subscriber.position()
    this.#parts.clear()
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

  #createConsumer(groupId: string): KafkaConsumer {
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
    return await withAdmin(this.#kafka, async (admin) => {
      const topics = await admin.fetchOffsets({ groupId, topics: [this.#topic] })
      const hint = topics[0]?.partitions.find(({ partition }) => partition === PARTITION)
      if (hint === undefined || hint.offset === '-1') return false
      const metadata = hint.metadata ?? ''
      return !/^\d{1,19}$/.test(metadata) || BigInt(metadata) > position
    })
  }

  async #rewind(consumer: KafkaConsumer): Promise<void> {
    this.#parts.clear()
    const offsets = await withAdmin(this.#kafka, (admin) => admin.fetchTopicOffsets(this.#topic))
    const low = offsets.find(({ partition }) => partition === PARTITION)?.low ?? '0'
    consumer.seek({ topic: this.#topic, partition: PARTITION, offset: low })
  }

  async #receive(
    consumer: KafkaConsumer,
    payload: EachBatchPayload,
    instance: Instance,
  ): Promise<void> {
    const beat = setInterval(() => void payload.heartbeat().catch(() => undefined), HEARTBEAT_MS)
    try {
      const envelopes = this.#ours(payload, instance)
      const beyond = await this.#deliver(envelopes, payload)
      if (beyond === undefined) return
      if (beyond.length > 0 && !(await this.#passGap(consumer, beyond))) return
      payload.resolveOffset(payload.batch.lastOffset())
      if (beyond.length === 0) await this.#hint(consumer, payload.batch.lastOffset())
    } finally {
      clearInterval(beat)
    }
  }

  #ours({ batch }: EachBatchPayload, instance: Instance): readonly Envelope[] {
    const texts = batch.messages.map((message) => this.#textOf(message))
    const decoded = texts.filter((text) => text !== undefined).map(decodeEnvelope)
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

  /** Undefined for a piece of an event that is not complete yet. */
  #textOf({ value, headers }: KafkaMessage): string | undefined {
    const bytes = value ?? Buffer.alloc(0)
    const place = readPlace(String(headers?.['part'] ?? ''))
    if (place === undefined) {
      this.#parts.passOver()
      return bytes.toString('utf8')
    }
    return this.#parts.take({ ...place, id: String(headers?.['id'] ?? ''), bytes })
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
    if (this.#noteFailure(error)) await this.#pause(backoffMs(this.#failures, 50, MOST_BACKOFF_MS))
  }

  /** False when the node stops, which is no failure. */
  #noteFailure(error: unknown): boolean {
    this.#position = undefined
    if (this.#abort.signal.aborted) return false
    this.#failures += 1
    this.#lastFailure = describeFailure(error)
    reportFailure(this.#options.log, this.name, this.#failures, error)
    return true
  }

  /** Does what `gap.ts` decides about what lies beyond a gap; true to read on behind it. */
  async #passGap(consumer: KafkaConsumer, beyond: readonly Envelope[]): Promise<boolean> {
    const position = (this.#position ??= await this.#subscriber.position())
    const { step, memory } = decideGap(this.#gap, position, performance.now())
    this.#gap = memory
    if (step === 'pass') return true
    if (step === 'ask') return await this.#ask(position, beyond)
    await this.#rewind(consumer)
    return false
  }

  async #ask(position: bigint, beyond: readonly Envelope[]): Promise<boolean> {
    const { group, stream } = this.#subscriber
    try {
      await wantResend(this.#options.database, { stream, group, after: position })
      await this.#subscriber.handle(beyond.slice(0, 1))
    } catch (error) {
      if (isGap(error)) return this.#noteFailure(error)
      this.#gap = afterLostAsk(this.#gap)
      await this.#failed(error)
      return false
    }
    // Another process of the group has come further.
    this.#position = undefined
    return false
  }

  async #hint(consumer: KafkaConsumer, lastOffset: string): Promise<void> {
    const now = performance.now()
    if (this.#position === undefined || now - this.#hintedAtMs < HINT_INTERVAL_MS) return
    // A session that began in the middle of an event could not read it.
    if (this.#parts.isPending) return
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
