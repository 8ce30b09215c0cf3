import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import { ZERO_HASH, type Hex } from './batch.ts'
import {
  LIABILITY_LEAF_TYPES,
  TRADE_LEAF_TYPES,
  type LiabilityLeaf,
  type TradeLeaf,
} from './trade-leaf.ts'

/** Root over the trades of a range; zero without trades. */
export function tradesRoot(leaves: readonly TradeLeaf[]): Hex {
  return rootOf(leaves, TRADE_LEAF_TYPES)
}

/** Root over what is owed to every account; zero when nothing is. */
export function liabilitiesRoot(leaves: readonly LiabilityLeaf[]): Hex {
  return rootOf(leaves, LIABILITY_LEAF_TYPES)
}

function rootOf(leaves: readonly (readonly string[])[], types: readonly string[]): Hex {
  if (leaves.length === 0) return ZERO_HASH
  const tree = StandardMerkleTree.of(
    leaves.map((leaf) => [...leaf]),
    [...types],
  )
  return `0x${tree.root.slice(2)}`
}
