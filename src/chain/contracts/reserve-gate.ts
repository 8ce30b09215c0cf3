import { assert } from '#kernel/assert.ts'
import { hexOf, type Hex } from '../hex.ts'
import { encodeCall } from './abi-adapter.ts'

const ANSWER_DIGITS = 64

/** `reserveOf(asset)`; read the answer with `decodeReserve`. */
export function encodeReserveOf(asset: number): Hex {
  return encodeCall('ReserveGate', 'reserveOf', [asset])
}

/** Atoms. */
export function decodeReserve(data: string): bigint {
  const answer = hexOf(data, 'answer of the reserve gate')
  assert(answer.length === 2 + ANSWER_DIGITS, 'one word')
  return BigInt(answer)
}
