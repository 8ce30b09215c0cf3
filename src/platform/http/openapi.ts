import { z } from 'zod'
import type { ErrorDefinition } from '#kernel/errors.ts'
import { statusOf } from './problem.ts'
import type { ResponseSchema, Route } from './route.ts'
import { problem } from './schema-parts.ts'

export interface ApiInfo {
  readonly title: string
  readonly version: string
  readonly description?: string
  readonly idempotencyKeepHours: number
}

export type OpenApiDocument = Readonly<Record<string, unknown>>

type JsonSchema = Readonly<Record<string, unknown>>

/** The OpenAPI 3.1 document of these routes, in a fixed order, so that it can be compared. */
export function buildOpenApi(routes: readonly Route[], api: ApiInfo): OpenApiDocument {
  const { idempotencyKeepHours, ...info } = api
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes.toSorted(byPlace)) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = {
      ...paths[path],
      [route.method.toLowerCase()]: describeRoute(route, idempotencyKeepHours),
    }
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: { ...info, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.flatMap(({ tags }) => tags))].toSorted().map((name) => ({ name })),
    security: [{ bearer: [] }],
    paths,
    components: {
      schemas: { Problem: toJsonSchema(problem, 'output') },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A session token of POST /v1/sessions or an API key',
        },
      },
    },
  }
}

function byPlace(a: Route, b: Route): number {
  const [left, right] = [`${a.path} ${a.method}`, `${b.path} ${b.method}`]
  if (left === right) return 0
  return left < right ? -1 : 1
}

function describeRoute(route: Route, keepHours: number): JsonSchema {
  const isPublic = route.permission === 'public'
  return {
    operationId: route.id,
    summary: route.summary,
    tags: route.tags,
    ...(isPublic ? { security: [] } : { 'x-permission': route.permission }),
    parameters: [
      ...describeParameters(route.params, 'path'),
      ...describeParameters(route.query, 'query'),
      ...describeKey(route, keepHours),
    ],
    ...(route.hasBody && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: toJsonSchema(route.body, 'input') } },
      },
    }),
    responses: describeResponses(route),
  }
}

function describeParameters(schema: z.ZodType, place: 'path' | 'query'): readonly JsonSchema[] {
  const { properties = {}, required = [] } = toJsonSchema(schema, 'input') as {
    properties?: Record<string, JsonSchema>
    required?: readonly string[]
  }
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }))
}

function describeKey({ idempotent }: Route, keepHours: number): readonly JsonSchema[] {
  if (idempotent === undefined) return []
  return [
    {
      name: 'Idempotency-Key',
      in: 'header',
      required: idempotent === 'required',
      description: `The same key and body give the same resource; another body is refused. A key is remembered for ${keepHours} hours`,
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    },
  ]
}

function describeResponses(route: Route): JsonSchema {
  const refusals = Map.groupBy(route.errors, statusOf)
  const statuses = new Set([...Object.keys(route.responses).map(Number), ...refusals.keys()])
  return Object.fromEntries(
    [...statuses]
      .toSorted((a, b) => a - b)
      .map((status) => [
        String(status),
        describeResponse(route.responses[status], refusals.get(status) ?? []),
      ]),
  )
}

const HEADERS = {
  'X-Request-Id': { description: 'Names this request in the log', schema: { type: 'string' } },
}

function describeResponse(
  schema: ResponseSchema | undefined,
  refusals: readonly ErrorDefinition[],
): JsonSchema {
  const codes = refusals.map(({ code }) => code).toSorted()
  return {
    description: refusals.length === 0 ? 'Done' : describeRefusals(refusals),
    headers: HEADERS,
    content: {
      ...(schema !== undefined && describeContent(schema)),
      ...(refusals.length > 0 && {
        'application/problem+json': {
          schema: {
            allOf: [
              { $ref: '#/components/schemas/Problem' },
              { properties: { code: { enum: codes } } },
            ],
          },
        },
      }),
    },
  }
}

function describeRefusals(refusals: readonly ErrorDefinition[]): string {
  return refusals
    .map(({ code, title }) => `\`${code}\`: ${title}`)
    .toSorted()
    .join('\n\n')
}

function describeContent(schema: ResponseSchema): JsonSchema {
  if ('contentType' in schema) return { [schema.contentType]: { schema: { type: 'string' } } }
  return { 'application/json': { schema: toJsonSchema(schema, 'output') } }
}

function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, reused: 'inline' })
  return rest
}
