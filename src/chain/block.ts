import type { JsonObject } from '#kernel/json.ts'
import type { Hex } from './hex.ts'

export interface BlockPlace {
  readonly number: number
  readonly hash: Hex
}

export interface Header extends BlockPlace {
  readonly parentHash: Hex
  /** Unix seconds. */
  readonly timestamp: number
  /** Hashes of its transactions. */
  readonly transactions: readonly Hex[]
  /** Tells which logs it can hold; 256 bytes. */
  readonly bloom?: Hex
}

/** A log as an endpoint answers it. */
export interface RawLog {
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly logIndex: number
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
}

/** A decoded log: numbers up to 32 bits as numbers, larger ones as decimal strings, bytes as hex. */
export interface ChainEvent {
  readonly contract: string
  readonly name: string
  readonly log_index: number
  readonly tx_hash: Hex
  readonly args: Readonly<Record<string, number | string>>
}

/** A log with what it says. */
export interface IndexedLog {
  readonly raw: RawLog
  readonly event: ChainEvent
}

/** What became of a transaction of the node's own. */
export interface OwnReceipt {
  readonly hash: Hex
  readonly status: 0 | 1
  readonly gasUsed: bigint
  readonly requestKey: string
}

export interface IndexedBlock {
  readonly header: Omit<Header, 'transactions' | 'bloom'>
  readonly events: readonly ChainEvent[]
  readonly receipts: readonly OwnReceipt[]
}

/** Body of `chain.block_applied.v1` and, unchanged, of `chain.block_retracted.v1`. */
export function blockBody({ header, events, receipts }: IndexedBlock): JsonObject {
  return {
    number: header.number,
    hash: header.hash,
    parent_hash: header.parentHash,
    timestamp: header.timestamp,
    events: events.map((event) => ({ ...event })),
    receipts: receipts.map(({ hash, status, gasUsed, requestKey }) => ({
      hash,
      status,
      gas_used: gasUsed.toString(),
      request_key: requestKey,
    })),
  }
}
