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
}

/** What the tables say at a start. */
export interface BooksState {
  readonly balances: readonly Balance[]
  readonly holds: readonly Hold[]
  readonly accounts: readonly Account[]
  readonly assets: readonly ListedAsset[]
  readonly blocks: readonly TrackedBlock[]
  readonly finalBlock: BlockPlace | undefined
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
  readonly #accounts = new Map<number, Account>()
  readonly #assets = new Map<number, ListedAsset>()
  /** Blocks that are applied and not final, oldest first. */
  #blocks: TrackedBlock[] = []
  #finalBlock: BlockPlace | undefined
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

  load(state: BooksState): void {
    for (const balance of state.balances)
      this.#balances.set(balanceKey(balance.account, balance.asset), balance)
    for (const hold of state.holds) this.#holds.set(hold.id, hold)
    for (const account of state.accounts) this.#accounts.set(account.account, account)
    for (const asset of state.assets) this.#assets.set(asset.asset, asset)
    this.#blocks = state.blocks.toSorted((a, b) => a.number - b.number)
    this.#finalBlock = state.finalBlock
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
    this.#freshHolds.add(id)
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
    }
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
    if (amount === 0n) this.#holds.delete(hold.id)
    else this.#holds.set(hold.id, next)
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

function pick<K, V>(keys: ReadonlySet<K>, values: ReadonlyMap<K, V>): readonly V[] {
  return [...keys].flatMap((key) => {
    const value = values.get(key)
    return value === undefined ? [] : [value]
  })
}
