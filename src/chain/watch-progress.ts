import type { Health } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { CounterMetric, GaugeMetric, Metrics } from '#platform/metrics.ts'
import type { BlockPlace } from './block.ts'
import type { Cursor, NewBlock } from './store.ts'

/** Without an answer of the chain for so long the watcher is not well. */
const SILENCE_MS = 5000
/** An endpoint that stays behind, or a fork in doubt, for so long needs a look. */
const STALE_MS = 30_000
/** Chains that call blocks final do so every few minutes. */
const FINAL_STILL_MS = 20 * 60_000
/** And final blocks may stand still on a chain that hardly moves. */
const FINAL_STILL_BLOCKS = 64
const REPORT_MS = 10_000
/** Fewer blocks behind than this is not worth a line. */
const FAR_BEHIND_BLOCKS = 256

interface Trouble {
  readonly detail: string
  readonly sinceMs: number
}

/** The last final block, and how far the chain went on since it became so. */
interface FinalStill {
  readonly final: number
  readonly fromHead: number
  readonly head: number
  /** Since the chain went on without it. */
  readonly sinceMs: number | undefined
}

/** What the watcher tells of itself: health, figures and a line now and then. */
export class WatchProgress {
  readonly #log: Log
  readonly #head: GaugeMetric
  readonly #final: GaugeMetric
  readonly #behind: GaugeMetric
  readonly #finalBehind: GaugeMetric
  readonly #halt: GaugeMetric
  readonly #logs: CounterMetric
  readonly #retracted: CounterMetric
  #halted: string | undefined
  #slow: Trouble | undefined
  #doubt: Trouble | undefined
  #still: FinalStill | undefined
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
    this.#finalBehind = metrics.gauge(
      'chain_final_blocks_behind',
      "Blocks between the chain's head and the last final one",
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
    if (trouble === undefined) return this.#finalHealth(nowMs)
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

  noteSight({ head: ours, final }: Cursor, theirs: BlockPlace, isBehind: boolean): void {
    this.#silentSinceMs = undefined
    const detail = `the endpoint is at block ${theirs.number}, behind ${ours.number}`
    this.#slow = isBehind ? this.#since(this.#slow, detail) : undefined
    this.#behind.set(Math.max(0, theirs.number - ours.number))
    this.#noteFinal(final.number, theirs.number)
  }

  /** What this process saw while it led says nothing any more. */
  standDown(): void {
    this.#halted = undefined
    this.#still = undefined
    this.#slow = undefined
    this.#doubt = undefined
    this.#silentSinceMs = undefined
    for (const gauge of [this.#behind, this.#finalBehind, this.#halt]) gauge.set(0)
  }

  noteDoubt(detail: string | undefined): void {
    this.#doubt = detail === undefined ? undefined : this.#since(this.#doubt, detail)
  }

  noteCommit(cursor: Cursor, theirHead: number, blocks: readonly NewBlock[]): void {
    this.#doubt = undefined
    this.#head.set(cursor.head.number)
    this.#final.set(cursor.final.number)
    this.#noteFinal(cursor.final.number, theirHead)
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

  #noteFinal(final: number, theirHead: number): void {
    const still = this.#still?.final === final ? this.#still : undefined
    const head = Math.max(theirHead, still?.head ?? 0)
    const fromHead = still?.fromHead ?? head
    const sinceMs = still?.sinceMs ?? (head > fromHead ? performance.now() : undefined)
    this.#still = { final, fromHead, head, sinceMs }
    this.#finalBehind.set(Math.max(0, head - final))
  }

  #finalHealth(nowMs: number): Health {
    if (this.#still === undefined) return { ok: true }
    const { final, fromHead, head, sinceMs = nowMs } = this.#still
    const stillMs = nowMs - sinceMs
    if (stillMs < FINAL_STILL_MS || head - fromHead < FINAL_STILL_BLOCKS) return { ok: true }
    const forS = Math.round(stillMs / 1000)
    return { ok: false, detail: `block ${final} stays the last final one for ${forS} s` }
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
