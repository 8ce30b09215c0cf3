import type { AccountDelta } from './netting.ts'
import { net } from './netting.ts'
import {
  assertBalanced,
  batchTxKey,
  ZERO_HASH,
  type Batch,
  type BatchHeader,
  type BatchSupply,
  type Hex,
} from './batch.ts'
import { encodeRecords } from './records.ts'
import { tradeLeaves, type TradeTransfer } from './trade-leaf.ts'

/** The hash functions, which a pure file cannot import. */
export interface Hashing {
  readonly keccak: (bytes: Uint8Array) => Hex
  readonly head: (header: BatchHeader) => Hex
}

/** Where a batch goes: behind which head, and what the ledger had seen when it was closed. */
export interface Place {
  readonly prevHead: Hex
  readonly sequence: bigint
  /** Unix seconds. */
  readonly closeTime: bigint
  /** Hash of the journal batch that ends what is covered. */
  readonly journalHash: Hex
  /** Root of what is owed to everybody, when it is time to publish it; else zero. */
  readonly liabilitiesRoot: Hex
}

export interface Composed {
  readonly batch: Omit<Batch, 'createdAtMs' | 'txHash' | 'blockNumber' | 'gasUsed' | 'error'>
  readonly deltas: readonly AccountDelta[]
}

export interface TradeRange {
  readonly firstSequence: bigint
  readonly lastSequence: bigint
  readonly transfers: readonly TradeTransfer[]
}

/** A batch that settles every internal transfer of a range. */
export function composeTrades(
  id: string,
  place: Place,
  range: TradeRange & { readonly tradesRoot: Hex },
  hashing: Hashing,
): Composed {
  const netting = net(range.transfers)
  const leaves = tradeLeaves(range.transfers)
  return compose(id, place, netting.deltas(), hashing, {
    kind: 'trade',
    firstSequence: range.firstSequence,
    lastSequence: range.lastSequence,
    trades: leaves.length,
    transfers: netting.transfers,
    tradesRoot: range.tradesRoot,
    supply: null,
  })
}

/** A batch that makes or burns one asset, into or from one account. */
export function composeSupply(
  id: string,
  place: Place,
  supply: BatchSupply,
  delta: AccountDelta,
  hashing: Hashing,
): Composed {
  return compose(id, place, [delta], hashing, { ...NO_TRADES, kind: 'supply', supply })
}

/** A batch that moves nothing and shows that settlement lives. */
export function composeHeartbeat(id: string, place: Place, hashing: Hashing): Composed {
  return compose(id, place, [], hashing, { ...NO_TRADES, kind: 'heartbeat', supply: null })
}

const NO_TRADES = {
  firstSequence: null,
  lastSequence: null,
  trades: 0,
  transfers: 0,
  tradesRoot: ZERO_HASH,
} as const

type Content = Pick<
  Batch,
  'kind' | 'firstSequence' | 'lastSequence' | 'trades' | 'transfers' | 'supply'
> & { readonly tradesRoot: Hex }

function compose(
  id: string,
  place: Place,
  deltas: readonly AccountDelta[],
  hashing: Hashing,
  content: Content,
): Composed {
  const { tradesRoot, ...facts } = content
  const { prevHead, sequence, closeTime, journalHash } = place
  const records = encodeRecords(deltas)
  const header: BatchHeader = {
    prevHead,
    sequence,
    kind: facts.kind,
    closeTime,
    supplyAsset: facts.supply?.asset ?? 0,
    supplyChange: facts.supply?.change ?? 0n,
    recordsHash: hashing.keccak(records),
    tradesRoot,
    liabilitiesRoot: place.liabilitiesRoot,
    journalHash,
  }
  assertBalanced(header, deltas)
  const head = hashing.head(header)
  const own = { id, sequence, status: 'netted', attempt: 1, deltaCount: deltas.length } as const
  return {
    batch: { ...own, ...facts, header, head, records, txKey: batchTxKey(id, 1) },
    deltas,
  }
}
