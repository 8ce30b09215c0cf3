import { accountsErrors } from '#accounts/errors.ts'
import { readerOf } from '#accounts/reader.ts'
import type { AccountsService } from '#accounts/service.ts'
import { present } from '#kernel/assert.ts'
import { jsonInteger } from '#kernel/json.ts'
import { formatDecimal } from '#kernel/money.ts'
import { formatInstant } from '#kernel/time.ts'
import { reply, route, type Route } from '#platform/http/route.ts'
import type { ListedAsset } from './account.ts'
import { availableOf, type Balance } from './balance.ts'
import type { JournalBatch } from './journal.ts'
import { balancesQuery, balancesReply, headReply, journalQuery, journalReply } from './schema.ts'
import type { LedgerService } from './service.ts'

interface Deps {
  readonly ledger: LedgerService
  readonly accounts: Pick<AccountsService, 'getAccountToRead'>
}

/** Balances of an account, and the journal for auditors. */
export function ledgerRoutes(deps: Deps): readonly Route[] {
  const { ledger } = deps
  return [listBalances(deps), getJournalHead(ledger), listJournal(ledger)]
}

function listBalances({ ledger, accounts }: Deps): Route {
  return route({
    method: 'GET',
    path: '/v1/balances',
    id: 'listBalances',
    summary: 'Balances of an account, by asset',
    tags: ['ledger'],
    permission: 'balances:read',
    query: balancesQuery,
    responses: { 200: balancesReply },
    errors: [accountsErrors.account_not_found],
    handle: async ({ principal, query }) => {
      const account = await accounts.getAccountToRead(readerOf(principal), query.account_id)
      const assets = new Map((await ledger.listAssets()).map((asset) => [asset.asset, asset]))
      const balances = await ledger.listBalances(account)
      const data = balances.map((balance) =>
        balanceView(balance, present(assets.get(balance.asset), `asset ${balance.asset}`)),
      )
      return reply(200, { data })
    },
  })
}

function getJournalHead(ledger: LedgerService): Route {
  return route({
    method: 'GET',
    path: '/v1/journal/head',
    id: 'getJournalHead',
    summary: 'Where the journal ends',
    tags: ['ledger'],
    permission: 'journal:read',
    responses: { 200: headReply },
    errors: [],
    handle: async () => {
      const head = await ledger.journalHead()
      return reply(200, { sequence: jsonInteger(head.sequence), hash: hex(head.hash) })
    },
  })
}

function listJournal(ledger: LedgerService): Route {
  return route({
    method: 'GET',
    path: '/v1/journal',
    id: 'listJournal',
    summary: 'Journal batches from a sequence on, enough to recompute the hash chain',
    tags: ['ledger'],
    permission: 'journal:read',
    query: journalQuery,
    responses: { 200: journalReply },
    errors: [],
    handle: async ({ query }) => {
      const from = BigInt(query.from)
      const batches = await ledger.listJournal(from, query.limit)
      const last = batches.at(-1)
      const next = last === undefined ? from : last.lastSequence + 1n
      return reply(200, { data: batches.map(batchView), next_from: jsonInteger(next) })
    },
  })
}

function balanceView(balance: Balance, { symbol, decimals }: ListedAsset) {
  const text = (atoms: bigint): string => formatDecimal(atoms, decimals)
  return {
    asset: symbol,
    total: text(balance.posted),
    available: text(availableOf(balance)),
    held: text(balance.held),
    settled: text(balance.settled),
    unsettled: text(balance.posted - balance.settled),
    pending: text(balance.incoming),
  }
}

function batchView(batch: JournalBatch) {
  return {
    first_sequence: jsonInteger(batch.firstSequence),
    last_sequence: jsonInteger(batch.lastSequence),
    epoch: jsonInteger(batch.epoch),
    at: formatInstant(batch.at),
    prev_hash: hex(batch.prevHash),
    hash: hex(batch.hash),
    body: batch.body,
  }
}

function hex(bytes: Buffer): string {
  return `0x${bytes.toString('hex')}`
}
