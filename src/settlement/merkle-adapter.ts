import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import { keccak256 } from 'ethers'
import { assert } from '#kernel/assert.ts'
import { ZERO_HASH, type Hex } from './batch.ts'
import {
  LIABILITY_LEAF_TYPES,
  TRADE_LEAF_TYPES,
  type LiabilityLeaf,
  type TradeLeaf,
} from './trade-leaf.ts'

export interface MerkleWork {
  readonly leaves: readonly (readonly string[])[]
  readonly types: readonly string[]
}

/** A leaf costs a tenth of a millisecond or more; more than these would hold up the event loop. */
const LEAVES_IN_LINE = 100

/** Root over the trades of a range; zero without trades. */
export async function tradesRoot(leaves: readonly TradeLeaf[]): Promise<Hex> {
  return await findRoot({ leaves, types: TRADE_LEAF_TYPES })
}

/** Root over what is owed to every account; zero when nothing is. */
export async function liabilitiesRoot(leaves: readonly LiabilityLeaf[]): Promise<Hex> {
  return await findRoot({ leaves, types: LIABILITY_LEAF_TYPES })
}

/**
 * The root of OpenZeppelin's `StandardMerkleTree`, whose own general encoding of a leaf takes three
 * times as long as all the rest.
 */
export function merkleRoot({ leaves, types }: MerkleWork): Hex {
  if (leaves.length === 0) return ZERO_HASH
  const { root } = SimpleMerkleTree.of(leaves.map((leaf) => leafHash(types, leaf)))
  return `0x${root.slice(2)}`
}

/** keccak256(keccak256(abi.encode(leaf))); every type is a `uintN` or a `bytesN`. */
function leafHash(types: readonly string[], leaf: readonly string[]): string {
  assert(leaf.length === types.length, 'a leaf has a value of each type')
  const words = leaf.map((value, place) => {
    const isBytes = types[place]?.startsWith('bytes') === true
    return isBytes ? value.slice(2).padEnd(64, '0') : BigInt(value).toString(16).padStart(64, '0')
  })
  return keccak256(keccak256(`0x${words.join('')}`))
}

async function findRoot(work: MerkleWork): Promise<Hex> {
  if (work.leaves.length <= LEAVES_IN_LINE) return merkleRoot(work)
  const worker = new Worker(new URL('./merkle-worker.ts', import.meta.url), { workerData: work })
  const [root]: unknown[] = await once(worker, 'message')
  assert(typeof root === 'string' && root.startsWith('0x'), 'the worker answers a hash')
  return `0x${root.slice(2)}`
}
