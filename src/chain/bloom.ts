import { assert } from '#kernel/assert.ts'
import type { Hex } from './hex.ts'

/** The three bits of a value in a bloom, numbered from the lowest. */
export type BloomBits = readonly [number, number, number]

/** What the node asks for: logs of one of the addresses with one of the topics. */
export interface BloomFilter {
  readonly addresses: readonly BloomBits[]
  readonly topics: readonly BloomBits[]
}

const BLOOM_DIGITS = 512

/** Bits of the value whose Keccak-256 is `digest` (yellow paper, section 4.3.1). */
export function bloomBits(digest: Hex): BloomBits {
  const bit = (pair: number): number =>
    Number.parseInt(digest.slice(2 + pair * 4, 6 + pair * 4), 16) & 2047
  return [bit(0), bit(1), bit(2)]
}

/** Whether a block with this bloom can hold a log of ours; a yes may be wrong, a no never is. */
export function mayHold(bloom: Hex, filter: BloomFilter): boolean {
  assert(bloom.length === BLOOM_DIGITS + 2, 'a bloom has 256 bytes')
  const isSet = (bits: BloomBits): boolean => bits.every((bit) => hasBit(bloom, bit))
  return filter.addresses.some(isSet) && filter.topics.some(isSet)
}

function hasBit(bloom: Hex, bit: number): boolean {
  const digit = Number.parseInt(bloom.charAt(BLOOM_DIGITS + 1 - (bit >> 2)), 16)
  return ((digit >> (bit & 3)) & 1) === 1
}
