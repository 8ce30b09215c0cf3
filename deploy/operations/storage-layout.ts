import { isJsonObject, parseJson } from '#kernel/json.ts'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { deployErrors } from '../contracts/errors.ts'
import type { Runtime } from '../contracts/artifact.ts'

/** Where the compiler put a contract's state. */
export interface Layout {
  /** Plain state variables in the order of their slots, `name: type`. */
  readonly variables: readonly string[]
  /** Members of ERC-7201 structs in order, by namespace. */
  readonly namespaces: Readonly<Record<string, readonly string[]>>
}

/** Where the code keeps one use of an immutable, in bytes. */
export interface Immutable {
  /** Contract and variable, as `AssetToken.VAULT`. */
  readonly name: string
  readonly start: number
  readonly length: number
}

/** One compiled contract of a build. */
export interface Build {
  /** Runtime code, `0x…`, with zeros where immutables go. */
  readonly code: string
  readonly immutables: readonly Immutable[]
  readonly layout: Layout
}

type Node = Readonly<Record<string, unknown>>

const FOLDER = new URL('../../artifacts/build-info/', import.meta.url)

/** The first build in artifacts/build-info, the newest first, whose code of a contract is the wanted one. */
export function findBuild(
  source: string,
  name: string,
  isWanted: (build: Build) => boolean,
): Build | undefined {
  for (const file of buildFiles()) {
    const output = field(parseJson(readFileSync(file, 'utf8')), 'output')
    const code = field(field(field(output, 'contracts'), source), name)
    const build = isJsonObject(code) ? buildOf(output, code, name) : undefined
    if (build !== undefined && isWanted(build)) return build
  }
  return undefined
}

function buildFiles(): readonly URL[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.output.json'))
    .map((file) => new URL(file, FOLDER))
    .map((file) => ({ file, madeAt: statSync(file).mtimeMs }))
    .toSorted((a, b) => b.madeAt - a.madeAt)
    .map(({ file }) => file)
}

/** Whether a deployed code is the compiler's, whatever its immutables are. */
export function isCodeOf(code: string, build: Runtime): boolean {
  return maskImmutables(code, build) === maskImmutables(build.code, build)
}

/** The code with every immutable blanked. */
function maskImmutables(code: string, { immutables }: Pick<Runtime, 'immutables'>): string {
  return immutables.reduce((masked, { start, length }) => {
    const from = 2 + start * 2
    return masked.slice(0, from) + '0'.repeat(length * 2) + masked.slice(from + length * 2)
  }, code.toLowerCase())
}

/**
 * Refuses a layout that would give an old value another meaning: plain variables stay as they are, and new ones come only
 * at the end of an ERC-7201 struct. Throws `deploy.layout_incompatible`.
 */
export function requireCompatible(before: Layout, after: Layout): void {
  requireSame('state variables', before.variables, after.variables)
  if (after.variables.length > before.variables.length)
    throw deployErrors.layout_incompatible(
      `new state variables belong into an ERC-7201 struct: ${after.variables.at(-1)}`,
    )
  for (const [namespace, members] of Object.entries(before.namespaces))
    requireSame(namespace, members, after.namespaces[namespace] ?? [])
}

function requireSame(where: string, before: readonly string[], after: readonly string[]): void {
  const place = before.findIndex((member, index) => after[index] !== member)
  if (place === -1) return
  throw deployErrors.layout_incompatible(
    `${where}, place ${place}: was ${before[place]}, would be ${after[place] ?? 'gone'}`,
  )
}

function buildOf(output: unknown, compiled: Node, name: string): Build {
  const deployed = field(field(compiled, 'evm'), 'deployedBytecode')
  const references = field(deployed, 'immutableReferences')
  const contracts = contractsOf(output)
  const names = variableNames(contracts)
  const places = isJsonObject(references) ? Object.entries(references) : []
  return {
    code: `0x${String(field(deployed, 'object'))}`,
    immutables: places.flatMap(([id, ranges]) =>
      nodes(ranges).map((range) => ({
        name: names.get(id) ?? id,
        start: Number(range['start']),
        length: Number(range['length']),
      })),
    ),
    layout: layoutOf(contracts, name),
  }
}

/** `Contract.variable` by the id in the syntax tree. */
function variableNames(contracts: ReadonlyMap<unknown, Node>): ReadonlyMap<string, string> {
  const rows = [...contracts.values()].flatMap((definition) =>
    childrenOf(definition, 'VariableDeclaration').map(({ id, name }): [string, string] => [
      String(id),
      `${String(definition['name'])}.${String(name)}`,
    ]),
  )
  return new Map(rows)
}

/** All contract definitions of a build by their id in the syntax tree. */
function contractsOf(output: unknown): ReadonlyMap<unknown, Node> {
  const sources = field(output, 'sources')
  const trees = isJsonObject(sources) ? Object.values(sources) : []
  const definitions = trees.flatMap((tree) => childrenOf(field(tree, 'ast'), 'ContractDefinition'))
  return new Map(definitions.map((definition) => [definition['id'], definition]))
}

function layoutOf(contracts: ReadonlyMap<unknown, Node>, name: string): Layout {
  const own = [...contracts.values()].find((definition) => definition['name'] === name)
  const bases = own?.['linearizedBaseContracts']
  const chain = (Array.isArray(bases) ? bases.toReversed() : []).flatMap(
    (id) => contracts.get(id) ?? [],
  )
  const structs = chain.flatMap((definition) => childrenOf(definition, 'StructDefinition'))
  const spaces = structs.flatMap((struct) => {
    const text = String(field(struct['documentation'], 'text'))
    const namespace = /@custom:storage-location (\S+)/.exec(text)?.[1]
    return namespace === undefined ? [] : [[namespace, nodes(struct['members']).map(memberOf)]]
  })
  return {
    variables: chain.flatMap((definition) =>
      childrenOf(definition, 'VariableDeclaration').filter(isStored).map(memberOf),
    ),
    namespaces: Object.fromEntries(spaces),
  }
}

function isStored(variable: Node): boolean {
  return variable['stateVariable'] === true && variable['mutability'] === 'mutable'
}

function memberOf(variable: Node): string {
  const type = String(field(variable['typeDescriptions'], 'typeString'))
  return `${String(variable['name'])}: ${type}`
}

function childrenOf(parent: unknown, type: string): readonly Node[] {
  return nodes(field(parent, 'nodes')).filter((node) => node['nodeType'] === type)
}

function nodes(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.filter((node) => isJsonObject(node)) : []
}

function field(value: unknown, name: string): unknown {
  return isJsonObject(value) ? value[name] : undefined
}
