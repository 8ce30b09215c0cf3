import { bumpFees, gasLimitFor, PAYMENT_GAS, type Fees } from './gas.ts'
import { NONCE_WINDOW } from './nonce.ts'
import {
  isOver,
  isSendDue,
  stateAfter,
  type AttemptKind,
  type Sighting,
  type TransactionState,
  type Wish,
} from './tx.ts'

/** The newest bytes that were signed for a request. */
export interface AttemptView {
  readonly kind: AttemptKind
  readonly fees: Fees
  readonly gasLimit: bigint
  readonly ageMs: number
  /** Blocks since it was signed. */
  readonly blocksAgo: number
  /** Since an endpoint took it; undefined when none did. */
  readonly sentAgoMs: number | undefined
  /** Since it was last offered. */
  readonly triedAgoMs: number | undefined
  /** The endpoints want higher fees. */
  readonly isUnderpriced: boolean
  /** How often in a row the chain had the nonce in use and none of our bytes. */
  readonly externalLooks: number
}

/** What is known of one request when the manager decides on its next step. */
export interface RequestView {
  readonly state: TransactionState
  readonly wish: Wish | undefined
  /** Of the nonce that it holds; undefined without one. */
  readonly attempt: AttemptView | undefined
  readonly hasCancel: boolean
  readonly sighting: Sighting | undefined
  /** Whether the chain counts the nonce as used; undefined when nobody asked yet. */
  readonly nonceUse: NonceUse | undefined
  /** Fees cannot go up any more. */
  readonly isAtCap: boolean
}

export type NonceUse = 'free' | 'used' | 'used_final'

/** Where the request stands among those of its signer. */
export interface QueueView {
  /** Signed and unmined ones. */
  readonly unmined: number
  /** No other unmined one has a lower nonce. */
  readonly isLowest: boolean
  /** No request before it waits for a nonce. */
  readonly isNext: boolean
  /** The breaker that stands open. */
  readonly blocked: string | undefined
}

export interface SendRules {
  readonly resendMs: number
  /** Rest after bytes were offered in vain. */
  readonly retryMs: number
  readonly bumpBlocks: number
  /** Rest between two bumps where no block comes. */
  readonly bumpRestMs: number
}

export type TxStep =
  | { readonly type: 'rest' }
  | { readonly type: 'wait'; readonly reason: string }
  /** The chain says so; `isUnsent` makes the bytes due again at once. */
  | { readonly type: 'move'; readonly state: TransactionState; readonly isUnsent: boolean }
  /** Ask the chain whether the nonce is used, and decide again with `nonceUse`. */
  | { readonly type: 'ask_nonce' }
  /** Ask for fees, and decide with `priceAttempt`. */
  | { readonly type: 'price'; readonly kind: AttemptKind }
  /** Run it, ask for fees, and decide with `judgeRequest`. */
  | { readonly type: 'simulate' }
  | { readonly type: 'send' }
  | { readonly type: 'hold'; readonly reason: string }
  /** It will never run: no bytes of it can be mined any more. */
  | { readonly type: 'cancel' }
  /** Back in the queue for a nonce; one that is lost stays so. */
  | { readonly type: 'requeue' }
  /** Its nonce is free after all: the bytes go out again. */
  | { readonly type: 'return' }

/** Endpoints disagree for a moment, so that one look is none. */
const EXTERNAL_LOOKS = 3
const REST = { type: 'rest' } as const

/** What to do next for one request. */
export function nextStep(view: RequestView, queue: QueueView, rules: SendRules): TxStep {
  const state = stateAfter(view.state, view.sighting, view.hasCancel)
  if (state !== view.state) {
    return { type: 'move', state, isUnsent: view.state === 'mined' && !isOver(state) }
  }
  if (isOver(state) || view.sighting !== undefined) return REST
  if (state === 'requested') return stepOfRequested(view, queue)
  if (state === 'held') return stepOfHeld(view)
  return view.attempt === undefined ? REST : stepOfSigned(view, view.attempt, queue, rules)
}

function stepOfRequested({ wish }: RequestView, queue: QueueView): TxStep {
  if (wish === 'cancel') return { type: 'cancel' }
  if (!queue.isNext || queue.unmined >= NONCE_WINDOW) return REST
  if (queue.blocked !== undefined) return { type: 'wait', reason: queue.blocked }
  return { type: 'simulate' }
}

