import { Transaction, Wallet } from 'ethers'
import { present } from '#kernel/assert.ts'
import type { Fees } from './gas.ts'
import { addressOf, hashOf, hexOf, type Address, type Hex } from './hex.ts'

export interface UnsignedTransaction {
  readonly chainId: number
  readonly nonce: number
  readonly to: Address
  readonly data: Hex
  readonly gasLimit: bigint
  readonly fees: Fees
}

export interface SignedTransaction {
  /** What goes to the endpoints. */
  readonly raw: Hex
  readonly hash: Hex
}

/** A key in memory. Nothing else may send with it: it is the one owner of the nonce. */
export class LocalSigner {
  readonly #wallet: Wallet
  readonly address: Address

  constructor(privateKey: string) {
    this.#wallet = new Wallet(privateKey)
    this.address = addressOf(this.#wallet.address, 'address of a signer')
  }

  /** Same input, same bytes (RFC 6979). */
  sign({ chainId, nonce, to, data, gasLimit, fees }: UnsignedTransaction): SignedTransaction {
    const transaction = Transaction.from({
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
    transaction.signature = this.#wallet.signingKey.sign(transaction.unsignedHash)
    return {
      raw: hexOf(transaction.serialized, 'signed bytes'),
      hash: hashOf(present(transaction.hash, 'hash of signed bytes'), 'hash'),
    }
  }
}
