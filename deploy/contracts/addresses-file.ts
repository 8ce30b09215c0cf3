import { isJsonObject, parseJson } from '#kernel/json.ts'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { contractNames } from './artifact.ts'
import { deployErrors } from './errors.ts'
import type { ContractName } from './artifact.ts'
import type { Addresses } from './plan.ts'

/** A deployed suite. `deployedAt` is the block before which none of its events can be. */
export interface Deployment {
  readonly chainId: number
  readonly deployedAt: number
  /** SHA-256 over the creation bytecodes that were deployed. */
  readonly fingerprint: string
  readonly contracts: Addresses
}

function parseContracts(path: string, value: unknown): Addresses {
  const contracts: Partial<Record<ContractName, string>> = {}
  for (const name of contractNames()) {
    const address: unknown = isJsonObject(value) ? value[name] : undefined
    if (typeof address !== 'string')
      throw deployErrors.address_file_malformed(`${path} has no address of ${name}`)
    contracts[name] = address
  }
  return contracts as Addresses
}

/** Reads an addresses file; undefined when there is none. */
export function readDeployment(path: string): Deployment | undefined {
  if (!existsSync(path)) return undefined
  const json = parseJson(readFileSync(path, 'utf8'))
  if (!isJsonObject(json)) throw deployErrors.address_file_malformed(`${path} holds no object`)
  const { chain_id: chainId, deployed_at: deployedAt, fingerprint } = json
  if (typeof chainId !== 'number' || typeof deployedAt !== 'number')
    throw deployErrors.address_file_malformed(`${path} lacks chain_id or deployed_at`)
  if (typeof fingerprint !== 'string')
    throw deployErrors.address_file_malformed(`${path} lacks fingerprint`)
  return { chainId, deployedAt, fingerprint, contracts: parseContracts(path, json['contracts']) }
}

/** Writes the file in one step, so that a reader never sees half of it. */
export function writeDeployment(path: string, deployment: Deployment): void {
  const { chainId, deployedAt, fingerprint, contracts } = deployment
  const json = { chain_id: chainId, deployed_at: deployedAt, fingerprint, contracts }
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.tmp`, `${JSON.stringify(json, null, 2)}\n`)
  renameSync(`${path}.tmp`, path)
}
