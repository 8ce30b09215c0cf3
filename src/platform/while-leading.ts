import { setTimeout as sleep } from 'node:timers/promises'
import type { Leadership } from './leader.ts'
import type { Health, Service } from './lifecycle.ts'
import type { Log } from './log.ts'
import { backoffMs } from './scheduler.ts'

export interface WhileLeadingOptions {
  readonly name: string
  readonly leadership: Leadership
  /** A new service for each term. */
  readonly make: () => Service
  readonly log: Log
}

const MOST_BACKOFF_MS = 2000

/**
 * Runs a service while this process leads a role, so that a standby takes no events from under the
 * leader. A term that ends stops it; the next one begins with a new one.
 */
export class WhileLeading implements Service {
  readonly name: string
  readonly #options: WhileLeadingOptions
  readonly #abort = new AbortController()
  #term = new AbortController()
  #service: Service | undefined
  #trouble: string | undefined
  #running: Promise<void> | undefined

  constructor(options: WhileLeadingOptions) {
    this.#options = options
    this.name = options.name
    options.leadership.onLost(() => this.#term.abort())
  }

  start(): Promise<void> {
    this.#running ??= this.#run()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    this.#term.abort()
    await this.#running
  }

  health(): Health {
    if (this.#trouble !== undefined) return { ok: false, detail: this.#trouble }
    if (this.#service !== undefined) return this.#service.health()
    const isStandby = this.#options.leadership.isStandby()
    return isStandby ? { ok: true, detail: 'standby' } : { ok: false, detail: 'not started' }
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#abort.signal.aborted) {
      await this.#untilLeading()
      if (this.#abort.signal.aborted) return
      try {
        await this.#serveTerm()
        failures = 0
      } catch (error) {
        failures += 1
        this.#trouble = `${this.name} does not start`
        this.#options.log.warn({ event: 'service.start_failed', service: this.name, error })
        await this.#pause(backoffMs(failures, 100, MOST_BACKOFF_MS))
      }
    }
  }

  async #untilLeading(): Promise<void> {
    const { leadership } = this.#options
    const stopped = new Promise<void>((resolve) => {
      this.#abort.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([
      leadership.whenLeading().then(
        () => undefined,
        () => undefined,
      ),
      stopped,
    ])
    // A role that is being given up rejects at once.
    if (!leadership.isLeading()) await this.#pause(100)
  }

  async #serveTerm(): Promise<void> {
    if (!this.#options.leadership.isLeading()) return
    this.#term = new AbortController()
    const { signal } = this.#term
    const service = this.#options.make()
    try {
      await service.start(signal)
      this.#trouble = undefined
      this.#service = service
      if (!signal.aborted && this.#options.leadership.isLeading())
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
    } finally {
      this.#service = undefined
      await service.stop()
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#abort.signal }).catch(() => undefined)
  }
}
