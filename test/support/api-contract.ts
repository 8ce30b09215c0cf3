import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { at, isBody, type Body } from '../../scripts/body.ts'

/** A reply that the API's own description does not allow. */
export class ContractBreach extends Error {
  override readonly name = 'ContractBreach'
}

interface Operation {
  readonly method: string
  readonly pattern: RegExp
  readonly responses: Body
  readonly pointer: string
}

/** Holds every reply of a node against the OpenAPI document that the node serves. */
export class ApiContract {
  readonly #operations: readonly Operation[]
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true })
  readonly #validators = new Map<string, ValidateFunction>()

  constructor(document: Body) {
    addFormats.default(this.#ajv)
    this.#ajv.addSchema({ ...document, $id: 'api' })
    const paths = at(document, 'paths')
    this.#operations = Object.entries(isBody(paths) ? paths : {}).flatMap(([path, item]) =>
      Object.entries(isBody(item) ? item : {}).map(([method, operation]) => ({
        method: method.toUpperCase(),
        pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
        responses: asBody(at(operation, 'responses')),
        pointer: `/paths/${escape(path)}/${method}/responses`,
      })),
    )
  }

  /** Throws `ContractBreach` unless the document describes this reply. An unknown route must be 404. */
  check(call: { method: string; path: string; status: number; type: string; body: unknown }): void {
    const { method, path, status, type, body } = call
    const where = `${method} ${path} → ${status}`
    const operation = this.#find(method, path)
    if (operation === undefined) {
      if (status === 404 || status === 405) return
      throw new ContractBreach(`${where}: an undeclared route answered`)
    }
    const media = type.split(';')[0] ?? ''
    if (at(operation.responses, String(status), 'content', media, 'schema') === undefined)
      throw new ContractBreach(`${where}: no ${media} is declared; body ${JSON.stringify(body)}`)
    if (!media.endsWith('json')) return
    const validate = this.#validator(
      `${operation.pointer}/${status}/content/${escape(media)}/schema`,
    )
    if (validate(body)) return
    throw new ContractBreach(
      `${where}: ${this.#ajv.errorsText(validate.errors)}; body ${JSON.stringify(body)}`,
    )
  }

  /** A literal path wins over one with parameters. */
  #find(method: string, path: string): Operation | undefined {
    return this.#operations
      .filter((operation) => operation.method === method && operation.pattern.test(path))
      .toSorted(
        (a, b) => Number(a.pattern.source.includes('[^')) - Number(b.pattern.source.includes('[^')),
      )[0]
  }

  #validator(pointer: string): ValidateFunction {
    const found =
      this.#validators.get(pointer) ?? this.#ajv.compile({ $ref: `api#${encodeURI(pointer)}` })
    this.#validators.set(pointer, found)
    return found
  }
}

function asBody(value: unknown): Body {
  return isBody(value) ? value : {}
}

function escape(part: string): string {
  return part.replaceAll('~', '~0').replaceAll('/', '~1')
}
