import { uuidOf } from '#kernel/id.ts'
import { formatDecimal } from '#kernel/money.ts'
import { pageOf } from '#kernel/page.ts'
import { formatInstant } from '#kernel/time.ts'
import { reply, replyOnce, route, type Route } from '#platform/http/route.ts'
import { pageRequest } from '#platform/http/schema-parts.ts'
import { assetsErrors } from './errors.ts'
import * as schema from './schema.ts'
import type { AssetView, AssetsService } from './service.ts'

export function assetsRoutes(service: AssetsService): readonly Route[] {
  return [
    list(service),
    get(service),
    create(service),
    submit(service),
    approve(service),
    addDocument(service),
  ]
}

function list(service: AssetsService): Route {
  return route({
    method: 'GET',
    path: '/v1/assets',
    id: 'listAssets',
    summary: 'Assets that you may see, cash included; oldest first',
    tags: ['assets'],
    permission: 'assets:read',
    query: schema.assetQuery,
    responses: { 200: schema.assetPage },
    errors: [],
    handle: async ({ query, principal }) => {
      const views = await service.listAssets(principal, pageRequest(query))
      const page = pageOf(views, query.limit, ({ asset }) => uuidOf('asset', asset.id))
      return reply(200, { ...page, data: page.data.map(present) })
    },
  })
}

function get(service: AssetsService): Route {
  return route({
    method: 'GET',
    path: '/v1/assets/:id',
    id: 'getAsset',
    summary: 'One asset',
    tags: ['assets'],
    permission: 'assets:read',
    params: schema.assetParams,
    absent: assetsErrors.asset_not_found,
    responses: { 200: schema.asset },
    errors: [assetsErrors.asset_not_found],
    handle: async ({ params, principal }) =>
      reply(200, present(await service.viewAsset(principal, params.id))),
  })
}

function create(service: AssetsService): Route {
  return route({
    method: 'POST',
    path: '/v1/assets',
    id: 'createAsset',
    summary: 'Register an asset as a draft',
    tags: ['assets'],
    permission: 'assets:write',
    idempotent: 'optional',
    body: schema.newAsset,
    responses: { 200: schema.asset, 201: schema.asset },
    errors: [assetsErrors.symbol_taken, assetsErrors.ceiling_invalid, assetsErrors.asset_not_found],
    handle: async ({ body, principal, idempotencyKey }) => {
      const { allowed_classes: allowedClasses, ...terms } = body
      const created = await service.createAsset(
        principal,
        { ...terms, allowedClasses },
        idempotencyKey,
      )
      return replyOnce(201, created.replayed, present(created.result))
    },
  })
}

function submit(service: AssetsService): Route {
  return route({
    method: 'POST',
    path: '/v1/assets/:id/submit',
    id: 'submitAsset',
    summary: 'Hand a draft to the approvers',
    tags: ['assets'],
    permission: 'assets:write',
    idempotent: 'optional',
    params: schema.assetParams,
    absent: assetsErrors.asset_not_found,
    responses: { 200: schema.asset },
    errors: [assetsErrors.asset_not_found, assetsErrors.not_issuer, assetsErrors.wrong_status],
    handle: async ({ params, principal, idempotencyKey }) => {
      const outcome = await service.submitAsset(principal, params.id, idempotencyKey)
      return replyOnce(200, outcome.replayed, present(outcome.result))
    },
  })
}

function approve(service: AssetsService): Route {
  return route({
    method: 'POST',
    path: '/v1/assets/:id/approve',
    id: 'approveAsset',
    summary: 'Approve what another person submitted; it gets its number on the chain',
    tags: ['assets'],
    permission: 'assets:approve',
    idempotent: 'optional',
    params: schema.assetParams,
    absent: assetsErrors.asset_not_found,
    responses: { 200: schema.asset },
    errors: [
      assetsErrors.asset_not_found,
      assetsErrors.own_asset,
      assetsErrors.wrong_status,
      assetsErrors.ids_exhausted,
    ],
    handle: async ({ params, principal, idempotencyKey }) => {
      const outcome = await service.approveAsset(principal, params.id, idempotencyKey)
      return replyOnce(200, outcome.replayed, present(outcome.result))
    },
  })
}

function addDocument(service: AssetsService): Route {
  return route({
    method: 'POST',
    path: '/v1/assets/:id/documents',
    id: 'addAssetDocument',
    summary: 'Name a document of the asset and its hash',
    tags: ['assets'],
    permission: 'assets:write',
    idempotent: 'optional',
    params: schema.assetParams,
    absent: assetsErrors.asset_not_found,
    body: schema.newDocument,
    responses: { 200: schema.asset, 201: schema.asset },
    errors: [assetsErrors.asset_not_found, assetsErrors.not_issuer, assetsErrors.document_exists],
    handle: async ({ params, body, principal, idempotencyKey }) => {
      const outcome = await service.addDocument(principal, params.id, body, idempotencyKey)
      return replyOnce(201, outcome.replayed, present(outcome.result))
    },
  })
}

function present({ asset, supplyAtoms, documents }: AssetView) {
  const { decimals, ceilingAtoms } = asset
  return {
    id: asset.id,
    symbol: asset.symbol,
    name: asset.name,
    class: asset.class,
    decimals,
    reserve: asset.reserve,
    allowed_classes: asset.allowedClasses,
    ceiling: ceilingAtoms === null ? null : formatDecimal(ceilingAtoms, decimals),
    status: asset.status,
    chain_asset: asset.chainAsset,
    token: asset.token,
    total_supply: supplyAtoms === null ? null : formatDecimal(supplyAtoms, decimals),
    documents,
    created_at: formatInstant(asset.createdAt),
  }
}
