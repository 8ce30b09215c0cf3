import { createHash } from 'node:crypto'
import { keccak256, Transaction } from 'ethers'
import { bloomBits } from '#chain/bloom.ts'
import type { Hex } from '#chain/hex.ts'
import {
  copyState,
  execute,
  firstState,
  Reverted,
  VAULT,
  type ChainState,
  type Log,
  type WalletCall,
} from './clearing-house.ts'
import type { World } from './world.ts'

const SLOT_SECONDS = 1
const GENESIS_SECONDS = 1_799_999_000
const TIP = 1_000_000_000n
const HIGH_FEE = 1_000_000_000_000n

/** A transaction of a wallet or of the node, as the pool keeps it. */
export interface PooledTransaction {
  readonly hash: Hex
  readonly from: string
  readonly nonce: number
  readonly maxFee: bigint
  readonly to: string
  readonly data: string
  /** The node's own are watched by the invariants. */
  readonly isNodes: boolean
  /** Wallets' calls need no encoding. */
  readonly call?: WalletCall
}

interface Included {
  readonly transaction: PooledTransaction
  readonly status: 0 | 1
  readonly logs: readonly Log[]
  readonly firstLog: number
}

export interface SimulatedBlock {
  readonly number: number
  readonly hash: Hex
  readonly parent: SimulatedBlock | undefined
  readonly timestamp: number
  readonly baseFee: bigint
  readonly included: readonly Included[]
  readonly bloom: Hex
  readonly state: ChainState
}

const bloomCache = new Map<string, readonly number[]>()
function bloomOf(logs: readonly Log[]): Hex {
  const bits = new Set<number>()
  for (const { address, topics } of logs) {
    for (const value of [address, ...topics]) {
      const known = bloomCache.get(value) ?? bloomBits(keccak256(value) as Hex)
      bloomCache.set(value, known)
      for (const bit of known) bits.add(bit)
    }
  }
  const bytes = Buffer.alloc(256)
  for (const bit of bits) {
    const place = 255 - (bit >> 3)
    bytes[place] = (bytes[place] ?? 0) | (1 << (bit & 7))
  }
  return `0x${bytes.toString('hex')}`
}
const EMPTY_BLOOM = bloomOf([])

/** A chain with a pool, forks, and a clearing house that checks what the contract checks. */
export class SimulatedChain {
  readonly world: World
  readonly #byHash = new Map<string, SimulatedBlock>()
  readonly #madeAtMs = new Map<string, number>()
  readonly #countAt = new Map<number, number>()
  /** Which block was the head since when. */
  readonly heads: { readonly atMs: number; readonly block: SimulatedBlock }[] = []
  readonly #pool = new Map<string, PooledTransaction>()
  readonly #parsed = new Map<string, PooledTransaction>()
  /** Signers' addresses by the first bytes of what they call. */
  signerOf: (to: string) => string = () => ''
  /** Hears of each of the node's transactions before it enters the pool. */
  onSent: (transaction: PooledTransaction, raw: string) => void = () => undefined
  onBlock: (block: SimulatedBlock) => void = () => undefined
  /** Hears of each transaction that is mined in vain. */
  onRevert: (transaction: PooledTransaction, reason: string) => void = () => undefined
  baseFee = 7n
  head: SimulatedBlock
  #salt = 0
  #walletNonce = 0

  constructor(world: World) {
    this.world = world
    this.head = this.#seal(undefined, 0, [], firstState())
    this.#setHead(this.head)
  }

  get pool(): readonly PooledTransaction[] {
    return [...this.#pool.values()]
  }

  blockByHash(hash: string): SimulatedBlock | undefined {
    return this.#byHash.get(hash)
  }

  madeAtMs(hash: string): number {
    return this.#madeAtMs.get(hash) ?? Infinity
  }

  /** Whether another block of the number was ever made. */
  hasRival(number: number, hash: string): boolean {
    return (this.#countAt.get(number) ?? 0) > 1 || !this.#byHash.has(hash)
  }

  /** The block of a number below `head`. */
  ancestor(head: SimulatedBlock, number: number): SimulatedBlock | undefined {
    let block: SimulatedBlock | undefined = head
    while (block !== undefined && block.number > number) block = block.parent
    return block?.number === number ? block : undefined
  }

  /** Where the canonical chain holds a transaction. */
  find(hash: string, head = this.head): { block: SimulatedBlock; included: Included } | undefined {
    for (let block: SimulatedBlock | undefined = head; block !== undefined; block = block.parent) {
      const included = block.included.find(({ transaction }) => transaction.hash === hash)
      if (included !== undefined) return { block, included }
    }
    return undefined
  }

  /** A wallet or an officer acts. */
  sendCall(call: WalletCall): Hex {
    this.#walletNonce += 1
    const hash = this.#hash(`wallet ${this.#walletNonce}`)
    this.#pool.set(hash, {
      hash,
      from: `wallet ${this.#walletNonce}`,
      nonce: 0,
      maxFee: HIGH_FEE,
      to: VAULT,
      data: '0x',
      isNodes: false,
      call,
    })
    return hash
  }

  /** Somebody signs with a key of the node, and pays more than the node does. */
  sendByHand(from: string, nonce: number): Hex {
    const rival = this.pool.find((other) => other.from === from && other.nonce === nonce)
    if (rival !== undefined) this.#pool.delete(rival.hash)
    this.#salt += 1
    const hash = this.#hash(`by hand ${this.#salt}`)
    const own = { hash, from, nonce, to: from, data: '0x' }
    this.#pool.set(hash, { ...own, maxFee: HIGH_FEE, isNodes: false })
    return hash
  }

