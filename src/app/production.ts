import { join } from 'node:path'
import type { Finality } from '#chain/finality.ts'
import type { Config } from '#platform/config.ts'
import { Database } from '#platform/db/pool.ts'
import { createLog, type Log } from '#platform/log.ts'
import { readDeployment, type Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { NodeSettings } from './compose.ts'
import { appErrors } from './errors.ts'
import { requireSplitSettings } from './roles.ts'
import { durableFinality } from './sandbox/durable-file.ts'
import { signerKeys } from './signer-keys.ts'
import { VERSION } from './version.ts'

const DATABASE_PATIENCE_MS = 10_000

/** The settings of a node from its configuration; throws a clear line for what is missing. */
export function productionSettings(config: Config, log: Log): NodeSettings {
  requireSplitSettings(config)
  const deployment = findDeployment(config)
  return {
    config,
    log,
    databaseUrl: requireDatabase(config),
    rpcUrls: requireRpc(config),
    deployment,
    finality: { ...finalityOf(config), ...durableFinality(config.home, deployment.chainId) },
    keys: {
      ...signerKeys(config),
      jwt: requireKey(config.jwtPrivateKey, 'JWT_PRIVATE_KEY'),
    },
    version: VERSION,
  }
}

export function requireDatabase({ databaseUrl }: Config): string {
  if (databaseUrl !== undefined) return databaseUrl
  throw appErrors.setting_missing('set DATABASE_URL to the Postgres of the node')
}

/** The database as the owner of its tables. */
export function migrationUrl(config: Config): string {
  return config.migrationDatabaseUrl ?? requireDatabase(config)
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
    `no addresses in ${path}; deploy with \`npm run hardhat -- run scripts/deploy-contracts.ts --network <name>\` and set ADDRESSES_FILE`,
  )
}

/** Lends the configured database to a command and closes it again. */
export async function withDatabase<T>(
  config: Config,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const url = requireDatabase(config)
  const database = new Database({ url, log: createLog({ level: 'silent' }) })
  await database.start(AbortSignal.timeout(DATABASE_PATIENCE_MS))
  try {
    return await work(database)
  } finally {
    await database.stop()
  }
}
