import { assert } from '#kernel/assert.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'

/** The suite and the folder under contracts/ that holds each. */
export const CONTRACT_FOLDERS = {
  Authority: 'access',
  InvestorRegistry: 'compliance',
  PolicyEngine: 'compliance',
  AssetToken: 'token',
  AssetRegistry: 'token',
  SupplyController: 'supply',
  ClearingHouse: 'settlement',
  ReserveGate: 'supply',
  Distributor: 'token',
  CashToken: 'mocks',
} as const

export type ContractName = keyof typeof CONTRACT_FOLDERS

export interface Artifact {
  /** JSON ABI, as the compiler wrote it. */
  readonly abi: readonly unknown[]
  /** Creation code, `0x…`. */
  readonly bytecode: string
}

export type ArtifactLoader = (name: ContractName) => Artifact

const FOLDER = new URL('../../artifacts/contracts/', import.meta.url)

function isContractName(name: string): name is ContractName {
  return name in CONTRACT_FOLDERS
}

/** Every name of the suite, in a fixed order. */
export function contractNames(): readonly ContractName[] {
  return Object.keys(CONTRACT_FOLDERS).filter(isContractName)
}

/** Reads what `hardhat build` wrote; throws a file error while the contracts are not compiled. */
export function readArtifact(name: ContractName): Artifact {
  return readCompiled(CONTRACT_FOLDERS[name], name)
}

/** The same of any contract in a folder under contracts/. */
export function readCompiled(folder: string, name: string): Artifact {
  const json = readFields(folder, name)
  const abi: unknown = json['abi']
  const bytecode = json['bytecode']
  assert(Array.isArray(abi) && typeof bytecode === 'string', 'an artifact has abi and bytecode')
  return { abi, bytecode }
}

/** Code as it is deployed, with zeros where immutables go, and the bytes of those. */
export interface Runtime {
  /** `0x…` */
  readonly code: string
  readonly immutables: readonly { readonly start: number; readonly length: number }[]
}

export function readRuntime(folder: string, name: string): Runtime {
  const json = readFields(folder, name)
  const code = json['deployedBytecode']
  assert(typeof code === 'string', 'an artifact has the deployed code')
  const references = json['immutableReferences']
  const places: readonly unknown[] = isJsonObject(references)
    ? Object.values(references).flat()
    : []
  const immutables = places.filter((place) => isJsonObject(place))
  return {
    code,
    immutables: immutables.map(({ start, length }) => ({
      start: Number(start),
      length: Number(length),
    })),
  }
}

function readFields(folder: string, name: string): Readonly<Record<string, unknown>> {
  const file = new URL(`${folder}/${name}.sol/${name}.json`, FOLDER)
  const json = parseJson(readFileSync(file, 'utf8'))
  assert(isJsonObject(json), 'an artifact is an object')
  return json
}

/** SHA-256 over the creation bytecodes: another value means that the contracts changed. */
export function fingerprintOf(artifacts: ArtifactLoader): string {
  const hash = createHash('sha256')
  for (const name of contractNames()) hash.update(`${name}:${artifacts(name).bytecode}\n`)
  return hash.digest('hex')
}
