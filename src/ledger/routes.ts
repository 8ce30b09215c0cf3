import { present } from '#kernel/assert.ts'
import { formatDecimal } from '#kernel/money.ts'
import { formatInstant } from '#kernel/time.ts'
import { reply, route, type Route } from '#platform/http/route.ts'
import type { ListedAsset } from './account.ts'
import { availableOf, type Balance } from './balance.ts'
import type { JournalBatch } from './journal.ts'
import { balancesReply, headReply, journalQuery, journalReply } from './schema.ts'
import type { LedgerService } from './service.ts'

/** Own balances, and the journal for auditors. */
export function ledgerRoutes(ledger: LedgerService): readonly Route[] {
  return [listBalances(ledger), getJournalHead(ledger), listJournal(ledger)]
}

function listBalances(ledger: LedgerService): Route {
  return route({
    method: 'GET',
    path: '/v1/balances',
    id: 'listBalances',
    summary: 'Own balances, by asset',
    tags: ['ledger'],
    permission: 'balances:read',
    responses: { 200: balancesReply },
    errors: [],
    handle: async ({ principal }) => {
      const assets = new Map((await ledger.listAssets()).map((asset) => [asset.asset, asset]))
      const balances = await ledger.listBalances(principal.chainAccount)
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
      return reply(200, { sequence: head.sequence.toString(), hash: hex(head.hash) })
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
      return reply(200, { data: batches.map(batchView), next_from: next.toString() })
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
    first_sequence: batch.firstSequence.toString(),
    last_sequence: batch.lastSequence.toString(),
    epoch: batch.epoch.toString(),
    at: formatInstant(batch.at),
    prev_hash: hex(batch.prevHash),
    hash: hex(batch.hash),
    body: batch.body,
  }
}

function hex(bytes: Buffer): string {
  return `0x${bytes.toString('hex')}`
}
