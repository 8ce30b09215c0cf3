import { MAX_ATOMS } from '#kernel/money.ts'

export const SUPPLY_STATUSES = ['proposed', 'batched', 'final', 'failed'] as const
export type SupplyStatus = (typeof SUPPLY_STATUSES)[number]

/** A change of an asset's supply, positive to mint, negative to burn. */
export interface SupplyRequest {
  /** Bare UUID. */
  readonly id: string
  /** What it is for, unique: asking twice for the same is one request. */
  readonly ref: string
  /** Chain asset. */
  readonly asset: number
  readonly changeAtoms: bigint
  /** Chain account that gains or loses. */
  readonly beneficiary: number
  readonly status: SupplyStatus
  /** UUID of its settlement batch. */
  readonly batch: string | null
  readonly error: string | null
}

export interface SupplyLimits {
  /** Atoms that attestors vouch for now; null for an asset that needs no reserve. */
  readonly reserveAtoms: bigint | null
  /** Atoms; null leaves only what a ledger account can hold. */
  readonly ceilingAtoms: bigint | null
  /** Supply now, and what is proposed or on its way in the same direction, atoms with sign. */
  readonly supplyAtoms: bigint
  readonly pendingAtoms: bigint
}

export type SupplyRefusal =
  'reserve_unattested' | 'reserve_exceeded' | 'ceiling_exceeded' | 'supply_exceeded'

/**
 * Whether a change may be proposed (I9). An asset that promises reserves can only shrink while no
 * attestation vouches for more: one that is unset or stale counts as zero.
 */
export function guardSupply(limits: SupplyLimits, changeAtoms: bigint): SupplyRefusal | undefined {
  const { reserveAtoms } = limits
  const next = limits.supplyAtoms + limits.pendingAtoms + changeAtoms
  if (next < 0n) return 'supply_exceeded'
  if (changeAtoms < 0n) return undefined
  if (next > (limits.ceilingAtoms ?? MAX_ATOMS)) return 'ceiling_exceeded'
  if (reserveAtoms === null || next <= reserveAtoms) return undefined
  return reserveAtoms === 0n ? 'reserve_unattested' : 'reserve_exceeded'
}
