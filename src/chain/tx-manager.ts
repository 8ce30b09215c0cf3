import { present } from '#kernel/assert.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { requireEpoch, type Leadership } from '#platform/leader.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { CounterMetric, GaugeMetric, Metrics } from '#platform/metrics.ts'
import { Loop } from '#platform/scheduler.ts'
import type { Deployment } from './deployment.ts'
import { chainErrors } from './errors.ts'
import { CHAIN_STREAM, REQUEST_WAKE } from './events.ts'
import { gasLimitFor } from './gas.ts'
import type { Hex } from './hex.ts'
import { NONCE_WINDOW, nextNonce } from './nonce.ts'
import type { RpcClient } from './rpc-adapter.ts'
import type { LocalSigner } from './signer-adapter.ts'
import { findCursor } from './store.ts'
import { TransactionEndpoint } from './tx-endpoint-adapter.ts'
import {
  findLastNonce,
  insertSigned,
  listOpen,
  markSent,
  markUnsent,
  setState,
  SIGNER_ROLES,
  type OpenRequest,
  type SignerRole,
} from './tx-store.ts'
import { isSendDue, judgeSimulation, stateAfter } from './tx.ts'

export interface TxManagerOptions {
  readonly database: Database
  /** Of the role `txm`. */
  readonly leadership: Leadership
  readonly rpc: RpcClient
  readonly deployment: Deployment
  readonly signers: Readonly<Record<SignerRole, LocalSigner>>
  readonly log: Log
  readonly metrics: Metrics
  readonly pollMs?: number
  /** Bytes that are not mined go out again after this time. */
  readonly resendMs?: number
  /** What is not mined after this time makes the service sick. */
  readonly patienceMs?: number
}

type Signed = OpenRequest & { readonly attempt: { readonly hash: Hex; readonly raw: Hex } }

const POLL_MS = 250
const RESEND_MS = 5000
const PATIENCE_MS = 120_000
const RETRY_MS = 2000
const OPEN_LIMIT = 200
/** A nonce counts as lost only after so many looks, since endpoints disagree for a moment. */
const EXTERNAL_LOOKS = 3

/**
 * Sends what contexts asked for, one signer's requests in order. Nonce, bytes and hash are committed
 * before anybody outside sees them, so a crash re-sends the same bytes; that something was mined is
 * told by the indexed chain alone.
 */
export class TxManager implements Service {
  readonly name = 'chain.txm'
  readonly #options: TxManagerOptions
  readonly #endpoint: TransactionEndpoint
  readonly #loop: Loop
  readonly #moves: CounterMetric
  readonly #open: GaugeMetric
  readonly #unlisten: (() => void)[] = []
  /** The chain's count of each signer when this term began. */
  readonly #chainNonces = new Map<SignerRole, number>()
  readonly #triedAtMs = new Map<Hex, number>()
  readonly #externalLooks = new Map<string, number>()
  #term: bigint | undefined
  #notes: string[] = []

