import { mayRead, type Reader } from '#accounts/reader.ts'
import { assert, present } from '#kernel/assert.ts'
import { findErrorDefinition } from '#kernel/errors.ts'
import { parseDecimal } from '#kernel/money.ts'
import type { PageRequest } from '#kernel/page.ts'
import type { Clock, Instant } from '#kernel/time.ts'
import { encodeWithdraw } from '#chain/contracts/clearing-house.ts'
import type { ChainService } from '#chain/service.ts'
import { isDuplicateCommand } from '#ledger/errors.ts'
import type { LedgerService } from '#ledger/service.ts'
import type { IdempotencyEntry } from '#ledger/submission.ts'
import { newUuid } from '#platform/crypto.ts'
import { findIdempotency, hashInput, requireSameInput } from '#platform/db/idempotency.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import type { Deposit } from './deposit.ts'
import { paymentsErrors } from './errors.ts'
import * as store from './store.ts'
import { hasFailed, withdrawalId, withdrawalTxKey, type Withdrawal } from './withdrawal.ts'

export interface PaymentsServiceOptions {
  readonly database: Database
  readonly clock: Clock
  readonly ledger: LedgerService
  readonly chain: Pick<
    ChainService,
    'deployment' | 'readStates' | 'recallTransaction' | 'requestTransaction'
  >
}

export interface WithdrawalRequest {
  readonly accountId: string
  readonly chainAccount: number
  /** Symbol. */
  readonly asset: string
  /** Decimal string in asset units. */
  readonly amount: string
  readonly key: string
}

const OPERATION = 'POST /v1/withdrawals'
const RELEASE_LIMIT = 50
/** More than a chain pays in a while, so that no failed one hides behind those that wait. */
const SUBMITTED_LIMIT = 2000
const RECALL = { reason: 'the withdrawal failed: its account left', actor: 'settler' }

/** Deposits and withdrawals: value that crosses the boundary of the ledger. */
export class PaymentsService {
  readonly #options: PaymentsServiceOptions
  readonly #running = new Set<string>()

  constructor(options: PaymentsServiceOptions) {
    this.#options = options
  }

