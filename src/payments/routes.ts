import { accountsErrors } from '#accounts/errors.ts'
import { readerOf } from '#accounts/reader.ts'
import type { AccountsService } from '#accounts/service.ts'
import { jsonInteger } from '#kernel/json.ts'
import { idFromUuid, uuidOf } from '#kernel/id.ts'
import { formatDecimal } from '#kernel/money.ts'
import { pageOf } from '#kernel/page.ts'
import { formatInstant, instant } from '#kernel/time.ts'
import { present } from '#kernel/assert.ts'
import type { ListedAsset } from '#ledger/account.ts'
import { ledgerErrors } from '#ledger/errors.ts'
import type { LedgerService } from '#ledger/service.ts'
import { reply, replyOnce, route, type Route } from '#platform/http/route.ts'
import { pageRequest } from '#platform/http/schema-parts.ts'
import type { Deposit } from './deposit.ts'
import { paymentsErrors } from './errors.ts'
import {
  depositPage,
  listQuery,
  withdrawalBody,
  withdrawalPage,
  withdrawalParams,
  withdrawalReply,
} from './schema.ts'
import type { PaymentsService } from './service.ts'
import type { Withdrawal } from './withdrawal.ts'

interface Deps {
  readonly payments: PaymentsService
  readonly ledger: LedgerService
  readonly accounts: Pick<AccountsService, 'getAccountToRead'>
}

/** Withdrawals and deposits of the caller's own account; auditors read those of others too. */
export function paymentsRoutes(deps: Deps): readonly Route[] {
  return [requestWithdrawal(deps), listWithdrawals(deps), getWithdrawal(deps), listDeposits(deps)]
}

function requestWithdrawal(deps: Deps): Route {
  return route({
    method: 'POST',
    path: '/v1/withdrawals',
    id: 'requestWithdrawal',
    summary: 'Hold an amount and pay it to the registered wallet',
    tags: ['payments'],
    permission: 'withdrawals:write',
    idempotent: 'required',
    body: withdrawalBody,
    responses: { 200: withdrawalReply, 202: withdrawalReply },
    errors: [
      paymentsErrors.asset_not_found,
      paymentsErrors.amount_invalid,
      ledgerErrors.asset_not_found,
      ledgerErrors.account_not_registered,
      ledgerErrors.insufficient_funds,
      ledgerErrors.account_frozen,
      ledgerErrors.exit_requested,
      ledgerErrors.exit_mode,
    ],
    handle: async ({ body, principal, idempotencyKey }) => {
      const { result, replayed } = await deps.payments.requestWithdrawal({
        ...body,
        accountId: principal.accountId,
        chainAccount: principal.chainAccount,
        key: present(idempotencyKey, 'Idempotency-Key'),
      })
      return replyOnce(202, replayed, withdrawalView(await assetsOf(deps), result))
    },
  })
}

function listWithdrawals(deps: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/withdrawals',
    id: 'listWithdrawals',
    summary: 'Withdrawals of an account, newest first',
    tags: ['payments'],
    permission: 'withdrawals:read',
    query: listQuery,
    responses: { 200: withdrawalPage },
    errors: [accountsErrors.account_not_found],
    handle: async ({ query, principal }) => {
      const request = pageRequest(query)
      const account = await deps.accounts.getAccountToRead(readerOf(principal), query.account_id)
      const rows = await deps.payments.listWithdrawals(account, request)
      const page = pageOf(rows, request.limit, (row) => row.id)
      const assets = await assetsOf(deps)
      return reply(200, { ...page, data: page.data.map((row) => withdrawalView(assets, row)) })
    },
  })
}

function getWithdrawal(deps: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/withdrawals/:id',
    id: 'getWithdrawal',
    summary: 'One withdrawal; of others for auditors only',
    tags: ['payments'],
    permission: 'withdrawals:read',
    params: withdrawalParams,
    absent: paymentsErrors.withdrawal_not_found,
    responses: { 200: withdrawalReply },
    errors: [],
    handle: async ({ params, principal }) => {
      const id = uuidOf('withdrawal', params.id)
      const found = await deps.payments.getWithdrawal(readerOf(principal), id)
      return reply(200, withdrawalView(await assetsOf(deps), found))
    },
  })
}

function listDeposits(deps: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/deposits',
    id: 'listDeposits',
    summary: 'Deposits of an account, newest first',
    tags: ['payments'],
    permission: 'deposits:read',
    query: listQuery,
    responses: { 200: depositPage },
    errors: [accountsErrors.account_not_found],
    handle: async ({ query, principal }) => {
      const request = pageRequest(query)
      const account = await deps.accounts.getAccountToRead(readerOf(principal), query.account_id)
      const rows = await deps.payments.listDeposits(account, request)
      const page = pageOf(rows, request.limit, (row) => row.id)
      const assets = await assetsOf(deps)
      return reply(200, { ...page, data: page.data.map((row) => depositView(assets, row)) })
    },
  })
}

type Assets = ReadonlyMap<number, ListedAsset>

async function assetsOf({ ledger }: Deps): Promise<Assets> {
  return new Map((await ledger.listAssets()).map((asset) => [asset.asset, asset]))
}

function withdrawalView(assets: Assets, row: Withdrawal) {
  return {
    id: idFromUuid('withdrawal', row.id),
    ...amountView(assets, row),
    status: row.status,
    sequence: jsonInteger(row.holdSequence),
    tx_hash: row.txHash,
    created_at: formatInstant(instant(row.createdAtMs)),
  }
}

function depositView(assets: Assets, row: Deposit) {
  return {
    id: idFromUuid('deposit', row.id),
    ...amountView(assets, row),
    status: row.status,
    tx_hash: row.txHash,
    block_number: jsonInteger(row.blockNumber),
    created_at: formatInstant(instant(row.createdAtMs)),
  }
}

function amountView(assets: Assets, row: Pick<Deposit, 'asset' | 'amountAtoms'>) {
  const { symbol, decimals } = present(assets.get(row.asset), `asset ${row.asset} of the ledger`)
  return { asset: symbol, amount: formatDecimal(row.amountAtoms, decimals) }
}
