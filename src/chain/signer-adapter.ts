import { Transaction, Wallet } from 'ethers'
import { present } from '#kernel/assert.ts'
import { addressOf, hashOf, hexOf, type Address } from './hex.ts'
import type { SignedTransaction, Signer, UnsignedTransaction } from './signer.ts'

/** A key in memory. */
export class LocalSigner implements Signer {
  readonly #wallet: Wallet
  readonly address: Address

  constructor(privateKey: string) {
    this.#wallet = new Wallet(privateKey)
    this.address = addressOf(this.#wallet.address, 'address of a signer')
  }

  /** Same input, same bytes (RFC 6979). */
  sign(unsigned: UnsignedTransaction): Promise<SignedTransaction> {
    const transaction = toTransaction(unsigned)
    transaction.signature = this.#wallet.signingKey.sign(transaction.unsignedHash)
    return Promise.resolve({
      raw: hexOf(transaction.serialized, 'signed bytes'),
      hash: hashOf(present(transaction.hash, 'hash of signed bytes'), 'hash'),
    })
  }
}

/** The transaction of type 2 (EIP-1559) that is to be signed. */
export function toTransaction(unsigned: UnsignedTransaction): Transaction {
  const { chainId, nonce, to, data, gasLimit, fees } = unsigned
  return Transaction.from({
    type: 2,
    chainId,
    nonce,
    to,
    data,
    gasLimit,
    value: 0n,
    maxFeePerGas: fees.maxFeeWei,
    maxPriorityFeePerGas: fees.priorityFeeWei,
  })
}
