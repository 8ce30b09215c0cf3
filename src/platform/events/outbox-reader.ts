import { setTimeout as sleep } from 'node:timers/promises'
import { present } from '#kernel/assert.ts'
import type { Database } from '../db/pool.ts'
import { readInstance, type Instance } from '../instance.ts'
import { describeFailure, type Health } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import { backoffMs } from '../scheduler.ts'
import type { Envelope } from './event.ts'
import { reportFailure, type EventSubscription, type Subscriber } from './log.ts'
import { readOutbox } from './outbox.ts'

export interface OutboxReaderOptions extends Subscriber {
  readonly name: string
  readonly database: Database
  readonly log: Log
}

const MAX_EVENTS = 256
const MAX_BYTES = 4 * 1024 * 1024
/** Seldom the last one. */
const LONG_PAGE = 16
const FIRST_REST_MS = 25
const MOST_REST_MS = 200
const MOST_BACKOFF_MS = 5000
const SICK_AFTER_FAILURES = 3

/** Follows one stream of the outbox: woken by this process's commits, polling for those of others. */
export class OutboxReader implements EventSubscription {
  readonly name: string
  readonly #options: OutboxReaderOptions
  readonly #abort = new AbortController()
  #rest = new AbortController()
  #woken = false
  #isToldBack = false
  #idleTurns = 0
  #failures = 0
  #lastFailure = ''
  #position: bigint | undefined
  #instance: Instance | undefined
  #ahead: Promise<readonly Envelope[]> | undefined
  #running: Promise<void> | undefined
  #unlisten: () => void = () => undefined

  constructor(options: OutboxReaderOptions) {
    this.name = options.name
    this.#options = options
  }

  start(): Promise<void> {
    const { database, stream } = this.#options
    this.#unlisten = database.wakes.listen(stream, () => this.wake())
    this.#running ??= this.#run()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#unlisten()
    this.#abort.abort()
    this.#rest.abort()
    await this.#running
  }

  wake(): void {
    this.#woken = true
    if (this.#failures === 0) this.#rest.abort()
  }

  /** Asks for the position again and goes on from there, after the page in hand. */
  goBack(): void {
    this.#isToldBack = true
    this.wake()
  }

  health(): Health {
    if (this.#failures < SICK_AFTER_FAILURES) return { ok: true }
    return { ok: false, detail: `failed ${this.#failures} times: ${this.#lastFailure}` }
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      this.#woken = false
      const more = await this.#turn()
      if (!more && !(this.#woken && this.#failures === 0)) await this.#restNow()
    }
  }

  /** Whether there may be more to read at once. */
  async #turn(): Promise<boolean> {
    const { database, position, handle } = this.#options
    try {
      if (this.#isToldBack) this.#forgetPlace()
      this.#instance ??= await readInstance(database)
      const after = (this.#position ??= await position())
      const ahead = (await this.#takeAhead()) ?? []
      const batch = ahead.length > 0 ? ahead : await this.#read(after)
      const last = batch.at(-1)
      if (last !== undefined) {
        if (batch.length >= LONG_PAGE) this.#readAhead(last.seq)
        await handle(batch)
        this.#position = last.seq
      }
      this.#failures = 0
      this.#idleTurns = last === undefined ? this.#idleTurns + 1 : 0
      return last !== undefined
    } catch (error) {
      this.#fail(error)
      return false
    }
  }

  async #read(after: bigint): Promise<readonly Envelope[]> {
    const { database, stream } = this.#options
    const instance = present(this.#instance, 'instance')
    const page = { stream, after, maxEvents: MAX_EVENTS, maxBytes: MAX_BYTES }
    return await readOutbox(database, instance, page)
  }

  /** Reads what follows while the page before it is handled. */
  #readAhead(after: bigint): void {
    this.#ahead = this.#read(after)
    this.#ahead.catch(() => undefined)
  }

  /** The page that was read ahead, unless there was none yet. */
  #takeAhead(): Promise<readonly Envelope[]> | undefined {
    const ahead = this.#ahead
    this.#ahead = undefined
    return ahead
  }

  #forgetPlace(): void {
    this.#isToldBack = false
    this.#ahead = undefined
    this.#position = undefined
    this.#instance = undefined
  }

  #fail(error: unknown): void {
    this.#forgetPlace()
    if (this.#abort.signal.aborted) return
    this.#failures += 1
    this.#lastFailure = describeFailure(error)
    const { log, name } = this.#options
    reportFailure(log, name, this.#failures, error)
  }

  async #restNow(): Promise<void> {
    if (this.#abort.signal.aborted) return
    this.#rest = new AbortController()
    const restMs =
      this.#failures > 0
        ? backoffMs(this.#failures, 50, MOST_BACKOFF_MS)
        : backoffMs(this.#idleTurns, FIRST_REST_MS, MOST_REST_MS)
    await sleep(restMs, undefined, { signal: this.#rest.signal }).catch(() => undefined)
  }
}
