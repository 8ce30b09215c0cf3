import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
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

/** A leaf costs a third of a millisecond; more than these would hold up the event loop. */
const LEAVES_IN_LINE = 50

/** Root over the trades of a range; zero without trades. */
export async function tradesRoot(leaves: readonly TradeLeaf[]): Promise<Hex> {
  return await findRoot({ leaves, types: TRADE_LEAF_TYPES })
}

/** Root over what is owed to every account; zero when nothing is. */
export async function liabilitiesRoot(leaves: readonly LiabilityLeaf[]): Promise<Hex> {
  return await findRoot({ leaves, types: LIABILITY_LEAF_TYPES })
}

export function merkleRoot({ leaves, types }: MerkleWork): Hex {
  if (leaves.length === 0) return ZERO_HASH
  const tree = StandardMerkleTree.of(
    leaves.map((leaf) => [...leaf]),
    [...types],
  )
  return `0x${tree.root.slice(2)}`
}

async function findRoot(work: MerkleWork): Promise<Hex> {
  if (work.leaves.length <= LEAVES_IN_LINE) return merkleRoot(work)
  const worker = new Worker(new URL('./merkle-worker.ts', import.meta.url), { workerData: work })
  const [root]: unknown[] = await once(worker, 'message')
  assert(typeof root === 'string' && root.startsWith('0x'), 'the worker answers a hash')
  return `0x${root.slice(2)}`
}
