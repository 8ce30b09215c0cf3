import type { JsonObject } from '#kernel/json.ts'
import type { Books, EffectContext } from './books.ts'
import type { Command, Outcome } from './command.ts'
import type { OrderStop } from './stop.ts'

/** A part of the core that a higher context brings along: it works on the same books. */
export interface Reducer {
  /** The context whose SQL function takes `takeEffects`. */
  readonly context: EffectContext
  handles(command: Command): boolean
  /** Checks everything first, then changes; a refusal changes nothing. */
  apply(books: Books, command: Command): Outcome
  /** The class of an account changed at finality. */
  accountChanged(books: Books, account: number): void
  /** Nothing of this account, or of every account, may stay open. */
  stop(books: Books, account: number | undefined, reason: OrderStop): void
  /** Rows that changed since the last call, for the context's SQL function. */
  takeEffects(): readonly JsonObject[]
  /** Lines that tell its whole state in an order of its own choosing, for the state hash. */
  stateLines(): readonly string[]
}

/** Where a reducer's rows are read from: a transaction that sees one state of the tables. */
export interface Tables {
  query<R = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<R[]>
}

/** How higher contexts bring their part of the core along. */
export interface ReducerSource {
  /** As their tables have it. */
  load(tables: Tables): Promise<readonly Reducer[]>
  /** The names that commands of the last minutes claim beside their idempotency keys. */
  recentClaims(tables: Tables): Promise<readonly string[]>
  /** As it was before the first command. */
  fresh(): readonly Reducer[]
}
