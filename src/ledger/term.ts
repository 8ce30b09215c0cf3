import type { Clock, Instant } from '#kernel/time.ts'
import { instant } from '#kernel/time.ts'
import type { Connection } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import { OpenBatch, type SealedBatch } from './batch.ts'
import { CHECK_HOLDS_MS, Claims, claimsOf } from './claim.ts'
import type { Command } from './command.ts'
import type { LedgerCore } from './core.ts'
import { ledgerErrors } from './errors.ts'
import type { Applied, JournalHead } from './journal.ts'
import { batchHash, commitBatch } from './store.ts'
import type { CommandResult, SubmitOptions } from './submission.ts'

/** Commands applied in one turn of the event loop while a commit is on its way. */
const SLICE = 32

/** A command on its way, with whoever waits for it. */
export interface Pending {
  readonly command: Command
  readonly options: SubmitOptions
  readonly resolve: (result: CommandResult) => void
  readonly reject: (error: unknown) => void
}

/** The right to answer, which `Leadership` gives. */
export interface Lease {
  holdsLease(): boolean
  /** Throws when another process may lead. */
  confirm(): Promise<void>
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
  /** Names that commands of the last minutes claim. */
  readonly claims: readonly string[]
  readonly epoch: bigint
  readonly connection: Connection
  readonly clock: Clock
  readonly batchSize: number
  /** Commands that wait for their turn; the term shifts from it. */
  readonly ring: Pending[]
  /** Whether this process still leads; nothing leaves it unless it does. */
  readonly lease: Lease
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
  readonly #claims: Claims<Pending>
  /** Names of the open batch, and who repeats one of them. */
  #names: string[] = []
  #repeating: Pending[] = []
  #committingRepeats: readonly Pending[] = []
  #over = false

  constructor(options: TermOptions) {
    this.#options = options
    this.#sequence = options.head.sequence
    this.#hash = options.head.hash
    this.#at = options.head.at
    this.#claims = new Claims(options.claims)
  }

  get idle(): boolean {
    return this.#committing === undefined && this.#waiting.length === 0
  }

  /**
   * Applies what has arrived and commits unless a commit is running; true when another turn is due.
   * During a commit it applies a slice at a time, so that the rest of a large commit, which the
   * socket could not take at once, is sent before the next batch is applied and not after.
   */
  turn(): boolean {
    if (this.#over) return false
    try {
      const { ring, batchSize } = this.#options
      this.#drain(this.#committing === undefined ? batchSize : SLICE)
      if (this.#committing === undefined && this.#waiting.length > 0) void this.#commit()
      return ring.length > 0 && this.#waiting.length < batchSize
    } catch (error) {
      this.end(error)
      return false
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
    for (const pending of [...this.#committingRepeats, ...this.#repeating]) pending.reject(refusal)
    this.#options.failed(error)
  }

  #drain(most: number): void {
    const { ring, batchSize } = this.#options
    if (ring.length === 0 || this.#waiting.length >= batchSize) return
    const from = performance.now()
    const taken = ring.splice(0, Math.min(most, batchSize - this.#waiting.length))
    for (const [place, pending] of taken.entries()) {
      try {
        this.#take(pending)
      } catch (error) {
        // Whoever ends the term answers what waits in the ring.
        ring.unshift(...taken.slice(place))
        throw error
      }
    }
    this.timings.applyMs += performance.now() - from
  }

  /** Applies a command unless another one bears its name. */
  #take(pending: Pending): void {
    const { command, options } = pending
    const names = claimsOf(options)
    if (names.length > 0 && this.#isOutdated(options)) {
      pending.reject(platformErrors.unavailable('the command came too late', RETRY))
      return
    }
    const bearer = names.length === 0 ? undefined : this.#claims.find(names)
    if (bearer === 'durable') pending.reject(ledgerErrors.duplicate_command())
    else if (bearer !== undefined) bearer.push(pending)
    else {
      this.#open ??= new OpenBatch(this.#options.core, this.#sequence + 1n, this.#nextInstant())
      const applied = this.#open.apply(command, options)
      this.#waiting.push([pending, applied])
      if (!applied.outcome.ok) return
      this.#claims.take(names, this.#repeating)
      this.#names.push(...names)
    }
  }

  /** A sender that looked too long ago may have missed a command that is forgotten here by now. */
  #isOutdated({ checkedAt }: SubmitOptions): boolean {
    return checkedAt !== undefined && this.#options.clock.now() - checkedAt > CHECK_HOLDS_MS
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
    const names = this.#names
    const repeating = this.#repeating
    this.#committing = answers
    this.#committingRepeats = repeating
    this.#names = []
    this.#repeating = []
    this.#waiting = []
    this.#open = undefined
    try {
      const batch = this.#seal(open)
      const from = performance.now()
      const prevHash = this.#hash
      this.#hash = batchHash(prevHash, batch.body)
      await commitBatch(this.#options.connection, batch, prevHash, this.#hash)
      // A leader that was paused meanwhile keeps silent, though the batch is durable.
      if (!this.#options.lease.holdsLease()) await this.#options.lease.confirm()
      if (this.#over) return
      this.#claims.keep(names, batch.header.at)
      this.#committingRepeats = []
      this.#finish(batch, answers, performance.now() - from)
      for (const pending of repeating) pending.reject(ledgerErrors.duplicate_command())
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
    this.timings.commands += answers.length
    this.timings.batches += 1
    this.timings.commitMs += tookMs
    this.#committing = undefined
    this.#options.committed(batch, tookMs)
    for (const [pending, applied] of answers) pending.resolve(resultOf(applied, batch.header.at))
    this.turn()
  }
}

const RETRY = { retryAfterSeconds: 1 } as const

function resultOf({ sequence, outcome }: Applied, at: Instant): CommandResult {
  return outcome.ok
    ? { ok: true, sequence, at, value: outcome.value }
    : { ok: false, sequence, at, error: outcome.error }
}
