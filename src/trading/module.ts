import type { AccountsService } from '#accounts/service.ts'
import type { Clock } from '#kernel/time.ts'
import type { LedgerService } from '#ledger/service.ts'
import type { CommandSink } from '#ledger/submission.ts'
import type { Database } from '#platform/db/pool.ts'
import type { Route } from '#platform/http/route.ts'
import type { Service } from '#platform/lifecycle.ts'
import { tradingRoutes } from './routes.ts'
import { TradingService } from './service.ts'
import type { SettlementPort } from './settlement-port.ts'

export interface TradingDeps {
  readonly database: Database
  readonly clock: Clock
  readonly ledger: LedgerService
  readonly accounts: Pick<AccountsService, 'getAccountToRead'>
  readonly sink: CommandSink
  /** The settlement service; it stands above trading and is handed down. */
  readonly settlement: SettlementPort
}

export interface TradingModule {
  readonly service: TradingService
  readonly routes: readonly Route[]
  readonly workers: readonly Service[]
}

/** Puts the trading context together. */
export function tradingModule(deps: TradingDeps): TradingModule {
  const service = new TradingService(deps)
  return { service, routes: tradingRoutes({ ...deps, trading: service }), workers: [] }
}
