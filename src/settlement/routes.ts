import type { AccountsService } from '#accounts/service.ts'
import { present } from '#kernel/assert.ts'
import { idFromUuid, uuidOf } from '#kernel/id.ts'
import { jsonInteger } from '#kernel/json.ts'
import { formatDecimal } from '#kernel/money.ts'
import { pageOf } from '#kernel/page.ts'
import { formatInstant, instant } from '#kernel/time.ts'
import type { ListedAsset } from '#ledger/account.ts'
import type { LedgerService } from '#ledger/service.ts'
import { reply, route, type Route } from '#platform/http/route.ts'
import { pageRequest } from '#platform/http/schema-parts.ts'
import { nettingRatio, type Batch } from './batch.ts'
import { settlementErrors } from './errors.ts'
import type { MirrorDifference } from './mirror.ts'
import type { MirrorService, Reconciliation } from './mirror-service.ts'
import {
  batchPage,
  batchParams,
  batchReply,
  listQuery,
  reconciliationReply,
  resumeBody,
  stateReply,
} from './schema.ts'
import type { SettlementService } from './service.ts'

export interface SettlementRouteDeps {
  readonly settlement: SettlementService
  readonly mirror: MirrorService
  readonly ledger: LedgerService
  readonly accounts: Pick<AccountsService, 'listUsersByChainAccount'>
}

const TAGS = ['settlement']

/** Settlements and the comparison with the chain. */
export function settlementRoutes(deps: SettlementRouteDeps): readonly Route[] {
  return [settle(deps), resume(deps), listBatches(deps), getBatch(deps), reconcile(deps)]
}

function settle(deps: SettlementRouteDeps): Route {
  return route({
    method: 'POST',
    path: '/v1/settlements',
    id: 'settle',
    summary: 'Net what waits into a batch now',
    tags: TAGS,
    permission: 'settlements:write',
    responses: { 201: batchReply },
    errors: [
      settlementErrors.halted,
      settlementErrors.attestation_required,
      settlementErrors.in_progress,
      settlementErrors.nothing_to_settle,
    ],
    handle: async () => {
      const batch = await deps.settlement.settle()
      return reply(201, batchView(await assetsOf(deps), batch))
    },
  })
}

function resume(deps: SettlementRouteDeps): Route {
  return route({
    method: 'POST',
    path: '/v1/settlements/resume',
    id: 'resumeSettlement',
    summary: 'Go on after a halt, when ledger and chain agree',
    tags: TAGS,
    permission: 'settlements:write',
    body: resumeBody,
    responses: { 200: stateReply },
    errors: [
      settlementErrors.halted,
      settlementErrors.not_halted,
      settlementErrors.ended,
      settlementErrors.chain_unread,
    ],
    handle: async ({ body, principal }) => {
      const state = await deps.settlement.resume(body.reason, principal.userId)
      return reply(200, stateView(state))
    },
  })
}

function listBatches(deps: SettlementRouteDeps): Route {
  return route({
    method: 'GET',
    path: '/v1/settlements',
    id: 'listSettlements',
    summary: 'Settlement batches, newest first',
    tags: TAGS,
    permission: 'settlements:read',
    query: listQuery,
    responses: { 200: batchPage },
    errors: [],
    handle: async ({ query }) => {
      const request = pageRequest(query)
      const rows = await deps.settlement.listBatches(request)
      const page = pageOf(rows, request.limit, (row) => row.id)
      const assets = await assetsOf(deps)
      return reply(200, { ...page, data: page.data.map((row) => batchView(assets, row)) })
    },
  })
}

function getBatch(deps: SettlementRouteDeps): Route {
  return route({
    method: 'GET',
    path: '/v1/settlements/:id',
    id: 'getSettlement',
    summary: 'One settlement batch',
    tags: TAGS,
    permission: 'settlements:read',
    params: batchParams,
    absent: settlementErrors.batch_not_found,
    responses: { 200: batchReply },
    errors: [],
    handle: async ({ params }) => {
      const batch = await deps.settlement.getBatch(uuidOf('batch', params.id))
      return reply(200, batchView(await assetsOf(deps), batch))
    },
  })
}

