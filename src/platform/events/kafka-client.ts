import { createRequire } from 'node:module'
import {
  Kafka,
  logLevel,
  type Admin,
  type Consumer,
  type EachBatchPayload,
  type KafkaMessage,
  type LogEntry,
} from 'kafkajs'
import { AppError } from '#kernel/errors.ts'
import { platformErrors } from '../errors.ts'
import { describeFailure } from '../lifecycle.ts'
import type { Log } from '../log.ts'

export type { Kafka, Consumer as KafkaConsumer, EachBatchPayload, KafkaMessage }

/** The one partition of each topic, which keeps the order of its stream. */
export const PARTITION = 0
export const CLIENT_RETRY = { retries: 3, initialRetryTime: 200, maxRetryTime: 2000 }

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests: (this: RequestQueue) => void
}

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

export interface KafkaAccess {
  readonly brokers: readonly string[]
  readonly log: Log
}

export function topicOf(stream: string): string {
  return `mooring.${stream}.v1`
}

/** A client whose own log lines come out as ours, one level lower: it calls retries errors. */
export function createKafka({ brokers, log }: KafkaAccess): Kafka {
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

/** Lends an administrator's connection. */
export async function withAdmin<T>(kafka: Kafka, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    return await work(admin)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** Turns a failure into the refusal that names the brokers, or the topic that is missing. */
export function explainKafka(brokers: readonly string[], cause: unknown): Error {
  if (cause instanceof AppError) return cause
  if (isTopicMissing(cause)) return topicsMissing([], cause)
  const detail = `Kafka at ${brokers.join(', ')} is away: ${describeFailure(cause)}`
  return platformErrors.unavailable(detail, { cause })
}

/** The refusal that tells how topics come into being. */
export function topicsMissing(topics: readonly string[], cause?: unknown): AppError {
  const names = topics.length === 0 ? 'a topic' : topics.join(', ')
  return platformErrors.topic_missing(
    `Kafka lacks ${names}; run \`npm run cli -- topics create\``,
    { cause },
  )
}

function isTopicMissing(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('type' in error && error.type === 'UNKNOWN_TOPIC_OR_PARTITION') return true
  return isTopicMissing(error.cause)
}

export interface Message {
  readonly key: string
  readonly value: string | Buffer
  readonly headers: Readonly<Record<string, string>>
}

/** A connected producer, as little of it as the port needs. */
export interface Sender {
  send(topic: string, messages: readonly Message[]): Promise<void>
  close(): Promise<void>
}

/** Idempotent, acknowledged by all replicas, one request in flight. */
export async function connectProducer(access: KafkaAccess): Promise<Sender> {
  const producer = createKafka(access).producer({
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
