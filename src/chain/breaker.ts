import type { SignerRole } from './signer.ts'

/** What stops the signing of new transactions. */
export const BREAKER_NAMES = [
  'indexer_lag',
  'endpoint_disagreement',
  'signer_balance',
  'revert_rate',
  'fee_ceiling',
  'supply_mismatch',
  'beyond_finality',
  'external_nonce',
] as const

export type BreakerName = (typeof BREAKER_NAMES)[number]

/** Whom a breaker stops. */
export const BREAKER_SCOPES = ['all', 'settler', 'registrar'] as const
export type BreakerScope = (typeof BREAKER_SCOPES)[number]

export interface Breaker {
  readonly name: BreakerName
  readonly scope: BreakerScope
  readonly isOpen: boolean
  readonly reason: string | undefined
  /** Since when it is so; milliseconds since 1970. */
  readonly sinceMs: number
}

/** What a look found: a reason to open, or undefined where all is well. */
export interface Finding {
  readonly name: BreakerName
  readonly scope: BreakerScope
  readonly trouble: string | undefined
}

export interface BreakerChange {
  readonly name: BreakerName
  readonly scope: BreakerScope
  readonly isOpen: boolean
  readonly reason: string
}

/**
 * The others need a person. `supply_mismatch` is closed by the person who resumes settlement, which
 * needs a clean comparison.
 */
const PASSING: ReadonlySet<BreakerName> = new Set<BreakerName>([
  'indexer_lag',
  'endpoint_disagreement',
  'signer_balance',
  'fee_ceiling',
  'supply_mismatch',
])

/** Whether it closes by itself when its cause is gone. */
export function closesItself(name: BreakerName): boolean {
  return PASSING.has(name)
}

/** What changes after a look. What was not looked at stays as it is. */
export function judgeBreakers(
  breakers: readonly Breaker[],
  findings: readonly Finding[],
): readonly BreakerChange[] {
  return findings.flatMap(({ name, scope, trouble }): BreakerChange[] => {
    const now = breakers.find((breaker) => breaker.name === name && breaker.scope === scope)
    const isOpen = now?.isOpen ?? false
    if (trouble !== undefined && !isOpen) return [{ name, scope, isOpen: true, reason: trouble }]
    if (trouble !== undefined || !isOpen || !closesItself(name)) return []
    return [{ name, scope, isOpen: false, reason: 'the cause is gone' }]
  })
}

/** The first open breaker that concerns a signer. */
export function blockedBy(breakers: readonly Breaker[], signer: SignerRole): string | undefined {
  const found = breakers.find(
    ({ isOpen, scope }) => isOpen && (scope === 'all' || scope === signer),
  )
  return found === undefined ? undefined : `breaker ${found.name}: ${found.reason ?? ''}`
}

export interface BreakerLimits {
  /** The indexed head may be so far behind the chain's. */
  readonly lagBlocks: number
  /** And behind at all for so long. */
  readonly lagMs: number
  readonly minBalanceWei: bigint
  /** Reverts among the last `revertWindow` transactions of a signer. */
  readonly maxReverts: number
  readonly revertWindow: number
}

export const BREAKER_LIMITS: BreakerLimits = {
  lagBlocks: 50,
  lagMs: 60_000,
  minBalanceWei: 10_000_000_000_000_000n,
  maxReverts: 5,
  revertWindow: 20,
}

export function lagTrouble(
  lag: { readonly blocks: number; readonly behindMs: number },
  limits: BreakerLimits,
): string | undefined {
  const { blocks, behindMs } = lag
  if (blocks > limits.lagBlocks) return `${blocks} blocks of the chain were not read yet`
  if (blocks <= 0 || behindMs < limits.lagMs) return undefined
  return `behind the chain for ${Math.round(behindMs / 1000)} s`
}

export function balanceTrouble(balanceWei: bigint, limits: BreakerLimits): string | undefined {
  if (balanceWei >= limits.minBalanceWei) return undefined
  return `${balanceWei} wei are less than ${limits.minBalanceWei}`
}

/** `reverted` of the transactions that ended since the breaker was closed, at most a window. */
export function revertTrouble(reverted: number, limits: BreakerLimits): string | undefined {
  if (reverted < limits.maxReverts) return undefined
  return `${reverted} of the last ${limits.revertWindow} transactions reverted`
}
