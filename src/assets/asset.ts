import { MAX_ATOMS } from '#kernel/money.ts'
import type { Instant } from '#kernel/time.ts'

export const ASSET_CLASSES = [
  'equity',
  'bond',
  'fund',
  'real_estate',
  'commodity',
  'cash',
  'other',
] as const

/** What kind of thing an asset is. */
export type AssetClass = (typeof ASSET_CLASSES)[number]

export const ASSET_STATUSES = ['draft', 'submitted', 'approved', 'tokenizing', 'active'] as const
export type AssetStatus = (typeof ASSET_STATUSES)[number]

export const RESERVES = ['none', 'attested'] as const
/** `attested`: supply needs an attested reserve. */
export type Reserve = (typeof RESERVES)[number]

/** Chain asset of the cash that markets are quoted in. */
export const CASH = 0

export interface AssetDocument {
  readonly name: string
  readonly uri: string
  /** Hex of the SHA-256 of what is at `uri`. */
  readonly sha256: string
}

export interface Asset {
  /** `ast_…` */
  readonly id: string
  /** Number on the chain and in the ledger; null before the approval. */
  readonly chainAsset: number | null
  readonly symbol: string
  readonly name: string
  readonly class: AssetClass
  readonly decimals: number
  readonly reserve: Reserve
  /** Investor classes that may hold it, ascending. */
  readonly allowedClasses: readonly number[]
  /** Most that may ever exist, in atoms; null: as much as the ledger can count. */
  readonly ceilingAtoms: bigint | null
  readonly status: AssetStatus
  /** A token of somebody else, without a supply of ours. */
  readonly external: boolean
  readonly token: string | null
  /** Account number of the issuer; null for what no user issued. */
  readonly issuer: number | null
  readonly approvedBy: number | null
  readonly createdAt: Instant
}

const NEXT = {
  submit: { from: 'draft', to: 'submitted' },
  approve: { from: 'submitted', to: 'approved' },
  tokenize: { from: 'approved', to: 'tokenizing' },
  activate: { from: 'tokenizing', to: 'active' },
  release: { from: 'tokenizing', to: 'approved' },
} as const satisfies Record<string, { from: AssetStatus; to: AssetStatus }>

export type AssetStep = keyof typeof NEXT

/** The status after a step, or undefined where the step is not allowed. */
export function statusAfter(status: AssetStatus, step: AssetStep): AssetStatus | undefined {
  const { from, to } = NEXT[step]
  return status === from ? to : undefined
}

export interface Viewer {
  readonly chainAccount: number
  readonly mayApprove: boolean
  readonly seesAll: boolean
}

/** A draft is its issuer's alone; approvers see it once it is submitted, and all once approved. */
export function isVisible(asset: Pick<Asset, 'status' | 'issuer'>, viewer: Viewer): boolean {
  if (viewer.seesAll || asset.issuer === viewer.chainAccount) return true
  if (asset.status === 'draft') return false
  return asset.status !== 'submitted' || viewer.mayApprove
}

const LAST_CLASS = 83

/** Every investor class: what an asset allows unless it says otherwise. */
export const ALL_CLASSES: readonly number[] = Array.from(
  { length: LAST_CLASS },
  (_, place) => place + 1,
)

/** Bit c is set for class c, as the registry of the chain takes it. */
export function classMask(classes: readonly number[]): bigint {
  return classes.reduce((mask, each) => mask | (1n << BigInt(each)), 0n)
}

/** What the chain is told where no ceiling is set. */
export function ceilingOf(asset: Pick<Asset, 'ceilingAtoms'>): bigint {
  return asset.ceilingAtoms ?? MAX_ATOMS
}

/** Key of a transaction that makes the token; an attempt that failed for good needs another. */
export function creationTxKey(chainAsset: number, attempt: string): string {
  return `asset:${chainAsset}:${attempt}`
}
