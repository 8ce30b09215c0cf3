import { idFromUuid } from '#kernel/id.ts'
import type { PageRequest } from '#kernel/page.ts'
import type { Database } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import type { Log } from '#platform/log.ts'
import type { Breaker, BreakerName } from './breaker.ts'
import { listBreakers, lockBreakers, putBreakerChange } from './breaker-store.ts'
import { chainErrors } from './errors.ts'
import { REQUEST_WAKE } from './events.ts'
import type { EndpointHealth, RpcClient } from './rpc-adapter.ts'
import { clearHalt } from './store.ts'
import {
  findTransactionById,
  listTransactions,
  lockRequest,
  putWish,
  type TransactionFilter,
  type TransactionRow,
} from './tx-store.ts'
import { isWishAllowed, type Wish } from './tx.ts'

/** Who asks for something, and why. */
export interface Order {
  readonly reason: string
  readonly actor: string
}

/** What operators see of the node's transactions, and what they may do about them. */
export class TransactionService {
  readonly #database: Database
  readonly #rpc: Pick<RpcClient, 'endpoints'>
  readonly #log: Log

  constructor(options: {
    readonly database: Database
    readonly rpc: Pick<RpcClient, 'endpoints'>
    readonly log: Log
  }) {
    this.#database = options.database
    this.#rpc = options.rpc
    this.#log = options.log
  }

  /** Newest first, one row more than the page. */
  async list(filter: TransactionFilter, page: PageRequest): Promise<readonly TransactionRow[]> {
    return await listTransactions(this.#database, filter, page)
  }

  /** By its bare UUID; throws `chain.transaction_not_found`. */
  async getTransaction(id: string): Promise<TransactionRow> {
    const row = await findTransactionById(this.#database, id)
    if (row === undefined) throw chainErrors.transaction_not_found()
    return row
  }

  /**
   * Asks for an end of the transaction: at once where it has no nonce, else by a payment to oneself
   * with that nonce, which either of the two may win. Throws `chain.transaction_over` once it is
   * mined or over.
   */
  async cancel(id: string, order: Order): Promise<TransactionRow> {
    return await this.#wish(id, 'cancel', order)
  }

  /** Lets a held transaction go on; throws `chain.transaction_not_held`. */
  async resume(id: string, order: Order): Promise<TransactionRow> {
    return await this.#wish(id, 'resume', order)
  }

  async #wish(id: string, wish: Wish, { reason, actor }: Order): Promise<TransactionRow> {
    await inTransaction(this.#database, async (tx) => {
      const state = await lockRequest(tx, id)
      if (state === undefined) throw chainErrors.transaction_not_found()
      if (!isWishAllowed(state, wish)) {
        const refuse =
          wish === 'cancel' ? chainErrors.transaction_over : chainErrors.transaction_not_held
        throw refuse(`it is ${state}`)
      }
      await putWish(tx, id, { wish, reason, actor })
      tx.onCommit(() => tx.wakes.wake(REQUEST_WAKE))
    })
    const transaction = idFromUuid('transaction', id)
    this.#log.warn({ event: 'transaction.wished', transaction, wish, reason, actor })
    return await this.getTransaction(id)
  }

  /** Every breaker, the closed ones too. */
  async listBreakers(): Promise<readonly Breaker[]> {
    return await listBreakers(this.#database)
  }

  /** How this process finds the endpoints of the chain. */
  listEndpoints(): readonly EndpointHealth[] {
    return this.#rpc.endpoints()
  }

  /**
   * Closes a breaker for every signer. It opens again when its cause is still there: for
   * `beyond_finality` the watcher looks at the chain again. Throws `chain.breaker_closed`.
   */
  async resetBreaker(name: BreakerName, { reason, actor }: Order): Promise<readonly Breaker[]> {
    await inTransaction(this.#database, async (tx) => {
      const open = (await lockBreakers(tx, name)).filter(({ isOpen }) => isOpen)
      if (open.length === 0) throw chainErrors.breaker_closed()
      for (const { scope } of open) {
        await putBreakerChange(tx, { name, scope, isOpen: false, reason }, actor)
      }
      if (name === 'beyond_finality') await clearHalt(tx, 'beyond_finality')
      tx.onCommit(() => tx.wakes.wake(REQUEST_WAKE))
    })
    this.#log.warn({ event: 'breaker.reset', breaker: name, reason, actor })
    return (await this.listBreakers()).filter((breaker) => breaker.name === name)
  }
}
