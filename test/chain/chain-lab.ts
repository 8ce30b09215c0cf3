import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Contract, JsonRpcProvider, Wallet } from 'ethers'
import { present } from '#kernel/assert.ts'
import { normalizeDeployment, type Deployment } from '#chain/deployment.ts'
import type { Finality } from '#chain/finality.ts'
import { interfaceOf } from '#chain/contracts/abi-adapter.ts'
import { RpcClient } from '#chain/rpc-adapter.ts'
import { ChainService } from '#chain/service.ts'
import { LocalSigner } from '#chain/signer-adapter.ts'
import { TxManager, type TxManagerOptions } from '#chain/tx-manager.ts'
import { Watcher } from '#chain/watcher.ts'
import { SystemClock } from '#platform/clock.ts'
import type { Envelope } from '#platform/events/event.ts'
import { readOutbox } from '#platform/events/outbox.ts'
import { readInstance } from '#platform/instance.ts'
import { Leadership, type LeaderRole } from '#platform/leader.ts'
import { Metrics } from '#platform/metrics.ts'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { startAnvil, type TestChain } from '../support/chain.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../support/database.ts'
import { freePort } from '../../scripts/free-port.ts'

// The first test account of every anvil.
const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
export const ADMIN_KEY = `0x${'01'.repeat(32)}`
export const SETTLER_KEY = `0x${'02'.repeat(32)}`
export const REGISTRAR_KEY = `0x${'03'.repeat(32)}`

/** As long as `expect.poll` waits. */
const PATIENCE_MS = 60_000

const addressOf = (key: string): string => new Wallet(key).address

/** A chain with the whole suite on it. */
export interface SuiteChain {
  readonly chain: TestChain
  readonly provider: JsonRpcProvider
  readonly deployment: Deployment
  contract(name: string, key?: string): Contract
  mine(blocks?: number): Promise<void>
  stop(): Promise<void>
}

export async function startSuite(): Promise<SuiteChain> {
  const chain = await startAnvil()
  const options = { staticNetwork: true, cacheTimeout: -1, pollingInterval: 20 }
  const provider = new JsonRpcProvider(chain.url, chain.chainId, options)
  for (const key of [ADMIN_KEY, SETTLER_KEY, REGISTRAR_KEY]) {
    await chain.rpc('anvil_setBalance', [addressOf(key), '0x3635c9adc5dea00000'])
  }
  const deployed = await deployMooring({
    signer: new Wallet(DEPLOYER_KEY, provider),
    artifacts: readArtifact,
    settings: {
      admin: addressOf(ADMIN_KEY),
      pauser: addressOf(ADMIN_KEY),
      settler: addressOf(SETTLER_KEY),
      registrar: addressOf(REGISTRAR_KEY),
      adminDelaySeconds: 0,
      cash: { scale: 1n },
      deployCash: true,
    },
  })
  const deployment = normalizeDeployment(deployed)
  return {
    chain,
    provider,
    deployment,
    contract: (name, key) => {
      const runner = key === undefined ? provider : new Wallet(key, provider)
      const address = present(deployment.contracts[name], name)
      return new Contract(address, interfaceOf(name), runner)
    },
    mine: async (blocks = 1) => {
      await chain.rpc('anvil_mine', [`0x${blocks.toString(16)}`])
    },
    stop: async () => {
      provider.destroy()
      await chain.stop()
    },
  }
}

/** The chain context of a node on a database of its own. */
export class ChainLab {
  readonly suite: SuiteChain
  readonly store: OpenDatabase
  readonly rpc: RpcClient
  readonly service: ChainService
  readonly metrics = new Metrics()
  readonly #leaderships: Leadership[] = []

  constructor(suite: SuiteChain, store: OpenDatabase, urls: readonly string[]) {
    this.suite = suite
    this.store = store
    this.rpc = new RpcClient({ urls, log: silentLog, rounds: 1, probeMs: 300 })
    const { database } = store
    this.service = new ChainService({ database, rpc: this.rpc, deployment: suite.deployment })
  }

  static async open(suite: SuiteChain, ...urls: readonly string[]): Promise<ChainLab> {
    const given = urls.length === 0 ? [suite.chain.url] : urls
    return new ChainLab(suite, await openDatabase(), given)
  }

  get database() {
    return this.store.database
  }

  async lead(role: LeaderRole): Promise<Leadership> {
    const leadership = new Leadership({ role, database: this.database, log: silentLog })
    this.#leaderships.push(leadership)
    await leadership.start()
    await leadership.whenLeading()
    return leadership
  }

  async watcher(finality: Finality = { rule: { depth: 2 } }): Promise<Watcher> {
    const watcher = new Watcher({
      database: this.database,
      rpc: this.rpc,
      deployment: this.suite.deployment,
      metrics: this.metrics,
      log: silentLog,
      clock: new SystemClock(),
      leadership: await this.lead('watcher'),
      finality,
      pollMs: 10,
    })
    await watcher.start()
    return watcher
  }

  async txManager(options: Partial<TxManagerOptions> = {}): Promise<TxManager> {
    const manager = new TxManager({
      database: this.database,
      rpc: this.rpc,
      deployment: this.suite.deployment,
      metrics: this.metrics,
      log: silentLog,
      leadership: await this.lead('txm'),
      signers: {
        settler: new LocalSigner(SETTLER_KEY),
        registrar: new LocalSigner(REGISTRAR_KEY),
      },
      pollMs: 20,
      resendMs: 500,
      breakerPollMs: 50,
      ...options,
    })
    await manager.start()
    return manager
  }

  async events(): Promise<readonly Envelope[]> {
    const instance = await readInstance(this.database)
    const page = { stream: 'chain.events', after: 0n, maxEvents: 10_000, maxBytes: 100_000_000 }
    return await readOutbox(this.database, instance, page)
  }

  /** Ends the terms, so that another process of the test can lead. */
  async resign(): Promise<void> {
    for (const leadership of this.#leaderships.splice(0)) await leadership.stop()
  }

  async close(): Promise<void> {
    await this.resign()
    await this.rpc.close()
    await this.store.close()
  }
}

/** Waits until `look` gives a value other than undefined and false. */
export async function until<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  what = look.toString(),
): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > endMs) throw new RangeError(`never: ${what}`)
    await sleep(20)
  }
}

/** An endpoint that passes calls on to a chain, except where `answer` gives another body. */
export async function startProxy(
  target: string,
  answer: (body: string) => Promise<string | undefined> | string | undefined,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const port = await freePort()
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      void (async () => {
        const body = Buffer.concat(parts).toString('utf8')
        const own = await answer(body)
        const text =
          own ??
          (await (
            await fetch(target, {
              method: 'POST',
              body,
              headers: { 'content-type': 'application/json' },
            })
          ).text())
        response.end(text)
      })().catch(() => response.destroy())
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
