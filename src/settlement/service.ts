import { present } from '#kernel/assert.ts'
import { delta } from '#kernel/money.ts'
import type { PageRequest } from '#kernel/page.ts'
import type { Clock } from '#kernel/time.ts'
import { encodeSettle } from '#chain/contracts/clearing-house.ts'
import type { ChainService } from '#chain/service.ts'
import { isUserAccount } from '#ledger/account-code.ts'
import type { LedgerService } from '#ledger/service.ts'
import { newUuid } from '#platform/crypto.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inSnapshot, inTransaction } from '#platform/db/transaction.ts'
import type { EpochGuard } from '#platform/leader.ts'
import type { Log } from '#platform/log.ts'
import type { SupplyService } from '#supply/service.ts'
import type { SupplyRequest } from '#supply/supply-request.ts'
import {
  batchTxKey,
  KIND_NUMBERS,
  tradeStatus,
  ZERO_HASH,
  type Batch,
  type Hex,
  type TradeSettlementStatus,
} from './batch.ts'
import * as closings from './closing-store.ts'
import {
  composeHeartbeat,
  composeSupply,
  composeTrades,
  type Composed,
  type Hashing,
  type Place,
} from './composer.ts'
import { settlementErrors } from './errors.ts'
import { genesisHead, headOf, keccakOf } from './keccak-adapter.ts'
import { liabilitiesRoot, tradesRoot } from './merkle-adapter.ts'
import { MIRROR_REASON, OPEN, type MirrorService } from './mirror-service.ts'
import type { JournalEnd } from './range.ts'
import type { RangeService } from './range-service.ts'
import * as store from './store.ts'
import { tradeLeaves, type LiabilityLeaf } from './trade-leaf.ts'
import type { VaultService } from './vault-service.ts'

export interface SettlementServiceOptions {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly ledger: LedgerService
  readonly chain: Pick<
    ChainService,
    'call' | 'deployment' | 'findTransaction' | 'reading' | 'requestTransaction'
  >
  readonly supply: SupplyService
  readonly mirror: MirrorService
  readonly ranges: RangeService
  readonly vault: VaultService
}

/** What a trade shows of its settlement. */
export interface TradeSettlement {
  /** UUID of the batch. */
  readonly id: string | null
  readonly status: TradeSettlementStatus
  readonly txHash: string | null
}

const HASHING: Hashing = { keccak: keccakOf, head: headOf }
const DAY_MS = 86_400_000

/** Makes batches, one at a time, each in one transaction with its deltas and its request. */
export class SettlementService {
  readonly #options: SettlementServiceOptions

  constructor(options: SettlementServiceOptions) {
    this.#options = options
  }

