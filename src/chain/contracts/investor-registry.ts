import type { Hex } from '../hex.ts'
import { encodeCall } from './abi-adapter.ts'

export interface RegisterCall {
  /** Account id of the node, from 16. */
  readonly account: number
  readonly wallet: string
  /** 1–83. */
  readonly class: number
  /** Unix seconds, 0 = never. */
  readonly expiry: bigint
  /** 32 bytes. */
  readonly identityHash: string
}

/** `register(account, wallet, class, expiry, identityHash)`. */
export function encodeRegister(call: RegisterCall): Hex {
  const { account, wallet, expiry, identityHash } = call
  return encodeCall('InvestorRegistry', 'register', [
    account,
    wallet,
    call.class,
    expiry,
    identityHash,
  ])
}
