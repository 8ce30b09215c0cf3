import { createHash } from 'node:crypto'
import { AbiCoder, keccak256, Transaction } from 'ethers'
import { EVENT_LAYOUTS } from '#chain/decoders.ts'
import { bloomBits } from '#chain/bloom.ts'
import type { Hex } from '#chain/hex.ts'
import { interfaceOf } from '#chain/contracts/abi-adapter.ts'
import { genesisHead, headOf } from '#settlement/keccak-adapter.ts'
import { decodeRecords } from '#settlement/records.ts'
import { sumByAsset } from '#settlement/netting.ts'
import type { BatchHeader } from '#settlement/batch.ts'
import type { World } from './world.ts'

export const CHAIN_ID = 31_337
export const VAULT: Hex = '0x5fbdb2315678afecb367f032d93f642f64180aa3'
export const REGISTRY: Hex = '0x00000000000000000000000000000000000000aa'
export const INVESTORS: Hex = '0x00000000000000000000000000000000000000bb'
export const SUPPLY: Hex = '0x00000000000000000000000000000000000000cc'
const SLOT_SECONDS = 1
const GENESIS_SECONDS = 1_799_999_000
const KINDS = ['', 'trade', 'supply', 'heartbeat'] as const
const TIP = 1_000_000_000n

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

export type WalletCall =
  | {
      readonly type: 'deposit'
      readonly account: number
      readonly asset: number
      readonly amount: bigint
    }
  | {
      readonly type: 'register'
      readonly account: number
      readonly wallet: string
      readonly class: number
    }

interface Log {
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
}

interface Included {
  readonly transaction: PooledTransaction
  readonly status: 0 | 1
  readonly logs: readonly Log[]
  readonly firstLog: number
}