/** A person decides; what may still be mined is never taken for dead. */
function stepOfHeld({ wish, attempt, nonceUse }: RequestView): TxStep {
  if (wish === undefined) return REST
  const isCancel = wish === 'cancel'
  if (attempt === undefined) return { type: isCancel ? 'cancel' : 'requeue' }
  if (nonceUse === undefined) return { type: 'ask_nonce' }
  if (nonceUse === 'used') return { type: 'wait', reason: 'its nonce is used, but not for good' }
  if (nonceUse === 'used_final') return { type: isCancel ? 'cancel' : 'requeue' }
  return isCancel && attempt.kind === 'intent'
    ? { type: 'price', kind: 'cancel' }
    : { type: 'return' }
}

function stepOfSigned(
  view: RequestView,
  attempt: AttemptView,
  queue: QueueView,
  rules: SendRules,
): TxStep {
  if (attempt.externalLooks >= EXTERNAL_LOOKS) {
    return { type: 'hold', reason: 'its nonce was used by another transaction' }
  }
  if (!view.isAtCap) {
    if (view.wish === 'cancel' && attempt.kind === 'intent')
      return { type: 'price', kind: 'cancel' }
    if (isBumpDue(attempt, queue, rules)) return { type: 'price', kind: attempt.kind }
  }
  const { sentAgoMs, triedAgoMs } = attempt
  if (triedAgoMs !== undefined && triedAgoMs < rules.retryMs) return REST
  return isSendDue(view.state, sentAgoMs, rules.resendMs) ? { type: 'send' } : REST
}

/** Those behind another one wait for it, and not for higher fees. */
function isBumpDue(attempt: AttemptView, queue: QueueView, rules: SendRules): boolean {
  if (!queue.isLowest) return false
  const { isUnderpriced, sentAgoMs, blocksAgo, ageMs } = attempt
  if (isUnderpriced && (blocksAgo >= 1 || ageMs >= rules.bumpRestMs)) return true
  return sentAgoMs !== undefined && blocksAgo >= rules.bumpBlocks
}

/** What a run of the transaction on the indexed head gave. */
export type Simulation =
  | { readonly type: 'succeeded'; readonly gas: bigint }
  | { readonly type: 'reverted'; readonly reason: string }
  /** The endpoint, and not the contract, failed. */
  | { readonly type: 'unknown'; readonly reason: string }

export type Verdict =
  | { readonly type: 'sign'; readonly gasLimit: bigint; readonly fees: Fees }
  | { readonly type: 'reject'; readonly reason: string }
  | { readonly type: 'hold'; readonly reason: string }
  | { readonly type: 'wait'; readonly reason: string; readonly isTooDear: boolean }

export interface RequestFacts {
  readonly simulation: Simulation
  /** Signed and unmined ones of the same signer. */
  readonly unmined: number
  readonly gasCap: bigint | undefined
  readonly market: Fees
  readonly ceilingWei: bigint
}

/**
 * Whether a request gets a nonce. A revert counts only where nothing of the same signer is on its
 * way, since that might be what the transaction builds on.
 */
export function judgeRequest(facts: RequestFacts): Verdict {
  const { simulation, unmined, gasCap, market, ceilingWei } = facts
  if (simulation.type !== 'succeeded') {
    const { reason } = simulation
    const isOpen = simulation.type === 'unknown' || unmined > 0
    return isOpen ? { type: 'wait', reason, isTooDear: false } : { type: 'reject', reason }
  }
  const gasLimit = gasLimitFor(simulation.gas, gasCap)
  if (gasLimit === undefined) return { type: 'hold', reason: `needs ${simulation.gas} gas` }
  if (market.maxFeeWei > ceilingWei) {
    return { type: 'wait', reason: 'gas costs more than the ceiling', isTooDear: true }
  }
  return { type: 'sign', gasLimit, fees: market }
}

export type Pricing =
  | { readonly type: 'sign'; readonly gasLimit: bigint; readonly fees: Fees }
  | { readonly type: 'stay'; readonly reason: string }

/** Gas and fees of what replaces an attempt at the same nonce. */
export function priceAttempt(
  last: Pick<AttemptView, 'fees' | 'gasLimit'>,
  kind: AttemptKind,
  market: Fees,
  ceilingWei: bigint,
): Pricing {
  const fees = bumpFees(last.fees, market, ceilingWei)
  if (fees === undefined) return { type: 'stay', reason: 'its fees are at the ceiling' }
  return { type: 'sign', fees, gasLimit: kind === 'cancel' ? PAYMENT_GAS : last.gasLimit }
}
