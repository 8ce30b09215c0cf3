import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { default as addFormats } from 'ajv-formats'
import { expect } from 'vitest'
import { isJsonObject } from '#kernel/json.ts'

type Document = Readonly<Record<string, unknown>>

interface Checker {
  readonly ajv: Ajv2020
  readonly compiled: Map<string, ValidateFunction>
}

const checkers = new WeakMap<Document, Checker>()

/** Fails unless the document declares this reply: its call, its status and the form of its body. */
export function assertReplyMatches(
  document: Document,
  method: string,
  path: string,
  status: number,
  body: unknown,
): void {
  const place = findOperation(document, method, path)
  const isProblem = isJsonObject(body) && typeof body['code'] === 'string' && 'request_id' in body
  if (place === undefined) {
    expect([404, 405], `${method} ${path} is in no document`).toContain(status)
    return
  }
  const type = isProblem ? 'application/problem+json' : 'application/json'
  const pointer = [...place, 'responses', String(status), 'content', type, 'schema']
  const declared = pointer.reduce<unknown>(
    (value, step) => (isJsonObject(value) ? value[step] : undefined),
    document,
  )
  expect(declared, `${method} ${path} declares ${status} ${type}`).toBeDefined()
  const validate = compile(document, pointer)
  validate(body)
  const faults = (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  )
  expect(faults, `${method} ${path} ${status}: ${JSON.stringify(body)}`).toEqual([])
}

/** Where the document describes the call: the path with the most fixed segments wins. */
function findOperation(
  document: Document,
  method: string,
  path: string,
): readonly string[] | undefined {
  const paths = isJsonObject(document['paths']) ? document['paths'] : {}
  const bare = path.replace(/\?.*$/, '')
  const [template] = Object.keys(paths)
    .filter((candidate) => toPattern(candidate).test(bare))
    .toSorted((a, b) => a.split('{').length - b.split('{').length)
  if (template === undefined) return undefined
  const operations = paths[template]
  const verb = method.toLowerCase()
  if (!isJsonObject(operations) || operations[verb] === undefined) return undefined
  return ['paths', template, verb]
}

function toPattern(template: string): RegExp {
  const source = template.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{\w+\}/g, '[^/]+')
  return new RegExp(`^${source}$`)
}

function compile(document: Document, pointer: readonly string[]): ValidateFunction {
  const { ajv, compiled } = checkerOf(document)
  const fragment = pointer
    .map((step) => `/${encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    .join('')
  const known = compiled.get(fragment)
  if (known !== undefined) return known
  const validate = ajv.compile({ $ref: `api#${fragment}` })
  compiled.set(fragment, validate)
  return validate
}

function checkerOf(document: Document): Checker {
  const known = checkers.get(document)
  if (known !== undefined) return known
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false })
  addFormats.default(ajv)
  ajv.addSchema(document, 'api')
  const checker = { ajv, compiled: new Map<string, ValidateFunction>() }
  checkers.set(document, checker)
  return checker
}
