import type { Health, Service } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { CounterMetric, Metrics } from '../metrics.ts'
import { Loop } from '../scheduler.ts'
import { pruneIdempotency } from './idempotency.ts'
import type { Database } from './pool.ts'
import { inTransaction } from './transaction.ts'

export interface IdempotencyKeeperOptions {
  readonly database: Database
  readonly log: Log
  readonly metrics: Metrics
  /** How long a key is remembered at least. */
  readonly keepHours: number
  readonly intervalMs?: number
  readonly rowsPerTransaction?: number
}

const INTERVAL_MS = 60_000
const ROWS_PER_TRANSACTION = 1000

/**
 * Forgets the keys of requests that were answered long ago. Several processes may do so at once: a
 * row goes only once.
 */
export class IdempotencyKeeper implements Service {
  readonly name = 'idempotency-keeper'
  readonly #options: IdempotencyKeeperOptions
  readonly #loop: Loop
  readonly #pruned: CounterMetric

  constructor(options: IdempotencyKeeperOptions) {
    const { log, metrics, intervalMs = INTERVAL_MS } = options
    this.#options = options
    this.#pruned = metrics.counter('idempotency_pruned_total', 'Idempotency keys forgotten')
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
    const { database, keepHours, rowsPerTransaction: atMost = ROWS_PER_TRANSACTION } = this.#options
    let removed = atMost
    while (removed === atMost && !signal.aborted) {
      removed = await inTransaction(database, (tx) => pruneIdempotency(tx, { keepHours, atMost }))
      this.#pruned.inc({}, removed)
      this.#loop.noteProgress()
    }
  }
}
