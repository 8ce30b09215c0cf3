import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { isJsonObject } from '#kernel/json.ts'
import { platformErrors } from '#platform/errors.ts'
import { buildOpenApi } from '#platform/http/openapi.ts'
import { reply, route } from '#platform/http/route.ts'
import { decimalString, id, pageOf, pageQuery } from '#platform/http/schema-parts.ts'
import { assertReplyMatches } from '../../support/openapi.ts'

const placeOrder = route({
  method: 'POST',
  path: '/v1/orders/:id',
  id: 'placeOrder',
  summary: 'Place an order',
  tags: ['orders'],
  permission: 'orders:write',
  idempotent: 'required',
  params: z.strictObject({ id: id('order') }),
  query: z.strictObject(pageQuery),
  body: z.strictObject({ price: decimalString, note: z.string().default('') }),
  responses: { 201: z.strictObject({ price: decimalString, note: z.string() }) },
  errors: [platformErrors.internal],
  handle: () => reply(201, {}),
})

const listOrders = route({
  method: 'GET',
  path: '/v1/orders',
  id: 'listOrders',
  summary: 'List orders',
  tags: ['orders'],
  permission: 'public',
  responses: { 200: pageOf(z.strictObject({ id: id('order') })) },
  errors: [],
  handle: () => reply(200, {}),
})

const document = buildOpenApi([placeOrder, listOrders], {
  title: 'T',
  version: '1',
  description: 'D',
  idempotencyKeepHours: 24,
})

/** Every object schema with fields, by its place. */
function openObjects(value: unknown, place = ''): readonly string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => openObjects(item, `${place}/${index}`))
  }
  if (!isJsonObject(value)) return []
  const isOpen = value['type'] === 'object' && value['additionalProperties'] === undefined
  const inside = Object.entries(value).flatMap(([key, item]) =>
    openObjects(item, `${place}/${key}`),
  )
  return isOpen ? [place, ...inside] : inside
}

describe('the OpenAPI document', () => {
  it('describes parameters, body and key of a call', () => {
    const paths = document['paths']
    const operation = isJsonObject(paths) ? paths['/v1/orders/{id}'] : undefined
    expect(operation).toMatchObject({
      post: {
        operationId: 'placeOrder',
        'x-permission': 'orders:write',
        parameters: [
          { name: 'id', in: 'path', required: true, schema: { type: 'string' } },
          { name: 'limit', in: 'query', required: false, schema: { type: 'integer' } },
          { name: 'cursor', in: 'query', required: false },
          {
            name: 'Idempotency-Key',
            in: 'header',
            required: true,
            description: expect.stringContaining('remembered for 24 hours'),
          },
        ],
        requestBody: {
          content: { 'application/json': { schema: { required: ['price'] } } },
        },
      },
    })
  })

  it('closes every object', () => {
    expect(openObjects(document)).toEqual([])
  })

  it('says which calls need nobody', () => {
    expect(document).toMatchObject({ paths: { '/v1/orders': { get: { security: [] } } } })
  })
})

describe('a check of a reply', () => {
  const path = '/v1/orders/ord_1'
  const problem = {
    type: '/problems/platform.forbidden',
    title: 'T',
    status: 403,
    detail: 'D',
    code: 'platform.forbidden',
    request_id: 'req_1',
    errors: [],
  }

  it('takes what is declared', () => {
    assertReplyMatches(document, 'POST', path, 201, { price: '1.00', note: '' })
    assertReplyMatches(document, 'POST', path, 403, problem)
  })

  it.each([
    ['an unknown field', 201, { price: '1.00', note: '', extra: 1 }],
    ['an absent field', 201, { price: '1.00' }],
    ['a number', 201, { price: 1, note: '' }],
    ['an undeclared status', 202, { price: '1.00', note: '' }],
    ['an undeclared code', 403, { ...problem, code: 'shelf.forbidden' }],
  ])('fails on %s', (_name, status, body) => {
    expect(() => assertReplyMatches(document, 'POST', path, status, body)).toThrow()
  })

  it('fails on a success of an unknown call', () => {
    expect(() => assertReplyMatches(document, 'GET', '/v1/nothing', 200, {})).toThrow()
  })
})
