import type { Clock, Instant } from '#kernel/time.ts'
import { instant } from '#kernel/time.ts'
import type { Connection } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import { OpenBatch, type SealedBatch } from './batch.ts'
import type { Command } from './command.ts'
import type { LedgerCore } from './core.ts'
import type { Applied, JournalHead } from './journal.ts'
import { batchHash, commitBatch } from './store.ts'
import type { CommandResult, SubmitOptions } from './submission.ts'

/** A command on its way, with whoever waits for it. */
export interface Pending {
  readonly command: Command
  readonly options: SubmitOptions
  readonly resolve: (result: CommandResult) => void
  readonly reject: (error: unknown) => void
}

/** Where the time of the write path goes, in milliseconds. */
export interface TermTimings {
  commands: number
  batches: number
  applyMs: number
  serialiseMs: number
  commitMs: number
}

export interface TermOptions {
  readonly core: LedgerCore
  readonly head: JournalHead
  readonly epoch: bigint
  readonly connection: Connection
  readonly clock: Clock
  readonly batchSize: number
  /** Commands that wait for their turn; the term shifts from it. */
  readonly ring: Pending[]
  readonly committed: (batch: SealedBatch, tookMs: number) => void
  /** Hears once when a commit failed or nobody knows; the term is over. */
  readonly failed: (error: unknown) => void
}

/**
 * One life of the core in memory, under one epoch. While a batch commits, the next one is applied;
 * nobody hears of a command before its own commit (invariant I1).
 */
export class Term {
  readonly timings: TermTimings = {
    commands: 0,
    batches: 0,
    applyMs: 0,
    serialiseMs: 0,
    commitMs: 0,
  }
  readonly #options: TermOptions
  #sequence: bigint
  #hash: Buffer
  #at: Instant
  #open: OpenBatch | undefined
  #waiting: (readonly [Pending, Applied])[] = []
  #committing: (readonly [Pending, Applied])[] | undefined
  #over = false

  constructor(options: TermOptions) {
    this.#options = options
    this.#sequence = options.head.sequence
    this.#hash = options.head.hash
    this.#at = options.head.at
  }

  get idle(): boolean {
    return this.#committing === undefined && this.#waiting.length === 0
  }

  /** Applies what has arrived and commits unless a commit is running. */
  turn(): void {
    if (this.#over) return
    try {
      this.#drain()
      if (this.#committing === undefined && this.#waiting.length > 0) void this.#commit()
    } catch (error) {
      this.end(error)
    }
  }

  /** Ends the term; everything unanswered is refused, its outcome unknown. */
  end(error: unknown): void {
    if (this.#over) return
    this.#over = true
    const refusal = platformErrors.unavailable('the outcome is unknown; retry with the same key', {
      cause: error,
      retryAfterSeconds: 1,
    })
    const unanswered = [...(this.#committing ?? []), ...this.#waiting]
    for (const [pending] of unanswered) pending.reject(refusal)
    this.#options.failed(error)
  }

  #drain(): void {
    const { ring, batchSize } = this.#options
    if (ring.length === 0 || this.#waiting.length >= batchSize) return
    const from = performance.now()
    this.#open ??= new OpenBatch(this.#options.core, this.#sequence + 1n, this.#nextInstant())
    const taken = ring.splice(0, batchSize - this.#waiting.length)
    for (const [place, pending] of taken.entries()) {
      try {
        this.#waiting.push([pending, this.#open.apply(pending.command, pending.options)])
      } catch (error) {
        // Whoever ends the term answers what waits in the ring.
        ring.unshift(...taken.slice(place))
        throw error
      }
    }
    this.timings.applyMs += performance.now() - from
  }

  /** One timestamp per batch that never goes back. */
  #nextInstant(): Instant {
    const now = this.#options.clock.now()
    return instant(now > this.#at ? now : this.#at)
  }

  async #commit(): Promise<void> {
    const open = this.#open
    if (open === undefined) return
    const answers = this.#waiting
    this.#committing = answers
    this.#waiting = []
    this.#open = undefined
    try {
      const batch = this.#seal(open)
      const from = performance.now()
      const prevHash = this.#hash
      this.#hash = batchHash(prevHash, batch.body)
      await commitBatch(this.#options.connection, batch, prevHash, this.#hash)
      this.#finish(batch, answers, performance.now() - from)
    } catch (error) {
      this.end(error)
    }
  }

  #seal(open: OpenBatch): SealedBatch {
    const from = performance.now()
    const batch = open.seal(this.#options.epoch)
    this.#sequence = batch.header.lastSequence
    this.#at = batch.header.at
    this.timings.serialiseMs += performance.now() - from
    return batch
  }

  #finish(batch: SealedBatch, answers: readonly (readonly [Pending, Applied])[], tookMs: number) {
    if (this.#over) return
    this.timings.commands += answers.length
    this.timings.batches += 1
    this.timings.commitMs += tookMs
    this.#committing = undefined
    this.#options.committed(batch, tookMs)
    for (const [pending, applied] of answers) pending.resolve(resultOf(applied, batch.header.at))
    this.turn()
  }
}

function resultOf({ sequence, outcome }: Applied, at: Instant): CommandResult {
  return outcome.ok
    ? { ok: true, sequence, at, value: outcome.value }
    : { ok: false, sequence, at, error: outcome.error }
}
