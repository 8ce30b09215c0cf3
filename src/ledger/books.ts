import { assert } from '#kernel/assert.ts'
import type { JsonObject } from '#kernel/json.ts'
import { instant, type Instant } from '#kernel/time.ts'
import { newAccount, type Account, type ListedAsset } from './account.ts'
import {
  availableOf,
  balanceKey,
  emptyBalance,
  isInt64,
  isSound,
  type Balance,
  type BalanceChange,
} from './balance.ts'
import type { TrackedBlock } from './chain-block.ts'
import { depositColumns, type DepositRow } from './deposit-row.ts'
import type { Hold, HoldKind } from './hold.ts'
import type { Transfer, TransferCode } from './transfer.ts'

/** Contexts whose rows are written in the commit of a batch, each by its own SQL function. */
export type EffectContext = 'trading' | 'payments' | 'settlement' | 'compliance' | 'assets'

export interface LedgerEvent {
  readonly type: string
  readonly [field: string]: unknown
}

/** A balance as it stands, with what `settled` changed by since the last commit. */
export interface ChangedBalance extends Balance {
  readonly settledDelta: bigint
}

/** A block with its new state; `isNew` when it was applied since the last commit. */
export interface ChangedBlock extends TrackedBlock {
  readonly isNew: boolean
}

/** Everything that changed since the last take; arrays are in order of first change. */
export interface Changes {
  readonly transfers: readonly Transfer[]
  readonly balances: readonly ChangedBalance[]
  readonly holds: readonly Hold[]
  readonly accounts: readonly Account[]
  readonly assets: readonly ListedAsset[]
  readonly blocks: readonly ChangedBlock[]
  readonly events: readonly (readonly [sequence: bigint, event: LedgerEvent])[]
  readonly effects: ReadonlyMap<EffectContext, readonly JsonObject[]>
  /** Set when it changed. */
  readonly isExitMode?: boolean
}

/** What the tables say at a start. */
export interface BooksState {
  readonly balances: readonly Balance[]
  readonly holds: readonly Hold[]
  readonly accounts: readonly Account[]
  readonly assets: readonly ListedAsset[]
  readonly blocks: readonly TrackedBlock[]
  readonly finalBlock: BlockPlace | undefined
  /** Settlement has ended for good; false when absent. */
  readonly isExitMode?: boolean
}

export interface BlockPlace {
  readonly number: number
  readonly hash: string
  /** Unix seconds. */
  readonly time: number
}

/** The double-entry books in memory. Reducers check first; a broken rule here is a bug. */
export class Books {
  readonly #balances = new Map<number, Balance>()
  readonly #holds = new Map<string, Hold>()
  /** Those that are not of orders, which are few. */
  readonly #boundaryHolds = new Map<string, Hold>()
  readonly #accounts = new Map<number, Account>()
  readonly #assets = new Map<number, ListedAsset>()
  /** Blocks that are applied and not final, oldest first. */
  #blocks: TrackedBlock[] = []
  #finalBlock: BlockPlace | undefined
  #isExitMode = false
  #sequence = 0n
  #at = instant(0)
  #transferIndex = 0

  #transfers: Transfer[] = []
  #events: [bigint, LedgerEvent][] = []
  #effects = new Map<EffectContext, JsonObject[]>()
  readonly #deposits = new Map<string, DepositRow>()
  readonly #dirtyBalances = new Set<number>()
  /** What `settled` changed by; the table adds it, so that a figure altered there stays visible. */
  readonly #settledDeltas = new Map<number, bigint>()
  readonly #dirtyHolds = new Map<string, Hold>()
  /** Holds of this batch that no table has seen: released ones among them need no row. */
  readonly #freshHolds = new Set<string>()
  readonly #dirtyAccounts = new Set<number>()
  readonly #dirtyAssets = new Set<number>()
  readonly #dirtyBlocks = new Map<string, ChangedBlock>()
  #isExitModeDirty = false

  load(state: BooksState): void {
    for (const balance of state.balances)
      this.#balances.set(balanceKey(balance.account, balance.asset), balance)
    for (const hold of state.holds) this.#keepHold(hold)
    for (const account of state.accounts) this.#accounts.set(account.account, account)
    for (const asset of state.assets) this.#assets.set(asset.asset, asset)
    this.#blocks = state.blocks.toSorted((a, b) => a.number - b.number)
    this.#finalBlock = state.finalBlock
    this.#isExitMode = state.isExitMode ?? false
  }

  /** Starts a command: everything until the next call carries this sequence and time. */
  begin(sequence: bigint, at: Instant): void {
    this.#sequence = sequence
    this.#at = at
    this.#transferIndex = 0
  }

