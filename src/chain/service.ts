import { present } from '#kernel/assert.ts'
import { idFromUuid } from '#kernel/id.ts'
import { newUuid } from '#platform/crypto.ts'
import type { Database, Db, Tx } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import type { BlockPlace } from './block.ts'
import { describeRevert } from './contracts/abi-adapter.ts'
import { findAbi } from './contracts/abi.ts'
import type { Deployment } from './deployment.ts'
import { chainErrors } from './errors.ts'
import { REQUEST_WAKE } from './events.ts'
import { addressOf, countOf, hexOf, quantity, type Hex } from './hex.ts'
import type { RpcAnswer, RpcCall, RpcClient } from './rpc-adapter.ts'
import { isRevert, RpcRefusal } from './rpc-refusal.ts'
import { findCursor } from './store.ts'
import type { SignerRole } from './signer.ts'
import { findTransaction, lockRequest, putRequest, putWish, readStates } from './tx-store.ts'
import { isWishAllowed, type TransactionState } from './tx.ts'

export interface TransactionRequest {
  readonly signer: SignerRole
  /** Names what the transaction is for; a second request of the same key changes nothing. */
  readonly key: string
  readonly to: string
  readonly data: string
  readonly gasCap?: bigint
  /** Goes before the requests of its signer that have no nonce yet. */
  readonly isUrgent?: boolean
}

/** A transaction that the node sends, as far as it got. */
export interface ManagedTransaction {
  /** `txn_…` */
  readonly id: string
  readonly key: string
  readonly state: TransactionState
  readonly hash?: Hex
  readonly blockNumber?: number
  readonly gasUsed?: bigint
  /** Why it was rejected, reverted or held: a decoded custom error where there is one. */
  readonly error?: string
}

/** The block that a call looks at. */
export type BlockReference = { readonly hash: string } | { readonly number: number } | 'latest'

export interface ContractCall {
  readonly to: string
  readonly data: string
}

export interface ChainHead extends BlockPlace {
  readonly finalNumber: number
  readonly finalHash: Hex
}

/** Numbers of blocks. */
export interface ChainReading {
  readonly newest: number
  readonly read: number
  readonly final: number
}

export interface ContractDirectory {
  readonly chainId: number
  readonly contracts: Readonly<
    Record<string, { readonly address: string; readonly abi: readonly unknown[] }>
  >
}

export interface ChainServiceOptions {
  readonly database: Database
  readonly rpc: RpcClient
  readonly deployment: Deployment
}

/** What the rest of the node may do with the chain. */
export class ChainService {
  readonly #options: ChainServiceOptions

  constructor(options: ChainServiceOptions) {
    this.#options = options
  }

  deployment(): Deployment {
    return this.#options.deployment
  }

  /**
   * Asks for a transaction within the caller's own; it goes out after the commit. The same key with
   * the same content answers the same id; with another, `chain.transaction_mismatch`.
   */
  async requestTransaction(tx: Tx, request: TransactionRequest): Promise<string> {
    const { signer, key, gasCap, isUrgent = false } = request
    const to = addressOf(request.to, 'target of a transaction')
    const data = hexOf(request.data, 'data of a transaction')
    const stored = await putRequest(tx, { id: newUuid(), key, signer, to, data, gasCap }, isUrgent)
    const isSame = stored.signer === signer && stored.to === to && stored.data === data
    if (!isSame) throw chainErrors.transaction_mismatch(`key ${key}`)
    tx.onCommit(() => tx.wakes.wake(REQUEST_WAKE))
    return idFromUuid('transaction', stored.id)
  }

  /** Asks for an end of a transaction that nobody wants any more; nothing where it is mined or over. */
  async recallTransaction(
    tx: Tx,
    key: string,
    order: { readonly reason: string; readonly actor: string },
  ): Promise<void> {
    const row = await findTransaction(tx, key)
    if (row === undefined || row.wish === 'cancel') return
    const state = await lockRequest(tx, row.id)
    if (state === undefined || !isWishAllowed(state, 'cancel')) return
    await putWish(tx, row.id, { wish: 'cancel', ...order })
    tx.onCommit(() => tx.wakes.wake(REQUEST_WAKE))
  }

  async findTransaction(db: Db, key: string): Promise<ManagedTransaction | undefined> {
    const row = await findTransaction(db, key)
    if (row === undefined) return undefined
    const { id, state, hash, blockNumber, gasUsed, error } = row
    return {
      id: idFromUuid('transaction', id),
      key,
      state,
      ...(hash !== undefined && { hash }),
      ...(blockNumber !== undefined && { blockNumber }),
      ...(gasUsed !== undefined && { gasUsed }),
      ...(error !== undefined && { error }),
    }
  }

  /** How far the transactions with these keys are, without those that nobody asked for. */
  async readStates(
    db: Db,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, TransactionState>> {
    return await readStates(db, keys)
  }

  /** Throws `chain.call_reverted`; `platform.unavailable` when no endpoint serves the block. */
  async call(to: string, data: string, block: BlockReference): Promise<Hex> {
    return present((await this.callMany([{ to, data }], block))[0], 'answer')
  }

  /** The answers in the order of the calls; throws as `call` does. */
  async callMany(calls: readonly ContractCall[], block: BlockReference): Promise<readonly Hex[]> {
    const at = blockParameter(block)
    const asked = calls.map(({ to, data }): RpcCall => {
      return { method: 'eth_call', params: [{ to, data }, at] }
    })
    return (await this.#options.rpc.answers(asked)).map(readCall)
  }

  /** How far the node has read the chain; `platform.unavailable` before the first block. */
  async head(): Promise<ChainHead> {
    const cursor = await findCursor(this.#options.database)
    if (cursor === undefined) throw platformErrors.unavailable('the chain was not read yet')
    const { head, final } = cursor
    return { ...head, finalNumber: final.number, finalHash: final.hash }
  }

  /** Which blocks are read and final, beside the newest that the chain itself has by now. */
  async reading(): Promise<ChainReading> {
    const newest = await this.#options.rpc.call('eth_blockNumber')
    const { number, finalNumber } = await this.head()
    return { newest: countOf(newest, 'eth_blockNumber'), read: number, final: finalNumber }
  }

  /** Addresses and ABIs, so that a wallet needs nothing else to use the contracts. */
  getContracts(): ContractDirectory {
    const { chainId, contracts } = this.#options.deployment
    const entries = Object.entries(contracts).map(([name, address]) => {
      return [name, { address, abi: findAbi(name) ?? [] }] as const
    })
    return { chainId, contracts: Object.fromEntries(entries) }
  }
}

function blockParameter(block: BlockReference): unknown {
  if (block === 'latest') return block
  return 'hash' in block ? { blockHash: block.hash } : quantity(block.number)
}

function readCall(answer: RpcAnswer): Hex {
  if ('result' in answer) return hexOf(answer.result, 'answer of eth_call')
  throw translateRefusal(answer.refusal)
}

function translateRefusal(refusal: RpcRefusal): Error {
  if (!isRevert(refusal)) {
    const detail = `the chain does not answer: ${refusal.message}`
    return platformErrors.unavailable(detail, { cause: refusal, retryAfterSeconds: 1 })
  }
  const reason = refusal.data === undefined ? refusal.message : describeRevert(refusal.data)
  return chainErrors.call_reverted(reason, { cause: refusal })
}
