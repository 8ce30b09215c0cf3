import { assert } from '#kernel/assert.ts'
import { delta, type Delta } from '#kernel/money.ts'
import { isUserAccount } from '#ledger/account-code.ts'

/** A ledger transfer as netting sees it; accounts are ledger account ids. */
export interface NettableTransfer {
  readonly sequence: bigint
  readonly index: number
  readonly debit: bigint
  readonly credit: bigint
  readonly asset: number
  /** Atoms, positive. */
  readonly amount: bigint
}

/** What one (account, asset) gains or loses over a range, in atoms; never zero. */
export interface AccountDelta {
  readonly account: number
  readonly asset: number
  readonly amount: Delta
}

/** How much one transaction carries; a range that holds more is cut at an earlier journal batch. */
export const BATCH_LIMITS = { deltas: 2_000, words: 500, groups: 255 } as const

/** A word on chain holds three assets of one account. */
export const ASSETS_PER_GROUP = 3

const ASSET_SPAN = 65_536

/** Whether a batch settles this transfer: both sides are lanes on chain. */
export function isInternal(transfer: Pick<NettableTransfer, 'debit' | 'credit'>): boolean {
  return isUserAccount(transfer.debit) && isUserAccount(transfer.credit)
}

/** Nets internal transfers per (account, asset); boundary transfers pass through untouched. */
export class Netting {
  readonly #deltas = new Map<number, bigint>()
  readonly #lanesByWord = new Map<number, number>()
  readonly #wordsByGroup = new Map<number, number>()
  #transfers = 0

  /** Internal transfers folded in so far. */
  get transfers(): number {
    return this.#transfers
  }

  get size(): number {
    return this.#deltas.size
  }

  add(transfer: NettableTransfer): void {
    if (!isInternal(transfer)) return
    assert(transfer.amount > 0n, 'a transfer moves a positive amount')
    this.#transfers += 1
    this.#move(Number(transfer.debit), transfer.asset, -transfer.amount)
    this.#move(Number(transfer.credit), transfer.asset, transfer.amount)
  }

  /** Whether what was folded in still goes into one transaction. */
  fits(limits: {
    readonly deltas: number
    readonly words: number
    readonly groups: number
  }): boolean {
    return (
      this.#deltas.size <= limits.deltas &&
      this.#lanesByWord.size <= limits.words &&
      this.#wordsByGroup.size <= limits.groups
    )
  }

  /** The deltas, ascending by account, then asset. */
  deltas(): readonly AccountDelta[] {
    return [...this.#deltas]
      .toSorted(([a], [b]) => a - b)
      .map(([key, amount]) => ({
        account: Math.floor(key / ASSET_SPAN),
        asset: key % ASSET_SPAN,
        amount: delta(amount),
      }))
  }

  #move(account: number, asset: number, change: bigint): void {
    const key = account * ASSET_SPAN + asset
    const before = this.#deltas.get(key)
    const after = (before ?? 0n) + change
    if (after === 0n) this.#deltas.delete(key)
    else this.#deltas.set(key, after)
    if (before === undefined && after !== 0n) this.#count(account, asset, 1)
    if (before !== undefined && after === 0n) this.#count(account, asset, -1)
  }

  #count(account: number, asset: number, change: 1 | -1): void {
    const group = Math.floor(asset / ASSETS_PER_GROUP)
    const words = bump(this.#lanesByWord, account * ASSET_SPAN + group, change)
    const isNewWord = change === 1 && words === 1
    const isLostWord = change === -1 && words === 0
    if (isNewWord || isLostWord) bump(this.#wordsByGroup, group, change)
  }
}

function bump(counts: Map<number, number>, key: number, change: 1 | -1): number {
  const count = (counts.get(key) ?? 0) + change
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
  return count
}

/** Nets a whole list of transfers. */
export function net(transfers: Iterable<NettableTransfer>): Netting {
  const netting = new Netting()
  for (const transfer of transfers) netting.add(transfer)
  return netting
}

/** Σ deltas per asset; all zero for a trade batch. */
export function sumByAsset(deltas: readonly AccountDelta[]): ReadonlyMap<number, bigint> {
  const sums = new Map<number, bigint>()
  for (const { asset, amount } of deltas) sums.set(asset, (sums.get(asset) ?? 0n) + amount)
  return sums
}