  /**
   * Nets what waits into a batch now. Throws `settlement.halted` (the mirror is compared first),
   * `settlement.attestation_required` where the vault would refuse every batch,
   * `settlement.in_progress` while a batch is not mined, or `settlement.nothing_to_settle`.
   */
  async settle(guard: EpochGuard = OPEN): Promise<Batch> {
    const { database, ranges } = this.#options
    const state = await this.#requireReady(guard)
    const range = await ranges.readRange(state.coveredSequence)
    if (range === undefined) throw settlementErrors.nothing_to_settle()
    const liabilities = await liabilitiesRoot(await this.#dueLiabilities(range.end.lastSeq))
    const trades = await tradesRoot(tradeLeaves(range.transfers))
    return await inTransaction(database, async (tx) => {
      await this.#lock(tx, guard, state.coveredSequence)
      const place = await this.#nextPlace(tx, range.end, liabilities)
      const composed = composeTrades(newUuid(), place, { ...range, tradesRoot: trades }, HASHING)
      await store.setCovered(tx, range.lastSequence)
      return await this.#send(tx, composed)
    })
  }

  /** Sends a proposed supply change in a batch of its own. */
  async sendSupply(request: SupplyRequest, guard: EpochGuard = OPEN): Promise<Batch> {
    const { database, supply } = this.#options
    const state = await this.#requireReady(guard)
    const end = await this.#requireEnd(state.coveredSequence)
    return await inTransaction(database, async (tx) => {
      await this.#lock(tx, guard, state.coveredSequence)
      const { id, asset, changeAtoms: change, beneficiary } = request
      const composed = composeSupply(
        newUuid(),
        await this.#nextPlace(tx, end, ZERO_HASH),
        { request: id, asset, change, beneficiary },
        { account: beneficiary, asset, amount: delta(change) },
        HASHING,
      )
      const taken = await supply.markBatched(tx, id, composed.batch.id)
      if (!taken) throw settlementErrors.in_progress()
      return await this.#send(tx, composed)
    })
  }

  /** Sends an empty batch with the root of what is owed to everybody. */
  async sendHeartbeat(guard: EpochGuard = OPEN): Promise<Batch> {
    const { database } = this.#options
    const state = await this.#requireReady(guard)
    const end = await this.#findQuietEnd(state.coveredSequence)
    const liabilities = await liabilitiesRoot(await this.#listLiabilities(end.lastSeq))
    return await inTransaction(database, async (tx) => {
      await this.#lock(tx, guard, state.coveredSequence)
      const place = await this.#nextPlace(tx, end, liabilities)
      await store.setCovered(tx, end.lastSeq)
      return await this.#send(tx, composeHeartbeat(newUuid(), place, HASHING))
    })
  }

  /** Counts a range without internal transfers as settled; every batch before it is final. */
  async cover(end: JournalEnd, guard: EpochGuard = OPEN): Promise<void> {
    await inTransaction(this.#options.database, async (tx) => {
      await guard(tx)
      await store.lockState(tx)
      if (await store.hasUnfinalBatch(tx)) return
      await store.setCovered(tx, end.lastSeq)
    })
  }

  /**
   * Goes on after a halt: compares first, then sends every failed batch out again, the same header in
   * a new transaction. Throws `settlement.not_halted`, `settlement.ended`,
   * `settlement.chain_unread` while the chain is not read to its end, or `settlement.halted` while
   * anything differs.
   */
  async resume(reason: string, actor: string): Promise<store.SettlementState> {
    const { database, log, mirror } = this.#options
    const before = await store.readState(database)
    if (before.status !== 'halted') throw settlementErrors.not_halted()
    if (await this.#isOver(before)) throw settlementErrors.ended()
    const { differences } = await mirror.reconcileCaughtUp()
    if (differences.length > 0) throw settlementErrors.halted('ledger and chain still differ')
    const state = await inTransaction(database, async (tx) => {
      const current = await store.lockState(tx)
      if (current.status !== 'halted') throw settlementErrors.not_halted()
      if (await this.#isOver(current)) throw settlementErrors.ended()
      await this.#sendAgain(tx)
      await store.setRunning(tx, reason, actor)
      return await store.readState(tx)
    })
    log.warn({ event: 'settlement.resumed', reason, actor })
    return state
  }

  /**
   * Whether an account waits for a batch that closes after its request, and one made now helps: every
   * trade batch is final and the ledger has met a later block. On a chain that makes no blocks of its own, a
   * batch brings the later block that the next one needs.
   */
  async isExitWaiting(): Promise<boolean> {
    const { database, ledger } = this.#options
    const exitAt = await this.#findUnserved()
    if (exitAt === undefined) return false
    if (await closings.hasUnfinalClosing(database)) return false
    const { sequence } = await ledger.journalHead()
    if (sequence > 0n && (await ledger.coveredClose(sequence)) > exitAt) return true
    return ((await ledger.findFinalBlock())?.time ?? 0) >= exitAt
  }

  /** Whether an account has waited for such a batch for a day, as the chain counts. */
  async isExitLate(): Promise<boolean> {
    const exitAt = await this.#findUnserved()
    if (exitAt === undefined) return false
    return ((await this.#options.ledger.findFinalBlock())?.time ?? 0) - exitAt >= DAY_MS / 1000
  }

  /** When the newest request was made that no batch closes after yet, Unix seconds. */
  async #findUnserved(): Promise<number | undefined> {
    const { database, ledger } = this.#options
    const exitAt = await ledger.findLastExit()
    if (exitAt === undefined) return undefined
    return (await closings.readLastClose(database)) > exitAt ? undefined : exitAt
  }

  async readState(): Promise<store.SettlementState> {
    return await store.readState(this.#options.database)
  }

  /** What differs between ledger and chain, from when it was found until somebody resumed. */
  async findMismatch(): Promise<string | undefined> {
    const { status, reason } = await this.readState()
    const isMismatch = status === 'halted' && reason?.startsWith(MIRROR_REASON) === true
    return isMismatch ? reason : undefined
  }

  /** Throws `settlement.batch_not_found`. */
  async getBatch(id: string): Promise<Batch> {
    const found = await store.findBatch(this.#options.database, id)
    if (found === undefined) throw settlementErrors.batch_not_found()
    return found
  }

  /** Newest first; one row more than the page holds. */
  async listBatches(page: PageRequest): Promise<readonly Batch[]> {
    return await store.listBatches(this.#options.database, page)
  }

  /** How far the settlement of what happened at each ledger sequence is. */
  async settlementOf(sequences: readonly bigint[]): Promise<ReadonlyMap<bigint, TradeSettlement>> {
    const batches = await store.listBatchesOf(this.#options.database, sequences)
    return new Map(
      sequences.map((sequence) => {
        const batch = batches.get(sequence)
        const { id = null, txHash = null } = batch ?? {}
        return [sequence, { id, status: tradeStatus(batch?.status), txHash }]
      }),
    )
  }

  /** Final, or seen in a block that is not final yet: nothing would be accepted meanwhile. */
  async #isOver(state: store.SettlementState): Promise<boolean> {
    return state.isEnded || (await this.#options.ledger.isExitMode())
  }

  async #requireReady(guard: EpochGuard): Promise<store.SettlementState> {
    const { database, mirror, vault } = this.#options
    const state = await store.readState(database)
    if (state.status === 'halted') throw settlementErrors.halted(state.reason ?? undefined)
    await vault.requireUnattested()
    const { differences } = await mirror.reconcile(guard)
    if (differences.length > 0) {
      const { reason } = await store.readState(database)
      throw settlementErrors.halted(reason ?? undefined)
    }
    if ((await store.findOpenBatch(database)) !== undefined) throw settlementErrors.in_progress()
    return state
  }

  /** Nobody else makes a batch from here to the commit, and nobody has since `covered` was read. */
  async #lock(tx: Tx, guard: EpochGuard, covered: bigint): Promise<void> {
    await guard(tx)
    const state = await store.lockState(tx)
    if (state.status === 'halted') throw settlementErrors.halted(state.reason ?? undefined)
    const open = await store.findOpenBatch(tx)
    if (open !== undefined || state.coveredSequence !== covered)
      throw settlementErrors.in_progress()
  }

  async #nextPlace(tx: Tx, end: JournalEnd, liabilities: Hex): Promise<Place> {
    const last = await store.findLastBatch(tx)
    const { chainId } = this.#options.chain.deployment()
    return {
      prevHead: last?.head ?? genesisHead(chainId, this.#vault()),
      sequence: (last?.sequence ?? 0n) + 1n,
      closeTime: BigInt(end.blockTime),
      journalHash: `0x${end.hash.toString('hex')}`,
      liabilitiesRoot: liabilities,
    }
  }

  async #send(tx: Tx, { batch, deltas }: Composed): Promise<Batch> {
    await store.insertBatch(tx, batch, deltas)
    await this.#request(tx, batch)
    const { kind, sequence, head } = batch
    const { log } = this.#options
    const transfers = batch.transfers
    tx.onCommit(() => {
      log.info({ event: 'settlement.netted', kind, sequence: sequence.toString(), head, transfers })
    })
    return present(await store.findBatch(tx, batch.id), 'the batch just made')
  }

  async #request(tx: Tx, batch: Pick<Batch, 'txKey' | 'header' | 'records'>): Promise<void> {
    const { kind, ...header } = batch.header
    const records: Hex = `0x${batch.records.toString('hex')}`
    await this.#options.chain.requestTransaction(tx, {
      signer: 'settler',
      key: batch.txKey,
      to: this.#vault(),
      data: encodeSettle({ ...header, kind: KIND_NUMBERS[kind] }, records, []),
      isUrgent: true,
    })
  }

  /** All that failed: a reorg may have brought back one before them, which is on its way by itself. */
  async #sendAgain(tx: Tx): Promise<void> {
    for (const failed of await store.listReverted(tx)) {
      const txKey = batchTxKey(failed.id, failed.attempt + 1)
      const isDue = await store.setNextAttempt(tx, failed, txKey)
      if (isDue) await this.#request(tx, { ...failed, txKey })
    }
  }

  /** As far as nothing waits: to the first internal transfer when every trade batch is final. */
  async #findQuietEnd(covered: bigint): Promise<JournalEnd> {
    const { database, ranges } = this.#options
    const isFinal = !(await closings.hasUnfinalClosing(database))
    const end = isFinal ? await ranges.findCoverable(covered) : undefined
    return end ?? (await this.#requireEnd(covered))
  }

  async #requireEnd(covered: bigint): Promise<JournalEnd> {
    const { ledger } = this.#options
    const end = covered === 0n ? undefined : await ledger.findBatchEnd(covered)
    if (end !== undefined) return end
    const { hash } = await ledger.journalHead()
    return { lastSeq: covered, hash, blockTime: 0 }
  }

