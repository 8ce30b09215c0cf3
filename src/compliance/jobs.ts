import type { Leadership } from '#platform/leader.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import { Loop } from '#platform/scheduler.ts'
import type { ComplianceService } from './service.ts'

const INTERVAL_MS = 1000

export interface RegistrationFollowerOptions {
  readonly compliance: ComplianceService
  /** Of the role `txm`: the worker runs beside the one that sends registrations. */
  readonly leadership: Leadership
  readonly log: Log
}

/** Gives registrations that the chain did not take back to the officer. */
export class RegistrationFollower implements Service {
  readonly name = 'registration-follower'
  readonly #loop: Loop

  constructor(options: RegistrationFollowerOptions) {
    const { compliance, leadership, log } = options
    this.#loop = new Loop({
      name: this.name,
      intervalMs: INTERVAL_MS,
      run: async () => {
        if (!leadership.isLeading()) return
        const lost = await compliance.returnLostRegistrations(leadership.guard())
        for (const { accountId, reason } of lost)
          log.warn({ event: 'compliance.registration_lost', account: accountId, reason })
      },
      log,
    })
  }

  async start(): Promise<void> {
    await this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  health(): Health {
    return this.#loop.health()
  }
}
