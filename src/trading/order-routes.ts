import { accountsErrors } from '#accounts/errors.ts'
import { readerOf } from '#accounts/reader.ts'
import type { AccountsService } from '#accounts/service.ts'
import { pageOf } from '#kernel/page.ts'
import { ledgerErrors } from '#ledger/errors.ts'
import { reply, replyOnce, route, type Route } from '#platform/http/route.ts'
import { pageRequest } from '#platform/http/schema-parts.ts'
import { tradingErrors } from './errors.ts'
import {
  cancelQuery,
  orderBody,
  orderPage,
  orderParams,
  orderReply,
  ordersQuery,
  ordersReply,
} from './schema.ts'
import type { TradingService } from './service.ts'
import { orderView } from './view.ts'

interface Deps {
  readonly trading: TradingService
  readonly accounts: Pick<AccountsService, 'getAccountToRead'>
}

export function orderRoutes(deps: Deps): readonly Route[] {
  const { trading } = deps
  return [
    placeOrder(trading),
    listOrders(deps),
    cancelOrders(trading),
    getOrder(trading),
    cancelOrder(trading),
  ]
}

function placeOrder(trading: TradingService): Route {
  return route({
    method: 'POST',
    path: '/v1/orders',
    id: 'placeOrder',
    summary: 'Place an order; it is durable when answered',
    tags: ['orders'],
    permission: 'orders:write',
    rate: 'orders',
    idempotent: 'key_or_client_order_id',
    body: orderBody,
    responses: { 200: orderReply, 201: orderReply },
    errors: [
      ledgerErrors.insufficient_funds,
      ledgerErrors.account_frozen,
      ledgerErrors.exit_requested,
      ledgerErrors.exit_mode,
      tradingErrors.market_not_found,
      tradingErrors.market_closed,
      tradingErrors.tick_size,
      tradingErrors.lot_size,
      tradingErrors.too_many_decimals,
      tradingErrors.notional_out_of_range,
      tradingErrors.balance_out_of_range,
      tradingErrors.price_required,
      tradingErrors.price_not_allowed,
      tradingErrors.time_in_force,
      tradingErrors.account_not_registered,
      tradingErrors.asset_class_not_allowed,
    ],
    handle: async ({ body, principal, idempotencyKey }) => {
      const { result, replayed } = await trading.placeOrder(principal, body, idempotencyKey)
      return replyOnce(201, replayed, orderView(result))
    },
  })
}

function listOrders({ trading, accounts }: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/orders',
    id: 'listOrders',
    summary: 'Orders of an account, newest first; status open means all that may still trade',
    tags: ['orders'],
    permission: 'orders:read',
    query: ordersQuery,
    responses: { 200: orderPage },
    errors: [tradingErrors.market_not_found, accountsErrors.account_not_found],
    handle: async ({ query, principal }) => {
      const { after, limit } = pageRequest(query)
      const rows = await trading.listOrders({
        account: await accounts.getAccountToRead(readerOf(principal), query.account_id),
        market: query.market,
        status: query.status,
        before: after === undefined ? undefined : BigInt(after),
        limit: limit + 1,
      })
      const page = pageOf(rows, limit, ({ order }) => order.sequence.toString())
      return reply(200, { ...page, data: page.data.map(orderView) })
    },
  })
}

function getOrder(trading: TradingService): Route {
  return route({
    method: 'GET',
    path: '/v1/orders/:id',
    id: 'getOrder',
    summary: 'One order with its fills; of others for auditors only',
    tags: ['orders'],
    permission: 'orders:read',
    params: orderParams,
    absent: tradingErrors.order_not_found,
    responses: { 200: orderReply },
    errors: [],
    handle: async ({ params, principal }) =>
      reply(200, orderView(await trading.getOrder(readerOf(principal), params.id))),
  })
}

function cancelOrder(trading: TradingService): Route {
  return route({
    method: 'DELETE',
    path: '/v1/orders/:id',
    id: 'cancelOrder',
    summary: 'Cancel one of the own orders',
    tags: ['orders'],
    permission: 'orders:write',
    rate: 'orders',
    params: orderParams,
    absent: tradingErrors.order_not_found,
    responses: { 200: orderReply },
    errors: [tradingErrors.order_terminal],
    handle: async ({ params, principal }) =>
      reply(200, orderView(await trading.cancelOrder(principal, params.id))),
  })
}

function cancelOrders(trading: TradingService): Route {
  return route({
    method: 'DELETE',
    path: '/v1/orders',
    id: 'cancelOrders',
    summary: 'Cancel all own open orders, or those of one market',
    tags: ['orders'],
    permission: 'orders:write',
    rate: 'orders',
    query: cancelQuery,
    responses: { 200: ordersReply },
    errors: [tradingErrors.market_not_found],
    handle: async ({ query, principal }) => {
      const cancelled = await trading.cancelOrders(principal, query.market)
      return reply(200, { data: cancelled.map(orderView) })
    },
  })
}