  /** The daily list of what is owed, empty when one went out within a day. */
  async #dueLiabilities(lastSeq: bigint): Promise<readonly LiabilityLeaf[]> {
    const { database, clock } = this.#options
    const lastMs = await closings.findLastLiabilities(database, ZERO_HASH)
    if (lastMs !== undefined && clock.now() - lastMs < DAY_MS) return []
    return await this.#listLiabilities(lastSeq)
  }

  /** Every positive balance as it was posted at a sequence: balances now, minus what came later. */
  async #listLiabilities(lastSeq: bigint): Promise<readonly LiabilityLeaf[]> {
    const { database, ledger } = this.#options
    const posted = await inSnapshot(database, async (tx) => {
      const { balances, sequence } = await ledger.snapshotSettled(tx)
      const amounts = new Map(balances.map((row) => [`${row.account}/${row.asset}`, row.posted]))
      const range = { fromSeq: lastSeq + 1n, toSeq: sequence }
      for (const later of await ledger.listTransfers(range, tx)) {
        undo(amounts, `${later.debit}/${later.asset}`, later.amount)
        undo(amounts, `${later.credit}/${later.asset}`, -later.amount)
      }
      return amounts
    })
    return [...posted].flatMap(([place, amount]): LiabilityLeaf[] => {
      const [account = '', asset = ''] = place.split('/')
      return amount > 0n && isUserAccount(BigInt(account)) ? [[account, asset, `${amount}`]] : []
    })
  }

  #vault() {
    return present(this.#options.chain.deployment().contracts['ClearingHouse'], 'ClearingHouse')
  }
}

function undo(amounts: Map<string, bigint>, place: string, amount: bigint): void {
  amounts.set(place, (amounts.get(place) ?? 0n) + amount)
}
