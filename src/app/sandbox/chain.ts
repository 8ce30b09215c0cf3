import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { present } from '#kernel/assert.ts'
import { FolderClaim } from '#platform/folder-claim.ts'
import { endProcess, findProcess, findProcesses } from '#platform/process-identity.ts'
import { AnvilRpc, hex, type BlockSummary } from './anvil-rpc.ts'
import { claimPort, SANDBOX_CHAIN_ID, spawnAnvil, whenAnswering } from './anvil.ts'
import { ChainFiles } from './chain-files.ts'
import { ChainKeeper } from './chain-keeper.ts'
import { writeDurableBlock } from './durable-file.ts'
import { sandboxErrors } from './errors.ts'
import { HeadFeed } from './head-feed.ts'

export interface SandboxChainOptions {
  /** Folder of the sandbox; the chain lives as long as it does. */
  readonly home: string
  /** Port of the RPC on the loopback interface; 0 picks a free one. */
  readonly port: number
  /** Blocks on top of a block that make it final. */
  readonly finalityDepth: number
  readonly log: (line: string) => void
  /** Told when anvil died and does not start again. */
  readonly onExit?: () => void
}

export interface ChainStart {
  readonly url: string
  readonly chainId: number
  /** Changes whenever blocks that somebody saw may be missing. */
  readonly instance: string
  /** Whether an earlier state was loaded. */
  readonly resumed: boolean
  readonly head: { readonly number: number; readonly hash: string }
}

/** A chain that answers, and who keeps it. */
interface Life {
  readonly port: number
  readonly url: string
  readonly rpc: AnvilRpc
  readonly instance: string
  readonly keeper: ChainKeeper
  readonly feed: HeadFeed
}

const LAUNCH_ATTEMPTS = 5
const LAUNCH_REST_MS = 200

/**
 * The sandbox's chain: anvil as a child process, which mines each transaction at once and the few
 * blocks that finality needs, and whose state is on disk before `durableBlock` says so. A killed
 * node or chain loses at most the blocks above it. After the node's own death the next start tells
 * by a new `instance`; a chain that dies alone is started again on its last dump, and what it lost
 * looks like a reorg.
 */