/** The contracts' storage after a block. */
export interface ChainState {
  readonly lanes: Map<string, bigint>
  readonly totals: Map<number, bigint>
  readonly supplies: Map<number, bigint>
  readonly paid: Set<string>
  readonly nonces: Map<string, number>
  head: string
  sequence: bigint
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

class Reverted extends Error {}

const FUNCTIONS = [
  'settle',
  'withdraw',
  'head',
  'sequence',
  'threshold',
  'totalOf',
  'turnoverOf',
  'balancesOf',
] as const
type FunctionName = (typeof FUNCTIONS)[number]
interface DecodedCall {
  readonly name: FunctionName
  readonly values: readonly unknown[]
}
const layouts = new Map(
  FUNCTIONS.map((name) => {
    const fragment = interfaceOf('ClearingHouse').getFunction(name)
    if (fragment === null) throw new TypeError(name)
    return [fragment.selector, { name, inputs: fragment.inputs }] as const
  }),
)
const decodedCalls = new Map<string, DecodedCall>()

/** What calldata of the clearing house says; the same bytes come again and again. */
export function decodeCall(data: string): DecodedCall | undefined {
  const known = decodedCalls.get(data)
  if (known !== undefined) return known
  const layout = layouts.get(data.slice(0, 10))
  if (layout === undefined) return undefined
  const values = AbiCoder.defaultAbiCoder().decode(layout.inputs, `0x${data.slice(10)}`)
  const call = { name: layout.name, values: [...values] }
  if (decodedCalls.size > 2000) decodedCalls.clear()
  decodedCalls.set(data, call)
  return call
}

const word = (value: bigint | number): string =>
  BigInt.asUintN(256, BigInt(value)).toString(16).padStart(64, '0')
const topicWord = (value: bigint | number | string): Hex =>
  typeof value === 'string' ? `0x${value.slice(2).padStart(64, '0')}` : `0x${word(value)}`

function logOf(
  address: Hex,
  name: string,
  indexed: readonly (bigint | number | string)[],
  data: readonly (bigint | number | string)[],
): Log {
  const layout = EVENT_LAYOUTS.find((one) => one.name === name)
  if (layout === undefined) throw new TypeError(`no event ${name}`)
  return {
    address,
    topics: [layout.topic, ...indexed.map(topicWord)],
    data: `0x${data.map((value) => topicWord(value).slice(2)).join('')}`,
  }
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
    const state: ChainState = {
      lanes: new Map(),
      totals: new Map(),
      supplies: new Map(),
      paid: new Set(),
      nonces: new Map(),
      head: genesisHead(CHAIN_ID, VAULT),
      sequence: 0n,
    }
    this.head = this.#seal(undefined, 0, [], state)
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
      maxFee: 1_000_000_000_000n,
      to: VAULT,
      data: '0x',
      isNodes: false,
      call,
    })
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
  reorg(depth: number, length: number, lossShare: number): void {
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
      const isLost = this.world.chance(lossShare)
      if (!isLost) this.#pool.set(transaction.hash, transaction)
    }
    let tip = base
    for (let made = 0; made < length; made += 1) tip = this.#mineOn(tip, this.world.rng.next())
    this.world.trace('reorg', () => `${depth} blocks below ${this.head.number} become ${length}`)
    this.#setHead(tip)
  }

  /** Runs a call on a state; throws what would revert. */
  execute(
    state: ChainState,
    transaction: Pick<PooledTransaction, 'to' | 'data' | 'call'>,
  ): readonly Log[] {
    if (transaction.call !== undefined) return this.#wallet(state, transaction.call)
    if (transaction.to !== VAULT) return []
    const call = decodeCall(transaction.data)
    if (call?.name === 'settle') return this.#settle(state, call.values)
    if (call?.name === 'withdraw') return this.#withdraw(state, call.values)
    throw new Reverted(`no function ${transaction.data.slice(0, 10)}`)
  }

  copyState(state: ChainState): ChainState {
    return {
      lanes: new Map(state.lanes),
      totals: new Map(state.totals),
      supplies: new Map(state.supplies),
      paid: new Set(state.paid),
      nonces: new Map(state.nonces),
      head: state.head,
      sequence: state.sequence,
    }
  }

  #setHead(block: SimulatedBlock): void {
    this.head = block
    this.heads.push({ atMs: this.world.nowMs, block })
    this.onBlock(block)
  }

  #mineOn(parent: SimulatedBlock, share: number): SimulatedBlock {
    const state = this.copyState(parent.state)
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
    if (transaction.isNodes && transaction.data === '0x')
      return { transaction, status: 1, logs: [], firstLog }
    try {
      const logs = this.execute(state, transaction)
      return { transaction, status: 1, logs, firstLog }
    } catch (error) {
      if (!(error instanceof Reverted)) throw error
      this.world.trace('revert', () => `${transaction.hash.slice(0, 12)} ${error.message}`)
      this.onRevert(transaction, error.message)
      return { transaction, status: 0, logs: [], firstLog }
    }
  }

  #settle(state: ChainState, args: readonly unknown[]): readonly Log[] {
    const [given, records] = args as readonly [Readonly<Record<string, string | bigint>>, string]
    const header: BatchHeader = {
      prevHead: given['prevHead'] as Hex,
      sequence: BigInt(given['sequence'] ?? 0),
      kind: KINDS[Number(given['kind'])] as BatchHeader['kind'],
      closeTime: BigInt(given['closeTime'] ?? 0),
      supplyAsset: Number(given['supplyAsset']),
      supplyChange: BigInt(given['supplyChange'] ?? 0),
      recordsHash: given['recordsHash'] as Hex,
      tradesRoot: given['tradesRoot'] as Hex,
      liabilitiesRoot: given['liabilitiesRoot'] as Hex,
      journalHash: given['journalHash'] as Hex,
    }
    const head = headOf(header)
    if (state.head === head) return []
    if (header.prevHead !== state.head) throw new Reverted('WrongHead')
    if (header.sequence !== state.sequence + 1n) throw new Reverted('WrongSequence')
    const bytes = Buffer.from(records.slice(2), 'hex')
    if (keccak256(bytes) !== header.recordsHash) throw new Reverted('WrongRecords')
    const deltas = decodeRecords(bytes)
    for (const [asset, sum] of sumByAsset(deltas)) {
      const declared =
        header.kind === 'supply' && asset === header.supplyAsset ? header.supplyChange : 0n
      if (sum !== declared) throw new Reverted(`Unbalanced(${asset}, ${sum})`)
    }
    for (const { account, asset, amount } of deltas)
      this.#move(state, account, asset, BigInt(amount))
    if (header.kind === 'supply') {
      bump(state.totals, header.supplyAsset, header.supplyChange)
      bump(state.supplies, header.supplyAsset, header.supplyChange)
    }
    state.head = head
    state.sequence = header.sequence
    return [logOf(VAULT, 'BatchSettled', [header.sequence], [head, header.journalHash])]
  }

  #withdraw(state: ChainState, args: readonly unknown[]): readonly Log[] {
    const [id, account, asset, amount] = args as readonly [Hex, bigint, bigint, bigint]
    if (state.paid.has(id)) throw new Reverted('AlreadyPaid')
    this.#move(state, Number(account), Number(asset), -amount)
    bump(state.totals, Number(asset), -amount)
    state.paid.add(id)
    return [logOf(VAULT, 'Withdrawn', [id, account, asset], [amount])]
  }

  #wallet(state: ChainState, call: WalletCall): readonly Log[] {
    if (call.type === 'register')
      return [logOf(INVESTORS, 'AccountRegistered', [call.account, call.wallet], [call.class, 0])]
    this.#move(state, call.account, call.asset, call.amount)
    bump(state.totals, call.asset, call.amount)
    return [logOf(VAULT, 'Deposited', [call.account, call.asset], [call.amount])]
  }

  #move(state: ChainState, account: number, asset: number, amount: bigint): void {
    const key = `${account}/${asset}`
    const after = (state.lanes.get(key) ?? 0n) + amount
    if (after < 0n) throw new Reverted(`LaneUnderflow(${key})`)
    state.lanes.set(key, after)
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

function bump(map: Map<number, bigint>, key: number, by: bigint): void {
  map.set(key, (map.get(key) ?? 0n) + by)
}

export function describeRevertOf(error: unknown): string | undefined {
  return error instanceof Reverted ? error.message : undefined
}
