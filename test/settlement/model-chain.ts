import { createHash } from 'node:crypto'
import { Interface, TypedDataEncoder } from 'ethers'
import abi from '#chain/contracts/abi.json' with { type: 'json' }
import type { Hex } from '#chain/hex.ts'
import type { ChainReading, ManagedTransaction, TransactionRequest } from '#chain/service.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { instant } from '#kernel/time.ts'
import type { JsonObject } from '#kernel/json.ts'
import { genesisHead } from '#settlement/keccak-adapter.ts'
import { decodeRecords } from '#settlement/records.ts'

const VAULT: Hex = '0x5fbdb2315678afecb367f032d93f642f64180aa3'
const REGISTRY: Hex = '0x00000000000000000000000000000000000000aa'
const GATE: Hex = '0x00000000000000000000000000000000000000bb'
const vault = new Interface(abi.ClearingHouse)
const registry = new Interface(abi.AssetRegistry)
const gate = new Interface(abi.ReserveGate)
const HEADER =
  'tuple(bytes32 prevHead,uint64 sequence,uint8 kind,uint64 closeTime,uint16 supplyAsset,int64 supplyChange,bytes32 recordsHash,bytes32 tradesRoot,bytes32 liabilitiesRoot,bytes32 journalHash)'
const TYPEHASH_INPUT = HEADER.replace('tuple', 'BatchHeader')

/** A decoded log before it has its place in a block. */
export interface ModelEvent {
  readonly name: string
  readonly args: Readonly<Record<string, string>>
  readonly tx_hash: string
}

interface Block {
  readonly number: number
  readonly hash: string
  readonly events: readonly (ModelEvent & { contract: string; log_index: number })[]
}

/** `<account>/<asset>`, and `total/<asset>` and `supply/<asset>` beside the lanes. */
type Lanes = ReadonlyMap<string, bigint>

/**
 * The chain as settlement meets it, small enough to read: executes requested transactions against
 * naive lanes, tells the outbox of its blocks and answers calls as of any block.
 */
export class ModelChain {
  readonly #database: Database
  readonly #requests = new Map<string, { request: TransactionRequest; state: ManagedTransaction }>()
  readonly #blocks: Block[] = []
  readonly #lanesAt = new Map<string, Lanes>()
  #lanes = new Map<string, bigint>()
  readonly #reserves = new Map<number, bigint>()
  #head: string = genesisHead(31337, VAULT)
  #finalHash = ''
  #finalNumber = 0
  #unread = 0
  #paused: 'reject' | 'revert' | undefined
  #recalls = true
  #threshold = 0
  readonly #caps = new Map<number, bigint>()
  #isStalled = false
  #passed = 0
  /** Blocks ever made, so that one that replaces another has another hash. */
  #made = 0

  constructor(database: Database) {
    this.#database = database
  }

  get head(): string {
    return this.#head
  }

  async requestTransaction(_tx: Tx, request: TransactionRequest): Promise<string> {
    const state: ManagedTransaction = {
      id: `txn_${request.key}`,
      key: request.key,
      state: 'requested',
    } as ManagedTransaction
    this.#requests.set(request.key, { request, state })
    return state.id
  }

  /** The next block is that much later. */
  passTime(seconds: number): void {
    this.#passed += seconds
  }

  /** While it is stalled, blocks take none of the node's transactions. */
  stall(isStalled: boolean): void {
    this.#isStalled = isStalled
  }

