import { AppError } from '#kernel/errors.ts'
import type { Database, Tx } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'
import { platformErrors } from '../errors.ts'
import { readInstance } from '../instance.ts'
import { describeFailure } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { CounterMetric, Metrics } from '../metrics.ts'
import { Loop } from '../scheduler.ts'
import { deleteDeadLetter, insertDeadLetter, noteFailedRetry, takeWanted } from './dead-letter.ts'
import type { Envelope } from './event.ts'
import { decide, lockPosition, writePosition } from './position.ts'

export interface DeadLetterOfficeOptions {
  readonly database: Database
  readonly metrics: Metrics
  readonly log: Log
  readonly group: string
  readonly stream: string
  readonly apply: (tx: Tx, envelope: Envelope) => Promise<void>
}

const ATTEMPTS = 5
const LOOK_INTERVAL_MS = 1000

/** Keeps what one group could not apply, and applies it again when an operator asks for that. */
export class DeadLetterOffice {
  readonly #options: DeadLetterOfficeOptions
  readonly #letters: CounterMetric
  readonly #loop: Loop
  #failing = { seq: 0n, attempts: 0 }

  constructor(options: DeadLetterOfficeOptions) {
    const { metrics, log, group, stream } = options
    this.#options = options
    this.#letters = metrics.counter('dead_letters_total', 'Events that a group set aside', [
      'group',
      'stream',
    ])
    this.#letters.inc({ group, stream }, 0)
    this.#loop = new Loop({
      name: `dead-letters.${group}.${stream}`,
      intervalMs: LOOK_INTERVAL_MS,
      run: (signal) => this.#retryWanted(signal),
      log,
    })
  }

  start(): Promise<void> {
    return this.#loop.start()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /**
   * Counts a failure of an event that was applied alone, and sets it aside after the fifth; returns
   * whether it did. Failures of the node, such as a database that is away, do not count.
   */
  async setAside(envelope: Envelope, error: unknown): Promise<boolean> {
    if (!isOfTheEvent(error)) return false
    const { seq } = envelope
    const attempts = this.#failing.seq === seq ? this.#failing.attempts + 1 : 1
    this.#failing = { seq, attempts }
    if (attempts < ATTEMPTS) return false
    await this.#store(envelope, describeFailure(error), attempts)
    return true
  }

  /** The letter and the position behind it commit together. */
  async #store(envelope: Envelope, error: string, attempts: number): Promise<void> {
    const { database, group, stream, log } = this.#options
    const { logEpoch } = await readInstance(database)
    await inTransaction(database, async (tx) => {
      const position = await lockPosition(tx, group, stream)
      if (decide(position, envelope.seq) !== 'apply') return
      await insertDeadLetter(tx, { group, envelope, error, attempts })
      await writePosition(tx, group, stream, envelope.seq, logEpoch)
    })
    this.#letters.inc({ group, stream })
    log.error({ event: 'events.dead_letter', group, stream, seq: envelope.seq.toString(), error })
  }

  async #retryWanted(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.#retryOne())) {
      // Until there is no other.
    }
  }

  async #retryOne(): Promise<boolean> {
    const { database, group, stream, apply } = this.#options
    let tried: bigint | undefined
    try {
      await inTransaction(database, async (tx) => {
        const letter = await takeWanted(tx, group, stream)
        tried = letter?.id
        if (letter === undefined) return
        await apply(tx, letter.envelope)
        await deleteDeadLetter(tx, letter.id)
      })
    } catch (error) {
      if (tried === undefined || !isOfTheEvent(error)) throw error
      await noteFailedRetry(database, tried, describeFailure(error))
    }
    return tried !== undefined
  }
}

const NODE_FAILURES: ReadonlySet<string> = new Set([
  platformErrors.unavailable.code,
  platformErrors.fenced.code,
  platformErrors.stream_gap.code,
])

function isOfTheEvent(error: unknown): boolean {
  return !(error instanceof AppError && NODE_FAILURES.has(error.code))
}
