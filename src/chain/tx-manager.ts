import type { Database, Tx } from '#platform/db/pool.ts'
import type { Leadership } from '#platform/leader.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { GaugeMetric, Metrics } from '#platform/metrics.ts'
import { Loop } from '#platform/scheduler.ts'
import { blockedBy, BREAKER_LIMITS, type BreakerLimits } from './breaker.ts'
import { BreakerBoard } from './breaker-board.ts'
import type { Deployment } from './deployment.ts'
import { chainErrors } from './errors.ts'
import { CHAIN_STREAM, REQUEST_WAKE } from './events.ts'
import { FEE_CEILING_WEI } from './gas.ts'
import type { RpcClient } from './rpc-adapter.ts'
import { SIGNER_ROLES, type Signer, type SignerRole } from './signer.ts'
import { findCursor } from './store.ts'
import { TxDriver } from './tx-driver.ts'
import { TransactionEndpoint } from './tx-endpoint-adapter.ts'
import { SignerQueue } from './tx-queue.ts'
import { listOpen, type OpenRequest } from './tx-store.ts'
import type { Turn } from './tx-turn.ts'

export interface TxManagerOptions {
  readonly database: Database
  /** Of the role `txm`. */
  readonly leadership: Leadership
  readonly rpc: RpcClient
  readonly deployment: Deployment
  readonly signers: Readonly<Record<SignerRole, Signer>>
  readonly log: Log
  readonly metrics: Metrics
  readonly pollMs?: number
  /** Bytes that are not mined go out again after this time. */
  readonly resendMs?: number
  /** What is not mined after this time makes the service sick. */
  readonly patienceMs?: number
  /** What is not mined after so many blocks pays more. */
  readonly bumpBlocks?: number
  /** Most that a unit of gas may cost. */
  readonly feeCeilingWei?: bigint
  readonly limits?: BreakerLimits
  /** Rest between two looks at what may stop the signing. */
  readonly breakerPollMs?: number
  /** Why ledger and chain do not agree; undefined while they do. */
  readonly findMismatch?: () => Promise<string | undefined>
}

const POLL_MS = 250
const RESEND_MS = 5000
const PATIENCE_MS = 120_000
const RETRY_MS = 2000
const BUMP_BLOCKS = 6
const BUMP_REST_MS = 15_000
const BREAKER_POLL_MS = 2000
const OPEN_LIMIT = 200
const NOTES_TOLD = 3

/**
 * Sends what contexts asked for, one signer's requests in order. Nonce, bytes and hash are committed
 * before anybody outside sees them, so a crash re-sends the same bytes; that something was mined is
 * told by the indexed chain alone.
 */
export class TxManager implements Service {
  readonly name = 'chain.txm'
  readonly #options: TxManagerOptions
  readonly #endpoint: TransactionEndpoint
  readonly #board: BreakerBoard
  readonly #driver: TxDriver
  readonly #loop: Loop
  readonly #open: GaugeMetric
  readonly #held: GaugeMetric
  readonly #unlisten: (() => void)[] = []
  #term: bigint | undefined
  #notes: string[] = []
  /** Each waits for a person, with the reason. */
  #heldNotes: string[] = []
  #blocked: string | undefined

