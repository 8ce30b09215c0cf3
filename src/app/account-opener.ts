import type { AccountsService } from '#accounts/service.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import { Loop } from '#platform/scheduler.ts'

const INTERVAL_MS = 5000

/** Opens the ledger accounts of users whom a crash, or an absent engine, left without one. */
export class AccountOpener implements Service {
  readonly name = 'account-opener'
  readonly #loop: Loop

  constructor(options: { accounts: AccountsService; log: Log }) {
    const { accounts, log } = options
    this.#loop = new Loop({
      name: this.name,
      intervalMs: INTERVAL_MS,
      run: async () => await accounts.openAccounts(),
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
