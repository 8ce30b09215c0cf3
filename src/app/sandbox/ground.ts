import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { JsonRpcProvider, Wallet } from 'ethers'
import type { Config } from '#platform/config.ts'
import { EmbeddedPostgres } from '#platform/db/embedded-postgres.ts'
import { requireFreePort } from '#platform/http/server.ts'
import type { Log } from '#platform/log.ts'
import { fingerprintOf, readArtifact } from '../../../deploy/contracts/artifact.ts'
import {
  readDeployment,
  writeDeployment,
  type Deployment,
} from '../../../deploy/contracts/addresses-file.ts'
import { deployMooring } from '../../../deploy/contracts/deployment.ts'
import { appErrors } from '../errors.ts'
import type { Terminal } from '../terminal.ts'
import { SandboxChain, type ChainStart } from './chain.ts'
import type { SandboxKeys } from './secrets-file.ts'

/** Blocks on top of a block that make it final, unless the configuration says otherwise. */
export const SANDBOX_FINALITY_DEPTH = 2
const GAS_WEI = 10n ** 21n

export interface Ground {
  readonly home: string
  readonly databaseUrl: string
  readonly chain: ChainStart
  readonly deployment: Deployment
  readonly addressesFile: string
  readonly finalityDepth: number
}

/** What the sandbox stands on: Postgres, a chain and the contracts, all on this machine. */
export class SandboxGround {
  readonly #config: Config
  readonly #terminal: Terminal
  readonly #postgres: EmbeddedPostgres
  readonly home: string
  readonly finalityDepth: number
  readonly chain: SandboxChain

  constructor(options: { config: Config; terminal: Terminal; log: Log }) {
    const { config, terminal, log } = options
    this.#config = config
    this.#terminal = terminal
    this.home = resolve(config.home)
    this.finalityDepth = config.finalityDepth ?? SANDBOX_FINALITY_DEPTH
    const note = (line: string): void => log.info({ event: 'sandbox.ground', msg: line })
    this.#postgres = new EmbeddedPostgres({ home: this.home, log: note })
    this.chain = new SandboxChain({
      home: this.home,
      port: config.chainRpcPort,
      finalityDepth: this.finalityDepth,
      log: note,
      onExit: () =>
        terminal.fail(
          'the chain died and stays down; stop with Ctrl-C and start again, nothing final is lost',
        ),
    })
  }

  async start(keys: SandboxKeys): Promise<Ground> {
    const databaseUrl = await this.#startPostgres()
    // A person should not wait for a deployment to learn of it.
    await requireFreePort({ port: this.#config.httpPort, host: this.#config.httpHost })
    const chain = await this.#terminal.step(
      'chain',
      async () => await this.chain.start(),
      ({ url, chainId }) => `${url}, chain id ${chainId}`,
    )
    const addressesFile = join(this.home, 'contracts.json')
    const deployment = await this.#terminal.step(
      'contracts',
      async () => await this.#deploy(chain, keys, addressesFile),
      ({ contracts }) => `${Object.keys(contracts).length} in place`,
    )
    const { home, finalityDepth } = this
    return { home, databaseUrl, chain, deployment, addressesFile, finalityDepth }
  }

  async stop(): Promise<void> {
    await this.chain.stop()
    await this.#postgres.stop()
  }

  /** Deletes chain, database and files; refused while a node uses them. */
  async remove(): Promise<void> {
    await this.chain.remove()
    await this.#postgres.remove()
  }

  async #startPostgres(): Promise<string> {
    const given = this.#config.databaseUrl
    if (given !== undefined) return given
    await this.#terminal.step(
      'postgres',
      async () => await this.#postgres.start(),
      () => 'on a unix socket, fsync on',
    )
    return this.#postgres.url
  }

  async #deploy(chain: ChainStart, keys: SandboxKeys, file: string): Promise<Deployment> {
    const existing = readDeployment(file)
    if (existing !== undefined) requireSameContracts(existing)
    const provider = new JsonRpcProvider(chain.url, chain.chainId, {
      staticNetwork: true,
      cacheTimeout: -1,
    })
    try {
      const signer = new Wallet(keys.deployer, provider)
      for (const key of [keys.deployer, keys.settler, keys.registrar, keys.admin])
        await this.chain.setBalance(new Wallet(key).address, GAS_WEI)
      const admin = new Wallet(keys.admin).address
      const deployment = await deployMooring({
        signer,
        artifacts: readArtifact,
        existing,
        settings: {
          admin,
          pauser: admin,
          settler: new Wallet(keys.settler).address,
          registrar: new Wallet(keys.registrar).address,
          adminDelaySeconds: 0,
          cash: { scale: 1n },
          deployCash: true,
        },
      })
      writeDeployment(file, deployment)
      return deployment
    } finally {
      provider.destroy()
    }
  }
}

/** The folder of the sandbox, readable by its owner alone. */
export function prepareHome(home: string): void {
  mkdirSync(resolve(home), { recursive: true, mode: 0o700 })
}

function requireSameContracts(existing: Deployment): void {
  if (existing.fingerprint === fingerprintOf(readArtifact)) return
  throw appErrors.contracts_changed(
    'the contracts changed since this sandbox was made; run `npm run reset` to make a new one',
  )
}
