import type { Database } from '#platform/db/pool.ts'
import { decodeEnvelope, encodeEnvelope, type Envelope } from '#platform/events/event.ts'
import { afterLostAsk, decideGap, NO_GAP } from '#platform/events/gap.ts'
import {
  isGap,
  type EventLog,
  type EventProducer,
  type EventSubscription,
  type Subscriber,
} from '#platform/events/log.ts'
import { takeRun } from '#platform/events/position.ts'
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
    const { stream } = subscriber
    const world = this.#world
    const reader = new Reader(world, subscriber, database)
    let isRunning = false
    let offset = 0
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
        const next = await reader.take(texts)
        if (next === 'start') offset = 0
        if (next === 'on') offset += texts.length
        restMs = next === 'on' ? Math.min(restMs, 1) : RETRY_MS
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
}

/** Where to read next: behind what was taken, the same again, or from the topic's start. */
type Next = 'on' | 'again' | 'start'

/** One subscription's dealings with what came: in the order and by the rules of the Kafka adapter. */
class Reader {
  readonly #world: World
  readonly #subscriber: Subscriber
  readonly #database: Database
  #gap = NO_GAP

  constructor(world: World, subscriber: Subscriber, database: Database) {
    this.#world = world
    this.#subscriber = subscriber
    this.#database = database
  }

  async take(texts: readonly string[]): Promise<Next> {
    const envelopes = texts.map(decodeEnvelope).filter((one) => one !== undefined)
    try {
      const beyond = await this.#deliver(envelopes)
      return beyond.length === 0 ? 'on' : await this.#passGap(beyond)
    } catch (error) {
      const { stream } = this.#subscriber
      this.#world.trace('redelivers', () => `${stream}: ${String(error)}`)
      return 'again'
    }
  }

  /** Some of the time as they came, with repetitions: consumers have to cope. */
  async #deliver(envelopes: readonly Envelope[]): Promise<readonly Envelope[]> {
    const { position, handle } = this.#subscriber
    const { run, beyond } = takeRun(await position(), envelopes)
    if (this.#world.chance(1, 4)) {
      await handle(envelopes).catch((error: unknown) => {
        if (!isGap(error)) throw error
      })
    } else if (run.length > 0) await handle(run)
    return beyond
  }

  async #passGap(beyond: readonly Envelope[]): Promise<Next> {
    const { position, handle, stream, group } = this.#subscriber
    const after = await position()
    const { step, memory } = decideGap(this.#gap, after, this.#world.nowMs)
    this.#gap = memory
    this.#world.trace('gap', () => `${stream} after ${after}: ${step}`)
    if (step === 'rewind') return 'start'
    if (step === 'pass') return 'on'
    try {
      await wantResend(this.#database, { stream, group, after })
      await handle(beyond.slice(0, 1))
      return 'again'
    } catch (error) {
      if (isGap(error)) return 'on'
      this.#gap = afterLostAsk(this.#gap)
      throw error
    }
  }
}
