import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'
import { requireEpoch, type Leadership } from '../leader.ts'
import { readInstance } from '../instance.ts'
import type { Health, Service } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { CounterMetric, Metrics } from '../metrics.ts'
import type { Envelope } from './event.ts'
import type { EventProducer } from './log.ts'
import { OutboxReader } from './outbox-reader.ts'
import { lockPosition, readLowestPosition, readPosition, writePosition } from './position.ts'

export interface RelayOptions {
  readonly database: Database
  readonly leadership: Leadership
  readonly producer: EventProducer
  readonly streams: readonly string[]
  readonly log: Log
  readonly metrics: Metrics
}

export const RELAY_GROUP = 'relay'

/**
 * Copies the outbox to Kafka while this process leads the role. It starts behind the group that
 * has read least, so that a broker that lost messages, or is new, gets them again; consumers skip
 * what they know.
 */
export class Relay implements Service {
  readonly name = 'relay'
  readonly #options: RelayOptions
  readonly #sent: CounterMetric
  readonly #abort = new AbortController()
  #readers: readonly OutboxReader[] = []
  #terms: Promise<void> | undefined

  constructor(options: RelayOptions) {
    this.#options = options
    this.#sent = options.metrics.counter('relayed_events_total', 'Events sent to Kafka', ['stream'])
  }

  start(): Promise<void> {
    this.#terms ??= this.#run()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await Promise.all([this.#options.producer.reset(), this.#stopReaders()])
    await this.#terms
    await this.#options.producer.reset()
  }

  health(): Health {
    return this.#readers.map((reader) => reader.health()).find(({ ok }) => !ok) ?? { ok: true }
  }

  async #run(): Promise<void> {
    const { leadership } = this.#options
    const { signal } = this.#abort
    while (!signal.aborted) {
      const epoch = await untilAborted(leadership.whenLeading(), signal)
      if (epoch === undefined) return
      this.#readers = this.#options.streams.map((stream) => this.#follow(stream, epoch))
      for (const reader of this.#readers) await reader.start()
      // Lost and won again between two looks, the role has another epoch.
      while (!signal.aborted && leadership.isLeading() && leadership.epoch() === epoch) {
        await sleep(100, undefined, { signal }).catch(() => undefined)
      }
      await this.#stopReaders()
    }
  }

  async #stopReaders(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.stop()))
  }

  #follow(stream: string, epoch: bigint): OutboxReader {
    const { database, log, producer } = this.#options
    return new OutboxReader({
      name: `relay.${stream}`,
      group: RELAY_GROUP,
      stream,
      database,
      log,
      position: () => this.#startPosition(stream),
      handle: async (batch) => {
        try {
          await producer.send(stream, batch)
        } catch (error) {
          await producer.reset()
          throw error
        }
        await this.#store(stream, batch, epoch)
      },
    })
  }

  async #startPosition(stream: string): Promise<bigint> {
    const { database } = this.#options
    const own = await readPosition(database, RELAY_GROUP, stream)
    const lowest = await readLowestPosition(database, stream, RELAY_GROUP)
    return lowest !== undefined && lowest < own ? lowest : own
  }

  async #store(stream: string, batch: readonly Envelope[], epoch: bigint): Promise<void> {
    const { database } = this.#options
    const last = batch.at(-1)
    if (last === undefined) return
    this.#sent.inc({ stream }, batch.length)
    const instance = await readInstance(database)
    await inTransaction(database, async (tx) => {
      await requireEpoch(tx, 'relay', epoch)
      const before = await lockPosition(tx, RELAY_GROUP, stream)
      if (last.seq > before) {
        await writePosition(tx, RELAY_GROUP, stream, last.seq, instance.logEpoch)
      }
    })
  }
}

/** The value, or undefined when the signal aborts first or there will be none. */
async function untilAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const aborted = Promise.withResolvers<undefined>()
  const listener = (): void => aborted.resolve(undefined)
  if (signal.aborted) return undefined
  signal.addEventListener('abort', listener)
  try {
    return await Promise.race([value, aborted.promise])
  } catch {
    return undefined
  } finally {
    signal.removeEventListener('abort', listener)
  }
}
