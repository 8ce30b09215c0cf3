import { createHash } from 'node:crypto'
import { at, integer, rows, text, type Body } from '../body.ts'

/** One internal movement between chain accounts, in atoms. */
export interface Movement {
  readonly sequence: bigint
  readonly debit: number
  readonly credit: number
  readonly asset: number
  readonly amount: bigint
}

export interface JournalBatch {
  readonly lastSequence: bigint
  readonly hash: string
}

export interface Journal {
  readonly batches: readonly JournalBatch[]
  /** Transfers that settlement nets: trades and fees. */
  readonly movements: readonly Movement[]
  readonly faults: readonly string[]
}

const NETTED_CODES: ReadonlySet<string> = new Set(['trade_base', 'trade_quote', 'fee', 'reversal'])

/** Walks pages of `GET /v1/journal`; every hash is computed again from the stored text. */
export class JournalReader {
  readonly #batches: JournalBatch[] = []
  readonly #movements: Movement[] = []
  readonly #faults: string[] = []
  #previous: string | undefined
  #next = 1n

  add(row: Body): void {
    const [body, hash, prev] = [
      text(row, 'body'),
      bare(text(row, 'hash')),
      bare(text(row, 'prev_hash')),
    ]
    const [first, last] = [integer(row, 'first_sequence'), integer(row, 'last_sequence')]
    const place = `journal batch ${first}–${last}`
    if (this.#previous !== undefined && prev !== this.#previous)
      this.#faults.push(`${place} does not name the hash before it`)
    const computed = createHash('sha256')
      .update(Buffer.from(prev, 'hex'))
      .update(body)
      .digest('hex')
    if (computed !== hash) this.#faults.push(`${place} hashes to ${computed}, served as ${hash}`)
    if (first !== this.#next) this.#faults.push(`${place} should begin at ${this.#next}`)
    this.#previous = hash
    this.#next = last + 1n
    this.#batches.push({ lastSequence: last, hash })
    this.#read(place, first, last, JSON.parse(body))
  }

  /** Compares with `GET /v1/journal/head`, read before the pages were. */
  finish(head: Body): Journal {
    const sequence = integer(head, 'sequence')
    const found = this.#batches.find((batch) => batch.lastSequence === sequence)
    if (found?.hash !== bare(text(head, 'hash')))
      this.#faults.push(`the journal's head ${sequence} is not in the journal`)
    return { batches: this.#batches, movements: this.#movements, faults: this.#faults }
  }

  #read(place: string, first: bigint, last: bigint, body: unknown): void {
    const sequences = rows(body, 'commands').map((command) => integer(command, 'sequence'))
    const expected = last - first + 1n
    const contiguous = sequences.every((sequence, index) => sequence === first + BigInt(index))
    if (BigInt(sequences.length) !== expected || !contiguous)
      this.#faults.push(`${place} does not hold each of its sequences once`)
    for (const transfer of rows(body, 'transfers')) {
      if (!NETTED_CODES.has(text(transfer, 'code'))) continue
      this.#movements.push({
        sequence: integer(transfer, 'sequence'),
        debit: Number(text(transfer, 'debit')),
        credit: Number(text(transfer, 'credit')),
        asset: Number(at(transfer, 'asset')),
        amount: BigInt(text(transfer, 'amount')),
      })
    }
  }
}

/** Hex digits without their prefix, lower case. */
export function bare(hex: string): string {
  return hex.toLowerCase().replace(/^0x/, '')
}