export class SandboxChain {
  readonly #options: SandboxChainOptions
  readonly #files: ChainFiles
  readonly #claim: FolderClaim
  #child: ChildProcess | undefined
  #life: Life | undefined
  #reviving: Promise<void> | undefined
  #isStopping = false
  readonly #killOnExit = (): void => {
    this.#child?.kill('SIGKILL')
  }

  constructor(options: SandboxChainOptions) {
    this.#options = options
    this.#files = new ChainFiles(options.home)
    this.#claim = new FolderClaim(this.#files.claim)
  }

  /**
   * Resolves when the chain answers, keeps its state, and serves calls at its final block. Errors:
   * `sandbox.chain_in_use`, `chain_port_taken`, `chain_unsupported`, `chain_failed`.
   */
  async start(): Promise<ChainStart> {
    this.#takeClaim()
    try {
      return await this.#startClaimed()
    } catch (error) {
      await this.#release()
      throw error
    }
  }

  /** Highest block that a dump on disk contains. */
  durableBlock(): number {
    return this.#life?.keeper.durableBlock ?? 0
  }

  /** Ends the chain with its last block on disk. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#reviving
    const life = this.#life
    life?.feed.close()
    const head = await life?.keeper.finish()
    await this.#release(() => {
      if (life !== undefined && head !== undefined) this.#files.endLife(life.instance, head.hash)
    })
  }

  /** Deletes the chain; `sandbox.chain_in_use` while a node runs. */
  async remove(): Promise<void> {
    this.#takeClaim()
    await this.#endOrphans()
    this.#files.remove()
  }

  /** Gives an address this much gas coin, in wei. */
  async setBalance(address: string, wei: bigint): Promise<void> {
    const { rpc, keeper } = present(this.#life, 'a started chain')
    await rpc.call('anvil_setBalance', address, hex(wei))
    keeper.touch()
  }

  #takeClaim(): void {
    this.#files.prepare()
    const holder = this.#claim.take()
    if (holder === undefined) return
    const advice = `process ${holder} uses ${this.#files.folder}; stop it or set MOORING_HOME to another folder`
    throw sandboxErrors.chain_in_use(advice)
  }

  async #startClaimed(): Promise<ChainStart> {
    await this.#endOrphans()
    this.#isStopping = false
    const resumed = this.#files.hasState()
    const port = await claimPort(this.#options.port)
    const url = `http://127.0.0.1:${port}`
    const rpc = new AnvilRpc(url)
    process.once('exit', this.#killOnExit)
    const child = this.#spawn(port)
    await whenAnswering(child, rpc, this.#files.log)
    const instance = this.#files.beginLife((await rpc.head()).hash)
    // A loaded state can be asked about at its last block only, so the final block must be a new one.
    await rpc.mine(this.#options.finalityDepth + 1)
    const { number, hash } = await this.#keep({ port, url, rpc, instance })
    this.#watch(child)
    return { url, chainId: SANDBOX_CHAIN_ID, instance, resumed, head: { number, hash } }
  }

  async #keep(ground: Pick<Life, 'port' | 'url' | 'rpc' | 'instance'>): Promise<BlockSummary> {
    const { finalityDepth, log } = this.#options
    const { url, rpc, instance } = ground
    const keeper = new ChainKeeper({
      rpc,
      files: this.#files,
      finalityDepth,
      log,
      onDurable: (block) => writeDurableBlock(this.#files.folder, { instance, block }),
    })
    const head = await keeper.begin()
    const feed = new HeadFeed(
      url,
      (block) => keeper.see(block),
      () => keeper.touch(),
    )
    this.#life = { ...ground, keeper, feed }
    await feed.open()
    return head
  }

  #spawn(port: number): ChildProcess {
    const child = spawnAnvil(this.#files, port)
    this.#child = child
    return child
  }

  #watch(child: ChildProcess): void {
    const died = (): void => {
      if (this.#child !== child || this.#isStopping) return
      this.#options.log('the sandbox chain died; starting it again')
      this.#reviving = this.#revive().finally(() => (this.#reviving = undefined))
    }
    if (child.exitCode !== null || child.signalCode !== null) died()
    else child.once('exit', died)
  }

  async #revive(): Promise<void> {
    const life = present(this.#life, 'a chain that died')
    life.feed.close()
    // A dump that is still being written must not replace the state that the next chain loads.
    await life.keeper.abandon()
    for (let attempt = 1; !this.#isStopping; attempt += 1) {
      try {
        return await this.#relaunch(life)
      } catch (error) {
        this.#options.log(`the sandbox chain stays down: ${String(error)}`)
        await this.#endChild()
        if (attempt >= LAUNCH_ATTEMPTS) return this.#options.onExit?.()
        await sleep(LAUNCH_REST_MS * attempt)
      }
    }
  }

  /** Mines past the blocks that were lost: a shorter head would pass for a slow endpoint (I8). */
  async #relaunch(life: Life): Promise<void> {
    const { port, rpc, keeper } = life
    const child = this.#spawn(port)
    await whenAnswering(child, rpc, this.#files.log)
    const { number } = await rpc.head()
    const lost = Math.max(0, keeper.highestBlock - number)
    await rpc.mine(lost + this.#options.finalityDepth + 1)
    await this.#keep(life)
    this.#watch(child)
  }

  async #release(beforeClaim: () => void = () => undefined): Promise<void> {
    process.off('exit', this.#killOnExit)
    this.#life?.feed.close()
    this.#life = undefined
    await this.#endChild()
    beforeClaim()
    this.#claim.release()
  }

  async #endChild(): Promise<void> {
    const pid = this.#child?.pid
    this.#child = undefined
    const found = pid === undefined ? undefined : findProcess(pid)
    if (found !== undefined) await endProcess(found.mark, ['SIGTERM', 'SIGKILL'], 5000)
  }

  async #endOrphans(): Promise<void> {
    for (const orphan of findProcesses(this.#files.cache)) {
      this.#options.log('stopping the chain that a killed node left behind')
      await endProcess(orphan, ['SIGTERM', 'SIGKILL'], 2000)
    }
  }
}
