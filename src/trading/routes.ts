import type { AccountsService } from '#accounts/service.ts'
import type { LedgerService } from '#ledger/service.ts'
import type { Route } from '#platform/http/route.ts'
import { marketRoutes } from './market-routes.ts'
import { orderRoutes } from './order-routes.ts'
import type { TradingService } from './service.ts'
import type { SettlementPort } from './settlement-port.ts'
import { tradeRoutes } from './trade-routes.ts'

export interface TradingRouteDeps {
  readonly trading: TradingService
  readonly ledger: LedgerService
  readonly accounts: Pick<AccountsService, 'getAccountToRead'>
  readonly settlement: SettlementPort
}

/** Markets and their data are public; orders and own trades are not. */
export function tradingRoutes(deps: TradingRouteDeps): readonly Route[] {
  return [...marketRoutes(deps), ...orderRoutes(deps), ...tradeRoutes(deps)]
}
