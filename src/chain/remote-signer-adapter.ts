import { Transaction } from 'ethers'
import { isJsonObject, parseJson, stringifyJson } from '#kernel/json.ts'
import { describeFailure } from '#platform/lifecycle.ts'
import { chainErrors } from './errors.ts'
import { addressOf, hashOf, hexOf, quantity, type Address } from './hex.ts'
import { toTransaction } from './signer-adapter.ts'
import type { SignedTransaction, Signer, UnsignedTransaction } from './signer.ts'

const TIMEOUT_MS = 10_000

/**
 * A key in another process that answers `eth_signTransaction`, as web3signer does. Its answer is
 * decoded and must be exactly what was asked, signed by the right key with a low s (EIP-2).
 */
export class RemoteSigner implements Signer {
  readonly #url: string
  readonly #timeoutMs: number
  readonly address: Address

  constructor(options: {
    readonly url: string
    readonly address: string
    readonly timeoutMs?: number
  }) {
    this.#url = options.url
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.address = addressOf(options.address, 'address of a signer')
  }

  /** Throws `chain.signer_failed`. */
  async sign(unsigned: UnsignedTransaction): Promise<SignedTransaction> {
    const { nonce, to, data, gasLimit, fees, chainId } = unsigned
    const answer = await this.#ask({
      from: this.address,
      to,
      data,
      value: '0x0',
      type: '0x2',
      chainId: quantity(chainId),
      nonce: quantity(nonce),
      gas: quantity(gasLimit),
      maxFeePerGas: quantity(fees.maxFeeWei),
      maxPriorityFeePerGas: quantity(fees.priorityFeeWei),
    })
    return requireSame(unsigned, answer, this.address)
  }

  async #ask(transaction: object): Promise<unknown> {
    const call = { jsonrpc: '2.0', id: 1, method: 'eth_signTransaction', params: [transaction] }
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: stringifyJson(call),
        signal: AbortSignal.timeout(this.#timeoutMs),
        redirect: 'error',
      })
      return parseJson(await response.text())
    } catch (error) {
      const detail = `the remote signer is away: ${describeFailure(error)}`
      throw chainErrors.signer_failed(detail, { cause: error })
    }
  }
}

/** What was signed; throws `chain.signer_failed` unless it is what was asked, by that key. */
function requireSame(
  unsigned: UnsignedTransaction,
  answer: unknown,
  address: Address,
): SignedTransaction {
  const signed = readSigned(answer)
  if (signed.unsignedHash !== toTransaction(unsigned).unsignedHash) {
    throw chainErrors.signer_failed('the remote signer signed another transaction')
  }
  if (signed.from?.toLowerCase() !== address.toLowerCase()) {
    throw chainErrors.signer_failed('the remote signer signed with another key')
  }
  return { raw: hexOf(signed.serialized, 'signed bytes'), hash: hashOf(signed.hash, 'hash') }
}

/** web3signer answers the bytes, geth an object with them. */
function readSigned(answer: unknown): Transaction {
  const body = isJsonObject(answer) ? answer : {}
  const { result, error } = body
  const refusal = isJsonObject(error) ? String(error['message']) : 'no signed bytes in its answer'
  const raw = isJsonObject(result) ? result['raw'] : result
  if (typeof raw !== 'string') {
    throw chainErrors.signer_failed(`the remote signer refused: ${refusal}`)
  }
  try {
    return requireSigned(Transaction.from(raw))
  } catch (cause) {
    throw chainErrors.signer_failed('the remote signer gave no valid signature', { cause })
  }
}

function requireSigned(transaction: Transaction): Transaction {
  if (transaction.signature !== null && transaction.from !== null) return transaction
  throw chainErrors.signer_failed('the remote signer gave no signature')
}
