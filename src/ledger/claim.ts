import type { IdempotencyEntry, SubmitOptions } from './submission.ts'

/** The name that a command under an idempotency key claims. */
export function claimOfKey({
  scope,
  operation,
  key,
}: Omit<IdempotencyEntry, 'inputHash' | 'resource'>): string {
  return `key ${scope} ${operation} ${key}`
}

/** The name that an order with a client order id claims. */
export function claimOfClientOrder(account: number | bigint, clientOrderId: string): string {
  return `client ${account} ${clientOrderId}`
}

/** Every name that a command claims. */
export function claimsOf({ idempotency, claims = [] }: SubmitOptions): readonly string[] {
  return idempotency === undefined ? claims : [claimOfKey(idempotency), ...claims]
}

/** Whoever looked for an earlier command longer ago than this has to look again. */
export const CHECK_HOLDS_MS = 15_000
/** Names stay known for at least so long, which leaves room for clocks that differ. */
const REMEMBERED_MS = 60_000

/**
 * The names that accepted commands of the last minute or two claim. `Waiter` waits for the batch
 * that the first bearer of its name is in. Older repetitions are found in the tables by the sender.
 */
export class Claims<Waiter> {
  readonly #open = new Map<string, Waiter[]>()
  #durable: Set<string>
  #before = new Set<string>()
  #turnedMs: number | undefined

  /** `durable`: what the tables know of the last minutes. */
  constructor(durable: Iterable<string> = []) {
    this.#durable = new Set(durable)
  }

  /** Who waits with the first bearer of one of these names, `durable`, or undefined when all are free. */
  find(names: readonly string[]): Waiter[] | 'durable' | undefined {
    for (const name of names) {
      if (this.#durable.has(name) || this.#before.has(name)) return 'durable'
      const waiting = this.#open.get(name)
      if (waiting !== undefined) return waiting
    }
    return undefined
  }

  /** The names belong to a command of the batch that `waiting` waits for. */
  take(names: readonly string[], waiting: Waiter[]): void {
    for (const name of names) this.#open.set(name, waiting)
  }

  /** The batch of these names is durable. */
  keep(names: readonly string[], nowMs: number): void {
    this.#turnedMs ??= nowMs
    if (nowMs - this.#turnedMs >= REMEMBERED_MS) {
      this.#before = this.#durable
      this.#durable = new Set()
      this.#turnedMs = nowMs
    }
    for (const name of names) {
      this.#open.delete(name)
      this.#durable.add(name)
    }
  }
}
