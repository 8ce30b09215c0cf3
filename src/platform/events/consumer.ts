import type { Database, Tx } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'
import { platformErrors } from '../errors.ts'
import { readInstance, type Instance } from '../instance.ts'
import type { Health, Service } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { CounterMetric, GaugeMetric, Metrics } from '../metrics.ts'
import { DeadLetterOffice } from './dead-letter-office.ts'
import type { Envelope } from './event.ts'
import type { EventLog, EventSubscription } from './log.ts'
import { isOurs, lockPosition, readPosition, takeRun, writePosition } from './position.ts'
import { Presence } from './presence.ts'

export interface ConsumerOptions {
  readonly log: EventLog
  readonly database: Database
  readonly metrics: Metrics
  readonly group: string
  readonly stream: string
  /** The effect of one event, on the transaction that also moves the position. */
  readonly apply: (tx: Tx, envelope: Envelope) => Promise<void>
  /**
   * Sets an event aside whose effect keeps failing, and goes on. Only for effects that are
   * idempotent and need no order; any other group has to stop there.
   */
  readonly deadLetter?: { readonly log: Log }
}

/** Applies each event of a stream exactly once: its effect and the position commit together. */
export class Consumer implements Service {
  readonly name: string
  readonly #options: ConsumerOptions
  readonly #subscription: EventSubscription
  readonly #dropped: CounterMetric
  readonly #gaps: CounterMetric
  readonly #position: GaugeMetric
  #instance: Instance | undefined
  #gap: string | undefined
  /** After a failure events go one by one, so that those before the bad one get through. */
  #oneByOne = false
  readonly #office: DeadLetterOffice | undefined
  readonly #presence: Presence

  constructor(options: ConsumerOptions) {
    const { group, stream, log, metrics, database } = options
    this.name = `consumer.${group}.${stream}`
    this.#options = options
    this.#presence = new Presence({ database, group, stream })
    const { deadLetter } = options
    if (deadLetter !== undefined) this.#office = new DeadLetterOffice({ ...options, ...deadLetter })
    this.#dropped = foreignEventCounter(metrics)
    this.#gaps = gapCounter(metrics, { group, stream })
    this.#position = metrics.gauge('consumer_position', 'Last applied seq', ['group', 'stream'])
    this.#subscription = log.subscribe({
      group,
      stream,
      position: () => readPosition(database, group, stream),
      handle: (batch) => this.#handle(batch),
    })
  }

  async start(signal: AbortSignal): Promise<void> {
    const { database, group, stream } = this.#options
    await inTransaction(database, (tx) => lockPosition(tx, group, stream))
    this.#presence.start()
    await this.#subscription.start(signal)
    await this.#office?.start()
  }

  async stop(): Promise<void> {
    await this.#presence.stop()
    await this.#office?.stop()
    await this.#subscription.stop()
  }

  health(): Health {
    return this.#gap === undefined ? this.#subscription.health() : { ok: false, detail: this.#gap }
  }

  async #handle(batch: readonly Envelope[]): Promise<void> {
    const parts = this.#oneByOne ? batch.map((envelope) => [envelope]) : [batch]
    try {
      for (const part of parts) await this.#applyOrSetAside(part)
      this.#oneByOne = false
    } catch (error) {
      this.#oneByOne = true
      this.#instance = undefined
      throw error
    }
  }

  async #applyOrSetAside(part: readonly Envelope[]): Promise<void> {
    try {
      await this.#applyPart(part)
    } catch (error) {
      const [only] = part
      const maySetAside = this.#oneByOne && only !== undefined && this.#office !== undefined
      if (!maySetAside || !(await this.#office.setAside(only, error))) throw error
    }
  }

  async #applyPart(batch: readonly Envelope[]): Promise<void> {
    const { database, stream } = this.#options
    const instance = (this.#instance ??= await readInstance(database))
    const ours = batch.filter((envelope) => isOurs(envelope, instance))
    if (ours.length < batch.length) this.#dropped.inc({ stream }, batch.length - ours.length)
    if (ours.length === 0) return
    const gapAt = await inTransaction(database, (tx) => this.#applyAll(tx, ours, instance))
    if (gapAt !== undefined) throw this.#alarm(gapAt)
    this.#gap = undefined
  }

  /** Returns the seq that does not follow on what was applied, if there is one. */
  async #applyAll(
    tx: Tx,
    batch: readonly Envelope[],
    instance: Instance,
  ): Promise<bigint | undefined> {
    const { group, stream, apply } = this.#options
    const before = await lockPosition(tx, group, stream)
    const { run, beyond } = takeRun(before, batch)
    for (const envelope of run) await apply(tx, envelope)
    const position = run.at(-1)?.seq ?? before
    if (position > before) {
      await writePosition(tx, group, stream, position, instance.logEpoch)
      tx.onCommit(() => this.#position.set(Number(position), { group, stream }))
    }
    return beyond[0]?.seq
  }

  #alarm(gapAt: bigint): Error {
    const { group, stream } = this.#options
    this.#gaps.inc({ group, stream })
    this.#gap = `an event before ${gapAt} of ${stream} is missing`
    return platformErrors.stream_gap(this.#gap)
  }
}

/** Begins at 0 for the group, because an increase is seen only of a counter that had a value before. */
export function gapCounter(
  metrics: Metrics,
  labels: { readonly group: string; readonly stream: string },
): CounterMetric {
  const names = ['group', 'stream']
  const gaps = metrics.counter('stream_gaps_total', 'Deliveries stopped by a missing event', names)
  gaps.inc(labels, 0)
  return gaps
}

/** Counts messages of another life of the node, or of another node, on our topics. */
export function foreignEventCounter(metrics: Metrics): CounterMetric {
  return metrics.counter('foreign_events_total', 'Dropped events of another instance or epoch', [
    'stream',
  ])
}
