import { setTimeout as sleep } from 'node:timers/promises'
import { describeFailure, type Health, type Service } from './lifecycle.ts'
import type { Log } from './log.ts'

export interface LoopOptions {
  readonly name: string
  /** Rest between the end of one turn and the start of the next. */
  readonly intervalMs: number
  /** One turn; `signal` aborts when the loop is asked to stop. */
  readonly run: (signal: AbortSignal) => Promise<void>
  readonly log: Log
  readonly onError?: (error: unknown) => void
  /** A turn without a word for so long makes the loop sick. */
  readonly turnLimitMs?: number
}

const MAX_BACKOFF_MS = 5000
const SICK_AFTER_FAILURES = 3
/** One turn that failed after so long is as telling as several quick ones. */
const SICK_AFTER_MS = 10_000
const TURN_LIMIT_MS = 60_000

/** Runs turns one after another, never two at once. */
export class Loop implements Service {
  readonly name: string
  readonly #options: LoopOptions
  readonly #abort = new AbortController()
  #failures = 0
  #failedAfterMs = 0
  #lastFailure = ''
  #woken = false
  /** When the running turn began, or last said that it gets on. */
  #movedAtMs: number | undefined
  #rest = new AbortController()
  #turns: Promise<void> | undefined

  constructor(options: LoopOptions) {
    this.name = options.name
    this.#options = options
  }

  start(): Promise<void> {
    this.#turns ??= this.#turn()
    return Promise.resolve()
  }

  /** Waits for the running turn. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.#rest.abort()
    await this.#turns
  }

  /** Starts the next turn at once; during a turn, right after it. */
  wake(): void {
    this.#woken = true
    this.#rest.abort()
  }

  /** Says that a turn which may well be long gets on. */
  noteProgress(): void {
    if (this.#movedAtMs !== undefined) this.#movedAtMs = performance.now()
  }

  health(): Health {
    const { turnLimitMs = TURN_LIMIT_MS } = this.#options
    const turnMs = performance.now() - (this.#movedAtMs ?? performance.now())
    if (turnMs > turnLimitMs) {
      return { ok: false, detail: `has not got on for ${Math.round(turnMs / 1000)} s` }
    }
    const isSlow = this.#failedAfterMs >= SICK_AFTER_MS
    if (this.#failures < SICK_AFTER_FAILURES && !isSlow) return { ok: true }
    return { ok: false, detail: `failed ${this.#failures} times: ${this.#lastFailure}` }
  }

  async #turn(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      this.#woken = false
      const begunMs = performance.now()
      this.#movedAtMs = begunMs
      try {
        await this.#options.run(signal)
        this.#failures = 0
        this.#failedAfterMs = 0
      } catch (error) {
        this.#failedAfterMs = performance.now() - begunMs
        if (!signal.aborted) this.#failed(error)
      }
      this.#movedAtMs = undefined
      await this.#restBetween()
    }
  }

  #failed(error: unknown): void {
    this.#failures += 1
    this.#lastFailure = describeFailure(error)
    this.#options.log.warn({ event: 'loop.failed', loop: this.name, turns: this.#failures, error })
    this.#options.onError?.(error)
  }

  async #restBetween(): Promise<void> {
    if (this.#abort.signal.aborted || (this.#woken && this.#failures === 0)) return
    this.#rest = new AbortController()
    const { signal } = this.#rest
    await sleep(this.#pauseMs(), undefined, { signal }).catch(() => undefined)
  }

  #pauseMs(): number {
    if (this.#failures === 0) return this.#options.intervalMs
    return backoffMs(this.#failures, Math.max(this.#options.intervalMs, 100), MAX_BACKOFF_MS)
  }
}

/** Doubles from `firstMs` with each failure, up to `mostMs` (never below `firstMs`). */
export function backoffMs(failures: number, firstMs: number, mostMs: number): number {
  return Math.max(firstMs, Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 20)))
}