  /** One that no block holds is over; nobody pays for it here. */
  async recallTransaction(_tx: Tx, key: string): Promise<void> {
    const entry = this.#requests.get(key)
    if (entry?.state.state === 'requested' || (this.#recalls && entry?.state.state === 'broadcast'))
      entry.state = { ...entry.state, state: 'cancelled' } as ManagedTransaction
  }

  /** Whether a transaction that is broadcast can still be called back. */
  recall(isPossible: boolean): void {
    this.#recalls = isPossible
  }

  async findTransaction(_db: unknown, key: string): Promise<ManagedTransaction | undefined> {
    return this.#requests.get(key)?.state
  }

  async readStates(
    _db: unknown,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, ManagedTransaction['state']>> {
    const found = keys.flatMap((key) => this.#requests.get(key)?.state ?? [])
    return new Map(found.map(({ key, state }) => [key, state]))
  }

  deployment() {
    return {
      chainId: 31337,
      deployedAt: 0,
      contracts: { ClearingHouse: VAULT, AssetRegistry: REGISTRY, ReserveGate: GATE },
    }
  }

  async call(to: string, data: string, block: unknown): Promise<never> {
    if (to === GATE) return this.#reserve(data) as never
    const demand = to === VAULT ? this.#demand(data) : undefined
    if (demand !== undefined) return demand as never
    const lanes = this.#lanesAt.get((block as { hash: string }).hash)
    if (lanes === undefined) throw new TypeError('no such block')
    return this.#answer(to, data, lanes) as never
  }

  async callMany(calls: readonly { to: string; data: string }[], block: unknown): Promise<never[]> {
    return await Promise.all(calls.map(({ to, data }) => this.call(to, data, block)))
  }

  /** How many attestations the vault wants on each batch. */
  demandAttestations(threshold: number): void {
    this.#threshold = threshold
  }

  /** What the vault lets trade batches credit of an asset per hour, atoms. */
  cap(asset: number, atoms: bigint): void {
    this.#caps.set(asset, atoms)
  }

  #demand(data: string): string | undefined {
    const call = vault.parseTransaction({ data })
    if (call?.name === 'threshold') return padded(BigInt(this.#threshold))
    if (call?.name !== 'turnoverOf') return undefined
    const cap = this.#caps.get(Number(call.args[0])) ?? 0n
    return vault.encodeFunctionResult('turnoverOf', [cap, 0n])
  }

  async reading(): Promise<ChainReading> {
    const read = 100 + this.#made
    return { newest: read + this.#unread, read, final: this.#finalNumber }
  }

  /** So many blocks of the chain are not read yet. */
  leaveUnread(blocks: number): void {
    this.#unread = blocks
  }

  /** Every later transaction is refused before its nonce, or mined and reverted; undefined ends it. */
  fail(how: 'reject' | 'revert' | undefined): void {
    this.#paused = how
  }

  /** Broadcasts what was requested, executes it in one block and makes everything before final. */
  async mine(events: readonly ModelEvent[] = []): Promise<void> {
    if (!this.#isStalled) this.broadcast()
    const settled = [...this.#requests.values()].flatMap(({ request, state }) =>
      state.state === 'broadcast' && !this.#isStalled ? this.#execute(request, state) : [],
    )
    for (const event of events) this.#move(event)
    await this.#push([...events, ...settled])
  }

  broadcast(): void {
    for (const entry of this.#requests.values()) {
      if (entry.state.state !== 'requested') continue
      const rejected = this.#paused === 'reject'
      const txHash = `0x${createHash('sha256').update(entry.request.key).digest('hex')}`
      entry.state = {
        ...entry.state,
        ...(rejected
          ? { state: 'rejected', error: 'EnforcedPause' }
          : { state: 'broadcast', hash: txHash }),
      } as ManagedTransaction
    }
  }

  /** Finalises the oldest block that is not final, and so on up to the newest. */
  async finalize(): Promise<void> {
    for (const { number, hash } of this.#blocks.splice(0)) {
      this.#finalHash = hash
      this.#finalNumber = number
      await this.#tell('chain.block_finalized.v1', { number, hash })
    }
  }

  /** Takes the newest block back; what it executed is broadcast again. */
  async retract(): Promise<void> {
    const block = this.#blocks.pop()
    if (block === undefined) throw new TypeError('nothing to retract')
    const before = this.#blocks.at(-1)?.hash ?? this.#finalHash
    this.#lanes = new Map(this.#lanesAt.get(before) ?? [])
    for (const entry of this.#requests.values()) {
      const { hash } = entry.state
      const own = block.events.find((event) => event.tx_hash === hash)
      if (own === undefined) continue
      entry.state = { ...entry.state, state: 'broadcast' } as ManagedTransaction
      if (own.name !== 'BatchSettled') continue
      const [header] = vault.decodeFunctionData('settle', entry.request.data)
      this.#head = header.prevHead
    }
    await this.#tell('chain.block_retracted.v1', { ...block, timestamp: 1 } as never)
  }

  /** What attestors say is behind an asset, in atoms. */
  vouch(asset: number, amount: bigint): void {
    this.#reserves.set(asset, amount)
  }

  /** Alters a lane behind everybody's back, in every block known so far. */
  alter(account: number, asset: number, by: bigint): void {
    for (const lanes of [this.#lanes, ...this.#lanesAt.values()]) {
      const map = lanes as Map<string, bigint>
      map.set(`${account}/${asset}`, (map.get(`${account}/${asset}`) ?? 0n) + by)
    }
  }

  #execute(request: TransactionRequest, state: ManagedTransaction): readonly ModelEvent[] {
    const entry = this.#requests.get(request.key)
    if (entry === undefined) return []
    if (this.#paused === 'revert') {
      entry.state = { ...state, state: 'reverted', error: 'EnforcedPause' } as ManagedTransaction
      return []
    }
    entry.state = { ...state, state: 'mined', gasUsed: 123_456n } as ManagedTransaction
    const hash = state.hash ?? ''
    if (request.to === REGISTRY) return [this.#create(request, hash)]
    const withdrawal = vault.parseTransaction({ data: request.data })?.name === 'withdraw'
    return [withdrawal ? this.#withdraw(request, hash) : this.#settle(request, hash)]
  }

  #settle(request: TransactionRequest, hash: string): ModelEvent {
    const [header, records] = vault.decodeFunctionData('settle', request.data)
    if (header.prevHead !== this.#head) throw new TypeError('wrong head')
    for (const { account, asset, amount } of decodeRecords(Buffer.from(records.slice(2), 'hex'))) {
      this.#add(account, asset, BigInt(amount))
    }
    if (header.kind === 2n) {
      const asset = Number(header.supplyAsset)
      this.#add('total', asset, header.supplyChange)
      this.#add('supply', asset, header.supplyChange)
    }
    this.#head = headAfter(header)
    const args = {
      sequence: String(header.sequence),
      head: this.#head,
      journalHash: header.journalHash,
    }
    return { name: 'BatchSettled', args, tx_hash: hash }
  }

  #create(request: TransactionRequest, hash: string): ModelEvent {
    const [id, , , decimals, allowedClasses] = registry.decodeFunctionData(
      'createAsset',
      request.data,
    )
    const token = `0x${BigInt(id).toString(16).padStart(40, '0')}`
    const args = {
      asset: `${id}`,
      token,
      decimals: `${decimals}`,
      allowedClasses: `${allowedClasses}`,
    }
    return { name: 'AssetCreated', args, tx_hash: hash }
  }

  #withdraw(request: TransactionRequest, hash: string): ModelEvent {
    const [id, account, asset, amount] = vault.decodeFunctionData('withdraw', request.data)
    this.#add(Number(account), Number(asset), -BigInt(amount))
    this.#add('total', Number(asset), -BigInt(amount))
    const args = { id, account: `${account}`, asset: `${asset}`, amount: `${amount}` }
    return { name: 'Withdrawn', args, tx_hash: hash }
  }

  #move({ name, args }: ModelEvent): void {
    if (name !== 'Deposited' && name !== 'ExitExecuted') return
    const amount = BigInt(args['amount'] ?? 0) * (name === 'Deposited' ? 1n : -1n)
    this.#add(Number(args['account']), Number(args['asset']), amount)
    this.#add('total', Number(args['asset']), amount)
  }

  #reserve(data: string): string {
    const [asset] = gate.decodeFunctionData('reserveOf', data)
    return padded(this.#reserves.get(Number(asset)) ?? 0n)
  }

  #add(account: number | 'total' | 'supply', asset: number, amount: bigint): void {
    const after = (this.#lanes.get(`${account}/${asset}`) ?? 0n) + amount
    if (after < 0n) throw new TypeError(`lane ${account}/${asset} below zero`)
    this.#lanes.set(`${account}/${asset}`, after)
  }

  async #push(events: readonly ModelEvent[]): Promise<void> {
    this.#made += 1
    const number = 100 + this.#made
    const hash = `0x${createHash('sha256').update(`block ${this.#made}`).digest('hex')}`
    const block = {
      number,
      hash,
      events: events.map((event, index) => ({
        ...event,
        contract: 'ClearingHouse',
        log_index: index,
      })),
    }
    this.#blocks.push(block)
    this.#lanesAt.set(hash, new Map(this.#lanes))
    await this.#tell('chain.block_applied.v1', {
      ...block,
      timestamp: 1_700_000_000 + this.#passed + number,
    } as never)
  }

  #answer(to: string, data: string, lanes: Lanes): string {
    if (to !== VAULT) return padded(lanes.get(`supply/${Number.parseInt(to.slice(-4), 16)}`) ?? 0n)
    const call = vault.parseTransaction({ data })
    if (call?.name === 'totalOf') {
      return padded(lanes.get(`total/${call.args[0]}`) ?? 0n)
    }
    const [accounts, assets] = call?.args ?? []
    const amounts = [...accounts].map(
      (account: bigint, place: number) => lanes.get(`${account}/${assets[place]}`) ?? 0n,
    )
    return vault.encodeFunctionResult('balancesOf', [amounts])
  }

  async #tell(type: string, data: JsonObject): Promise<void> {
    await inTransaction(this.#database, (tx) =>
      appendEvents(tx, [{ stream: 'chain.events', type, key: 'chain', data }], instant(1)),
    )
  }
}

function padded(value: bigint): string {
  return `0x${value.toString(16).padStart(64, '0')}`
}

function headAfter(header: unknown): string {
  const fields = TYPEHASH_INPUT.slice('BatchHeader('.length, -1)
    .split(',')
    .map((field) => {
      const [type = '', name = ''] = field.split(' ')
      return { type, name }
    })
  const values = Object.fromEntries(
    fields.map(({ name }) => [name, (header as Record<string, unknown>)[name]]),
  )
  return hashHeader(fields, values)
}

function hashHeader(fields: { type: string; name: string }[], values: object): string {
  return TypedDataEncoder.hashStruct('BatchHeader', { BatchHeader: fields }, values)
}
