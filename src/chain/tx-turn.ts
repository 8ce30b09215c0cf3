import type { Breaker } from './breaker.ts'
import type { Cursor } from './store.ts'
import type { Market } from './tx-endpoint-adapter.ts'
import type { Offers } from './tx-offer.ts'
import type { NonceUse, QueueView, RequestView } from './tx-step.ts'
import type { OpenRequest } from './tx-store.ts'
import type { AttemptKind, TransactionState } from './tx.ts'

/** What one turn knows and finds out. */
export interface Turn {
  readonly epoch: bigint
  readonly cursor: Cursor | undefined
  breakers: readonly Breaker[]
  readonly notes: string[]
  market: Market | undefined
  feeTrouble: string | undefined
}

/** What came up about one request in this turn. */
export interface Course {
  request: OpenRequest
  readonly place: () => QueueView
  nonceUse: NonceUse | undefined
  isAtCap: boolean
}

/** Where a request stands once bytes of a kind are signed for it. */
export function stateOfSigned(state: TransactionState, kind: AttemptKind): TransactionState {
  if (kind === 'cancel') return 'cancelling'
  return state === 'requested' ? 'signed' : state
}

/** As the write leaves it; `isUnsent` makes its bytes due again. */
export function withState(
  request: OpenRequest,
  state: TransactionState,
  isUnsent: boolean,
): OpenRequest {
  const { attempt } = request
  if (!isUnsent || attempt === undefined) return { ...request, state }
  return { ...request, state, attempt: { ...attempt, sentAgoMs: undefined } }
}

/** What the decision is made from. */
export function viewOf(course: Course, offers: Offers, { cursor }: Turn): RequestView {
  const { request, nonceUse, isAtCap } = course
  const { state, wish, attempt, hasCancel, sighting } = request
  if (attempt === undefined) {
    return { state, wish, attempt, hasCancel, sighting, nonceUse, isAtCap }
  }
  const head = cursor?.head.number ?? 0
  const blocksAgo = head - (attempt.signedHead ?? head)
  const view = { ...attempt, blocksAgo, ...offers.find(attempt.hash, performance.now()) }
  return { state, wish, attempt: view, hasCancel, sighting, nonceUse, isAtCap }
}
