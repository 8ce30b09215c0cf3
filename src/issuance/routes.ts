import { assetsErrors } from '#assets/errors.ts'
import { present } from '#kernel/assert.ts'
import { formatInstant, instant } from '#kernel/time.ts'
import { platformErrors } from '#platform/errors.ts'
import { reply, replyOnce, route, type Route } from '#platform/http/route.ts'
import type { Operation } from '#platform/operation.ts'
import { supplyErrors } from '#supply/errors.ts'
import { issuanceErrors } from './errors.ts'
import { assetParams, operationParams, operationReply, tokenizeBody } from './schema.ts'
import type { IssuanceService } from './service.ts'

/** Tokenization and the operations that show how far it is. */
export function issuanceRoutes(issuance: IssuanceService): readonly Route[] {
  return [tokenize(issuance), getOperation(issuance)]
}

function tokenize(issuance: IssuanceService): Route {
  return route({
    method: 'POST',
    path: '/v1/assets/:id/tokenize',
    id: 'tokenizeAsset',
    summary: 'Bring an approved asset on the chain and mint its supply to the issuer',
    tags: ['assets'],
    permission: 'assets:tokenize',
    idempotent: 'required',
    params: assetParams,
    absent: assetsErrors.asset_not_found,
    body: tokenizeBody,
    responses: { 200: operationReply, 202: operationReply },
    errors: [
      assetsErrors.not_issuer,
      assetsErrors.wrong_status,
      ...Object.values(issuanceErrors),
      ...Object.values(supplyErrors),
    ],
    handle: async ({ params, body, principal, idempotencyKey }) => {
      const { result, replayed } = await issuance.tokenize({
        assetId: params.id,
        supply: body.supply,
        principal,
        key: present(idempotencyKey, 'Idempotency-Key'),
      })
      const location = { location: `/v1/operations/${result.id}` }
      return replyOnce(202, replayed, operationView(result), location)
    },
  })
}

function getOperation(issuance: IssuanceService): Route {
  return route({
    method: 'GET',
    path: '/v1/operations/:id',
    id: 'getOperation',
    summary: 'How far long work is',
    tags: ['operations'],
    permission: 'operations:read',
    params: operationParams,
    absent: platformErrors.operation_not_found,
    responses: { 200: operationReply },
    errors: [],
    handle: async ({ params, principal }) => {
      const operation = await issuance.getOperation(params.id, principal)
      return reply(200, operationView(operation))
    },
  })
}

function operationView(operation: Operation) {
  return {
    id: operation.id,
    kind: operation.kind,
    status: operation.status,
    resource: operation.resource,
    steps: operation.steps.map(({ name, status, detail }) => ({
      name,
      status,
      detail: detail ?? null,
    })),
    created_at: formatInstant(instant(operation.createdAt.getTime())),
    updated_at: formatInstant(instant(operation.updatedAt.getTime())),
  }
}