  get sequence(): bigint {
    return this.#sequence
  }

  get at(): Instant {
    return this.#at
  }

  /** The last applied block, retracted ones taken back. */
  get headBlock(): BlockPlace | undefined {
    return this.#blocks.at(-1) ?? this.#finalBlock
  }

  get pendingBlocks(): readonly TrackedBlock[] {
    return this.#blocks
  }

  get isExitMode(): boolean {
    return this.#isExitMode
  }

  setExitMode(isExitMode: boolean): void {
    this.#isExitMode = isExitMode
    this.#isExitModeDirty = true
  }

  /** Every balance of a user or system account, ascending by account, then asset. */
  listBalances(): readonly Balance[] {
    return [...this.#balances].toSorted(([a], [b]) => a - b).map(([, balance]) => balance)
  }

  /** Open holds of one kind, in the order in which they were placed; never of orders. */
  listHolds(kind: Exclude<HoldKind, 'order'>): readonly Hold[] {
    return [...this.#boundaryHolds.values()]
      .filter((hold) => hold.kind === kind)
      .toSorted((a, b) => Number(a.sequence - b.sequence) || (a.id < b.id ? -1 : 1))
  }

  balance(account: bigint, asset: number): Balance {
    return this.#balances.get(balanceKey(account, asset)) ?? emptyBalance(account, asset)
  }

  available(account: bigint, asset: number): bigint {
    return availableOf(this.balance(account, asset))
  }

  findAccount(account: number): Account | undefined {
    return this.#accounts.get(account)
  }

  findAsset(asset: number): ListedAsset | undefined {
    return this.#assets.get(asset)
  }

  findHold(id: string): Hold | undefined {
    return this.#holds.get(id)
  }

  /** Whether a transfer would leave both balances sound. */
  canTransfer(debit: bigint, credit: bigint, asset: number, amount: bigint): boolean {
    const from = this.balance(debit, asset)
    const to = this.balance(credit, asset)
    return (
      isSound({ ...from, posted: from.posted - amount }) &&
      isSound({ ...to, posted: to.posted + amount })
    )
  }

  /** Whether the settled figure stays an int64. */
  canSettle(account: bigint, asset: number, delta: bigint): boolean {
    return isInt64(this.balance(account, asset).settled + delta)
  }

  transfer(
    debit: bigint,
    credit: bigint,
    asset: number,
    amount: bigint,
    code: TransferCode,
    ref: string | null = null,
  ): void {
    assert(amount > 0n && debit !== credit, `not a transfer: ${debit} → ${credit} ${amount}`)
    const index = this.#transferIndex++
    this.#transfers.push({
      sequence: this.#sequence,
      index,
      debit,
      credit,
      asset,
      amount,
      code,
      ref,
    })
    this.#change(debit, asset, { posted: this.balance(debit, asset).posted - amount })
    this.#change(credit, asset, { posted: this.balance(credit, asset).posted + amount })
  }