  /**
   * Holds the amount and queues its payment to the registered wallet. The same key and input give
   * the withdrawal as it is now. Throws what the core refuses (`ledger.insufficient_funds`, …).
   */
  async requestWithdrawal(
    request: WithdrawalRequest,
  ): Promise<{ readonly result: Withdrawal; readonly replayed: boolean }> {
    const place = `${request.accountId} ${request.key}`
    if (this.#running.has(place)) throw platformErrors.idempotency_running()
    this.#running.add(place)
    try {
      return await this.#requestOnce(request)
    } finally {
      this.#running.delete(place)
    }
  }

  /** Newest first; one row more than the page holds. */
  async listWithdrawals(chainAccount: number, page: PageRequest): Promise<readonly Withdrawal[]> {
    return await store.listWithdrawals(this.#options.database, chainAccount, page)
  }

  /** Newest first; one row more than the page holds. */
  async listDeposits(chainAccount: number, page: PageRequest): Promise<readonly Deposit[]> {
    return await store.listDeposits(this.#options.database, chainAccount, page)
  }

  /** Throws `payments.withdrawal_not_found`, for another's too unless the reader sees all. */
  async getWithdrawal(reader: Reader, id: string): Promise<Withdrawal> {
    const found = await store.findWithdrawal(this.#options.database, id)
    if (found === undefined || !mayRead(reader, found.account))
      throw paymentsErrors.withdrawal_not_found()
    return found
  }

  /** The highest sequence that a withdrawal waits for, or undefined when none waits. */
  async findWaitingSequence(): Promise<bigint | undefined> {
    return await store.findWaitingSequence(this.#options.database)
  }

  /** Asks for the transactions of withdrawals whose hold is settled; returns how many. */
  async releaseWithdrawals(tx: Tx, settledSequence: bigint): Promise<number> {
    const { chain } = this.#options
    const ready = await store.lockReleasable(tx, settledSequence, RELEASE_LIMIT)
    for (const withdrawal of ready) {
      const key = withdrawalTxKey(withdrawal.id)
      await chain.requestTransaction(tx, {
        signer: 'settler',
        key,
        to: clearingHouseOf(chain),
        data: encodeWithdraw({
          id: withdrawalId(withdrawal.id),
          account: withdrawal.account,
          asset: withdrawal.asset,
          amount: withdrawal.amountAtoms,
        }),
      })
      await store.markSubmitted(tx, withdrawal.id, key)
    }
    return ready.length
  }

  /** Gives back the holds of withdrawals whose transaction will never pay. */
  async failLostWithdrawals(): Promise<void> {
    const { database, chain, ledger } = this.#options
    const submitted = await store.listSubmitted(database, SUBMITTED_LIMIT)
    if (submitted.size === 0) return
    const states = await chain.readStates(database, [...submitted.values()])
    for (const [id, key] of submitted) {
      if (hasFailed(states.get(key) ?? '')) await ledger.submit({ type: 'fail_withdrawal', id })
    }
  }

  /**
   * Calls back transactions of withdrawals that failed while theirs were on their way: what was told
   * to have failed should not be paid. Returns how many were looked at.
   */
  async recallFailed(tx: Tx): Promise<number> {
    const failed = await store.lockUnrecalled(tx, RELEASE_LIMIT)
    for (const { id, txKey } of failed) {
      const key = present(txKey, 'key of a withdrawal that was sent')
      await this.#options.chain.recallTransaction(tx, key, RECALL)
      await store.markRecalled(tx, id)
    }
    return failed.length
  }

  /** Whether a failed withdrawal may still have a transaction on its way. */
  async hasUnrecalled(): Promise<boolean> {
    return await store.hasUnrecalled(this.#options.database)
  }

  /** Which of these payments are of withdrawals of ours, exactly as asked for, that had failed. */
  async listLate(
    paid: readonly Pick<Withdrawal, 'id' | 'account' | 'asset' | 'amountAtoms'>[],
  ): Promise<ReadonlySet<string>> {
    const { database } = this.#options
    const late = new Set<string>()
    for (const { id, account, asset, amountAtoms } of paid) {
      const found = await store.findWithdrawal(database, id)
      const isAsAsked =
        found?.account === account && found.asset === asset && found.amountAtoms === amountAtoms
      if (isAsAsked && found.status !== 'final' && found.txKey !== null) late.add(id)
    }
    return late
  }

  async #requestOnce(request: WithdrawalRequest) {
    const checkedAt = this.#options.clock.now()
    const inputHash = hashInput({ asset: request.asset, amount: request.amount })
    const earlier = await this.#findEarlier(request, inputHash)
    if (earlier !== undefined) return { result: earlier, replayed: true }
    const { accountId: scope, key } = request
    const id = newUuid()
    const idempotency = { scope, operation: OPERATION, key, inputHash, resource: id }
    try {
      await this.#hold(request, id, idempotency, checkedAt)
    } catch (error) {
      // Another process was quicker with the same request.
      const first = isDuplicateCommand(error)
        ? await this.#findEarlier(request, inputHash)
        : undefined
      if (first === undefined) throw error
      return { result: first, replayed: true }
    }
    const owner = { chainAccount: request.chainAccount, seesAll: false }
    return { result: await this.getWithdrawal(owner, id), replayed: false }
  }

  async #findEarlier(
    { accountId, chainAccount, key }: WithdrawalRequest,
    inputHash: Buffer,
  ): Promise<Withdrawal | undefined> {
    const known = await findIdempotency(this.#options.database, accountId, OPERATION, key)
    if (known === undefined) return undefined
    requireSameInput(known, inputHash)
    return await this.getWithdrawal({ chainAccount, seesAll: false }, known.resource)
  }

  async #hold(
    request: WithdrawalRequest,
    id: string,
    idempotency: IdempotencyEntry,
    checkedAt: Instant,
  ): Promise<void> {
    const { ledger } = this.#options
    const asset = await ledger.findAssetBySymbol(request.asset)
    if (asset === undefined) throw paymentsErrors.asset_not_found()
    const amount = parseDecimal(request.amount, asset.decimals)
    if (typeof amount === 'string') throw paymentsErrors.amount_invalid(amount)
    if (amount === 0n) throw paymentsErrors.amount_invalid('the amount is zero')
    const command = {
      type: 'request_withdrawal',
      id,
      account: request.chainAccount,
      asset: asset.asset,
      amount: amount.toString(),
    } as const
    const outcome = await ledger.submit(command, { idempotency, checkedAt })
    if (outcome.ok) return
    const definition = findErrorDefinition(outcome.error.code)
    assert(definition !== undefined, `undeclared refusal ${outcome.error.code}`)
    throw definition(outcome.error.detail)
  }
}

function clearingHouseOf(chain: Pick<ChainService, 'deployment'>) {
  return present(chain.deployment().contracts['ClearingHouse'], 'address of ClearingHouse')
}
