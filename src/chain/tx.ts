/** `held` waits for a person; `rejected` never spent a nonce; `final` and `reverted` are for ever. */
export const TRANSACTION_STATES = [
  'requested',
  'signed',
  'broadcast',
  'mined',
  'final',
  'reverted',
  'rejected',
  'held',
] as const

export type TransactionState = (typeof TRANSACTION_STATES)[number]

/** A receipt in a block of the chain as the watcher knows it. */
export interface Sighting {
  readonly status: 0 | 1
  readonly isFinal: boolean
}

/**
 * The state that the indexed chain calls for. It alone tells that something was mined, or no longer
 * is: a transaction whose block was retracted goes out again.
 */
export function stateAfter(
  state: TransactionState,
  sighting: Sighting | undefined,
): TransactionState {
  if (state === 'requested' || state === 'rejected') return state
  if (state === 'final' || state === 'reverted') return state
  if (sighting === undefined) return state === 'mined' ? 'broadcast' : state
  if (!sighting.isFinal) return 'mined'
  return sighting.status === 1 ? 'final' : 'reverted'
}

/** Whether signed bytes are due to be sent, again or for the first time. */
export function isSendDue(
  state: TransactionState,
  sentAgoMs: number | undefined,
  resendMs: number,
): boolean {
  if (state !== 'signed' && state !== 'broadcast') return false
  return sentAgoMs === undefined || sentAgoMs >= resendMs
}

/** What a run of the transaction on the indexed head gave. */
export type Simulation =
  | { readonly type: 'succeeded'; readonly gas: bigint }
  | { readonly type: 'reverted'; readonly reason: string }
  /** The endpoint, and not the contract, failed. */
  | { readonly type: 'unknown'; readonly reason: string }

export type Verdict =
  | { readonly type: 'sign'; readonly gas: bigint }
  | { readonly type: 'reject'; readonly reason: string }
  | { readonly type: 'wait'; readonly reason: string }

/**
 * A revert counts only where nothing of the same signer is on its way, since that might be what the
 * transaction builds on.
 */
export function judgeSimulation(simulation: Simulation, unminedBefore: number): Verdict {
  if (simulation.type === 'succeeded') return { type: 'sign', gas: simulation.gas }
  const { reason } = simulation
  if (simulation.type === 'unknown' || unminedBefore > 0) return { type: 'wait', reason }
  return { type: 'reject', reason }
}