  constructor(options: TxManagerOptions) {
    const { rpc, metrics, log } = options
    this.#options = options
    if (options.signers.settler.address === options.signers.registrar.address) {
      throw chainErrors.signer_missing('settler and registrar need a key each')
    }
    this.#endpoint = new TransactionEndpoint(rpc)
    this.#moves = metrics.counter('transactions_total', 'Changes of state', ['signer', 'state'])
    this.#open = metrics.gauge('transactions_open', 'Requests that are not over')
    this.#loop = new Loop({
      name: this.name,
      intervalMs: options.pollMs ?? POLL_MS,
      log,
      run: (signal) => this.#turn(signal),
    })
  }

  async start(): Promise<void> {
    const { wakes } = this.#options.database
    for (const stream of [REQUEST_WAKE, CHAIN_STREAM]) {
      this.#unlisten.push(wakes.listen(stream, () => this.#loop.wake()))
    }
    await this.#loop.start()
  }

  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten.splice(0)) unlisten()
    await this.#loop.stop()
  }

  health(): Health {
    const health = this.#loop.health()
    if (!health.ok || this.#notes.length === 0) return health
    return { ok: false, detail: this.#notes.join('; ') }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { leadership, database } = this.#options
    if (!leadership.isLeading()) return
    const epoch = leadership.epoch()
    if (epoch !== this.#term) this.#beginTerm(epoch)
    const notes: string[] = []
    const stored = await listOpen(database, SIGNER_ROLES, OPEN_LIMIT)
    const open: OpenRequest[] = []
    for (const request of stored) open.push(await this.#followChain(request, epoch))
    this.#open.set(open.length)
    for (const request of open.filter(isSigned)) {
      if (!signal.aborted) await this.#sendIfDue(request, epoch, notes)
    }
    for (const role of SIGNER_ROLES) {
      if (!signal.aborted) await this.#signNext(role, open, epoch, notes)
    }
    this.#notes = [...notes, ...open.flatMap((request) => this.#complaintsOf(request))]
  }

  #beginTerm(epoch: bigint): void {
    this.#term = epoch
    this.#chainNonces.clear()
    this.#triedAtMs.clear()
    this.#externalLooks.clear()
  }

  /** Brings the state to what the watcher indexed. */
  async #followChain(request: OpenRequest, epoch: bigint): Promise<OpenRequest> {
    const { sighting, attempt } = request
    const state = stateAfter(request.state, sighting)
    if (state === request.state) return request
    const error = sighting?.status === 0 ? await this.#explain(request, sighting.blockHash) : null
    const isRetracted = state === 'broadcast' && attempt !== undefined
    await this.#write(epoch, async (tx) => {
      await setState(tx, request.id, state, error)
      if (isRetracted) await markUnsent(tx, attempt.hash)
    })
    this.#report(request, state, error)
    if (!isRetracted) return { ...request, state }
    this.#triedAtMs.delete(attempt.hash)
    return { ...request, state, attempt: { ...attempt, sentAgoMs: undefined } }
  }

  async #explain(request: OpenRequest, blockHash: Hex): Promise<string> {
    if (request.error !== undefined) return request.error
    return await this.#endpoint.explainRevert(this.#callOf(request), blockHash)
  }

  async #sendIfDue(request: Signed, epoch: bigint, notes: string[]): Promise<void> {
    const { resendMs = RESEND_MS } = this.#options
    if (!isSendDue(request.state, request.attempt.sentAgoMs, resendMs)) return
    const triedMs = this.#triedAtMs.get(request.attempt.hash)
    if (triedMs !== undefined && performance.now() - triedMs < RETRY_MS) return
    await this.#send(request, epoch, notes)
  }

  async #send(request: Signed, epoch: bigint, notes: string[]): Promise<void> {
    const { attempt, id, signer } = request
    const { raw, hash } = attempt
    this.#triedAtMs.set(hash, performance.now())
    const from = this.#options.signers[signer].address
    const nonce = present(request.nonce, 'nonce of a signed request')
    const outcome = await this.#endpoint.send({ raw, hash, from, nonce })
    if (outcome.type === 'external') {
      await this.#holdExternal(request, nonce, epoch)
      return
    }
    this.#externalLooks.delete(id)
    if (outcome.type === 'refused') {
      notes.push(`${request.key} was not taken: ${outcome.reason}`)
      return
    }
    await this.#write(epoch, async (tx) => {
      await markSent(tx, hash)
      if (request.state === 'signed') await setState(tx, id, 'broadcast')
    })
    if (request.state === 'signed') this.#report(request, 'broadcast', null)
  }

  /** Somebody else uses our key: a person has to decide what becomes of the request. */
  async #holdExternal(request: Signed, nonce: number, epoch: bigint): Promise<void> {
    const looks = (this.#externalLooks.get(request.id) ?? 0) + 1
    this.#externalLooks.set(request.id, looks)
    if (looks < EXTERNAL_LOOKS) return
    const reason = `nonce ${nonce} was used by another transaction`
    await this.#write(epoch, async (tx) => await setState(tx, request.id, 'held', reason))
    this.#report(request, 'held', reason)
  }

  /** Signs and sends the oldest requests of a signer, as many as its window holds. */
  async #signNext(
    role: SignerRole,
    open: readonly OpenRequest[],
    epoch: bigint,
    notes: string[],
  ): Promise<void> {
    const own = open.filter(({ signer }) => signer === role)
    let unmined = own.filter(isUnmined).length
    for (const request of own.filter(({ state }) => state === 'requested')) {
      if (unmined >= NONCE_WINDOW) return
      const next = await this.#prepare(request, unmined, epoch)
      if (next === 'over') continue
      if ('wait' in next) {
        if (request.ageMs > RETRY_MS) notes.push(`${request.key} waits: ${next.wait}`)
        return
      }
      unmined += 1
      await this.#send(next, epoch, notes)
    }
  }

  /** From request to stored bytes. */
  async #prepare(
    request: OpenRequest,
    unmined: number,
    epoch: bigint,
  ): Promise<Signed | 'over' | { readonly wait: string }> {
    const cursor = await findCursor(this.#options.database)
    if (cursor === undefined) return { wait: 'the chain was not read yet' }
    const simulation = await this.#endpoint.simulate(this.#callOf(request), cursor.head.hash)
    const verdict = judgeSimulation(simulation, unmined)
    if (verdict.type === 'wait') return { wait: verdict.reason }
    if (verdict.type === 'reject')
      return await this.#end(request, 'rejected', verdict.reason, epoch)
    const gasLimit = gasLimitFor(verdict.gas, request.gasCap)
    if (gasLimit === undefined) {
      return await this.#end(request, 'held', `needs ${verdict.gas} gas`, epoch)
    }
    return await this.#sign(request, gasLimit, epoch)
  }

  async #end(
    request: OpenRequest,
    state: 'rejected' | 'held',
    reason: string,
    epoch: bigint,
  ): Promise<'over'> {
    await this.#write(epoch, async (tx) => await setState(tx, request.id, state, reason))
    this.#report(request, state, reason)
    return 'over'
  }

  async #sign(
    request: OpenRequest,
    gasLimit: bigint,
    epoch: bigint,
  ): Promise<Signed | { readonly wait: string }> {
    const { database, deployment, signers } = this.#options
    const fees = await this.#endpoint.readFees()
    if (fees === undefined) return { wait: 'gas costs more than the ceiling' }
    const signer = signers[request.signer]
    const lastGiven = await findLastNonce(database, signer.address)
    const nonce = nextNonce(await this.#chainNonce(request.signer), lastGiven)
    const { to, data } = request
    const { chainId } = deployment
    const signed = signer.sign({ chainId, nonce, to, data, gasLimit, fees })
    await this.#write(epoch, async (tx) => {
      const { address } = signer
      await insertSigned(tx, {
        ...signed,
        request: request.id,
        signer: address,
        nonce,
        gasLimit,
        fees,
      })
    })
    this.#report(request, 'signed', null)
    return { ...request, state: 'signed', nonce, attempt: { ...signed, sentAgoMs: undefined } }
  }

  async #chainNonce(role: SignerRole): Promise<number> {
    const known = this.#chainNonces.get(role)
    if (known !== undefined) return known
    const count = await this.#endpoint.readNonce(this.#options.signers[role].address)
    this.#chainNonces.set(role, count)
    return count
  }

  #callOf({ signer, to, data }: OpenRequest) {
    return { from: this.#options.signers[signer].address, to, data }
  }

  /** Every write is refused once another process leads. */
  async #write(epoch: bigint, work: (tx: Tx) => Promise<void>): Promise<void> {
    await inTransaction(this.#options.database, async (tx) => {
      await requireEpoch(tx, 'txm', epoch)
      await work(tx)
    })
  }

  #complaintsOf(request: OpenRequest): readonly string[] {
    const { patienceMs = PATIENCE_MS } = this.#options
    const { key, state, error, ageMs } = request
    if (state === 'held') return [`${key} is held: ${error ?? ''}`]
    const isLate = (state === 'signed' || state === 'broadcast') && ageMs > patienceMs
    return isLate ? [`${key} is unmined for ${Math.round(ageMs / 1000)} s`] : []
  }

  #report({ signer, key, attempt }: OpenRequest, state: string, reason: string | null): void {
    this.#moves.inc({ signer, state })
    const level = reason === null ? 'info' : 'warn'
    const event = 'transaction.moved'
    this.#options.log[level]({ event, key, state, tx_hash: attempt?.hash, reason })
  }
}

function isSigned(request: OpenRequest): request is Signed {
  return request.attempt !== undefined
}

function isUnmined({ state, attempt }: OpenRequest): boolean {
  return attempt !== undefined && state !== 'mined'
}
