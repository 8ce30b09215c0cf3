import { AppError } from '#kernel/errors.ts'
import type { Database } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import { decodeEnvelope, encodeEnvelope, type Envelope } from '#platform/events/event.ts'
import type {
  EventLog,
  EventProducer,
  EventSubscription,
  Subscriber,
} from '#platform/events/log.ts'
import { wantResend } from '#platform/events/resend.ts'
import type { World } from './world.ts'

export interface BrokerTroubles {
  /** Of each message, to be stored twice. */
  readonly duplicates: number
  /** Of each delivery, to begin again further back, as after a rebalance. */
  readonly rebalances: number
  /** Of each delivery, to come late. */
  readonly delays: number
  /** Of each request to send, to fail before or after it was stored. */
  readonly failures: number
}

const CALM: BrokerTroubles = { duplicates: 0, rebalances: 0, delays: 0, failures: 0 }
const POLL_MS = 20
const RETRY_MS = 100
const MOST_EVENTS = 64
const FORGOTTEN = ''
const GAP = platformErrors.stream_gap.code

/** Topics with one partition each, that give every message at least once. */
export class SimulatedBroker {
  readonly #world: World
  readonly #topics = new Map<string, string[]>()
  troubles = CALM
  awayUntilMs = 0

  constructor(world: World) {
    this.#world = world
  }

  calm(): void {
    this.troubles = CALM
    this.awayUntilMs = 0
  }

  /** Every message of the past is gone, as after its retention, and no sender notices. */
  forget(): void {
    for (const topic of this.#topics.values()) topic.fill(FORGOTTEN)
  }

  producer(): EventProducer {
    const reset = (): Promise<void> => Promise.resolve()
    return { send: (stream, batch) => this.#send(stream, batch), reset } as EventProducer
  }

  log(database: Database): EventLog {
    const subscribe = (subscriber: Subscriber): EventSubscription =>
      this.#subscribe(subscriber, database)
    return { driver: 'kafka', subscribe } as EventLog
  }

  #send(stream: string, batch: readonly Envelope[]): Promise<void> {
    const world = this.#world
    const process = world.process()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (!world.survives(process)) return promise
    const texts = batch.map(encodeEnvelope)
    world.later(world.between(0.5, 5), () => {
      const isAway = this.awayUntilMs > world.nowMs
      const isLost = world.chance(this.troubles.failures)
      const isStored = !isAway && (!isLost || world.chance(1, 2))
      if (isStored) this.#store(stream, texts)
      const answer = isAway || isLost ? () => reject(new TypeError('broker away')) : resolve
      world.schedule(0.3, answer, process)
    })
    return promise
  }

  #store(stream: string, texts: readonly string[]): void {
    const topic = this.#topic(stream)
    for (const text of texts) {
      topic.push(text)
      if (this.#world.chance(this.troubles.duplicates)) topic.push(text)
    }
  }

  #topic(stream: string): string[] {
    const found = this.#topics.get(stream) ?? []
    this.#topics.set(stream, found)
    return found
  }

  #subscribe(subscriber: Subscriber, database: Database): EventSubscription {
    const { stream, position, handle } = subscriber
    const world = this.#world
    let isRunning = false
    let offset = 0
    let rewoundAt: bigint | undefined
    /** From the start once for each gap; behind it once the relay was asked for what is missing. */
    const offsetAfter = async (error: unknown, behind: number): Promise<number> => {
      if (!(error instanceof AppError) || error.code !== GAP) return 0
      const after = await position()
      if (rewoundAt === after) {
        await wantResend(database, { stream, group: subscriber.group, after })
        return behind
      }
      rewoundAt = after
      return 0
    }
    const turn = async (): Promise<void> => {
      if (!isRunning) return
      const topic = this.#topic(stream)
      if (world.chance(this.troubles.rebalances)) offset = world.rng.below(offset + 1)
      const texts =
        this.awayUntilMs > world.nowMs
          ? []
          : topic.slice(offset, offset + 1 + world.rng.below(MOST_EVENTS))
      let restMs = world.chance(this.troubles.delays) ? world.between(50, 800) : POLL_MS
      if (texts.length > 0) {
        try {
          await this.#deliver(texts, position, handle)
          offset += texts.length
          restMs = Math.min(restMs, 1)
        } catch (error) {
          world.trace('redelivers', () => `${stream}: ${String(error)}`)
          offset = await offsetAfter(error, offset + texts.length).catch(() => 0)
          restMs = RETRY_MS
        }
      }
      world.schedule(restMs, () => void turn())
    }
    return {
      name: `broker.${stream}`,
      start: () => {
        isRunning = true
        world.schedule(1, () => void turn())
        return Promise.resolve()
      },
      stop: () => {
        isRunning = false
        return Promise.resolve()
      },
      health: () => ({ ok: true }),
      wake: () => undefined,
    } as EventSubscription
  }

  /** Some of the time as they came, with repetitions: consumers have to cope. */
  async #deliver(
    texts: readonly string[],
    position: Subscriber['position'],
    handle: Subscriber['handle'],
  ): Promise<void> {
    const envelopes = texts.map(decodeEnvelope).filter((one) => one !== undefined)
    const at = await position()
    const fresh = this.#world.chance(1, 4)
      ? envelopes
      : envelopes.filter(
          ({ seq }, place) => seq > at && envelopes.findIndex((one) => one.seq === seq) === place,
        )
    if (fresh.length > 0) await handle(fresh)
  }
}
