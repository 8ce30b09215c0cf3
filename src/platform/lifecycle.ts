import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '#kernel/errors.ts'
import { assert, present } from '#kernel/assert.ts'
import { platformErrors } from './errors.ts'
import type { Log } from './log.ts'

export type Health = { readonly ok: boolean; readonly detail?: string }

export interface Service {
  readonly name: string
  /** Resolves when the service is of use; `signal` aborts when the node gives up starting. */
  start(signal: AbortSignal): Promise<void>
  stop(): Promise<void>
  health(): Health
}

interface Entry {
  readonly service: Service
  readonly after: readonly Service[]
  readonly startTimeoutMs: number
}

const START_TIMEOUT_MS = 60_000
/** For all services together. */
const STOP_WITHIN_MS = 25_000

/** Starts services when what they need runs, and stops them in reverse order. */
export class Registry {
  readonly #log: Log
  readonly #entries: Entry[] = []
  readonly #starts = new Map<Service, Promise<void>>()
  readonly #running: Service[] = []
  #stopping: Promise<void> | undefined
  readonly #abort = new AbortController()

  constructor(options: { log: Log }) {
    this.#log = options.log
  }

  /** `after` names services that were added before and that this one needs. */
  add(
    service: Service,
    options: { after?: readonly Service[]; startTimeoutMs?: number } = {},
  ): this {
    const { after = [], startTimeoutMs = START_TIMEOUT_MS } = options
    assert(
      !this.#entries.some((entry) => entry.service.name === service.name),
      `twice: ${service.name}`,
    )
    for (const needed of after) {
      assert(this.#has(needed), `${service.name} needs ${needed.name}, which is not added before`)
    }
    this.#entries.push({ service, after, startTimeoutMs })
    return this
  }

  /** Rejects with the first failure, after it stopped what already ran. */
  async start(): Promise<void> {
    const started = this.#starts
    for (const entry of this.#entries) {
      const needs = entry.after.map((needed) => present(started.get(needed), needed.name))
      const run = Promise.all(needs).then(() => this.#startOne(entry))
      run.catch(() => this.#abort.abort())
      started.set(entry.service, run)
    }
    try {
      await Promise.all(started.values())
    } catch (error) {
      await Promise.allSettled(started.values())
      await this.stop()
      throw error
    }
  }

  /** Stops every running service; a failure is logged and does not spare the others. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#stopAll()
    await this.#stopping
  }

  health(): Record<string, Health> {
    return Object.fromEntries(
      this.#entries.map(({ service }) => [service.name, this.#healthOf(service)]),
    )
  }

  #healthOf(service: Service): Health {
    if (this.#stopping !== undefined) return { ok: false, detail: 'stopping' }
    return this.#running.includes(service) ? service.health() : { ok: false, detail: 'not started' }
  }

  #has(service: Service): boolean {
    return this.#entries.some((entry) => entry.service === service)
  }

  async #startOne({ service, startTimeoutMs }: Entry): Promise<void> {
    if (this.#abort.signal.aborted) throw platformErrors.unavailable('the node is stopping')
    const from = performance.now()
    try {
      await limitTime(service.start(this.#abort.signal), startTimeoutMs, service.name, 'start')
    } catch (error) {
      this.#log.error({ event: 'service.start_failed', service: service.name, error })
      await service.stop().catch(() => undefined)
      throw error
    }
    if (this.#abort.signal.aborted) {
      await service.stop()
      throw platformErrors.unavailable('the node is stopping')
    }
    this.#running.push(service)
    const tookMs = Math.round(performance.now() - from)
    this.#log.debug({ event: 'service.started', service: service.name, took_ms: tookMs })
  }

  async #stopAll(): Promise<void> {
    this.#abort.abort()
    const untilMs = performance.now() + STOP_WITHIN_MS
    // Half of what is left, each time: however many hang, something is left for the next one.
    const shareMs = (): number => Math.max(0, Math.round((untilMs - performance.now()) / 2))
    await Promise.race([
      Promise.allSettled(this.#starts.values()),
      sleep(shareMs(), undefined, { ref: false }),
    ])
    const running = this.#entries.filter(({ service }) => this.#running.includes(service))
    for (const { service } of running.toReversed()) {
      try {
        await limitTime(service.stop(), shareMs(), service.name, 'stop')
      } catch (error) {
        this.#log.error({ event: 'service.stop_failed', service: service.name, error })
      }
    }
    this.#running.length = 0
  }
}

async function limitTime(
  work: Promise<void>,
  timeoutMs: number,
  name: string,
  verb: string,
): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    reject(platformErrors.unavailable(`${name} did not ${verb} within ${timeoutMs} ms`))
  }, timeoutMs)
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** One line that tells a person what is wrong, without a stack. */
export function describeFailure(error: unknown): string {
  if (error instanceof AppError) return error.detail
  return error instanceof Error ? error.message : String(error)
}
