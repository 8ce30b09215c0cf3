import type { ChainService, ManagedTransaction } from '#chain/service.ts'
import { AppError } from '#kernel/errors.ts'
import type { Clock, Instant } from '#kernel/time.ts'
import type { PaymentsService } from '#payments/service.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { platformErrors } from '#platform/errors.ts'
import type { EpochGuard, Leadership } from '#platform/leader.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { GaugeMetric, Metrics } from '#platform/metrics.ts'
import { Loop } from '#platform/scheduler.ts'
import type { SupplyService } from '#supply/service.ts'
import type { SupplyRequest } from '#supply/supply-request.ts'
import type { Batch } from './batch.ts'
import * as closings from './closing-store.ts'
import { nextStep, type CycleStep, type CycleView, type TransactionProgress } from './cycle.ts'
import { settlementErrors } from './errors.ts'
import type { MirrorService } from './mirror-service.ts'
import type { JournalEnd } from './range.ts'
import type { RangeService } from './range-service.ts'
import type { SettlementService } from './service.ts'
import * as store from './store.ts'
import { describeCaps, describeThreshold, type VaultService } from './vault-service.ts'

export interface SettlerOptions {
  readonly database: Database
  /** Of the role `settler`. */
  readonly leadership: Leadership
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly chain: Pick<ChainService, 'findTransaction'>
  readonly payments: PaymentsService
  readonly supply: SupplyService
  readonly settlement: SettlementService
  readonly mirror: MirrorService
  readonly vault: VaultService
  readonly ranges: RangeService
  /** Rest between two batches; 0 nets on demand only. */
  readonly settlementIntervalMs: number
  readonly isListed: (chainAsset: number) => Promise<boolean>
}

const TURN_MS = 200
const CLOSED: EpochGuard = () => Promise.reject(platformErrors.fenced())
const HEARTBEAT_MS = 86_400_000
const MIRROR_MS = 60_000
const STEPS_PER_TURN = 20
const ENDED = 'settlement has ended for good'

/** What each state of a managed transaction means for its batch. */
const PROGRESS: Readonly<Record<ManagedTransaction['state'], TransactionProgress>> = {
  requested: 'waiting',
  held: 'waiting',
  signed: 'waiting',
  broadcast: 'sent',
  mined: 'sent',
  final: 'sent',
  rejected: 'refused',
  cancelling: 'sent',
  cancelled: 'refused',
  reverted: 'reverted',
}

interface Progress {
  readonly progress: TransactionProgress
  readonly error: string | null
  readonly txHash: string | undefined
}

/** What the settler found, with the things that the chosen step needs. */
interface Sighting {
  readonly view: CycleView
  readonly open: Batch | undefined
  readonly error: string | null
  readonly txHash: string | undefined
  readonly coverable: JournalEnd | undefined
  readonly request: SupplyRequest | undefined
}

/** Carries batches from the ledger to finality; `cycle.ts` decides, this does. */
export class Settler implements Service {
  readonly name = 'settler'
  readonly #options: SettlerOptions
  readonly #loop: Loop
  readonly #halted: GaugeMetric
  readonly #capped: GaugeMetric
  #lastNetAt: Instant | undefined
  #lastMirrorAt: Instant | undefined
  #trouble: string | undefined
  /** Why no batch of this node can settle, whatever it holds. */
  #obstacle: string | undefined
  #warning: string | undefined
  /** Of the turn: what it saw under one epoch is not written under another. */
  #guard = CLOSED

