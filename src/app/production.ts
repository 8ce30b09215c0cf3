import { join } from 'node:path'
import type { Finality } from '#chain/finality.ts'
import type { Config } from '#platform/config.ts'
import { migrate } from '#platform/db/migrate.ts'
import type { Log } from '#platform/log.ts'
import { readDeployment, type Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { Node, NodeSettings } from './compose.ts'
import { appErrors } from './errors.ts'
import { VERSION } from './version.ts'

/** The settings of a node from its configuration; throws a clear line for what is missing. */
export async function productionSettings(config: Config, log: Log): Promise<NodeSettings> {
  const deployment = findDeployment(config)
  return await Promise.resolve({
    config,
    log,
    databaseUrl: requireDatabase(config),
    rpcUrls: requireRpc(config),
    deployment,
    finality: finalityOf(config),
    keys: {
      settler: requireKey(config.settlerKey, 'SETTLER_KEY'),
      registrar: requireKey(config.registrarKey, 'REGISTRAR_KEY'),
      jwt: requireKey(config.jwtPrivateKey, 'JWT_PRIVATE_KEY'),
    },
    version: VERSION,
  })
}

export function requireDatabase({ databaseUrl }: Config): string {
  if (databaseUrl !== undefined) return databaseUrl
  throw appErrors.setting_missing('set DATABASE_URL to the Postgres of the node')
}

function requireRpc({ rpcUrls }: Config): readonly string[] {
  if (rpcUrls.length > 0) return rpcUrls
  throw appErrors.setting_missing('set RPC_URLS to the endpoints of the chain')
}

function requireKey(value: string | undefined, name: string): string {
  if (value !== undefined) return value
  throw appErrors.setting_missing(`set ${name}; a file is given as @path`)
}

function finalityOf({ finalityDepth }: Config): Finality {
  return { rule: finalityDepth === undefined ? { tag: 'finalized' } : { depth: finalityDepth } }
}

function findDeployment(config: Config): Deployment {
  const path = config.addressesFile ?? join(config.home, 'contracts.json')
  const found = readDeployment(path)
  if (found !== undefined) return found
  throw appErrors.addresses_missing(
    `no addresses in ${path}; deploy with \`npm run hardhat -- run scripts/deploy-contracts.ts\` and set ADDRESSES_FILE`,
  )
}

/** Migrates where this process may, then starts the node. */
export async function bootNode(node: Node, migrationUrl?: string): Promise<Node> {
  if (migrationUrl !== undefined) await migrate({ url: migrationUrl })
  await node.registry.start()
  return node
}
