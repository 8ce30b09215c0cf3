import { assert } from '#kernel/assert.ts'
import { isInternal, Netting } from './netting.ts'
import type { TradeTransfer } from './trade-leaf.ts'

/** The journal batch that ends a range. */
export interface JournalEnd {
  readonly lastSeq: bigint
  readonly hash: Buffer
  /** Unix seconds of the last block that the core had applied; 0 before the first one. */
  readonly blockTime: number
}

export interface RangeLimits {
  readonly deltas: number
  readonly words: number
  readonly groups: number
  /** Internal transfers, which bounds the time that their Merkle tree takes. */
  readonly transfers: number
}

/** Takes transfers in ledger order until a batch is full. */
export class RangeFold {
  readonly #limits: RangeLimits
  readonly #netting = new Netting()
  readonly #transfers: TradeTransfer[] = []
  #overflow: bigint | undefined

  constructor(limits: RangeLimits) {
    this.#limits = limits
  }

  /** The first sequence that no longer fits, once there is one. */
  get overflow(): bigint | undefined {
    return this.#overflow
  }

  /** The internal transfers up to and including `last`. */
  upTo(last: bigint): readonly TradeTransfer[] {
    return this.#transfers.filter(({ sequence }) => sequence <= last)
  }

  /** Takes the next transfers, ascending; false when the batch is full. */
  push(page: readonly TradeTransfer[]): boolean {
    for (const transfer of page) {
      if (this.#overflow !== undefined && transfer.sequence > this.#overflow) return false
      this.#take(transfer)
    }
    return this.#overflow === undefined
  }

  #take(transfer: TradeTransfer): void {
    if (!isInternal(transfer)) return
    const last = this.#transfers.at(-1)?.sequence ?? 0n
    assert(transfer.sequence >= last, 'transfers come in ledger order')
    // A sequence is never split, so only its end can tell whether it still fits.
    if (transfer.sequence > last && !this.#fits()) this.#overflow ??= last
    if (this.#overflow !== undefined) return
    this.#netting.add(transfer)
    this.#transfers.push(transfer)
  }

  /** Call it after the last transfer: the last sequence may be the one that is too much. */
  end(): void {
    if (!this.#fits()) this.#overflow ??= this.#transfers.at(-1)?.sequence
  }

  #fits(): boolean {
    return this.#transfers.length <= this.#limits.transfers && this.#netting.fits(this.#limits)
  }
}