  constructor(options: SettlerOptions) {
    this.#options = options
    this.#halted = options.metrics.gauge('settlement_halted', '1 while settlement is halted')
    this.#capped = options.metrics.gauge(
      'settlement_capped_assets',
      'Assets whose turnover the vault caps, which this node does not heed',
    )
    this.#loop = new Loop({
      name: this.name,
      intervalMs: TURN_MS,
      run: (signal) => this.turn(signal),
      log: options.log,
    })
  }

  async start(): Promise<void> {
    await this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /** A halt is for operators to see; the node stays ready, since trading goes on. */
  health(): Health {
    const health = this.#loop.health()
    if (!health.ok) return health
    if (this.#obstacle !== undefined) return { ok: false, detail: this.#obstacle }
    const detail = this.#trouble ?? this.#warning
    return detail === undefined ? health : { ok: true, detail }
  }

  wake(): void {
    this.#loop.wake()
  }

  /** One round: follows what is on its way, then does what is due, until nothing is. */
  async turn(signal: AbortSignal): Promise<void> {
    if (!this.#options.leadership.isLeading()) return this.#forget()
    this.#guard = this.#options.leadership.guard()
    await this.#followFinal()
    for (let step = 0; step < STEPS_PER_TURN && !signal.aborted; step += 1) {
      const sighting = await this.#look()
      const next = nextStep(sighting.view)
      if (next === 'rest' || !(await this.#take(next, sighting))) break
    }
    await this.#release()
    await this.#compareNowAndThen()
  }

  async #look(): Promise<Sighting> {
    const { database, settlementIntervalMs, ranges, clock } = this.#options
    const state = await store.readState(database)
    const open = await store.findOpenBatch(database)
    const isRunning = state.status === 'running' && open === undefined
    const sinceNetMs = clock.now() - (this.#lastNetAt ?? 0)
    const isDue = settlementIntervalMs > 0 && sinceNetMs >= settlementIntervalMs
    const isHeartbeatDue = isRunning && (await this.#isHeartbeatDue(state))
    const isExitWaiting = isRunning && (await this.#isExitWaiting(isDue))
    const mayNet = isRunning && (isDue || isHeartbeatDue || isExitWaiting)
    const first = mayNet ? await ranges.findFirstTransfer(state.coveredSequence) : undefined
    const coverable = isRunning ? await this.#findCoverable(state.coveredSequence) : undefined
    const request = isRunning ? await this.#findReadySupply() : undefined
    this.#note(state)
    const { progress, error, txHash } = await this.#findProgress(open)
    return {
      open,
      coverable,
      request,
      error,
      txHash,
      view: {
        status: state.status,
        open: await this.#openView(open, progress),
        isSupplyReady: request !== undefined,
        isDue,
        hasTransfers: first !== undefined,
        canCover: coverable !== undefined,
        isHeartbeatDue,
        isExitWaiting,
      },
    }
  }

  /** On demand only means that nothing else would serve it; nobody waits for longer than a day. */
  async #isExitWaiting(isDue: boolean): Promise<boolean> {
    const { settlement, settlementIntervalMs } = this.#options
    const isTime = isDue || settlementIntervalMs === 0 || (await settlement.isExitLate())
    return isTime && (await settlement.isExitWaiting())
  }

  async #findProgress(open: Batch | undefined): Promise<Progress> {
    if (open === undefined) return { progress: 'waiting', error: null, txHash: undefined }
    const found = await this.#options.chain.findTransaction(this.#options.database, open.txKey)
    const progress = PROGRESS[found?.state ?? 'requested']
    return { progress, error: found?.error ?? null, txHash: found?.hash }
  }

  async #openView(
    open: Batch | undefined,
    progress: TransactionProgress,
  ): Promise<CycleView['open']> {
    const status = open?.status
    if (status !== 'netted' && status !== 'submitted' && status !== 'reverted') return undefined
    const last = await store.findLastBatch(this.#options.database)
    return { kind: open?.kind ?? 'trade', status, progress, isLast: last?.id === open?.id }
  }

  /** Where another process leads, there is nothing to tell. */
  #forget(): void {
    this.#note(undefined)
    this.#capped.set(0)
    this.#obstacle = undefined
    this.#warning = undefined
    this.#lastMirrorAt = undefined
  }

  #note(state: store.SettlementState | undefined): void {
    const isHalted = state?.status === 'halted'
    this.#halted.set(isHalted ? 1 : 0)
    this.#trouble = isHalted ? `halted: ${state.reason}` : undefined
  }

  /** A supply batch says nothing about trades, so that no exit is served by it. */
  async #isHeartbeatDue(state: store.SettlementState): Promise<boolean> {
    const { database, clock } = this.#options
    const lastMs = await closings.findLastClosingMs(database)
    return clock.now() - (lastMs ?? state.changedAtMs) >= HEARTBEAT_MS
  }

  async #findCoverable(covered: bigint): Promise<JournalEnd | undefined> {
    const { database, payments, ranges } = this.#options
    const waiting = await payments.findWaitingSequence()
    if (waiting === undefined || waiting <= covered) return undefined
    if (await store.hasUnfinalBatch(database)) return undefined
    return await ranges.findCoverable(covered)
  }

  async #findReadySupply(): Promise<SupplyRequest | undefined> {
    const { supply, isListed } = this.#options
    for (const request of await supply.listProposed()) {
      if (await isListed(request.asset)) return request
    }
    return undefined
  }

  /** False when the step came to nothing, so that the turn ends. */
  async #take(step: CycleStep, sighting: Sighting): Promise<boolean> {
    try {
      await this.#do(step, sighting)
      return true
    } catch (error) {
      if (error instanceof AppError && EXPECTED.has(error.code)) return false
      throw error
    }
  }

  async #do(step: CycleStep, sighting: Sighting): Promise<void> {
    if (sighting.open === undefined) await this.#send(step, sighting)
    else await this.#follow(step, sighting.open, sighting)
  }

  async #send(step: CycleStep, { coverable, request }: Sighting): Promise<void> {
    const { settlement, clock } = this.#options
    const guard = this.#guard
    if (step === 'cover' && coverable !== undefined) await settlement.cover(coverable, guard)
    if (step === 'send_supply' && request !== undefined) await settlement.sendSupply(request, guard)
    if (step === 'heartbeat') await settlement.sendHeartbeat(guard)
    if (step !== 'net') return
    this.#lastNetAt = clock.now()
    await settlement.settle(guard)
  }

  async #follow(step: CycleStep, open: Batch, { error, txHash }: Sighting): Promise<void> {
    const reason = error ?? 'the transaction failed'
    if (step === 'mark_submitted') await this.#markSubmitted(open, txHash)
    if (step === 'halt') await this.#halt(open, reason)
    if (step === 'abandon') await this.#abandon(open, reason)
  }

  async #markSubmitted(open: Batch, txHash: string | undefined): Promise<void> {
    await this.#write((tx) => store.setBatchStatus(tx, open, 'submitted', { txHash }))
  }

  async #halt(open: Batch, error: string): Promise<void> {
    const reason = `batch ${open.sequence} failed: ${error}`
    await this.#write(async (tx) => {
      await store.lockState(tx)
      if (!(await store.setBatchStatus(tx, open, 'reverted', { error }))) return
      await store.setHalted(tx, reason, 'settler')
    })
    this.#options.log.error({ event: 'settlement.halted', reason })
  }

  async #abandon(open: Batch, error: string): Promise<void> {
    const { supply, log } = this.#options
    await this.#write(async (tx) => {
      await store.lockState(tx)
      if (!(await store.setBatchStatus(tx, open, 'abandoned', { error }))) return
      if (open.supply !== null) await supply.markFailed(tx, open.supply.request, error)
    })
    log.warn({ event: 'settlement.supply_abandoned', sequence: open.sequence.toString(), error })
  }

  /** Closes supply requests and fills in the gas of batches that were mined. */
  async #followFinal(): Promise<void> {
    const { database, supply, chain } = this.#options
    for (const request of await supply.listBatched()) {
      const batch =
        request.batch === null ? undefined : await store.findBatch(database, request.batch)
      if (batch?.status === 'final') await this.#write((tx) => supply.markFinal(tx, request.id))
    }
    for (const batch of await store.listMinedWithoutGas(database)) {
      const gasUsed = (await chain.findTransaction(database, batch.txKey))?.gasUsed
      if (gasUsed !== undefined) await this.#write((tx) => store.setGasUsed(tx, batch.id, gasUsed))
    }
  }

  /** Nothing is minted or burnt any more: whoever waits for it shall hear so. */
  async #endSupply(): Promise<void> {
    const { database, supply, log } = this.#options
    const lost: SupplyRequest[] = []
    // A batch that became final since this turn began is for the next one.
    for (const request of await supply.listBatched()) {
      const { batch: id } = request
      const status = id === null ? undefined : (await store.findBatch(database, id))?.status
      if (status !== 'mined' && status !== 'final') lost.push(request)
    }
    if (lost.length === 0 && (await supply.listProposed()).length === 0) return
    await this.#write(async (tx) => {
      await store.lockState(tx)
      for (const { id } of lost) await supply.markFailed(tx, id, ENDED)
      const proposed = await supply.failProposed(tx, ENDED)
      tx.onCommit(() => {
        log.warn({ event: 'settlement.supply_ended', requests: lost.length + proposed })
      })
    })
  }

  async #release(): Promise<void> {
    const { database, payments } = this.#options
    await payments.failLostWithdrawals()
    if (await payments.hasUnrecalled()) await this.#write((tx) => payments.recallFailed(tx))
    const { status, isEnded } = await store.readState(database)
    if (isEnded) await this.#endSupply()
    if (status === 'halted') return
    if ((await payments.findWaitingSequence()) === undefined) return
    await this.#write(async (tx) => {
      // Whoever halts takes the same lock, so that nothing is paid after it.
      if ((await store.lockState(tx)).status === 'halted') return
      await payments.releaseWithdrawals(tx, await store.readSettledSequence(tx))
    })
  }

  async #compareNowAndThen(): Promise<void> {
    const { clock, mirror } = this.#options
    const now = clock.now()
    if (this.#lastMirrorAt !== undefined && now - this.#lastMirrorAt < MIRROR_MS) return
    this.#lastMirrorAt = now
    await unlessRefused(() => this.#lookAtVault())
    await unlessRefused(() => mirror.reconcile(this.#guard))
  }

  async #lookAtVault(): Promise<void> {
    const { vault, log } = this.#options
    const { threshold, capped } = await vault.readDemands()
    const obstacle = threshold > 0 ? describeThreshold(threshold) : undefined
    const warning = capped.length > 0 ? describeCaps(capped) : undefined
    if (obstacle !== undefined && obstacle !== this.#obstacle)
      log.error({ event: 'settlement.attestation_required', reason: obstacle })
    if (warning !== undefined && warning !== this.#warning)
      log.warn({ event: 'settlement.turnover_capped', reason: warning })
    this.#capped.set(capped.length)
    this.#obstacle = obstacle
    this.#warning = warning
  }

  async #write(work: (tx: Tx) => Promise<unknown>): Promise<void> {
    await inTransaction(this.#options.database, async (tx) => {
      await this.#guard(tx)
      await work(tx)
    })
  }
}

/** The next look, soon enough, tells more. */
async function unlessRefused(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
  }
}

const EXPECTED: ReadonlySet<string> = new Set([
  settlementErrors.halted.code,
  settlementErrors.attestation_required.code,
  settlementErrors.in_progress.code,
  settlementErrors.nothing_to_settle.code,
])