  placeHold(id: string, account: bigint, asset: number, amount: bigint, kind: HoldKind): void {
    assert(amount > 0n && !this.#holds.has(id), `hold ${id} of ${amount}`)
    // One that was released in this commit has a row, which must learn how it ends.
    if (!this.#dirtyHolds.has(id)) this.#freshHolds.add(id)
    this.#writeHold({ id, account, asset, amount: 0n, kind, sequence: this.#sequence }, amount)
  }

  /** Sets what is left of a hold; 0 releases it. */
  setHold(id: string, amount: bigint): void {
    const hold = this.#holds.get(id)
    assert(hold !== undefined && amount >= 0n, `no hold ${id}`)
    if (hold.amount !== amount) this.#writeHold(hold, amount)
  }

  addIncoming(account: bigint, asset: number, delta: bigint): void {
    this.#change(account, asset, { incoming: this.balance(account, asset).incoming + delta })
  }

  addSettled(account: bigint, asset: number, delta: bigint): void {
    const key = balanceKey(account, asset)
    this.#settledDeltas.set(key, (this.#settledDeltas.get(key) ?? 0n) + delta)
    this.#change(account, asset, { settled: this.balance(account, asset).settled + delta })
  }

  setAccount(account: Account): void {
    this.#accounts.set(account.account, account)
    this.#dirtyAccounts.add(account.account)
  }

  /** The account, opened on the way when the chain knows it before the ledger does. */
  ensureAccount(account: number): Account {
    const found = this.#accounts.get(account)
    if (found !== undefined) return found
    const opened = newAccount(account)
    this.setAccount(opened)
    return opened
  }

  setAsset(asset: ListedAsset): void {
    this.#assets.set(asset.asset, asset)
    this.#dirtyAssets.add(asset.asset)
  }

  pushBlock(block: TrackedBlock): void {
    this.#blocks.push(block)
    this.#dirtyBlocks.set(block.hash, { ...block, isNew: true })
  }

  /** Takes the newest block back. */
  popBlock(): void {
    const block = this.#blocks.pop()
    assert(block !== undefined, 'no block to retract')
    this.#noteBlock({ ...block, state: 'retracted' })
  }

  /** The oldest block is final. */
  shiftBlock(): void {
    const block = this.#blocks.shift()
    assert(block !== undefined, 'no block to finalize')
    this.#finalBlock = { number: block.number, hash: block.hash, time: block.time }
    this.#noteBlock({ ...block, state: 'final' })
  }

  emit(event: LedgerEvent): void {
    this.#events.push([this.#sequence, event])
  }

  effect(context: EffectContext, effect: JsonObject): void {
    const list = this.#effects.get(context)
    if (list === undefined) this.#effects.set(context, [effect])
    else list.push(effect)
  }

  /** What holds of a deposit from now on, in place of what this commit said of it before. */
  noteDeposit(row: DepositRow): void {
    this.#deposits.set(row.ref, row)
  }

  /** All that changed since the last call; forgets it. */
  takeChanges(): Changes {
    const holds = [...this.#dirtyHolds.values()].filter(
      (hold) => hold.amount > 0n || !this.#freshHolds.has(hold.id),
    )
    if (this.#deposits.size > 0)
      this.effect('payments', depositColumns([...this.#deposits.values()]))
    const changes: Changes = {
      transfers: this.#transfers,
      balances: pick(this.#dirtyBalances, this.#balances).map((balance) => ({
        ...balance,
        settledDelta: this.#settledDeltas.get(balanceKey(balance.account, balance.asset)) ?? 0n,
      })),
      holds,
      accounts: pick(this.#dirtyAccounts, this.#accounts),
      assets: pick(this.#dirtyAssets, this.#assets),
      blocks: [...this.#dirtyBlocks.values()],
      events: this.#events,
      effects: this.#effects,
      ...(this.#isExitModeDirty && { isExitMode: this.#isExitMode }),
    }
    this.#isExitModeDirty = false
    this.#transfers = []
    this.#events = []
    this.#effects = new Map()
    for (const dirty of [
      this.#dirtyBalances,
      this.#settledDeltas,
      this.#dirtyHolds,
      this.#freshHolds,
      this.#dirtyAccounts,
      this.#dirtyAssets,
      this.#dirtyBlocks,
      this.#deposits,
    ])
      dirty.clear()
    return changes
  }

  /** Everything that counts, for the state hash and for tests. */
  state(): BooksState {
    return {
      balances: [...this.#balances.values()],
      holds: [...this.#holds.values()],
      accounts: [...this.#accounts.values()],
      assets: [...this.#assets.values()],
      blocks: this.#blocks,
      finalBlock: this.#finalBlock,
      isExitMode: this.#isExitMode,
    }
  }

  #noteBlock(block: TrackedBlock): void {
    const isNew = this.#dirtyBlocks.get(block.hash)?.isNew === true
    this.#dirtyBlocks.set(block.hash, { ...block, isNew })
  }

  #writeHold(hold: Hold, amount: bigint): void {
    const next = { ...hold, amount }
    const { held } = this.balance(hold.account, hold.asset)
    this.#change(hold.account, hold.asset, { held: held + amount - hold.amount })
    this.#dirtyHolds.set(hold.id, next)
    this.#keepHold(next)
  }

  #keepHold(hold: Hold): void {
    keep(this.#holds, hold)
    if (hold.kind !== 'order') keep(this.#boundaryHolds, hold)
  }

  #change(account: bigint, asset: number, change: BalanceChange): void {
    const key = balanceKey(account, asset)
    const before = this.#balances.get(key) ?? emptyBalance(account, asset)
    const after: Balance = {
      ...before,
      ...change,
      version: before.version + 1,
      lastSequence: this.#sequence,
    }
    assert(isSound(after), `unsound balance of ${account} in ${asset}`)
    this.#balances.set(key, after)
    this.#dirtyBalances.add(key)
  }
}

/** A hold of nothing is none. */
function keep(holds: Map<string, Hold>, hold: Hold): void {
  if (hold.amount === 0n) holds.delete(hold.id)
  else holds.set(hold.id, hold)
}

function pick<K, V>(keys: ReadonlySet<K>, values: ReadonlyMap<K, V>): readonly V[] {
  return [...keys].flatMap((key) => {
    const value = values.get(key)
    return value === undefined ? [] : [value]
  })
}
