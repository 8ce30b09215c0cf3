import type { Fees } from './gas.ts'
import type { Address, Hex } from './hex.ts'

/** Whose key signs. */
export const SIGNER_ROLES = ['settler', 'registrar'] as const
export type SignerRole = (typeof SIGNER_ROLES)[number]

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

/** A key in memory or elsewhere. Nothing else may send with it: it is the one owner of the nonce. */
export interface Signer {
  readonly address: Address
  /** Throws `chain.signer_failed` when the key is out of reach or the answer is not what was asked. */
  sign(transaction: UnsignedTransaction): Promise<SignedTransaction>
}
