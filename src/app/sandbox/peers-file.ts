import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#platform/config.ts'
import { writeDurably } from '#platform/durable-file.ts'
import type { Ground } from './ground.ts'
import type { SandboxKeys } from './secrets-file.ts'

const NAME = 'peers.json'

/**
 * Writes `<home>/peers.json`, mode 0600: the environment of the processes that play the roles which
 * the sandbox leaves out. It is there as soon as they can start.
 */
export function writePeersFile(config: Config, ground: Ground, keys: SandboxKeys): void {
  const environment = {
    MOORING_HOME: ground.home,
    DATABASE_URL: ground.databaseUrl,
    RPC_URLS: ground.chain.url,
    ADDRESSES_FILE: ground.addressesFile,
    FINALITY_DEPTH: String(ground.finalityDepth),
    SETTLER_KEY: keys.settler,
    REGISTRAR_KEY: keys.registrar,
    JWT_PRIVATE_KEY: keys.jwt,
    CASH_SYMBOL: config.cashSymbol,
    CASH_DECIMALS: String(config.cashDecimals),
    ...(config.internalToken !== undefined && { INTERNAL_TOKEN: config.internalToken }),
    ...(config.kafkaBrokers.length > 0 && {
      KAFKA_BROKERS: config.kafkaBrokers.join(','),
      // As the sandbox itself does: nobody made the topics beforehand.
      KAFKA_CREATE_TOPICS: 'true',
    }),
  }
  writeDurably(join(ground.home, NAME), `${JSON.stringify(environment, null, 2)}\n`, 0o600)
}

/** What an earlier start wrote may name another port or another life of the chain. */
export function removePeersFile(home: string): void {
  rmSync(join(home, NAME), { force: true })
}
