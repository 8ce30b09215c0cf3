import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ZERO_HASH } from '#settlement/batch.ts'
import { present } from '#kernel/assert.ts'
import { merkleRoot, tradesRoot } from '#settlement/merkle-adapter.ts'
import { TRADE_LEAF_TYPES, tradeLeaves, type TradeTransfer } from '#settlement/trade-leaf.ts'

const TRADE = '01890a5d-ac96-774b-bcce-b302099a8057'
const leg = (index: number, code: string, extra: Partial<TradeTransfer>): TradeTransfer => ({
  sequence: 9n,
  index,
  code,
  ref: TRADE,
  debit: 16n,
  credit: 17n,
  asset: 3,
  amount: 50n,
  ...extra,
})
const BASE = leg(0, 'trade_base', {})
const QUOTE = leg(1, 'trade_quote', { debit: 17n, credit: 16n, asset: 0, amount: 1_000n })
const FEE = leg(2, 'fee', { debit: 17n, credit: 1n, asset: 0, amount: 1n })

describe('trade leaves', () => {
  it('are read from the two legs of each trade', () => {
    expect(tradeLeaves([BASE, QUOTE, FEE])).toEqual([
      ['9', '0', '0x01890a5dac96774bbcceb302099a8057', '16', '17', '3', '50', '0', '1000'],
    ])
  })

  it('ignore what is no trade', () => {
    expect(tradeLeaves([leg(0, 'deposit', { ref: null }), FEE])).toEqual([])
  })

  it('make a root whose proofs the standard verifies', async () => {
    const leaves = tradeLeaves([
      BASE,
      QUOTE,
      { ...BASE, ref: TRADE.replace('01', '02'), index: 3 },
      { ...QUOTE, ref: TRADE.replace('01', '02'), index: 4 },
    ])
    const root = await tradesRoot(leaves)
    const types = [...TRADE_LEAF_TYPES]
    const tree = StandardMerkleTree.of(
      leaves.map((leaf) => [...leaf]),
      types,
    )
    const first = [...(leaves[0] ?? [])]
    expect(StandardMerkleTree.verify(root, types, first, tree.getProof(first))).toBe(true)
    expect(
      StandardMerkleTree.verify(root, types, [...first.slice(0, 8), '1001'], tree.getProof(first)),
    ).toBe(false)
  })

  it('of a range without trades have the zero root', async () => {
    expect(await tradesRoot([])).toBe(ZERO_HASH)
  })

  it('have the root that the standard tree gives them, whatever they hold', () => {
    const uint = (bits: bigint) => fc.bigInt({ min: 0n, max: 2n ** bits - 1n }).map(String)
    const id = fc.uint8Array({ minLength: 16, maxLength: 16 })
    const hex = id.map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`)
    const fields = TRADE_LEAF_TYPES.map((type) =>
      type === 'bytes16' ? hex : uint(BigInt(type.slice(4))),
    )
    const leaves = fc.array(fc.tuple(...fields), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(leaves, (some) => {
        const standard = StandardMerkleTree.of(some, [...TRADE_LEAF_TYPES])
        expect(merkleRoot({ leaves: some, types: TRADE_LEAF_TYPES })).toBe(standard.root)
      }),
    )
  })

  it('have the same root beside the event loop as in line', async () => {
    const leaves = Array.from({ length: 120 }, (_, place) => {
      const [leaf] = tradeLeaves([
        { ...BASE, sequence: BigInt(place + 1) },
        { ...QUOTE, sequence: BigInt(place + 1) },
      ])
      return present(leaf, 'leaf')
    })
    expect(await tradesRoot(leaves)).toBe(merkleRoot({ leaves, types: TRADE_LEAF_TYPES }))
  })
})
