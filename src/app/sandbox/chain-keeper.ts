import { setTimeout as sleep } from 'node:timers/promises'
import type { AnvilRpc, BlockSummary } from './anvil-rpc.ts'
import type { ChainFiles } from './chain-files.ts'

interface ChainKeeperOptions {
  readonly rpc: AnvilRpc
  readonly files: ChainFiles
  readonly finalityDepth: number
  readonly log: (line: string) => void
  /** Hears of each block up to which the chain is on disk now. */
  readonly onDurable?: (block: number) => void
}

/** Transactions that come in a burst share the blocks that make them final. */
const BURST_MS = 25
/** After a dump comes a rest of so many times its duration, so that a long chain stays quick. */
const REST_FACTOR = 3
const LONGEST_REST_MS = 2000
const QUIET_ATTEMPTS = 4
const RETRY_MS = 500
/** Far above any depth of finality; hashes below it are forgotten. */
const REMEMBERED_BLOCKS = 1024

/** Makes every transaction of the sandbox chain final, and the chain durable; idle otherwise. */
export class ChainKeeper {
  readonly #rpc: AnvilRpc
  readonly #files: ChainFiles
  readonly #depth: number
  readonly #log: (line: string) => void
  readonly #hashes = new Map<number, string>()
  #examined = -1
  #lastTransaction = -1
  readonly #onDurable: (block: number) => void
  #durable = 0
  #highest = 0
  #lastDumpMs = 0
  /** Highest block that was not replaced since the running dump began. */
  #unreplaced = Number.MAX_SAFE_INTEGER
  #dirty = false
  #stopped = false
  #running: Promise<void> | undefined

  constructor({ rpc, files, finalityDepth, log, onDurable }: ChainKeeperOptions) {
    this.#rpc = rpc
    this.#files = files
    this.#depth = finalityDepth
    this.#log = log
    this.#onDurable = onDurable ?? (() => undefined)
  }

  get durableBlock(): number {
    return this.#durable
  }

  /** The highest block that was heard of. */
  get highestBlock(): number {
    return this.#highest
  }

  /** The block that makes the last known transaction final. */
  get #finalBlock(): number {
    return this.#lastTransaction < 0 ? 0 : this.#lastTransaction + this.#depth
  }

  /** Writes the first dump and answers its last block. */
  async begin(): Promise<BlockSummary> {
    const head = await this.#rpc.head()
    this.#examined = head.number - 1
    await this.#examine()
    return this.#dump()
  }

  /** Takes note of a block; one that replaces another takes durability back to its parent at once. */
  see(block: BlockSummary): void {
    this.#highest = Math.max(this.#highest, block.number)
    if (this.#hashes.get(block.number) === block.hash) {
      // A dump can know a block before its transactions were looked for.
      if (block.number > this.#examined) this.touch()
      return
    }
    const parent = block.number - 1
    this.#setDurable(Math.min(this.#durable, parent))
    this.#examined = Math.min(this.#examined, parent)
    if (this.#hashes.has(block.number)) this.#unreplaced = Math.min(this.#unreplaced, parent)
    this.touch()
  }

  /** Asks for a new dump, for changes that no block tells of. */
  touch(): void {
    this.#dirty = true
    this.#running ??= this.#work()
  }

  /** Leaves a chain that died; resolves when nothing more is written. */
  async abandon(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  /** Holds back further blocks and writes the last dump; undefined when the chain is gone. */
  async finish(): Promise<BlockSummary | undefined> {
    this.#stopped = true
    await this.#running
    try {
      await this.#rpc.call('evm_setAutomine', false)
      return await this.#dump()
    } catch (error) {
      this.#log(`the sandbox chain ended without a last dump: ${String(error)}`)
      return undefined
    }
  }

  #setDurable(block: number): void {
    this.#durable = block
    this.#onDurable(block)
  }

  async #work(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false
      try {
        await this.#turn()
      } catch (error) {
        if (this.#stopped) break
        this.#log(`keeping the sandbox chain: ${String(error)}`)
        this.#dirty = true
        await sleep(RETRY_MS)
      }
    }
    this.#running = undefined
  }

  async #turn(): Promise<void> {
    await sleep(BURST_MS)
    const head = await this.#examine()
    await this.#rpc.mine(this.#finalBlock - head.number)
    await this.#examine()
    await this.#dump()
    // A transaction may have come while the blocks for the one before were mined.
    if (this.#finalBlock > this.#durable) this.#dirty = true
    if (!this.#stopped) await sleep(Math.min(this.#lastDumpMs * REST_FACTOR, LONGEST_REST_MS))
  }

  /** Reads the blocks that were not read yet and answers the last of them. */
  async #examine(): Promise<BlockSummary> {
    const head = await this.#rpc.head()
    this.#highest = Math.max(this.#highest, head.number)
    if (head.number < this.#examined) this.#examined = head.number - 1
    for (let number = this.#examined + 1; number <= head.number; number += 1) {
      const block = await this.#rpc.block(number)
      if (block === undefined) break
      if (block.transactions > 0) this.#lastTransaction = number
      this.#hashes.set(number, block.hash)
      this.#hashes.delete(number - REMEMBERED_BLOCKS)
      this.#examined = number
    }
    return head
  }

  /**
   * Anvil reads blocks and state one after the other, so a dump counts only if no block came
   * between. On a chain that never rests, mining is held back for its duration.
   */
  async #dump(): Promise<BlockSummary> {
    for (let attempt = 1; ; attempt += 1) {
      const hold = attempt > QUIET_ATTEMPTS
      const head = hold ? await this.#whileHeld(() => this.#tryDump()) : await this.#tryDump()
      if (head !== undefined) return head
    }
  }

  async #tryDump(): Promise<BlockSummary | undefined> {
    this.#unreplaced = Number.MAX_SAFE_INTEGER
    const begunMs = performance.now()
    const before = await this.#rpc.head()
    const dump = await this.#rpc.dump()
    const after = await this.#rpc.head()
    if (before.hash !== after.hash) return undefined
    await this.#files.writeState(dump)
    this.#hashes.set(before.number, before.hash)
    this.#setDurable(Math.min(before.number, this.#unreplaced))
    this.#lastDumpMs = performance.now() - begunMs
    return before
  }

  async #whileHeld<T>(work: () => Promise<T>): Promise<T> {
    await this.#rpc.call('evm_setAutomine', false)
    try {
      return await work()
    } finally {
      if (!this.#stopped) {
        await this.#rpc.call('evm_setAutomine', true)
        // What arrived meanwhile waits in the pool until somebody mines.
        await this.#rpc.mine(1)
      }
    }
  }
}
