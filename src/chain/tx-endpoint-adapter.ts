import { isJsonObject } from '#kernel/json.ts'
import { describeRevert } from './contracts/abi-adapter.ts'
import { marketFees, type Fees } from './gas.ts'
import { countOf, quantity, quantityOf, type Address, type Hex } from './hex.ts'
import type { RpcAnswer, RpcClient } from './rpc-adapter.ts'
import { isRevert, judgeSend, RpcRefusal } from './rpc-refusal.ts'
import type { Simulation } from './tx-step.ts'

export interface Call {
  readonly from: Address
  readonly to: Address
  readonly data: Hex
}

/** The price of gas as of the newest block. */
export interface Market {
  readonly fees: Fees
  readonly head: number
}

/** What sending bytes led to. */
export type SendOutcome =
  | { readonly type: 'taken' }
  /** The nonce is used, and not by these bytes. */
  | { readonly type: 'external' }
  | { readonly type: 'underpriced'; readonly reason: string }
  | { readonly type: 'refused'; readonly reason: string }

/** What the transaction manager asks an endpoint. */
export class TransactionEndpoint {
  readonly #rpc: RpcClient

  constructor(rpc: RpcClient) {
    this.#rpc = rpc
  }

  /** Mined transactions of an address. */
  async readNonce(address: Address): Promise<number> {
    const count = await this.#rpc.call('eth_getTransactionCount', address, 'latest')
    return countOf(count, 'eth_getTransactionCount')
  }

  /** Mined transactions of an address as of the newest and of a final block. */
  async readCounts(
    address: Address,
    finalBlock: number,
  ): Promise<{ readonly latest: number; readonly final: number }> {
    const [latest, final] = await this.#rpc.batch([
      { method: 'eth_getTransactionCount', params: [address, 'latest'] },
      { method: 'eth_getTransactionCount', params: [address, quantity(finalBlock)] },
    ])
    return {
      latest: countOf(latest, 'eth_getTransactionCount'),
      final: countOf(final, 'eth_getTransactionCount'),
    }
  }

  /** The chain's newest block, and what each address holds in wei. */
  async readState(
    addresses: readonly Address[],
  ): Promise<{ readonly head: number; readonly balancesWei: readonly bigint[] }> {
    const [head, ...balances] = await this.#rpc.batch([
      { method: 'eth_blockNumber', params: [] },
      ...addresses.map((address) => ({ method: 'eth_getBalance', params: [address, 'latest'] })),
    ])
    return {
      head: countOf(head, 'eth_blockNumber'),
      balancesWei: balances.map((balance) => quantityOf(balance, 'eth_getBalance')),
    }
  }

  /** What the next block asks for, and the number of the newest. */
  async readMarket(): Promise<Market> {
    const [block, tip] = await this.#rpc.answers([
      { method: 'eth_getBlockByNumber', params: ['latest', false] },
      { method: 'eth_maxPriorityFeePerGas', params: [] },
    ])
    const header = resultOf(block)
    const baseFee = isJsonObject(header) ? header['baseFeePerGas'] : undefined
    const tipWei = tip !== undefined && 'result' in tip ? tip.result : '0x3b9aca00'
    const number = isJsonObject(header) ? header['number'] : undefined
    const fees = marketFees(
      baseFee === undefined ? 0n : quantityOf(baseFee, 'baseFeePerGas'),
      quantityOf(tipWei, 'eth_maxPriorityFeePerGas'),
    )
    return { fees, head: countOf(number, 'number of a block') }
  }

  /**
   * Runs a call on the newest block and tells what gas it takes. A revert counts only when the call
   * reverts on the indexed head as well: otherwise the two differ by blocks that may decide it.
   */
  async simulate(call: Call, indexedHead: Hex): Promise<Simulation> {
    const newest = await this.#estimate(call, 'latest')
    if (newest.type !== 'reverted') return newest
    const indexed = await this.#estimate(call, { blockHash: indexedHead })
    if (indexed.type === 'reverted') return newest
    return { type: 'unknown', reason: `${newest.reason} on blocks that were not read yet` }
  }

  async #estimate(call: Call, block: unknown): Promise<Simulation> {
    try {
      const gas = await this.#rpc.call('eth_estimateGas', { ...call, value: '0x0' }, block)
      return { type: 'succeeded', gas: quantityOf(gas, 'eth_estimateGas') }
    } catch (error) {
      if (!(error instanceof RpcRefusal)) throw error
      if (!isRevert(error)) return { type: 'unknown', reason: error.message }
      return { type: 'reverted', reason: reasonOf(error) }
    }
  }

  /** Why a mined transaction reverted, as far as a run on its own block still shows it. */
  async explainRevert(call: Call, blockHash: Hex): Promise<string> {
    try {
      await this.#rpc.call('eth_call', call, { blockHash })
      return 'reverted'
    } catch (error) {
      if (!(error instanceof RpcRefusal)) throw error
      return isRevert(error) ? reasonOf(error) : 'reverted'
    }
  }

  /**
   * Gives the bytes to every endpoint, and waits for no other once one has them; throws `platform.unavailable`
   * when none answers.
   */
  async send(signed: {
    readonly raw: Hex
    /** Of all attempts with this nonce. */
    readonly hashes: readonly Hex[]
    readonly from: Address
    readonly nonce: number
  }): Promise<SendOutcome> {
    const call = { method: 'eth_sendRawTransaction', params: [signed.raw] }
    const answers = await this.#rpc.askAll(call, isTaken)
    if (answers.some(isTaken)) return { type: 'taken' }
    const refusals = answers.flatMap((answer) => ('refusal' in answer ? [answer.refusal] : []))
    const verdicts = refusals.map(judgeSend)
    if (verdicts.includes('nonce_low')) return await this.#lookUp(signed)
    const reason = refusals[0]?.message ?? ''
    return { type: verdicts.includes('underpriced') ? 'underpriced' : 'refused', reason }
  }

  /** The nonce is used: by one of our attempts, or by what somebody made with our key. */
  async #lookUp(signed: {
    readonly hashes: readonly Hex[]
    readonly from: Address
    readonly nonce: number
  }): Promise<SendOutcome> {
    const { hashes, from, nonce } = signed
    const [count, ...found] = await this.#rpc.batch([
      { method: 'eth_getTransactionCount', params: [from, 'latest'] },
      ...hashes.flatMap((hash) => [
        { method: 'eth_getTransactionReceipt', params: [hash] },
        { method: 'eth_getTransactionByHash', params: [hash] },
      ]),
    ])
    if (found.some(isJsonObject)) return { type: 'taken' }
    const isUsed = countOf(count, 'eth_getTransactionCount') > nonce
    return isUsed ? { type: 'external' } : { type: 'refused', reason: 'nonce too low' }
  }
}

function isTaken(answer: RpcAnswer): boolean {
  return 'result' in answer || judgeSend(answer.refusal) === 'known'
}

function reasonOf(refusal: RpcRefusal): string {
  return refusal.data === undefined ? refusal.message : describeRevert(refusal.data)
}

function resultOf(answer: RpcAnswer | undefined): unknown {
  if (answer === undefined) return undefined
  if ('refusal' in answer) throw answer.refusal
  return answer.result
}
