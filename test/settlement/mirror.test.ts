import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareMirror, describeDifference, type LanePair } from '#settlement/mirror.ts'

const lane = (account: number, asset: number, ledger: bigint, chain: bigint): LanePair => ({
  account,
  asset,
  ledger,
  chain,
})

describe('the mirror', () => {
  it('finds nothing when every lane, total and supply agree', () => {
    const report = compareMirror({
      lanes: [lane(16, 0, 5n, 5n), lane(17, 0, 7n, 7n), lane(16, 1, 3n, 3n)],
      totals: new Map([
        [0, 12n],
        [1, 3n],
      ]),
      supplies: [{ asset: 1, ledger: 3n, chain: 3n }],
    })
    expect(report.differences).toEqual([])
    expect(report.assets).toEqual([
      { asset: 0, ledger: 12n, chain: 12n, difference: 0n, supplyLedger: null, supplyChain: null },
      { asset: 1, ledger: 3n, chain: 3n, difference: 0n, supplyLedger: 3n, supplyChain: 3n },
    ])
  })

  it('names the one lane that was altered, and that one alone', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 4 })), {
          minLength: 1,
          maxLength: 30,
          selector: ([account, asset]) => `${account}/${asset}`,
        }),
        fc.nat(),
        fc.bigInt(1n, 99n),
        fc.boolean(),
        (places, pick, amount, isChainAltered) => {
          const lanes = places.map(([account, asset]) => lane(account, asset, 100n, 100n))
          const totals = new Map<number, bigint>()
          for (const { asset } of lanes) totals.set(asset, (totals.get(asset) ?? 0n) + 100n)
          const at = pick % lanes.length
          const altered = lanes.map((pair, place) => {
            if (place !== at) return pair
            return isChainAltered
              ? { ...pair, chain: pair.chain + amount }
              : { ...pair, ledger: pair.ledger + amount }
          })
          const { differences } = compareMirror({ lanes: altered, totals, supplies: [] })
          expect(differences).toEqual([{ kind: 'lane', ...altered[at] }])
        },
      ),
    )
  })

  it('finds value in the vault that no known lane holds', () => {
    const { differences } = compareMirror({
      lanes: [lane(16, 0, 5n, 5n)],
      totals: new Map([[0, 9n]]),
      supplies: [],
    })
    expect(differences).toEqual([{ kind: 'total', account: null, asset: 0, ledger: 5n, chain: 9n }])
  })

  it('finds a token whose supply left the ledger', () => {
    const { differences } = compareMirror({
      lanes: [],
      totals: new Map([[3, 0n]]),
      supplies: [{ asset: 3, ledger: 10n, chain: 11n }],
    })
    expect(differences.map(({ kind, asset }) => [kind, asset])).toEqual([['supply', 3]])
  })

  it('names account, asset and amount in one line', () => {
    const line = describeDifference({ kind: 'lane', account: 17, asset: 3, ledger: 5n, chain: 9n })
    expect(line).toBe('account 17, asset 3: ledger 5, chain 9, difference -4 atoms')
  })
})
