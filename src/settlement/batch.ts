import { assert } from '#kernel/assert.ts'
import { sumByAsset, type AccountDelta } from './netting.ts'

export type BatchKind = 'trade' | 'supply' | 'heartbeat'

/** Numbers of the kinds in the header on chain. */
export const KIND_NUMBERS = { trade: 1, supply: 2, heartbeat: 3 } as const

export const BATCH_STATUSES = [
  'netted',
  'submitted',
  'mined',
  'final',
  'reverted',
  'abandoned',
] as const
export type BatchStatus = (typeof BATCH_STATUSES)[number]

/** 32 bytes or fewer as lower-case `0x…`. */
export type Hex = `0x${string}`

export const ZERO_HASH: Hex = `0x${'0'.repeat(64)}`

/** What a batch declares on chain; field names are those of the contract. */
export interface BatchHeader {
  readonly prevHead: Hex
  readonly sequence: bigint
  readonly kind: BatchKind
  /** Unix seconds. */
  readonly closeTime: bigint
  readonly supplyAsset: number
  /** Atoms, signed. */
  readonly supplyChange: bigint
  readonly recordsHash: Hex
  readonly tradesRoot: Hex
  readonly liabilitiesRoot: Hex
  readonly journalHash: Hex
}

export const HEADER_TYPE =
  'BatchHeader(bytes32 prevHead,uint64 sequence,uint8 kind,uint64 closeTime,uint16 supplyAsset,int64 supplyChange,bytes32 recordsHash,bytes32 tradesRoot,bytes32 liabilitiesRoot,bytes32 journalHash)'

const WORD_MODULUS = 2n ** 256n

function word(value: bigint): string {
  return ((value + WORD_MODULUS) % WORD_MODULUS).toString(16).padStart(64, '0')
}

function hash32(value: Hex): string {
  assert(/^0x[0-9a-f]{64}$/.test(value), `not 32 bytes of lower-case hex: ${value}`)
  return value.slice(2)
}

/**
 * The bytes whose Keccak-256 is the head after the batch: EIP-712 `typeHash ‖ encodeData`.
 * `typeHash` is the Keccak-256 of `HEADER_TYPE`.
 */
export function encodeHeader(typeHash: Hex, header: BatchHeader): Hex {
  return `0x${[
    hash32(typeHash),
    hash32(header.prevHead),
    word(header.sequence),
    word(BigInt(KIND_NUMBERS[header.kind])),
    word(header.closeTime),
    word(BigInt(header.supplyAsset)),
    word(header.supplyChange),
    hash32(header.recordsHash),
    hash32(header.tradesRoot),
    hash32(header.liabilitiesRoot),
    hash32(header.journalHash),
  ].join('')}`
}

/** Checks what the contract checks: a trade batch sums to zero, a supply batch to its change. */
export function assertBalanced(
  header: Pick<BatchHeader, 'kind' | 'supplyAsset' | 'supplyChange'>,
  deltas: readonly AccountDelta[],
): void {
  const sums = sumByAsset(deltas)
  for (const [asset, sum] of sums) {
    const declared =
      header.kind === 'supply' && asset === header.supplyAsset ? header.supplyChange : 0n
    assert(sum === declared, `deltas of asset ${asset} sum to ${sum}, declared ${declared}`)
  }
  if (header.kind === 'supply') {
    assert(header.supplyChange !== 0n, 'a supply batch changes the supply')
    assert(sums.has(header.supplyAsset), 'a supply batch moves its asset')
  } else {
    assert(header.supplyChange === 0n && header.supplyAsset === 0, 'no declared supply')
  }
  if (header.kind === 'heartbeat') assert(deltas.length === 0, 'a heartbeat moves nothing')
}

const NEXT: Readonly<Record<BatchStatus, readonly BatchStatus[]>> = {
  netted: ['submitted', 'mined', 'reverted', 'abandoned'],
  submitted: ['mined', 'reverted', 'abandoned'],
  mined: ['submitted', 'final'],
  final: [],
  reverted: ['netted', 'mined'],
  abandoned: [],
}

/** Whether a batch may go from one status to another. */
export function canBecome(from: BatchStatus, to: BatchStatus): boolean {
  return NEXT[from].includes(to)
}

/** What a trade shows of its batch; a reverted batch goes out again, so its trades stay netted. */
export type TradeSettlementStatus = 'unsettled' | 'netted' | 'submitted' | 'mined' | 'final'

export function tradeStatus(status: BatchStatus | undefined): TradeSettlementStatus {
  if (status === undefined || status === 'abandoned') return 'unsettled'
  return status === 'reverted' ? 'netted' : status
}

/** How many transfers one delta on chain stands for, with two places; null without deltas. */
export function nettingRatio(transfers: number, deltas: number): number | null {
  return deltas === 0 ? null : Math.round((transfers / deltas) * 100) / 100
}

/** A batch as the node keeps it. */
export interface Batch {
  /** Bare UUID. */
  readonly id: string
  readonly sequence: bigint
  readonly kind: BatchKind
  readonly status: BatchStatus
  /** Ledger sequences that it settles; null unless it settles trades. */
  readonly firstSequence: bigint | null
  readonly lastSequence: bigint | null
  readonly header: BatchHeader
  readonly head: Hex
  readonly records: Buffer
  readonly trades: number
  readonly transfers: number
  readonly deltaCount: number
  readonly supply: BatchSupply | null
  readonly attempt: number
  readonly txKey: string
  readonly txHash: string | null
  readonly blockNumber: bigint | null
  readonly gasUsed: bigint | null
  readonly error: string | null
  readonly createdAtMs: number
}

export interface BatchSupply {
  /** UUID of the supply request. */
  readonly request: string
  readonly asset: number
  /** Atoms, signed. */
  readonly change: bigint
  /** Chain account that gains or loses them. */
  readonly beneficiary: number
}

/** The idempotency key of a batch's transaction; each resumption makes a new one. */
export function batchTxKey(id: string, attempt: number): string {
  return `settle:${id}:${attempt}`
}
