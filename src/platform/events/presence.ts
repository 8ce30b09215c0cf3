import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/pool.ts'
import { noteSeen } from './groups.ts'

const SEEN_INTERVAL_MS = 30_000

/**
 * Says now and then that a consumer of a group runs: its position may stand still for long, which
 * must not look like a group that is gone.
 */
export class Presence {
  readonly #options: {
    readonly database: Database
    readonly group: string
    readonly stream: string
  }
  readonly #abort = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: { database: Database; group: string; stream: string }) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { database, group, stream } = this.#options
    const { signal } = this.#abort
    while (!signal.aborted) {
      // A database that is away is for the subscription to tell.
      await noteSeen(database, group, stream).catch(() => undefined)
      await sleep(SEEN_INTERVAL_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}
