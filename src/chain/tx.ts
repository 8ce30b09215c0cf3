/**
 * `held` waits for a person; `rejected` never spent a nonce; `cancelling` has a payment to oneself
 * on its way that takes its nonce; `final`, `reverted` and `cancelled` are for ever.
 */
export const TRANSACTION_STATES = [
  'requested',
  'signed',
  'broadcast',
  'mined',
  'final',
  'reverted',
  'rejected',
  'held',
  'cancelling',
  'cancelled',
] as const

export type TransactionState = (typeof TRANSACTION_STATES)[number]

/** What an operator may want of a transaction. */
export const WISHES = ['cancel', 'resume'] as const
export type Wish = (typeof WISHES)[number]

/** Attempts of one nonce exclude one another; a `cancel` pays nothing to the signer itself. */
export type AttemptKind = 'intent' | 'cancel'

/** A receipt of one of the attempts in a block of the chain as the watcher knows it. */
export interface Sighting {
  readonly kind: AttemptKind
  readonly status: 0 | 1
  readonly isFinal: boolean
}

export function isOver(state: TransactionState): boolean {
  return ['final', 'reverted', 'rejected', 'cancelled'].includes(state)
}

/**
 * The state that the indexed chain calls for. It alone tells that something was mined, or no longer
 * is: a transaction whose block was retracted goes out again.
 */
export function stateAfter(
  state: TransactionState,
  sighting: Sighting | undefined,
  hasCancel = false,
): TransactionState {
  if (state === 'requested' || isOver(state)) return state
  if (sighting === undefined) {
    if (state !== 'mined') return state
    return hasCancel ? 'cancelling' : 'broadcast'
  }
  if (sighting.kind === 'cancel') return sighting.isFinal ? 'cancelled' : 'cancelling'
  if (!sighting.isFinal) return 'mined'
  return sighting.status === 1 ? 'final' : 'reverted'
}

/** Whether signed bytes are due to be sent, again or for the first time. */
export function isSendDue(
  state: TransactionState,
  sentAgoMs: number | undefined,
  resendMs: number,
): boolean {
  if (state !== 'signed' && state !== 'broadcast' && state !== 'cancelling') return false
  return sentAgoMs === undefined || sentAgoMs >= resendMs
}

/** Whether an operator may still want this of a transaction. */
export function isWishAllowed(state: TransactionState, wish: Wish): boolean {
  if (wish === 'resume') return state === 'held'
  return ['requested', 'signed', 'broadcast', 'held', 'cancelling'].includes(state)
}
