import { join } from 'node:path'
import { destination } from 'pino'
import { present } from '#kernel/assert.ts'
import { abiOf } from '#chain/contracts/abi.ts'
import type { Config } from '#platform/config.ts'
import { migrate } from '#platform/db/migrate.ts'
import { createLog, type Log } from '#platform/log.ts'
import type { Command } from '../command.ts'
import { appErrors } from '../errors.ts'
import { composeNode, type Node } from '../compose.ts'
import { waitUntilReady } from '../genesis.ts'
import { requireSplitSettings } from '../roles.ts'
import type { Terminal } from '../terminal.ts'
import { untilSignal } from '../until-signal.ts'
import { VERSION } from '../version.ts'
import { DEMO_MARKET } from './demo-data.ts'
import { admitDemoUsers, inventIdentities, type DemoAccount } from './demo-people.ts'
import { gasStation } from './gas-station.ts'
import { prepareHome, SandboxGround, type Ground } from './ground.ts'
import { removePeersFile, writePeersFile } from './peers-file.ts'
import { writeSandboxFile } from './sandbox-file.ts'
import { newSandboxKeys } from './secrets.ts'
import { SecretsFile, type Secrets } from './secrets-file.ts'
import { Seed } from './seed.ts'

/** `npm start`: everything on this machine, resumed where it was. */
export const runSandbox: Command['run'] = async ({ config, terminal }) => {
  const stopped = untilSignal()
  const sandbox = new Sandbox(config, terminal)
  try {
    const node = await Promise.race([sandbox.start(), stopped.then(() => undefined)])
    if (node !== undefined) sandbox.explain(node)
    await stopped
  } finally {
    await sandbox.stop()
  }
  return 0
}

class Sandbox {
  readonly #config: Config
  readonly #terminal: Terminal
  readonly #log: Log
  readonly #ground: SandboxGround
  readonly #stopping = new AbortController()
  #node: Node | undefined
  #grounding: Promise<Ground> | undefined
  #starting: Promise<Node> | undefined

  constructor(config: Config, terminal: Terminal) {
    requireSplitSettings(config)
    prepareHome(config.home)
    removePeersFile(config.home)
    this.#config = config
    this.#terminal = terminal
    const file = destination({ dest: join(config.home, 'node.log'), sync: false })
    this.#log = createLog({ level: config.logLevel, destination: file })
    this.#ground = new SandboxGround({ config, terminal, log: this.#log })
  }

  /** Throws `app.stopped` when `stop` comes first. */
  start(): Promise<Node> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<Node> {
    this.#terminal.title(`Mooring ${VERSION} sandbox`)
    const secrets = this.#readSecrets()
    this.#grounding = this.#ground.start(secrets.keys)
    const ground = await this.#grounding
    this.#goOn()
    const node = await this.#terminal.step(
      'node',
      async () => await this.#startNode(ground, secrets),
      ({ http }) => http.url,
    )
    const users = await this.#terminal.step(
      'demo data',
      async () => await this.#seed(node, ground, secrets),
      (accounts) => `${accounts.length} users, market ${DEMO_MARKET.symbol} open`,
    )
    this.#writeFile(node, ground, users)
    return node
  }

  explain(node: Node): void {
    const { url } = node.http
    const home = this.#config.home
    for (const line of [
      '',
      'Ready. Try next, in a second terminal:',
      '  npm run demo                      the whole story: issue, trade, settle, prove, withdraw',
      `  curl ${url}/v1/markets`,
      `  ${url}/docs            every call of the API`,
      '',
      `Keys, wallets and addresses are in ${join(home, 'sandbox.json')}, the log in ${join(home, 'node.log')}.`,
      'Ctrl-C stops, npm start resumes, npm run reset clears.',
    ]) {
      this.#terminal.line(line)
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    if (this.#node !== undefined) this.#terminal.line('Stopping …')
    // What is half up could not be taken down.
    await this.#grounding?.catch(() => undefined)
    await this.#node?.registry.stop()
    await this.#starting?.catch(() => undefined)
    await this.#ground.stop()
    this.#log.flush()
  }

  #goOn(): void {
    if (this.#stopping.signal.aborted) throw appErrors.stopped()
  }

  #readSecrets(): Secrets {
    const file = new SecretsFile(this.#config.home)
    const known = file.read()
    if (known !== undefined) return known
    const keys = newSandboxKeys()
    const secrets = { keys, identities: [...inventIdentities(keys.admin)] }
    file.write(secrets)
    return secrets
  }

  async #startNode(ground: Ground, { keys }: Secrets): Promise<Node> {
    const { databaseUrl, chain, deployment } = ground
    await migrate({ url: this.#config.migrationDatabaseUrl ?? databaseUrl, log: this.#log })
    this.#goOn()
    const node = composeNode({
      config: { ...this.#config, kafkaCreateTopics: true },
      log: this.#log,
      databaseUrl,
      rpcUrls: [chain.url],
      deployment,
      keys,
      version: VERSION,
      finality: {
        rule: { depth: ground.finalityDepth },
        durableBlock: () => this.#ground.chain.durableBlock(),
        chainInstance: chain.instance,
      },
    })
    const { events, database, metrics, registry } = node
    registry.add(gasStation({ events, database, metrics, chain: this.#ground.chain }), {
      after: [database],
    })
    this.#node = node
    writePeersFile(this.#config, ground, keys)
    await registry.start()
    await waitUntilReady(node, this.#stopping.signal)
    return node
  }

  async #seed(node: Node, ground: Ground, secrets: Secrets): Promise<readonly DemoAccount[]> {
    const users = await admitDemoUsers(node.accounts, secrets.identities)
    const { contracts } = ground.deployment
    const seed = new Seed({
      api: node.http.url,
      identities: users,
      wallet: {
        rpcUrl: ground.chain.url,
        cash: { address: cashOf(ground), abi: abiOf('CashToken') },
        clearingHouse: { address: contracts.ClearingHouse, abi: abiOf('ClearingHouse') },
      },
    })
    await seed.run()
    return users
  }

  #writeFile(node: Node, ground: Ground, users: readonly DemoAccount[]): void {
    writeSandboxFile({
      home: ground.home,
      api: node.http.url,
      rpc: ground.chain.url,
      database: ground.databaseUrl,
      kafkaBrokers: this.#config.kafkaBrokers,
      contracts: ground.deployment.contracts,
      market: DEMO_MARKET.symbol,
      users,
    })
  }
}

function cashOf({ deployment }: Ground): string {
  return present(deployment.contracts.CashToken, 'address of CashToken')
}
