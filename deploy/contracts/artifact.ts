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
  const file = new URL(`${CONTRACT_FOLDERS[name]}/${name}.sol/${name}.json`, FOLDER)
  const json = parseJson(readFileSync(file, 'utf8'))
  assert(isJsonObject(json), 'an artifact is an object')
  const abi: unknown = json['abi']
  const bytecode = json['bytecode']
  assert(Array.isArray(abi) && typeof bytecode === 'string', 'an artifact has abi and bytecode')
  return { abi, bytecode }
}

/** SHA-256 over the creation bytecodes: another value means that the contracts changed. */
export function fingerprintOf(artifacts: ArtifactLoader): string {
  const hash = createHash('sha256')
  for (const name of contractNames()) hash.update(`${name}:${artifacts(name).bytecode}\n`)
  return hash.digest('hex')
}