function reconcile(deps: SettlementRouteDeps): Route {
  return route({
    method: 'GET',
    path: '/v1/reconciliation',
    id: 'getReconciliation',
    summary: 'Compare ledger and chain as of the last final block',
    tags: TAGS,
    permission: 'reconciliation:read',
    responses: { 200: reconciliationReply },
    errors: [],
    handle: async () => reply(200, await reconciliationView(deps, await deps.mirror.reconcile())),
  })
}

type Assets = ReadonlyMap<number, ListedAsset>

async function assetsOf({ ledger }: SettlementRouteDeps): Promise<Assets> {
  return new Map((await ledger.listAssets()).map((asset) => [asset.asset, asset]))
}

function assetOf(assets: Assets, asset: number): ListedAsset {
  return present(assets.get(asset), `asset ${asset} of the ledger`)
}

function batchView(assets: Assets, batch: Batch) {
  const { header } = batch
  return {
    id: idFromUuid('batch', batch.id),
    sequence: jsonInteger(batch.sequence),
    kind: batch.kind,
    status: batch.status,
    first_seq: integerOrNull(batch.firstSequence),
    last_seq: integerOrNull(batch.lastSequence),
    trades: batch.trades,
    transfers: batch.transfers,
    deltas: batch.deltaCount,
    netting_ratio: nettingRatio(batch.transfers, batch.deltaCount),
    supply: supplyView(assets, batch),
    header: {
      prev_head: header.prevHead,
      close_time: jsonInteger(header.closeTime),
      records_hash: header.recordsHash,
      trades_root: header.tradesRoot,
      liabilities_root: header.liabilitiesRoot,
      journal_hash: header.journalHash,
    },
    head: batch.head,
    attempt: batch.attempt,
    tx_hash: batch.txHash,
    block_number: integerOrNull(batch.blockNumber),
    gas_used: integerOrNull(batch.gasUsed),
    error: batch.error,
    created_at: formatInstant(instant(batch.createdAtMs)),
  }
}

function integerOrNull(value: bigint | null): number | null {
  return value === null ? null : jsonInteger(value)
}

function supplyView(assets: Assets, { supply }: Batch) {
  if (supply === null) return null
  const { symbol, decimals } = assetOf(assets, supply.asset)
  return { asset: symbol, change: formatDecimal(supply.change, decimals) }
}

function stateView(state: Awaited<ReturnType<SettlementService['readState']>>) {
  const { status, reason, coveredSequence } = state
  return { status, reason, covered_seq: jsonInteger(coveredSequence) }
}

/** `acc_…` by chain account; accounts of the system have none. */
type Owners = ReadonlyMap<number, string>

async function ownersOf(
  { accounts }: SettlementRouteDeps,
  differences: readonly MirrorDifference[],
): Promise<Owners> {
  const wanted = differences.flatMap(({ account }) => (account === null ? [] : [account]))
  if (wanted.length === 0) return new Map()
  const users = await accounts.listUsersByChainAccount(wanted)
  return new Map(users.map((user) => [user.chainAccount, user.accountId]))
}

async function reconciliationView(deps: SettlementRouteDeps, result: Reconciliation) {
  const assets = await assetsOf(deps)
  const owners = await ownersOf(deps, result.differences)
  return {
    status: result.differences.length === 0 ? 'clean' : 'different',
    settlement: stateView(await deps.settlement.readState()),
    block: result.block.number,
    block_hash: result.block.hash,
    sequence: jsonInteger(result.sequence),
    assets: result.assets.map((figure) => {
      const { symbol, decimals } = assetOf(assets, figure.asset)
      const show = (atoms: bigint) => formatDecimal(atoms, decimals)
      return {
        asset: symbol,
        ledger: show(figure.ledger),
        chain: show(figure.chain),
        difference: show(figure.difference),
        supply_ledger: figure.supplyLedger === null ? null : show(figure.supplyLedger),
        supply_chain: figure.supplyChain === null ? null : show(figure.supplyChain),
      }
    }),
    differences: result.differences.map((row) => differenceView(owners, assets, row)),
  }
}

function differenceView(owners: Owners, assets: Assets, difference: MirrorDifference) {
  const { kind, account, asset, ledger, chain } = difference
  const { symbol, decimals } = assetOf(assets, asset)
  return {
    kind,
    account_id: (account === null ? undefined : owners.get(account)) ?? null,
    chain_account: account,
    asset: symbol,
    ledger: formatDecimal(ledger, decimals),
    chain: formatDecimal(chain, decimals),
    difference: formatDecimal(ledger - chain, decimals),
  }
}
