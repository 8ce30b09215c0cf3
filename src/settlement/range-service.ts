import type { LedgerService } from '#ledger/service.ts'
import { INTERNAL_CODES } from '#ledger/transfer.ts'
import { BATCH_LIMITS } from './netting.ts'
import type { TradeRange } from './composer.ts'
import { RangeFold, type JournalEnd } from './range.ts'

/** A range with the journal batch that ends it. */
export interface ClosedRange extends TradeRange {
  readonly end: JournalEnd
}

type Journal = Pick<
  LedgerService,
  'journalHead' | 'listTransfers' | 'findBatchEnd' | 'findBatchHolding'
>

const LIMITS = { ...BATCH_LIMITS, transfers: 60_000 }
const FIRST_WINDOW = 1_024n
const LAST_WINDOW = 262_144n

/** Reads what waits for settlement: the ledger behind the covered sequence. */
export class RangeService {
  readonly #ledger: Journal
  /** No internal transfer lies in (`covered`, `clear`]; spares looking at idle stretches again. */
  #known = { covered: 0n, clear: 0n }

  constructor(ledger: Journal) {
    this.#ledger = ledger
  }

  /** The first internal transfer behind `covered`, or undefined when nothing waits. */
  async findFirstTransfer(covered: bigint): Promise<bigint | undefined> {
    const { sequence } = await this.#ledger.journalHead()
    return await this.#findFirst(covered, sequence)
  }

  async #findFirst(covered: bigint, last: bigint): Promise<bigint | undefined> {
    let from = (this.#known.covered === covered ? this.#known.clear : covered) + 1n
    for (let window = FIRST_WINDOW; from <= last; window = widen(window)) {
      const toSeq = min(from + window - 1n, last)
      const page = await this.#ledger.listTransfers({ fromSeq: from, toSeq, codes: INTERNAL_CODES })
      const first = page[0]
      if (first !== undefined) return first.sequence
      from = toSeq + 1n
      this.#known = { covered, clear: toSeq }
    }
    return undefined
  }

  /**
   * The longest range behind `covered` that one transaction carries, ending with a journal batch;
   * undefined when it holds no internal transfer. A single journal batch is never cut, so one that
   * is too large goes out whole.
   */
  async readRange(covered: bigint): Promise<ClosedRange | undefined> {
    const first = await this.findFirstTransfer(covered)
    if (first === undefined) return undefined
    const head = await this.#ledger.journalHead()
    const fold = await this.#fold(first, head.sequence)
    const end = await this.#endOf(covered, fold, head.sequence)
    if (end === undefined) return undefined
    const complete = fold.overflow !== undefined && end.lastSeq >= fold.overflow
    const transfers = complete
      ? await this.#ledger.listTransfers({
          fromSeq: first,
          toSeq: end.lastSeq,
          codes: INTERNAL_CODES,
        })
      : fold.upTo(end.lastSeq)
    return { firstSequence: covered + 1n, lastSequence: end.lastSeq, transfers, end }
  }

  /** The last journal batch behind `covered` that ends before any internal transfer. */
  async findCoverable(covered: bigint): Promise<JournalEnd | undefined> {
    // One look at the head for both: what is traded after it was looked at must not be covered.
    const { sequence } = await this.#ledger.journalHead()
    const first = await this.#findFirst(covered, sequence)
    const end = await this.#ledger.findBatchEnd(first === undefined ? sequence : first - 1n)
    return end === undefined || end.lastSeq <= covered ? undefined : end
  }

  async #fold(first: bigint, last: bigint): Promise<RangeFold> {
    const fold = new RangeFold(LIMITS)
    let from = first
    while (from <= last) {
      const toSeq = min(from + FIRST_WINDOW * 4n - 1n, last)
      const page = await this.#ledger.listTransfers({ fromSeq: from, toSeq, codes: INTERNAL_CODES })
      if (!fold.push(page)) break
      from = toSeq + 1n
    }
    fold.end()
    return fold
  }

  async #endOf(covered: bigint, fold: RangeFold, last: bigint): Promise<JournalEnd | undefined> {
    const { overflow } = fold
    const end = await this.#ledger.findBatchEnd(overflow === undefined ? last : overflow - 1n)
    if (end !== undefined && end.lastSeq > covered && fold.upTo(end.lastSeq).length > 0) return end
    return overflow === undefined ? undefined : await this.#ledger.findBatchHolding(overflow)
  }
}

function widen(window: bigint): bigint {
  return min(window * 4n, LAST_WINDOW)
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
