import type { AccountsService } from '#accounts/service.ts'
import type { Clock } from '#kernel/time.ts'
import type { Database } from '#platform/db/pool.ts'
import type { Route } from '#platform/http/route.ts'
import type { Leadership } from '#platform/leader.ts'
import type { Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { Metrics } from '#platform/metrics.ts'
import type { CommandForwarder } from './forward-adapter.ts'
import { LeadingSink } from './leading-sink.ts'
import type { ReducerSource } from './reducer.ts'
import { ledgerRoutes } from './routes.ts'
import { Sequencer } from './sequencer.ts'
import { LedgerService } from './service.ts'
import type { CommandSink } from './submission.ts'

export interface LedgerDeps {
  readonly database: Database
  /** Of the role `engine`; start it before the workers. */
  readonly leadership: Leadership
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Stands beside the ledger and opens accounts in it. */
  readonly accounts: Pick<AccountsService, 'getAccountToRead'>
  /** The parts of the core that higher contexts bring: `exchangeSource` of trading. */
  readonly reducers: ReducerSource
  /** The way to an engine that leads in another process. */
  readonly forwarder?: CommandForwarder | undefined
  /** Why this process is of no use while another engine leads; undefined where it is. */
  readonly standbyTrouble?: string | undefined
}

export interface LedgerModule {
  readonly service: LedgerService
  readonly sequencer: Sequencer
  /** Takes commands wherever the engine leads. */
  readonly sink: CommandSink
  readonly routes: readonly Route[]
  readonly workers: readonly Service[]
}

/** Puts the ledger context together. */
export function ledgerModule(deps: LedgerDeps): LedgerModule {
  const sequencer = new Sequencer(deps)
  const sink = new LeadingSink(sequencer, deps.forwarder)
  const { database, reducers, accounts } = deps
  const service = new LedgerService({ database, reducers, sink })
  return {
    service,
    sequencer,
    sink,
    routes: ledgerRoutes({ ledger: service, accounts }),
    workers: [sequencer],
  }
}
