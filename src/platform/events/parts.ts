/** One piece of an event that is too large for a message of its own. */
export interface Part {
  /** The same in all pieces of one event. */
  readonly id: string
  /** From 1. */
  readonly place: number
  readonly count: number
  readonly bytes: Buffer
}

const MOST_PARTS = 64
/** Events that may be incomplete at a time; one for each sender would do. */
const MOST_OPEN = 4
/** So many messages after its last piece an event is given up. */
const MOST_MESSAGES = 4096

/** Cuts text into pieces of at most `mostBytes` of UTF-8; one piece when it fits. */
export function splitText(text: string, mostBytes: number): readonly Buffer[] {
  const bytes = Buffer.from(text, 'utf8')
  const count = Math.max(1, Math.ceil(bytes.length / mostBytes))
  return Array.from({ length: count }, (_item, index) =>
    bytes.subarray(index * mostBytes, (index + 1) * mostBytes),
  )
}

/** Header form of a part's place: `2/3`. */
export function formatPlace({ place, count }: Pick<Part, 'place' | 'count'>): string {
  return `${place}/${count}`
}

/** Undefined for anything but what `formatPlace` wrote. */
export function readPlace(text: string): Pick<Part, 'place' | 'count'> | undefined {
  const match = /^(\d{1,3})\/(\d{1,3})$/.exec(text)
  const [place, count] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)]
  return place >= 1 && place <= count && count <= MOST_PARTS ? { place, count } : undefined
}

/**
 * Puts the pieces of events together again. Pieces may come twice, and those of two senders may
 * mingle: both send the same bytes of the same events, each at a place of its own.
 */
export class PartAssembly {
  /** By event; the one that grew last is the last. */
  readonly #open = new Map<string, { readonly pieces: Buffer[]; readonly grewAt: number }>()
  #messages = 0

  /** Whether pieces came of an event that is still incomplete. */
  get isPending(): boolean {
    return this.#open.size > 0
  }

  /** The whole text with its last piece; undefined for every piece before, and for strays. */
  take({ id, place, count, bytes }: Part): string | undefined {
    this.passOver()
    const pieces = this.#open.get(id)?.pieces ?? []
    if (place !== pieces.length + 1) return undefined
    this.#open.delete(id)
    pieces.push(bytes)
    if (place === count) return Buffer.concat(pieces).toString('utf8')
    this.#open.set(id, { pieces, grewAt: this.#messages })
    if (this.#open.size > MOST_OPEN) this.#forgetOldest()
    return undefined
  }

  /** Another message went by. What does not grow for long is of a sender that is gone. */
  passOver(): void {
    this.#messages += 1
    const [oldest] = this.#open.values()
    if (oldest !== undefined && this.#messages - oldest.grewAt > MOST_MESSAGES) this.#forgetOldest()
  }

  clear(): void {
    this.#open.clear()
  }

  #forgetOldest(): void {
    const [id] = this.#open.keys()
    if (id !== undefined) this.#open.delete(id)
  }
}
