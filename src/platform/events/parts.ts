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
 * Puts the pieces of an event together again. Pieces may come twice, and those of two senders of
 * the same event may mingle, since both send the same bytes.
 */
export class PartAssembly {
  #id: string | undefined
  #pieces: Buffer[] = []

  /** Whether the last pieces that came are still incomplete. */
  get isPending(): boolean {
    return this.#pieces.length > 0
  }

  /** The whole text with its last piece; undefined for every piece before, and for strays. */
  take({ id, place, count, bytes }: Part): string | undefined {
    if (id !== this.#id) this.clear()
    if (place !== this.#pieces.length + 1) return undefined
    this.#id = id
    this.#pieces.push(bytes)
    if (place < count) return undefined
    const text = Buffer.concat(this.#pieces).toString('utf8')
    this.clear()
    return text
  }

  clear(): void {
    this.#id = undefined
    this.#pieces = []
  }
}
