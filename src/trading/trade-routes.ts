import { accountsErrors } from '#accounts/errors.ts'
import { readerOf } from '#accounts/reader.ts'
import type { AccountsService } from '#accounts/service.ts'
import { present } from '#kernel/assert.ts'
import { pageOf } from '#kernel/page.ts'
import type { LedgerService } from '#ledger/service.ts'
import { reply, route, type Route } from '#platform/http/route.ts'
import { pageRequest } from '#platform/http/schema-parts.ts'
import { tradingErrors } from './errors.ts'
import { accountTradesQuery, tradeDetail, tradePage, tradeParams } from './schema.ts'
import type { TradingService } from './service.ts'
import type { SettlementPort } from './settlement-port.ts'
import type { Trade } from './trade.ts'
import { tradePlace, tradePlaceText } from './trade-place.ts'
import { ownTradeView, transferView } from './view.ts'

interface Deps {
  readonly trading: TradingService
  readonly ledger: LedgerService
  readonly accounts: Pick<AccountsService, 'getAccountToRead'>
  readonly settlement: SettlementPort
}

export function tradeRoutes(deps: Deps): readonly Route[] {
  return [listTrades(deps), getTrade(deps)]
}

function listTrades(deps: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/trades',
    id: 'listTrades',
    summary: 'Trades of an account with their settlement, newest first',
    tags: ['trades'],
    permission: 'trades:read',
    query: accountTradesQuery,
    responses: { 200: tradePage },
    errors: [accountsErrors.account_not_found],
    handle: async ({ query, principal }) => {
      const { after, limit } = pageRequest(query)
      const account = await deps.accounts.getAccountToRead(readerOf(principal), query.account_id)
      const rows = await deps.trading.listAccountTrades(account, tradePlace(after), limit + 1)
      const page = pageOf(rows, limit, tradePlaceText)
      return reply(200, { ...page, data: await viewsOf(deps, page.data, account) })
    },
  })
}

function getTrade(deps: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/trades/:id',
    id: 'getTrade',
    summary:
      'One trade with its ledger transfers; of others for auditors only, as the taker sees it',
    tags: ['trades'],
    permission: 'trades:read',
    params: tradeParams,
    absent: tradingErrors.trade_not_found,
    responses: { 200: tradeDetail },
    errors: [],
    handle: async ({ params, principal }) => {
      const found = await deps.trading.getTrade(readerOf(principal), params.id)
      const [view] = await viewsOf(deps, [found.trade], found.account)
      const assets = new Map((await deps.ledger.listAssets()).map((row) => [row.asset, row]))
      const legs = found.transfers.map((transfer) =>
        transferView(transfer, present(assets.get(transfer.asset), `asset ${transfer.asset}`)),
      )
      return reply(200, { ...view, transfers: legs })
    },
  })
}

async function viewsOf(deps: Deps, trades: readonly Trade[], account: number) {
  const sequences = [...new Set(trades.map((trade) => trade.sequence))]
  const settlements = await deps.settlement.settlementOf(sequences)
  return Promise.all(
    trades.map(async (trade) => {
      const market = await deps.trading.markets.getRules(trade.market)
      return ownTradeView(market, trade, account, settlements.get(trade.sequence))
    }),
  )
}
