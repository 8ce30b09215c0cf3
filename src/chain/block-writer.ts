import { assert } from '#kernel/assert.ts'
import type { Clock } from '#kernel/time.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import type { OutboxEvent } from '#platform/events/event.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { requireEpoch } from '#platform/leader.ts'
import type { BlockPlace } from './block.ts'
import { blockApplied, blockFinalized, blockRetracted } from './events.ts'
import {
  clearHalt,
  finalizeBlocks,
  insertBlocks,
  lockCursor,
  putCursor,
  putHalt,
  retractBlocks,
  type Cursor,
  type Halt,
  type NewBlock,
} from './store.ts'

/** What one transaction changes, in this order. */
export interface Step {
  /** Newest first. */
  readonly retract: readonly BlockPlace[]
  /** Ascending. */
  readonly apply: readonly NewBlock[]
  readonly head: BlockPlace
  readonly finalTo: number
}

export interface BlockWriterOptions {
  readonly database: Database
  readonly clock: Clock
  readonly chainId: number
  readonly chainInstance: string | null
}

/** Blocks that become final in one step, at most. */
export const FINAL_PER_STEP = 512

/**
 * Blocks, logs, receipts, cursor and messages of a step commit together, fenced by the epoch of the
 * role `watcher`, so each message is written once (I7, I8).
 */
export class BlockWriter {
  readonly #options: BlockWriterOptions

  constructor(options: BlockWriterOptions) {
    this.#options = options
  }

  /** The first cursor, unless there is one. */
  async begin(base: BlockPlace, epoch: bigint): Promise<Cursor> {
    const { database, chainId, chainInstance } = this.#options
    const { number, hash } = base
    const cursor = { chainId, chainInstance, head: { number, hash }, final: { number, hash } }
    return await inTransaction(database, async (tx) => {
      await requireEpoch(tx, 'watcher', epoch)
      const known = await lockCursor(tx)
      if (known !== undefined) return known
      await putCursor(tx, cursor)
      return cursor
    })
  }

  /** Returns the cursor after the step, which must begin where `from` says. */
  async commit(from: Cursor, epoch: bigint, step: Step): Promise<Cursor> {
    const { database, clock, chainInstance } = this.#options
    return await inTransaction(database, async (tx) => {
      await requireEpoch(tx, 'watcher', epoch)
      const locked = await lockCursor(tx)
      assert(locked?.head.hash === from.head.hash, 'the cursor belongs to the leader')
      const events = await this.#retract(tx, step.retract)
      if (step.apply.length > 0) await insertBlocks(tx, step.apply)
      const isMore = step.finalTo > from.final.number
      const finals = isMore ? await finalizeBlocks(tx, step.finalTo, FINAL_PER_STEP) : []
      events.push(...this.#news(step.apply, finals))
      const final = finals.at(-1) ?? from.final
      const next = { chainId: from.chainId, chainInstance, head: step.head, final }
      await putCursor(tx, next)
      await appendEvents(tx, events, clock.now())
      return next
    })
  }

  async halt(halt: Halt, epoch: bigint): Promise<void> {
    await inTransaction(this.#options.database, async (tx) => {
      await requireEpoch(tx, 'watcher', epoch)
      await putHalt(tx, halt)
    })
  }

  /** A version that knows more events may read what the last one could not. */
  async forgetUnreadable(epoch: bigint): Promise<void> {
    await inTransaction(this.#options.database, async (tx) => {
      await requireEpoch(tx, 'watcher', epoch)
      await clearHalt(tx, 'unreadable_log')
    })
  }

  async #retract(tx: Tx, places: readonly BlockPlace[]): Promise<OutboxEvent[]> {
    if (places.length === 0) return []
    const blocks = await retractBlocks(tx, places)
    return blocks.map((block) => blockRetracted(this.#options.chainId, block))
  }

  /** A block that becomes final as it is applied is told of at once, so that one commit does both. */
  #news(apply: readonly NewBlock[], finals: readonly BlockPlace[]): readonly OutboxEvent[] {
    const { chainId } = this.#options
    const waiting = finals.toReversed()
    const events: OutboxEvent[] = []
    const finalize = (upTo: number): void => {
      for (let last = waiting.at(-1); last && last.number <= upTo; last = waiting.at(-1)) {
        events.push(blockFinalized(chainId, last))
        waiting.pop()
      }
    }
    for (const { header, logs, receipts } of apply) {
      finalize(header.number - 1)
      const body = { header, receipts, events: logs.map(({ event }) => event) }
      events.push(blockApplied(chainId, body))
    }
    finalize(Infinity)
    return events
  }
}
