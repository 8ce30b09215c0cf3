import { instant, type Clock } from '#kernel/time.ts'
import type { Database } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'
import type { Health, Service } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { CounterMetric, GaugeMetric, Metrics } from '../metrics.ts'
import { Loop } from '../scheduler.ts'
import { countDeadLetters } from './dead-letter.ts'
import { pruneOutbox, readProgress, type StreamProgress } from './outbox.ts'
import { RELAY_GROUP } from './relay.ts'

export interface OutboxKeeperOptions {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Events stay so long, for readers that are yet to come. */
  readonly keepHours: number
  /** Whether Kafka carries events, so that the relay must have passed what goes. */
  readonly isRelayed: boolean
  readonly intervalMs?: number
}

const INTERVAL_MS = 5000
const HOUR_MS = 3_600_000
const ROWS_PER_TRANSACTION = 5000

/**
 * Tells how far the readers of each stream are behind, and removes what all of them have passed.
 * Several processes may do so at once: a row goes only once, and each tells the same figures.
 */
export class OutboxKeeper implements Service {
  readonly name = 'outbox-keeper'
  readonly #options: OutboxKeeperOptions
  readonly #loop: Loop
  readonly #consumerLag: GaugeMetric
  readonly #consumerStill: GaugeMetric
  readonly #relayLag: GaugeMetric
  readonly #rows: GaugeMetric
  readonly #deadLetters: GaugeMetric
  readonly #pruned: CounterMetric
  /** Groups that were told of, by stream. */
  readonly #told = new Map<string, ReadonlySet<string>>()

  constructor(options: OutboxKeeperOptions) {
    const { log, metrics, intervalMs = INTERVAL_MS } = options
    this.#options = options
    this.#consumerLag = metrics.gauge('consumer_lag', 'Events that a group has yet to apply', [
      'group',
      'stream',
    ])
    this.#consumerStill = metrics.gauge(
      'consumer_still_seconds',
      'How long a group with events to apply has not moved',
      ['group', 'stream'],
    )
    this.#relayLag = metrics.gauge('relay_lag', 'Events that Kafka has yet to get', ['stream'])
    this.#rows = metrics.gauge('outbox_rows', 'Events that Postgres keeps', ['stream'])
    this.#deadLetters = metrics.gauge('dead_letters_waiting', 'Events that groups set aside')
    this.#pruned = metrics.counter('outbox_pruned_total', 'Events removed from Postgres', [
      'stream',
    ])
    this.#loop = new Loop({
      name: this.name,
      intervalMs,
      run: (signal) => this.#turn(signal),
      log,
    })
  }

  start(): Promise<void> {
    return this.#loop.start()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  health(): Health {
    return this.#loop.health()
  }

  async #turn(signal: AbortSignal): Promise<void> {
    this.#deadLetters.set(Number(await countDeadLetters(this.#options.database)))
    for (const progress of await readProgress(this.#options.database)) {
      this.#tell(progress)
      await this.#prune(progress.stream, signal)
    }
  }

  #tell({ stream, head, kept, positions }: StreamProgress): void {
    this.#rows.set(Number(kept), { stream })
    for (const { group, seq, stillSeconds } of positions) {
      const lag = Number(head - seq)
      if (group === RELAY_GROUP) {
        if (this.#options.isRelayed) this.#relayLag.set(lag, { stream })
        continue
      }
      this.#consumerLag.set(lag, { group, stream })
      this.#consumerStill.set(lag === 0 ? 0 : stillSeconds, { group, stream })
    }
    this.#forgetOthers(stream, new Set(positions.map(({ group }) => group)))
  }

  /** A group that was dropped is no longer behind. */
  #forgetOthers(stream: string, groups: ReadonlySet<string>): void {
    for (const group of this.#told.get(stream) ?? []) {
      if (groups.has(group)) continue
      this.#consumerLag.remove({ group, stream })
      this.#consumerStill.remove({ group, stream })
    }
    this.#told.set(stream, groups)
  }

  async #prune(stream: string, signal: AbortSignal): Promise<void> {
    const { database, clock, keepHours, isRelayed } = this.#options
    const before = instant(clock.now() - keepHours * HOUR_MS)
    const options = { stream, before, isRelayed, atMost: ROWS_PER_TRANSACTION }
    let removed = ROWS_PER_TRANSACTION
    while (removed === ROWS_PER_TRANSACTION && !signal.aborted) {
      removed = await inTransaction(database, (tx) => pruneOutbox(tx, options))
      this.#pruned.inc({ stream }, removed)
    }
  }
}
