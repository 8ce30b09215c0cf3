import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '#kernel/time.ts'
import type { Connection, Database } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import type { Leadership } from '#platform/leader.ts'
import { describeFailure, type Health, type Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { CounterMetric, Metrics } from '#platform/metrics.ts'
import { backoffMs } from '#platform/scheduler.ts'
import type { SealedBatch } from './batch.ts'
import type { Command } from './command.ts'
import { recoverCore } from './recovery-store.ts'
import type { ReducerSource } from './reducer.ts'
import type { CommandResult, CommandSink, SubmitOptions } from './submission.ts'
import { Term, type Pending, type TermTimings } from './term.ts'

export interface SequencerOptions {
  readonly database: Database
  /** Of the role `engine`. */
  readonly leadership: Leadership
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly reducers: ReducerSource
  /** What is wrong with this process while another one leads: nothing, where it forwards. */
  readonly standbyTrouble?: string | undefined
  /** Commands that may wait; more are refused. */
  readonly ringSize?: number
  /** Most commands of one journal batch. */
  readonly batchSize?: number
}

const RING_SIZE = 8192
const BATCH_SIZE = 512
const STOP_WITHIN_MS = 5000

/**
 * The one writer (invariant I2): gives commands their order, applies them to the core and commits
 * them in batches. After a failed or unknown commit it forgets the core, raises the epoch, which
 * waits for a commit that may still be running, and only then reads the tables again.
 */
export class Sequencer implements Service, CommandSink {
  readonly name = 'sequencer'
  readonly #options: SequencerOptions
  readonly #ring: Pending[] = []
  readonly #abort = new AbortController()
  readonly #suspended: CounterMetric
  #term: Term | undefined
  #timings: TermTimings | undefined
  #running: Promise<void> | undefined
  #scheduled = false
  #trouble = 'waits for leadership'
  readonly #firstTerm = Promise.withResolvers<void>()

  constructor(options: SequencerOptions) {
    this.#options = options
    // There from the start, because an increase is seen only of a counter that had a value before.
    this.#suspended = options.metrics.counter(
      'ledger_suspended_total',
      'Chain events that wait in suspense',
    )
    this.#firstTerm.promise.catch(() => undefined)
  }

  /** Begins to strive for a term; `whenReady` tells when commands are taken. */
  start(): Promise<void> {
    this.#running ??= this.#run()
    return Promise.resolve()
  }

  /** Resolves when the first term of this process has begun. */
  async whenReady(): Promise<void> {
    await this.#firstTerm.promise
  }

  /** Answers what was taken, then stops. */
  async stop(): Promise<void> {
    const until = performance.now() + STOP_WITHIN_MS
    while (this.#term !== undefined && !this.#isIdle() && performance.now() < until) await sleep(5)
    this.#abort.abort()
    this.#firstTerm.reject(platformErrors.unavailable('stopping'))
    this.#term?.end(platformErrors.unavailable('stopping'))
    await this.#running
  }

  health(): Health {
    if (this.#term !== undefined) return { ok: true }
    const { leadership, standbyTrouble } = this.#options
    if (leadership.isStandby())
      return { ok: standbyTrouble === undefined, detail: standbyTrouble ?? 'standby' }
    return { ok: false, detail: this.#trouble }
  }

  /** Whether commands are taken in this process now. */
  isReady(): boolean {
    return this.#term !== undefined && !this.#abort.signal.aborted
  }

  /** Where the time of the last term went. */
  timings(): TermTimings | undefined {
    return this.#timings
  }

  async submit<C extends Command>(command: C, options: SubmitOptions = {}): Promise<CommandResult> {
    const { ringSize = RING_SIZE } = this.#options
    if (!this.isReady())
      throw platformErrors.unavailable(`the engine ${this.#trouble}`, { retryAfterSeconds: 1 })
    if (this.#ring.length >= ringSize)
      throw platformErrors.unavailable('the engine is full', { retryAfterSeconds: 1 })
    const { promise, resolve, reject } = Promise.withResolvers<CommandResult>()
    this.#ring.push({ command, options, resolve, reject })
    this.#schedule()
    return promise
  }

  #isIdle(): boolean {
    return this.#ring.length === 0 && this.#term?.idle === true
  }

  /** Lets everything that arrives in this turn of the event loop come along. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (this.#term?.turn() === true) this.#schedule()
    })
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#abort.signal.aborted) {
      try {
        const epoch = await this.#nextEpoch()
        await this.#serveTerm(epoch)
        failures = 0
      } catch (error) {
        failures += 1
        this.#trouble = `is recovering: ${describeFailure(error)}`
        if (this.#abort.signal.aborted) return
        this.#options.log.error({ event: 'sequencer.term_failed', failures, error })
        await this.#pause(backoffMs(failures, 20, 2000))
      }
    }
  }

  /** A fresh epoch for each term: the one that leadership begins with, later a raised one. */
  async #nextEpoch(): Promise<bigint> {
    const { leadership } = this.#options
    await this.#untilAborted(leadership.whenLeading())
    return leadership.renew()
  }

  /** From recovery to the first failed commit; throws that failure. */
  async #serveTerm(epoch: bigint): Promise<void> {
    const connection = await this.#options.database.connect()
    try {
      const over = Promise.withResolvers<never>()
      over.promise.catch(() => undefined)
      await connection.query(`SET statement_timeout = '30s'`)
      this.#term = await this.#begin(epoch, connection, (error) => over.reject(error))
      connection.on('end', () => this.#term?.end(platformErrors.unavailable('connection lost')))
      this.#timings = this.#term.timings
      this.#firstTerm.resolve()
      await over.promise
    } finally {
      this.#term = undefined
      this.#refuseWaiting()
      await connection.end().catch(() => undefined)
    }
  }

  async #begin(epoch: bigint, connection: Connection, ended: (error: unknown) => void) {
    const { database, reducers, clock, log, leadership, batchSize = BATCH_SIZE } = this.#options
    const from = performance.now()
    const { core, head, claims } = await recoverCore(database, reducers)
    const tookMs = Math.round(performance.now() - from)
    log.info({
      event: 'sequencer.recovered',
      sequence: head.sequence.toString(),
      epoch: epoch.toString(),
      took_ms: tookMs,
    })
    return new Term({
      core,
      head,
      claims,
      lease: leadership,
      epoch,
      connection,
      clock,
      batchSize,
      ring: this.#ring,
      committed: (batch, commitMs) => this.#committed(batch, commitMs),
      failed: (error) => {
        this.#term = undefined
        this.#trouble = 'is recovering'
        ended(error)
      },
    })
  }

  #refuseWaiting(): void {
    for (const pending of this.#ring.splice(0))
      pending.reject(
        platformErrors.unavailable('the engine is recovering', { retryAfterSeconds: 1 }),
      )
  }

  #committed(batch: SealedBatch, tookMs: number): void {
    const { metrics, database, log } = this.#options
    metrics.counter('commands_total', 'Sequenced commands').inc({}, batch.applied.length)
    metrics
      .histogram('commit_seconds', 'Duration of the commit of a journal batch', [], COMMIT_BUCKETS)
      .observe(tookMs / 1000)
    metrics
      .histogram('commit_commands', 'Commands of a journal batch', [], [1, 4, 16, 64, 256, 512])
      .observe(batch.applied.length)
    const alarms = batch.changes.events.filter(([, event]) => ALARMS.has(event.type))
    for (const [sequence, event] of alarms) {
      this.#suspended.inc()
      log.error({ event: event.type, sequence: sequence.toString(), asset: event['asset'] })
    }
    if (batch.changes.events.length > 0) database.wakes.wake('ledger.events')
  }

  /** Waits for `work` unless the sequencer stops first. */
  async #untilAborted<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#abort
    const stopped = Promise.withResolvers<never>()
    stopped.promise.catch(() => undefined)
    const stop = (): void => stopped.reject(platformErrors.unavailable('stopping'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    try {
      return await Promise.race([work, stopped.promise])
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#abort.signal }).catch(() => undefined)
  }
}

const COMMIT_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2]
const ALARMS: ReadonlySet<string> = new Set(['ledger.suspended.v1', 'ledger.unposted.v1'])
