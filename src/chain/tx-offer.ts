import type { Hex } from './hex.ts'

interface Offer {
  readonly triedAtMs: number
  readonly isUnderpriced: boolean
  readonly externalLooks: number
}

/** What endpoints said to bytes that were offered to them in this term. */
export class Offers {
  readonly #offers = new Map<Hex, Offer>()

  note(hash: Hex, outcome: 'taken' | 'external' | 'underpriced' | 'refused', nowMs: number): void {
    const looks = this.#offers.get(hash)?.externalLooks ?? 0
    this.#offers.set(hash, {
      triedAtMs: nowMs,
      isUnderpriced: outcome === 'underpriced',
      externalLooks: outcome === 'external' ? looks + 1 : 0,
    })
  }

  find(
    hash: Hex,
    nowMs: number,
  ): {
    readonly triedAgoMs: number | undefined
    readonly isUnderpriced: boolean
    readonly externalLooks: number
  } {
    const offer = this.#offers.get(hash)
    if (offer === undefined)
      return { triedAgoMs: undefined, isUnderpriced: false, externalLooks: 0 }
    const { triedAtMs, isUnderpriced, externalLooks } = offer
    return { triedAgoMs: nowMs - triedAtMs, isUnderpriced, externalLooks }
  }

  /** The chain has its nonce in use, and none of our bytes. */
  isDisputed(hash: Hex | undefined): boolean {
    return hash !== undefined && (this.#offers.get(hash)?.externalLooks ?? 0) > 0
  }

  forget(hashes: readonly Hex[]): void {
    for (const hash of hashes) this.#offers.delete(hash)
  }

  clear(): void {
    this.#offers.clear()
  }
}
