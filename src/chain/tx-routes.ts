import type { ErrorDefinition } from '#kernel/errors.ts'
import { idFromUuid, uuidOf } from '#kernel/id.ts'
import { jsonInteger } from '#kernel/json.ts'
import { pageOf } from '#kernel/page.ts'
import { formatInstant, instant } from '#kernel/time.ts'
import { reply, route, type Route } from '#platform/http/route.ts'
import { pageRequest } from '#platform/http/schema-parts.ts'
import { closesItself, type Breaker } from './breaker.ts'
import { chainErrors } from './errors.ts'
import type { EndpointHealth } from './rpc-adapter.ts'
import {
  breakerParams,
  breakerResetReply,
  breakersReply,
  orderBody,
  transactionPage,
  transactionParams,
  transactionQuery,
  transactionReply,
} from './tx-schema.ts'
import type { TransactionService } from './tx-service.ts'
import type { TransactionRow } from './tx-store.ts'

const TAGS = ['chain']

/** The node's own transactions, for operators. */
export function transactionRoutes(transactions: TransactionService): readonly Route[] {
  return [
    listTransactions(transactions),
    getTransaction(transactions),
    cancelTransaction(transactions),
    resumeTransaction(transactions),
    listBreakers(transactions),
    resetBreaker(transactions),
  ]
}

function listTransactions(transactions: TransactionService): Route {
  return route({
    method: 'GET',
    path: '/v1/transactions',
    id: 'listTransactions',
    summary: 'What the node sends to the chain, newest first',
    tags: TAGS,
    permission: 'transactions:read',
    query: transactionQuery,
    responses: { 200: transactionPage },
    errors: [],
    handle: async ({ query }) => {
      const request = pageRequest(query)
      const rows = await transactions.list({ state: query.state, signer: query.signer }, request)
      const page = pageOf(rows, request.limit, (row) => row.id)
      return reply(200, { ...page, data: page.data.map(transactionView) })
    },
  })
}

function getTransaction(transactions: TransactionService): Route {
  return route({
    method: 'GET',
    path: '/v1/transactions/:id',
    id: 'getTransaction',
    summary: 'One transaction of the node',
    tags: TAGS,
    permission: 'transactions:read',
    params: transactionParams,
    absent: chainErrors.transaction_not_found,
    responses: { 200: transactionReply },
    errors: [],
    handle: async ({ params }) => {
      const row = await transactions.getTransaction(uuidOf('transaction', params.id))
      return reply(200, transactionView(row))
    },
  })
}

function cancelTransaction(transactions: TransactionService): Route {
  return orderRoute({
    path: '/v1/transactions/:id/cancel',
    id: 'cancelTransaction',
    summary: 'Take a transaction back, by a payment to oneself where it has a nonce',
    error: chainErrors.transaction_over,
    act: transactions.cancel.bind(transactions),
  })
}

function resumeTransaction(transactions: TransactionService): Route {
  return orderRoute({
    path: '/v1/transactions/:id/resume',
    id: 'resumeTransaction',
    summary: 'Let a held transaction go on',
    error: chainErrors.transaction_not_held,
    act: transactions.resume.bind(transactions),
  })
}

interface OrderRoute {
  readonly path: string
  readonly id: string
  readonly summary: string
  readonly error: ErrorDefinition
  readonly act: TransactionService['cancel']
}

/** What a person may order about one transaction. */
function orderRoute({ error, act, ...place }: OrderRoute): Route {
  return route({
    method: 'POST',
    ...place,
    tags: TAGS,
    permission: 'transactions:write',
    params: transactionParams,
    body: orderBody,
    absent: chainErrors.transaction_not_found,
    responses: { 202: transactionReply },
    errors: [error],
    handle: async ({ params, body, principal }) => {
      const order = { reason: body.reason, actor: principal.userId }
      return reply(202, transactionView(await act(uuidOf('transaction', params.id), order)))
    },
  })
}

function listBreakers(transactions: TransactionService): Route {
  return route({
    method: 'GET',
    path: '/v1/breakers',
    id: 'listBreakers',
    summary: 'What stops the signing of transactions, and the endpoints of the chain',
    tags: TAGS,
    permission: 'breakers:read',
    responses: { 200: breakersReply },
    errors: [],
    handle: async () => {
      const data = (await transactions.listBreakers()).map(breakerView)
      return reply(200, { data, endpoints: transactions.listEndpoints().map(endpointView) })
    },
  })
}

function resetBreaker(transactions: TransactionService): Route {
  return route({
    method: 'POST',
    path: '/v1/breakers/:name/reset',
    id: 'resetBreaker',
    summary: 'Close a breaker; it opens again while its cause is there',
    tags: TAGS,
    permission: 'breakers:write',
    params: breakerParams,
    body: orderBody,
    responses: { 200: breakerResetReply },
    errors: [chainErrors.breaker_closed],
    handle: async ({ params, body, principal }) => {
      const order = { reason: body.reason, actor: principal.userId }
      const breakers = await transactions.resetBreaker(params.name, order)
      return reply(200, { data: breakers.map(breakerView) })
    },
  })
}

function transactionView(row: TransactionRow) {
  return {
    id: idFromUuid('transaction', row.id),
    key: row.key,
    signer: row.signer,
    to: row.to,
    state: row.state,
    wish: row.wish ?? null,
    nonce: row.nonce ?? null,
    attempts: row.attempts,
    tx_hash: row.hash ?? null,
    block_number: row.blockNumber ?? null,
    gas_used: row.gasUsed === undefined ? null : jsonInteger(row.gasUsed),
    error: row.error ?? null,
    created_at: formatInstant(instant(row.createdAtMs)),
    updated_at: formatInstant(instant(row.updatedAtMs)),
  }
}

function breakerView({ name, scope, isOpen, reason, sinceMs }: Breaker) {
  return {
    name,
    scope,
    state: isOpen ? 'open' : 'closed',
    reason: reason ?? null,
    since: formatInstant(instant(sinceMs)),
    closes_itself: closesItself(name),
  }
}

function endpointView({ url, isHealthy, head, lagBlocks, errorRate }: EndpointHealth) {
  return {
    url,
    healthy: isHealthy,
    head: head ?? null,
    lag_blocks: lagBlocks ?? null,
    error_rate: errorRate,
  }
}