  parse(raw: string): PooledTransaction {
    const known = this.#parsed.get(raw)
    if (known !== undefined) return known
    const read = Transaction.from(raw)
    const to = (read.to ?? '').toLowerCase()
    const parsed: PooledTransaction = {
      hash: read.hash as Hex,
      from: this.signerOf(to),
      nonce: read.nonce,
      maxFee: read.maxFeePerGas ?? 0n,
      to,
      data: read.data,
      isNodes: true,
    }
    this.#parsed.set(raw, parsed)
    return parsed
  }

  /** What a node answers to `eth_sendRawTransaction`; an error message or nothing. */
  accept(raw: string): { readonly hash: Hex } | { readonly error: string } {
    const transaction = this.parse(raw)
    this.onSent(transaction, raw)
    const { hash, from, nonce } = transaction
    if (this.#pool.has(hash)) return { error: 'already known' }
    if (nonce < this.nonceOf(from)) return { error: 'nonce too low' }
    if (nonce > this.nonceOf(from) + 64) return { error: 'nonce too high' }
    const rival = this.pool.find((other) => other.from === from && other.nonce === nonce)
    if (rival !== undefined) {
      if (transaction.maxFee * 10n < rival.maxFee * 11n)
        return { error: 'replacement transaction underpriced' }
      this.#pool.delete(rival.hash)
    }
    this.#pool.set(hash, transaction)
    return { hash }
  }

  drop(hash: string): void {
    this.#pool.delete(hash)
  }

  isPooled(hash: string): boolean {
    return this.#pool.has(hash)
  }

  nonceOf(from: string, head = this.head): number {
    return head.state.nonces.get(from) ?? 0
  }

  /** Mines on the head what the pool holds, or a part of it. */
  mine(share = 1): SimulatedBlock {
    const block = this.#mineOn(this.head, share)
    this.#setHead(block)
    return block
  }

  /** Replaces the last `depth` blocks by `length` others; transactions may get lost on the way. */
  reorg(depth: number, length: number, isLost: (transaction: PooledTransaction) => boolean): void {
    const base = this.ancestor(this.head, this.head.number - depth)
    if (base === undefined) return
    const orphaned: PooledTransaction[] = []
    for (
      let block = this.head;
      block !== base && block.parent !== undefined;
      block = block.parent
    ) {
      orphaned.unshift(...block.included.map(({ transaction }) => transaction))
    }
    for (const transaction of orphaned) {
      if (!isLost(transaction)) this.#pool.set(transaction.hash, transaction)
    }
    let tip = base
    for (let made = 0; made < length; made += 1) tip = this.#mineOn(tip, this.world.rng.next())
    this.world.trace('reorg', () => `${depth} blocks below ${this.head.number} become ${length}`)
    this.#setHead(tip)
  }

  #setHead(block: SimulatedBlock): void {
    this.head = block
    this.heads.push({ atMs: this.world.nowMs, block })
    this.onBlock(block)
  }

  #mineOn(parent: SimulatedBlock, share: number): SimulatedBlock {
    const state = copyState(parent.state)
    const included: Included[] = []
    let logs = 0
    for (const transaction of this.#takeable(state, share)) {
      const done = this.#include(state, transaction, logs)
      logs += done.logs.length
      included.push(done)
      this.#pool.delete(transaction.hash)
    }
    return this.#seal(parent, parent.number + 1, included, state)
  }

  /** In the order of nonces for each sender; who is first is left to chance. */
  #takeable(state: ChainState, share: number): readonly PooledTransaction[] {
    const taken: PooledTransaction[] = []
    const next = new Map<string, number>()
    const sorted = this.pool.toSorted((a, b) => a.nonce - b.nonce)
    for (const transaction of sorted) {
      const { from, nonce, maxFee } = transaction
      const wanted = next.get(from) ?? state.nonces.get(from) ?? 0
      if (nonce < wanted) this.#pool.delete(transaction.hash)
      if (nonce !== wanted || maxFee < this.baseFee + TIP / 10n || !this.world.chance(share))
        continue
      next.set(from, wanted + 1)
      taken.push(transaction)
    }
    return taken
  }

  #include(state: ChainState, transaction: PooledTransaction, firstLog: number): Included {
    state.nonces.set(transaction.from, transaction.nonce + 1)
    if (transaction.call === undefined && transaction.data === '0x')
      return { transaction, status: 1, logs: [], firstLog }
    try {
      const logs = execute(state, transaction)
      return { transaction, status: 1, logs, firstLog }
    } catch (error) {
      if (!(error instanceof Reverted)) throw error
      this.world.trace('revert', () => `${transaction.hash.slice(0, 12)} ${error.message}`)
      this.onRevert(transaction, error.message)
      return { transaction, status: 0, logs: [], firstLog }
    }
  }

  #seal(
    parent: SimulatedBlock | undefined,
    number: number,
    included: readonly Included[],
    state: ChainState,
  ): SimulatedBlock {
    this.#salt += 1
    const hash = this.#hash(`block ${this.#salt}`)
    const logs = included.flatMap((one) => one.logs)
    const block = {
      number,
      hash,
      parent,
      timestamp: GENESIS_SECONDS + number * SLOT_SECONDS,
      baseFee: this.baseFee,
      included,
      bloom: logs.length === 0 ? EMPTY_BLOOM : bloomOf(logs),
      state,
    }
    this.#byHash.set(hash, block)
    this.#countAt.set(number, (this.#countAt.get(number) ?? 0) + 1)
    this.#madeAtMs.set(hash, this.world.nowMs)
    return block
  }

  #hash(text: string): Hex {
    return `0x${createHash('sha256').update(`${this.world.seed} ${text}`).digest('hex')}`
  }
}
