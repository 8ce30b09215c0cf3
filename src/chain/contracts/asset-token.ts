import type { Hex } from '../hex.ts'
import { encodeCall } from './abi-adapter.ts'

/** Supply of a token, in its units; the answer is one word. */
export function encodeTotalSupply(): Hex {
  return encodeCall('AssetToken', 'totalSupply', [])
}
