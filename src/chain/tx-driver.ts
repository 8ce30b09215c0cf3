import { present } from '#kernel/assert.ts'
import { AppError } from '#kernel/errors.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { requireEpoch } from '#platform/leader.ts'
import type { Log } from '#platform/log.ts'
import type { CounterMetric, Metrics } from '#platform/metrics.ts'
import { insertAttempt, insertNonce, loseNonce, markSent, markUnsent } from './attempt-store.ts'
import type { BreakerBoard } from './breaker-board.ts'
import type { Deployment } from './deployment.ts'
import type { Fees } from './gas.ts'
import type { Hex } from './hex.ts'
import { NonceFinder } from './nonce-finder.ts'
import { nonceUseOf } from './nonce.ts'
import type { Signer, SignerRole } from './signer.ts'
import type { Market, TransactionEndpoint } from './tx-endpoint-adapter.ts'
import { Offers } from './tx-offer.ts'
import {
  judgeRequest,
  nextStep,
  priceAttempt,
  type NonceUse,
  type QueueView,
  type SendRules,
  type TxStep,
} from './tx-step.ts'
import { setState, type OpenRequest } from './tx-store.ts'
import { stateOfSigned, viewOf, withState, type Course, type Turn } from './tx-turn.ts'
import { isOver, type AttemptKind } from './tx.ts'

export interface TxDriverOptions {
  readonly database: Database
  readonly deployment: Deployment
  readonly signers: Readonly<Record<SignerRole, Signer>>
  readonly endpoint: TransactionEndpoint
  readonly board: BreakerBoard
  readonly rules: SendRules
  readonly ceilingWei: bigint
  readonly metrics: Metrics
  readonly log: Log
}

/** Steps of one request in one turn: it ends in far fewer. */
const MOST_STEPS = 10
const CANCELLED = 'cancelled by an operator'
/** A request may wait for so long without a word. */
const QUIET_MS = 2000
/** What the chain says needs no place among others. */
const NOWHERE: QueueView = { unmined: 0, isLowest: false, isNext: false, blocked: undefined }

/** Does for a request what `tx-step.ts` decides. Bytes are stored before anybody outside sees them. */
export class TxDriver {
  readonly #options: TxDriverOptions
  readonly #moves: CounterMetric
  readonly #nonces: NonceFinder
  readonly #offers = new Offers()

  constructor(options: TxDriverOptions) {
    const { metrics } = options
    this.#options = options
    this.#nonces = new NonceFinder(options)
    this.#moves = metrics.counter('transactions_total', 'Changes of state', ['signer', 'state'])
  }

  beginTerm(): void {
    this.#nonces.forgetAll()
    this.#offers.clear()
  }

  /** What the watcher indexed counts before anything is sent. */
  async followChain(request: OpenRequest, turn: Turn): Promise<OpenRequest> {
    const course = { request, place: () => NOWHERE, nonceUse: undefined, isAtCap: false }
    const step = this.#decide(course, turn)
    return step.type === 'move' ? await this.#move(request, step, turn) : request
  }

  /** Takes a request as far as it gets in this turn. */
  async drive(
    request: OpenRequest,
    placeOf: (request: OpenRequest) => QueueView,
    turn: Turn,
  ): Promise<OpenRequest> {
    const place = () => placeOf(course.request)
    const course: Course = { request, place, nonceUse: undefined, isAtCap: false }
    for (let steps = 0; steps < MOST_STEPS; steps += 1) {
      if (!(await this.#take(this.#decide(course, turn), course, turn))) break
    }
    return course.request
  }

  /** A nonce that somebody else seems to use: nobody signs more until further looks tell. */
  findDoubt(requests: readonly OpenRequest[], role: SignerRole): string | undefined {
    const odd = requests.find(
      ({ signer, attempt }) => signer === role && this.#offers.isDisputed(attempt?.hash),
    )
    return odd && `nonce ${odd.nonce} is used, and not by what was signed for ${odd.key}`
  }

  /** Runs work in a transaction that a former leader cannot commit. */
  async write(epoch: bigint, work: (tx: Tx) => Promise<void>): Promise<void> {
    await inTransaction(this.#options.database, async (tx) => {
      await requireEpoch(tx, 'txm', epoch)
      await work(tx)
    })
  }

  #decide(course: Course, turn: Turn): TxStep {
    const view = viewOf(course, this.#offers, turn)
    return nextStep(view, course.place(), this.#options.rules)
  }

  /** Whether to ask for the next step. */
  async #take(step: TxStep, course: Course, turn: Turn): Promise<boolean> {
    const { request } = course
    switch (step.type) {
      case 'rest':
        return false
      case 'wait':
        return wait(request, step.reason, turn)
      case 'ask_nonce':
        course.nonceUse = await this.#askNonce(request, turn)
        return course.nonceUse !== undefined
      case 'simulate':
        return await this.#judge(course, turn)
      case 'price':
        return await this.#price(course, step.kind, turn)
      case 'send':
        return await this.#send(course, turn)
      case 'move':
      case 'hold':
      case 'cancel':
      case 'requeue':
      case 'return':
        course.request = await this.#change(request, step, turn)
        return true
    }
  }

  /** The steps that change nothing but our own notes of the request. */
  async #change(
    request: OpenRequest,
    step: Extract<TxStep, { type: 'move' | 'hold' | 'cancel' | 'requeue' | 'return' }>,
    turn: Turn,
  ): Promise<OpenRequest> {
    switch (step.type) {
      case 'move':
        return await this.#move(request, step, turn)
      case 'hold':
        return await this.#holdExternal(request, step.reason, turn)
      case 'cancel':
        return await this.#release(request, 'cancelled', turn)
      case 'requeue':
        return await this.#release(request, 'requested', turn)
      case 'return':
        return await this.#return(request, turn)
    }
  }

