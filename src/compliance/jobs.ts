import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import { Loop } from '#platform/scheduler.ts'
import type { ComplianceService } from './service.ts'

const INTERVAL_MS = 1000

/** Gives registrations that the chain did not take back to the officer. */
export class RegistrationFollower implements Service {
  readonly name = 'registration-follower'
  readonly #loop: Loop

  constructor(options: { readonly compliance: ComplianceService; readonly log: Log }) {
    const { compliance, log } = options
    this.#loop = new Loop({
      name: this.name,
      intervalMs: INTERVAL_MS,
      run: async () => {
        for (const { accountId, reason } of await compliance.returnLostRegistrations())
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
