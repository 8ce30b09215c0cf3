import type { SimulatedChain } from './chain.ts'
import type { SimulatedPostgres } from './postgres.ts'
import type { World } from './world.ts'

export interface HandsOptions {
  readonly world: World
  readonly chain: SimulatedChain
  readonly server: SimulatedPostgres
  /** Blocks until one is final. */
  readonly depth: number
  /** Address of the settler's key. */
  readonly key: string
  /** The process that sends the node's transactions ends, and starts again. */
  readonly stopSender: () => void
  /** Whether people leave the node alone by now. */
  readonly isOver: () => boolean
}

const OFFICER_ROUND_MS = 150
const BLOCK_MS = 70
/** Blocks until nobody waits any more for what was made by hand. */
const PATIENCE = 20

/** What people do on the chain behind the node's back: they use its key, and pause the vault. */
export class Hands {
  readonly #options: HandsOptions
  readonly #world: World
  readonly #hashes: string[] = []
  readonly #usedNonces = new Set<number>()
  #hasPaused = false
  #pausedUntilMs = 0
  #tornOff = 0

  constructor(options: HandsOptions) {
    this.#options = options
    this.#world = options.world
  }

  deeds(): { readonly usedNonces: ReadonlySet<number>; readonly hasPaused: boolean } {
    return { usedNonces: this.#usedNonces, hasPaused: this.#hasPaused }
  }

  count(): { readonly byHand: number; readonly tornOff: number } {
    const { chain } = this.#options
    const mined = this.#hashes.filter((hash) => chain.find(hash) !== undefined)
    return { byHand: mined.length, tornOff: this.#tornOff }
  }

  /** Some use the key without a look at what is on its way, others stop its sender first. */
  useKey(): void {
    if (this.#world.chance(2, 3)) this.#whenSending(() => this.#pay())
    else {
      this.#options.stopSender()
      this.#pay()
    }
  }

  /** A payment with the settler's key, for which the node may have signed something else. */
  #pay(): void {
    const { chain, key } = this.#options
    const next = chain.nonceOf(key)
    // What an account did before the node ever used it is no concern of the node's.
    if (!this.#isNodes()) return
    const pooled = chain.pool.filter(({ from }) => from === key).map(({ nonce }) => nonce)
    const free = Math.max(next, ...pooled.map((nonce) => nonce + 1))
    const nonce = this.#world.chance(2, 3) ? next : free
    const hash = chain.sendByHand(key, nonce)
    this.#hashes.push(hash)
    this.#usedNonces.add(nonce)
    this.#world.trace('by hand', () => `${hash.slice(0, 12)} ${nonce}`)
    if (this.#world.chance(2, 3)) this.#watch(hash, PATIENCE)
  }

  #isNodes(): boolean {
    const { server, key } = this.#options
    return server.all('chain.nonce').some((row) => row['signer'] === key)
  }

  /** The vault takes nothing for a while. */
  pause(): void {
    this.#whenSending(() => this.#pause())
  }

  #pause(): void {
    const isFirst = !this.#hasPaused
    this.#hasPaused = true
    this.#pausedUntilMs = this.#world.nowMs + this.#world.between(100, 1200)
    if (isFirst) this.#tendPause()
  }

  /** Nobody does anything any more but to undo the pause. */
  rest(): void {
    this.#pausedUntilMs = 0
  }

  /** Soon, and where possible while the pool holds something of the node's. */
  #whenSending(act: () => void, patience = PATIENCE): void {
    const { chain, isOver } = this.#options
    if (isOver()) return
    const isSending = chain.pool.some(({ isNodes, data }) => isNodes && data !== '0x')
    if (isSending || patience === 0) act()
    else this.#world.later(BLOCK_MS / 2, () => this.#whenSending(act, patience - 1))
  }

  /** A pool may lose what the officer sends, and a reorg may undo it. */
  #tendPause(): void {
    const { chain } = this.#options
    const isWanted = this.#pausedUntilMs > this.#world.nowMs
    const type = isWanted ? 'pause' : 'unpause'
    const isAsked = chain.pool.some(({ call }) => call?.type === type)
    if (chain.head.state.isPaused !== isWanted && !isAsked) chain.sendCall({ type })
    this.#world.later(OFFICER_ROUND_MS, () => this.#tendPause())
  }

  /** A reorg comes when it is mined, but not yet final. */
  #watch(hash: string, patience: number): void {
    const { chain, depth } = this.#options
    if (chain.find(hash) !== undefined) {
      const restMs = this.#world.between(0, Math.min(12, depth) * BLOCK_MS)
      this.#world.later(restMs, () => this.#tearOff(hash))
    } else if (patience > 0) this.#world.later(BLOCK_MS, () => this.#watch(hash, patience - 1))
  }

  /** The blocks from the one that holds it on are replaced by others. */
  #tearOff(hash: string): void {
    const { chain, depth } = this.#options
    const found = chain.find(hash)
    if (found === undefined) return
    const above = chain.head.number - found.block.number + 1
    if (above >= depth) return
    this.#tornOff += 1
    const isLost = this.#world.chance(2, 3)
    chain.reorg(above, above + 1, (transaction) => isLost && transaction.hash === hash)
  }
}
