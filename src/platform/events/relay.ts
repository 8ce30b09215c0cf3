import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'
import { requireEpoch, type Leadership } from '../leader.ts'
import { readInstance } from '../instance.ts'
import type { Health, Service } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { CounterMetric, Metrics } from '../metrics.ts'
import { Loop } from '../scheduler.ts'
import type { Envelope } from './event.ts'
import type { EventProducer } from './log.ts'
import { OutboxReader } from './outbox-reader.ts'
import { lockPosition, readLowestPosition, readPosition, writePosition } from './position.ts'
import {
  decideResend,
  forgetResendRequests,
  listResendRequests,
  type ResendState,
} from './resend.ts'

export interface RelayOptions {
  readonly database: Database
  readonly leadership: Leadership
  readonly producer: EventProducer
  readonly streams: readonly string[]
  readonly log: Log
  readonly metrics: Metrics
  /** Rest between two times that it goes back on a stream. */
  readonly resendRestMs?: number
}

const LOOK_INTERVAL_MS = 1000
const RESEND_REST_MS = 60_000

export const RELAY_GROUP = 'relay'

/**
 * Copies the outbox to Kafka while this process leads the role. It starts behind the group that
 * has read least, so that a broker that lost messages, or is new, gets them again; consumers skip
 * what they know. It goes back there as well when a group asks for what its topic lacks.
 */
export class Relay implements Service {
  readonly name = 'relay'
  readonly #options: RelayOptions
  readonly #sent: CounterMetric
  readonly #abort = new AbortController()
  readonly #resends: CounterMetric
  readonly #sentUpTo = new Map<string, bigint>()
  readonly #turnedBack = new Map<string, Pick<ResendState, 'until' | 'atMs'>>()
  #readers: ReadonlyMap<string, OutboxReader> = new Map()
  #terms: Promise<void> | undefined

  constructor(options: RelayOptions) {
    this.#options = options
    const { metrics, streams } = options
    this.#sent = metrics.counter('relayed_events_total', 'Events sent to Kafka', ['stream'])
    this.#resends = metrics.counter('relay_resends_total', 'Times that the relay went back', [
      'stream',
    ])
    for (const stream of streams) this.#resends.inc({ stream }, 0)
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
    const readers = [...this.#readers.values()]
    return readers.map((reader) => reader.health()).find(({ ok }) => !ok) ?? { ok: true }
  }

  async #run(): Promise<void> {
    const { leadership } = this.#options
    const { signal } = this.#abort
    while (!signal.aborted) {
      const epoch = await untilAborted(leadership.whenLeading(), signal)
      if (epoch === undefined) return
      const requests = this.#followRequests(epoch)
      this.#readers = new Map(
        this.#options.streams.map((stream) => [stream, this.#follow(stream, epoch)]),
      )
      for (const reader of this.#readers.values()) await reader.start()
      await requests.start()
      // Lost and won again between two looks, the role has another epoch.
      while (!signal.aborted && leadership.isLeading() && leadership.epoch() === epoch) {
        await sleep(100, undefined, { signal }).catch(() => undefined)
      }
      await requests.stop()
      await this.#stopReaders()
    }
  }

  async #stopReaders(): Promise<void> {
    await Promise.all([...this.#readers.values()].map((reader) => reader.stop()))
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

  #followRequests(epoch: bigint): Loop {
    const { log, streams } = this.#options
    return new Loop({
      name: 'relay.resends',
      intervalMs: LOOK_INTERVAL_MS,
      log,
      run: async () => {
        for (const stream of streams) await this.#answerRequests(stream, epoch)
      },
    })
  }

  async #answerRequests(stream: string, epoch: bigint): Promise<void> {
    const { database, log, resendRestMs = RESEND_REST_MS } = this.#options
    const requests = await listResendRequests(database, stream)
    if (requests.length === 0) return
    const before = this.#turnedBack.get(stream)
    const sentUpTo = this.#sentUpTo.get(stream) ?? 0n
    const state = before && { ...before, sentUpTo }
    const nowMs = performance.now()
    const { goBack, settled, lost } = decideResend(requests, state, nowMs, resendRestMs)
    await inTransaction(database, async (tx) => {
      await requireEpoch(tx, 'relay', epoch)
      await forgetResendRequests(tx, stream, settled)
    })
    if (lost.length > 0) log.error({ event: 'relay.event_lost', stream, groups: lost })
    if (!goBack) return
    log.warn({ event: 'relay.goes_back', stream, groups: settled })
    this.#resends.inc({ stream })
    this.#turnedBack.set(stream, { until: sentUpTo, atMs: nowMs })
    this.#sentUpTo.delete(stream)
    this.#readers.get(stream)?.goBack()
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
    this.#sentUpTo.set(stream, last.seq)
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
