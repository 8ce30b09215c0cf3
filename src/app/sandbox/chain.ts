import type { ChildProcess } from 'node:child_process'
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
  /** Told when anvil ends without being asked to. */
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

/**
 * The sandbox's chain: anvil as a child process, which mines each transaction at once and the few
 * blocks that finality needs, and whose state is on disk before `durableBlock` says so. A killed
 * node or chain loses at most the blocks above it, and the next start tells by a new `instance`.
 */
export class SandboxChain {
  readonly #options: SandboxChainOptions
  readonly #files: ChainFiles
  readonly #claim: FolderClaim
  #child: ChildProcess | undefined
  #instance: string | undefined
  #keeper: ChainKeeper | undefined
  #feed: HeadFeed | undefined
  #rpc: AnvilRpc | undefined
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
    return this.#keeper?.durableBlock ?? 0
  }

  /** Ends the chain with its last block on disk. */
  async stop(): Promise<void> {
    const [keeper, instance] = [this.#keeper, this.#instance]
    this.#feed?.close()
    const head = await keeper?.finish()
    await this.#release(() => {
      if (instance !== undefined && head !== undefined) this.#files.endLife(instance, head.hash)
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
    await present(this.#rpc, 'a started chain').call('anvil_setBalance', address, hex(wei))
    this.#keeper?.touch()
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
    const resumed = this.#files.hasState()
    const port = await claimPort(this.#options.port)
    const url = `http://127.0.0.1:${port}`
    const rpc = new AnvilRpc(url)
    const child = this.#spawn(port)
    await whenAnswering(child, rpc, this.#files.log)
    const instance = this.#files.beginLife((await rpc.head()).hash)
    // A loaded state can be asked about at its last block only, so the final block must be a new one.
    await rpc.mine(this.#options.finalityDepth + 1)
    const head = await this.#keep(rpc, url, instance)
    this.#rpc = rpc
    this.#instance = instance
    return {
      url,
      chainId: SANDBOX_CHAIN_ID,
      instance,
      resumed,
      head: { number: head.number, hash: head.hash },
    }
  }

  async #keep(rpc: AnvilRpc, url: string, instance: string): Promise<BlockSummary> {
    const { finalityDepth, log } = this.#options
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
    this.#keeper = keeper
    this.#feed = feed
    await feed.open()
    return head
  }

  #spawn(port: number): ChildProcess {
    const child = spawnAnvil(this.#files, port)
    this.#child = child
    process.once('exit', this.#killOnExit)
    child.once('exit', () => {
      if (this.#child !== child) return
      this.#options.log('the sandbox chain died')
      this.#options.onExit?.()
    })
    return child
  }

  async #release(beforeClaim: () => void = () => undefined): Promise<void> {
    process.off('exit', this.#killOnExit)
    this.#feed?.close()
    const pid = this.#child?.pid
    this.#child = undefined
    this.#keeper = undefined
    const found = pid === undefined ? undefined : findProcess(pid)
    if (found !== undefined) await endProcess(found.mark, ['SIGTERM', 'SIGKILL'], 5000)
    beforeClaim()
    this.#claim.release()
  }

  async #endOrphans(): Promise<void> {
    for (const orphan of findProcesses(this.#files.cache)) {
      this.#options.log('stopping the chain that a killed node left behind')
      await endProcess(orphan, ['SIGTERM', 'SIGKILL'], 2000)
    }
  }
}