  async #move(
    request: OpenRequest,
    step: Extract<TxStep, { type: 'move' }>,
    turn: Turn,
  ): Promise<OpenRequest> {
    const { state, isUnsent } = step
    const { sighting, attempt, id } = request
    const error =
      state === 'cancelled'
        ? CANCELLED
        : sighting?.status === 0
          ? await this.#explain(request, sighting.blockHash)
          : null
    await this.write(turn.epoch, async (tx) => {
      await setState(tx, id, state, { error, endsWish: state === 'mined' || isOver(state) })
      if (isUnsent && attempt !== undefined) await markUnsent(tx, attempt.hash)
    })
    this.#report(request, state, error)
    this.#offers.forget(request.hashes)
    return withState(request, state, isUnsent)
  }

  async #explain(request: OpenRequest, blockHash: Hex): Promise<string> {
    if (request.error !== undefined && request.state === 'mined') return request.error
    return await this.#options.endpoint.explainRevert(this.#callOf(request), blockHash)
  }

  /** Somebody else uses our key: a person has to decide what becomes of the request. */
  async #holdExternal(request: OpenRequest, why: string, turn: Turn): Promise<OpenRequest> {
    const reason = `nonce ${request.nonce}: ${why}`
    const change = { name: 'external_nonce', scope: request.signer, isOpen: true, reason } as const
    await this.write(turn.epoch, async (tx) => {
      await setState(tx, request.id, 'held', { error: reason })
      await this.#options.board.open(tx, change)
    })
    this.#options.board.report(change)
    turn.breakers = await this.#options.board.read()
    this.#nonces.forget(request.signer)
    this.#offers.forget(request.hashes)
    this.#report(request, 'held', reason)
    return { ...request, state: 'held', error: reason }
  }

  /** No bytes of it can be mined any more, or none were made. */
  async #release(
    request: OpenRequest,
    state: 'cancelled' | 'requested',
    turn: Turn,
  ): Promise<OpenRequest> {
    const error = state === 'cancelled' ? CANCELLED : null
    await this.write(turn.epoch, async (tx) => {
      await loseNonce(tx, request.id)
      await setState(tx, request.id, state, { error, endsWish: true })
    })
    this.#nonces.forget(request.signer)
    this.#report(request, state, error)
    return { ...request, state, wish: undefined, nonce: undefined, attempt: undefined }
  }

  async #return(request: OpenRequest, turn: Turn): Promise<OpenRequest> {
    const attempt = present(request.attempt, 'attempt')
    const state = attempt.kind === 'cancel' ? 'cancelling' : 'broadcast'
    await this.write(turn.epoch, async (tx) => {
      await setState(tx, request.id, state, { endsWish: true })
      await markUnsent(tx, attempt.hash)
    })
    this.#report(request, state, null)
    return { ...withState(request, state, true), wish: undefined }
  }

  async #askNonce({ signer, nonce }: OpenRequest, turn: Turn): Promise<NonceUse | undefined> {
    if (turn.cursor === undefined || nonce === undefined) return undefined
    const { address } = this.#options.signers[signer]
    return nonceUseOf(
      nonce,
      await this.#options.endpoint.readCounts(address, turn.cursor.final.number),
    )
  }

  async #judge(course: Course, turn: Turn): Promise<boolean> {
    const { request } = course
    const { cursor } = turn
    if (cursor === undefined) return wait(request, 'the chain was not read yet', turn)
    const verdict = judgeRequest({
      simulation: await this.#options.endpoint.simulate(this.#callOf(request), cursor.head.hash),
      unmined: course.place().unmined,
      gasCap: request.gasCap,
      market: (await this.#market(turn)).fees,
      ceilingWei: this.#options.ceilingWei,
    })
    if (verdict.type === 'sign') return await this.#sign(course, 'intent', verdict, turn)
    if (verdict.type === 'wait') {
      if (verdict.isTooDear) turn.feeTrouble = verdict.reason
      return wait(request, verdict.reason, turn)
    }
    const state = verdict.type === 'reject' ? 'rejected' : 'held'
    const { reason: error } = verdict
    await this.write(turn.epoch, async (tx) => {
      await setState(tx, request.id, state, { error, endsWish: true })
    })
    this.#report(request, state, error)
    course.request = { ...request, state, error }
    return true
  }

  async #price(course: Course, kind: AttemptKind, turn: Turn): Promise<boolean> {
    const { request } = course
    const last = present(request.attempt, 'attempt')
    const pricing = priceAttempt(
      last,
      kind,
      (await this.#market(turn)).fees,
      this.#options.ceilingWei,
    )
    if (pricing.type === 'sign' && (await this.#sign(course, kind, pricing, turn))) return true
    if (pricing.type === 'stay') turn.feeTrouble = `${request.key}: ${pricing.reason}`
    course.isAtCap = true
    return true
  }

  /** Stores nonce and bytes; false when the signer gives none. */
  async #sign(
    course: Course,
    kind: AttemptKind,
    terms: { readonly gasLimit: bigint; readonly fees: Fees },
    turn: Turn,
  ): Promise<boolean> {
    const { request } = course
    const { deployment, signers } = this.#options
    const signer = signers[request.signer]
    const { address } = signer
    const isNew = request.nonce === undefined
    const nonce = request.nonce ?? (await this.#nonces.find(request.signer, turn.cursor))
    if (typeof nonce === 'string') return wait(request, nonce, turn)
    const call =
      kind === 'cancel'
        ? ({ to: address, data: '0x' } as const)
        : { to: request.to, data: request.data }
    const { chainId } = deployment
    const signed = await signer.sign({ chainId, nonce, ...call, ...terms }).catch(asRefusal)
    if ('refusal' in signed) return wait(request, signed.refusal, turn)
    const signedHead = (await this.#market(turn)).head
    const state = stateOfSigned(request.state, kind)
    await this.write(turn.epoch, async (tx) => {
      const attempt = { ...signed, ...terms, request: request.id, kind, nonce, signedHead }
      if (isNew) await insertNonce(tx, { ...attempt, signer: address })
      await insertAttempt(tx, { ...attempt, signer: address })
      await setState(tx, request.id, state, { endsWish: kind === 'cancel' })
    })
    const attempt = { ...signed, ...terms, kind, signedHead, ageMs: 0, sentAgoMs: undefined }
    const { hashes } = request
    const hasCancel = request.hasCancel || kind === 'cancel'
    course.request = {
      ...request,
      state,
      nonce,
      attempt,
      hasCancel,
      hashes: [...hashes, signed.hash],
      // Its time in the queue is over; what counts from now on is how long it stays unmined.
      ageMs: isNew ? 0 : request.ageMs,
    }
    this.#report(course.request, isNew || kind === 'cancel' ? state : 'bumped', null)
    return true
  }

  async #send(course: Course, turn: Turn): Promise<boolean> {
    const { request } = course
    const { hash, raw, kind } = present(request.attempt, 'attempt')
    const { hashes, signer, id } = request
    const from = this.#options.signers[signer].address
    const nonce = present(request.nonce, 'nonce of a signed request')
    const outcome = await this.#options.endpoint.send({ raw, hashes, from, nonce })
    this.#offers.note(hash, outcome.type, performance.now())
    if (outcome.type !== 'taken') {
      const why = 'reason' in outcome ? outcome.reason : 'its nonce is used'
      turn.notes.push(`${request.key} was not taken: ${why}`)
      return false
    }
    const state = request.state === 'signed' && kind === 'intent' ? 'broadcast' : request.state
    await this.write(turn.epoch, async (tx) => {
      await markSent(tx, hash)
      if (state !== request.state) await setState(tx, id, state)
    })
    if (state !== request.state) this.#report(request, state, null)
    course.request = { ...request, state }
    return false
  }

  async #market(turn: Turn): Promise<Market> {
    turn.market ??= await this.#options.endpoint.readMarket()
    return turn.market
  }

  #callOf({ signer, to, data }: OpenRequest) {
    return { from: this.#options.signers[signer].address, to, data }
  }

  #report({ signer, key, attempt }: OpenRequest, state: string, reason: string | null): void {
    this.#moves.inc({ signer, state })
    const level = reason === null ? 'info' : 'warn'
    const event = 'transaction.moved'
    this.#options.log[level]({ event, key, state, tx_hash: attempt?.hash, reason })
  }
}

function wait({ ageMs, key }: OpenRequest, reason: string, { notes }: Turn): false {
  if (ageMs > QUIET_MS) notes.push(`${key} waits: ${reason}`)
  return false
}

/** A signer that is away or gives nonsense stops nothing but itself. */
function asRefusal(error: unknown): { readonly refusal: string } {
  if (error instanceof AppError) return { refusal: error.detail }
  throw error
}