  constructor(options: TxManagerOptions) {
    const { rpc, metrics, log, signers } = options
    this.#options = options
    if (signers.settler.address === signers.registrar.address) {
      throw chainErrors.signer_missing('settler and registrar need a key each')
    }
    this.#endpoint = new TransactionEndpoint(rpc)
    this.#board = this.#makeBoard()
    this.#driver = this.#makeDriver()
    this.#open = metrics.gauge('transactions_open', 'Requests that are not over')
    this.#held = metrics.gauge('transactions_held', 'Requests that wait for a person')
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

  /**
   * An open breaker and what is held are for operators to see and decide: the node stays ready, and
   * names them.
   */
  health(): Health {
    const health = this.#loop.health()
    if (!health.ok) return health
    if (this.#notes.length > 0) return { ok: false, detail: firstOf(this.#notes) }
    const open = [...(this.#blocked === undefined ? [] : [this.#blocked]), ...this.#heldNotes]
    return open.length === 0 ? health : { ok: true, detail: firstOf(open) }
  }

  #makeBoard(): BreakerBoard {
    const { database, rpc, signers, limits, findMismatch, breakerPollMs, metrics, log } =
      this.#options
    return new BreakerBoard({
      database,
      rpc,
      endpoint: this.#endpoint,
      addresses: { settler: signers.settler.address, registrar: signers.registrar.address },
      limits: limits ?? BREAKER_LIMITS,
      ceilingWei: this.#options.feeCeilingWei ?? FEE_CEILING_WEI,
      findMismatch,
      pollMs: breakerPollMs ?? BREAKER_POLL_MS,
      metrics,
      log,
    })
  }

  #makeDriver(): TxDriver {
    const { database, deployment, signers, metrics, log } = this.#options
    const { resendMs = RESEND_MS, bumpBlocks = BUMP_BLOCKS } = this.#options
    return new TxDriver({
      database,
      deployment,
      signers,
      endpoint: this.#endpoint,
      board: this.#board,
      rules: { resendMs, bumpBlocks, retryMs: RETRY_MS, bumpRestMs: BUMP_REST_MS },
      ceilingWei: this.#options.feeCeilingWei ?? FEE_CEILING_WEI,
      metrics,
      log,
    })
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { leadership, database } = this.#options
    if (!leadership.isLeading()) return this.#standDown()
    const epoch = leadership.epoch()
    if (epoch !== this.#term) this.#beginTerm(epoch)
    const cursor = await findCursor(database)
    await this.#check({ epoch, cursor, breakers: await this.#board.read(), feeTrouble: undefined })
    const turn: Turn = {
      epoch,
      cursor,
      breakers: await this.#board.read(),
      notes: [],
      market: undefined,
      feeTrouble: undefined,
    }
    const open: OpenRequest[] = []
    for (const role of SIGNER_ROLES) {
      for (const request of await listOpen(database, role, OPEN_LIMIT))
        open.push(await this.#driver.followChain(request, turn))
    }
    this.#open.set(open.length)
    for (const role of SIGNER_ROLES) await this.#drive(role, open, turn, signal)
    if (turn.feeTrouble !== undefined) await this.#check(turn)
    this.#notes = [...turn.notes, ...open.flatMap((request) => this.#complaintsOf(request))]
    const held = open.filter(({ state }) => state === 'held')
    this.#held.set(held.length)
    this.#heldNotes = held.map(({ key, error }) => `${key} is held: ${error ?? ''}`)
    this.#blocked = SIGNER_ROLES.map((role) => blockedBy(turn.breakers, role)).find(Boolean)
  }

  async #check(view: Pick<Turn, 'epoch' | 'cursor' | 'breakers' | 'feeTrouble'>): Promise<void> {
    const write = async (work: (tx: Tx) => Promise<void>) =>
      await this.#driver.write(view.epoch, work)
    await this.#board.check({ ...view, write })
  }

  #standDown(): void {
    this.#board.standDown()
    this.#open.set(0)
    this.#held.set(0)
    this.#notes = []
    this.#heldNotes = []
    this.#blocked = undefined
  }

  #beginTerm(epoch: bigint): void {
    this.#term = epoch
    this.#driver.beginTerm()
    this.#board.expire()
  }

  /** One signer's requests in order, each as far as it gets. */
  async #drive(
    role: SignerRole,
    open: OpenRequest[],
    turn: Turn,
    signal: AbortSignal,
  ): Promise<void> {
    const findBlock = () => blockedBy(turn.breakers, role) ?? this.#driver.findDoubt(open, role)
    const queue = new SignerQueue(open, role, findBlock)
    for (const [place, request] of open.entries()) {
      if (request.signer !== role) continue
      if (signal.aborted) return
      this.#loop.noteProgress()
      const driven = await this.#driver.drive(request, (now) => queue.placeOf(now), turn)
      open[place] = driven
      queue.pass(driven)
    }
  }

  #complaintsOf(request: OpenRequest): readonly string[] {
    const { patienceMs = PATIENCE_MS } = this.#options
    const { key, state, ageMs } = request
    const isLate = ['signed', 'broadcast', 'cancelling'].includes(state) && ageMs > patienceMs
    return isLate ? [`${key} is unmined for ${Math.round(ageMs / 1000)} s`] : []
  }
}

/** The queue of a signer that is stuck complains of the same thing many times. */
function firstOf(notes: readonly string[]): string {
  const rest = notes.length - NOTES_TOLD
  return [...notes.slice(0, NOTES_TOLD), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ')
}
