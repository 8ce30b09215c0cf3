import type { JsonObject } from '#kernel/json.ts'
import type { OutboxEvent } from '#platform/events/event.ts'
import { blockBody, type BlockPlace, type IndexedBlock } from './block.ts'

/** Stream of what the chain did, block by block. */
export const CHAIN_STREAM = 'chain.events'
/** Wakes the transaction manager; nothing is written to it. */
export const REQUEST_WAKE = 'chain.requests'

/** Body: `{number, hash, parent_hash, timestamp, events[], receipts[]}`. */
export function blockApplied(chainId: number, block: IndexedBlock): OutboxEvent {
  return chainEvent('chain.block_applied.v1', chainId, blockBody(block))
}

/** The same body as when the block was applied. */
export function blockRetracted(chainId: number, block: IndexedBlock): OutboxEvent {
  return chainEvent('chain.block_retracted.v1', chainId, blockBody(block))
}

/** Body: `{number, hash}`. */
export function blockFinalized(chainId: number, { number, hash }: BlockPlace): OutboxEvent {
  return chainEvent('chain.block_finalized.v1', chainId, { number, hash })
}

function chainEvent(type: string, chainId: number, data: JsonObject): OutboxEvent {
  return { stream: CHAIN_STREAM, type, key: chainId.toString(), data }
}
