import { jsonInteger } from '#kernel/json.ts'
import { pageOf } from '#kernel/page.ts'
import { present } from '#kernel/assert.ts'
import { ledgerErrors } from '#ledger/errors.ts'
import type { LedgerService } from '#ledger/service.ts'
import { reply, replyOnce, route, type Route } from '#platform/http/route.ts'
import { pageRequest } from '#platform/http/schema-parts.ts'
import { tradingErrors } from './errors.ts'
import { formatPrice, formatQuantity } from './market.ts'
import type { Side } from './order.ts'
import {
  bookQuery,
  bookReply,
  marketBody,
  marketParams,
  marketReply,
  marketsReply,
  publicTradePage,
  tradesQuery,
} from './schema.ts'
import type { BookView, TradingService } from './service.ts'
import { tradePlace, tradePlaceText } from './trade-place.ts'
import { marketView, publicTradeView } from './view.ts'

interface Deps {
  readonly trading: TradingService
  readonly ledger: LedgerService
}

export function marketRoutes(deps: Deps): readonly Route[] {
  return [
    createMarket(deps),
    closeMarket(deps),
    openMarket(deps),
    listMarkets(deps),
    getBook(deps),
    listMarketTrades(deps),
  ]
}

function createMarket(deps: Deps): Route {
  return route({
    method: 'POST',
    path: '/v1/markets',
    id: 'createMarket',
    summary: 'Open a market; the same terms again give the one that exists',
    tags: ['markets'],
    permission: 'markets:write',
    body: marketBody,
    responses: { 200: marketReply, 201: marketReply },
    errors: [
      ledgerErrors.asset_not_found,
      tradingErrors.market_exists,
      tradingErrors.market_pair,
      tradingErrors.market_tick_size,
      tradingErrors.market_lot_size,
      tradingErrors.market_inexact,
      tradingErrors.market_fees,
    ],
    handle: async ({ body }) => {
      const { market, replayed } = await deps.trading.markets.createMarket(body)
      return replyOnce(201, replayed, marketView(market, await symbols(deps)))
    },
  })
}

function closeMarket(deps: Deps): Route {
  return route({
    method: 'POST',
    path: '/v1/markets/:symbol/close',
    id: 'closeMarket',
    summary: 'Take no more orders; those that rest stay and may be cancelled',
    tags: ['markets'],
    permission: 'markets:write',
    params: marketParams,
    absent: tradingErrors.market_not_found,
    responses: { 200: marketReply },
    errors: [],
    handle: async ({ params }) => {
      const market = await deps.trading.markets.closeMarket(params.symbol)
      return reply(200, marketView(market, await symbols(deps)))
    },
  })
}

function openMarket(deps: Deps): Route {
  return route({
    method: 'POST',
    path: '/v1/markets/:symbol/open',
    id: 'openMarket',
    summary: 'Take orders again',
    tags: ['markets'],
    permission: 'markets:write',
    params: marketParams,
    absent: tradingErrors.market_not_found,
    responses: { 200: marketReply },
    errors: [],
    handle: async ({ params }) => {
      const market = await deps.trading.markets.openMarket(params.symbol)
      return reply(200, marketView(market, await symbols(deps)))
    },
  })
}

function listMarkets(deps: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/markets',
    id: 'listMarkets',
    summary: 'All markets',
    tags: ['markets'],
    permission: 'public',
    responses: { 200: marketsReply },
    errors: [],
    handle: async () => {
      const symbolOf = await symbols(deps)
      const markets = await deps.trading.markets.listMarkets()
      return reply(200, { data: markets.map((market) => marketView(market, symbolOf)) })
    },
  })
}

function getBook({ trading }: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/markets/:symbol/book',
    id: 'getBook',
    summary: 'Resting orders by price, best first',
    tags: ['markets'],
    permission: 'public',
    params: marketParams,
    absent: tradingErrors.market_not_found,
    query: bookQuery,
    responses: { 200: bookReply },
    errors: [],
    handle: async ({ params, query }) => {
      const book = await trading.getBook(params.symbol, query.depth)
      return reply(200, {
        market: book.market.symbol,
        sequence: jsonInteger(book.sequence),
        bids: levelsOf(book, 'buy'),
        asks: levelsOf(book, 'sell'),
      })
    },
  })
}

function listMarketTrades({ trading }: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/markets/:symbol/trades',
    id: 'listMarketTrades',
    summary: 'Trades of a market, newest first',
    tags: ['markets'],
    permission: 'public',
    params: marketParams,
    absent: tradingErrors.market_not_found,
    query: tradesQuery,
    responses: { 200: publicTradePage },
    errors: [],
    handle: async ({ params, query }) => {
      const { after, limit } = pageRequest(query)
      const market = await trading.markets.getRules(params.symbol)
      const rows = await trading.listMarketTrades(params.symbol, tradePlace(after), limit + 1)
      const page = pageOf(rows, limit, tradePlaceText)
      return reply(200, { ...page, data: page.data.map((row) => publicTradeView(market, row)) })
    },
  })
}

function levelsOf({ market, levels }: BookView, side: Side) {
  return levels
    .filter((level) => level.side === side)
    .map(({ ticks, lots, orders }) => [
      formatPrice(market, ticks),
      formatQuantity(market, lots),
      orders,
    ])
}

async function symbols({ ledger }: Deps): Promise<(asset: number) => string> {
  const assets = new Map((await ledger.listAssets()).map((row) => [row.asset, row.symbol]))
  return (asset) => present(assets.get(asset), `asset ${asset}`)
}
