import type { Health } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { CounterMetric, GaugeMetric, Metrics } from '#platform/metrics.ts'
import type { BlockPlace } from './block.ts'
import type { Cursor, NewBlock } from './store.ts'

/** Without an answer of the chain for so long the watcher is not well. */
const SILENCE_MS = 5000
/** An endpoint that stays behind, or a fork in doubt, for so long needs a look. */
const STALE_MS = 30_000
const REPORT_MS = 10_000
/** Fewer blocks behind than this is not worth a line. */
const FAR_BEHIND_BLOCKS = 256

interface Trouble {
  readonly detail: string
  readonly sinceMs: number
}

/** What the watcher tells of itself: health, figures and a line now and then. */
export class WatchProgress {
  readonly #log: Log
  readonly #head: GaugeMetric
  readonly #final: GaugeMetric
  readonly #behind: GaugeMetric
  readonly #halt: GaugeMetric
  readonly #logs: CounterMetric
  readonly #retracted: CounterMetric
  #halted: string | undefined
  #slow: Trouble | undefined
  #doubt: Trouble | undefined
  #silentSinceMs: number | undefined
  #reportedAtMs = performance.now()
  #logsSinceReport = 0

  constructor({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }) {
    this.#log = log
    this.#head = metrics.gauge('chain_head_block', 'Last applied block')
    this.#final = metrics.gauge('chain_final_block', 'Last final block')
    this.#behind = metrics.gauge(
      'chain_blocks_behind',
      'Blocks of the chain that were not read yet',
    )
    this.#halt = metrics.gauge('chain_watcher_halted', '1 while the watcher refuses to go on')
    this.#logs = metrics.counter('chain_logs_indexed_total', 'Logs of our contracts that were read')
    this.#retracted = metrics.counter('chain_blocks_retracted_total', 'Blocks that left the chain')
    this.#halt.set(0)
  }

  get isHalted(): boolean {
    return this.#halted !== undefined
  }

  health(): Health {
    if (this.#halted !== undefined) return { ok: false, detail: this.#halted }
    const nowMs = performance.now()
    const silentMs = nowMs - (this.#silentSinceMs ?? nowMs)
    if (silentMs > SILENCE_MS) return { ok: false, detail: 'the chain does not answer' }
    const trouble = this.#doubt ?? this.#slow
    if (trouble === undefined) return { ok: true }
    return { ok: nowMs - trouble.sinceMs < STALE_MS, detail: trouble.detail }
  }

  noteHalt(reason: string | undefined): void {
    if (reason !== undefined && reason !== this.#halted) {
      this.#log.error({ event: 'chain.halted', reason })
    }
    this.#halted = reason
    this.#halt.set(reason === undefined ? 0 : 1)
  }

  /** The chain is asked; silence counts from here on. */
  noteQuestion(): void {
    this.#silentSinceMs ??= performance.now()
  }

  noteSight(ours: BlockPlace, theirs: BlockPlace, isBehind: boolean): void {
    this.#silentSinceMs = undefined
    const detail = `the endpoint is at block ${theirs.number}, behind ${ours.number}`
    this.#slow = isBehind ? this.#since(this.#slow, detail) : undefined
    this.#behind.set(Math.max(0, theirs.number - ours.number))
  }

  noteDoubt(detail: string | undefined): void {
    this.#doubt = detail === undefined ? undefined : this.#since(this.#doubt, detail)
  }

  noteCommit(cursor: Cursor, theirHead: number, blocks: readonly NewBlock[]): void {
    this.#doubt = undefined
    this.#head.set(cursor.head.number)
    this.#final.set(cursor.final.number)
    const behind = Math.max(0, theirHead - cursor.head.number)
    this.#behind.set(behind)
    const logs = blocks.reduce((sum, block) => sum + block.logs.length, 0)
    this.#logs.inc({}, logs)
    this.#logsSinceReport += logs
    this.#report(cursor.head.number, behind)
  }

  noteRetraction(cursor: Cursor, blocks: number): void {
    this.#head.set(cursor.head.number)
    this.#retracted.inc({}, blocks)
    this.#log.warn({ event: 'block.retracted', blocks, ancestor: cursor.head.number })
  }

  #report(head: number, behind: number): void {
    const tookMs = performance.now() - this.#reportedAtMs
    if (tookMs < REPORT_MS) return
    if (behind > FAR_BEHIND_BLOCKS) {
      const rate = Math.round((this.#logsSinceReport * 1000) / tookMs)
      this.#log.info({ event: 'chain.catching_up', block: head, behind, logs_per_second: rate })
    }
    this.#reportedAtMs = performance.now()
    this.#logsSinceReport = 0
  }

  #since(trouble: Trouble | undefined, detail: string): Trouble {
    return { detail, sinceMs: trouble?.sinceMs ?? performance.now() }
  }
}
