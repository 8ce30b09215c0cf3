import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BATCH_LIMITS,
  isInternal,
  net,
  Netting,
  sumByAsset,
  type NettableTransfer,
} from '#settlement/netting.ts'

const CUSTODY_OF_CASH = 2n ** 32n

const transfer = fc
  .record({
    debit: fc.bigInt(1n, 9n),
    credit: fc.bigInt(1n, 9n),
    asset: fc.integer({ min: 0, max: 7 }),
    amount: fc.bigInt(1n, 10n ** 12n),
    boundary: fc.boolean(),
  })
  .filter(({ debit, credit }) => debit !== credit)
  .map(({ boundary, ...rest }, index = 0): NettableTransfer => ({
    sequence: 1n,
    index,
    ...rest,
    ...(boundary ? { debit: CUSTODY_OF_CASH + BigInt(rest.asset) } : {}),
  }))

function naiveFold(transfers: readonly NettableTransfer[]): Map<string, bigint> {
  const sums = new Map<string, bigint>()
  for (const item of transfers.filter(isInternal)) {
    const from = `${item.debit}/${item.asset}`
    const to = `${item.credit}/${item.asset}`
    sums.set(from, (sums.get(from) ?? 0n) - item.amount)
    sums.set(to, (sums.get(to) ?? 0n) + item.amount)
  }
  return new Map([...sums].filter(([, sum]) => sum !== 0n))
}

describe('netting', () => {
  it('sums to zero per asset and equals the naive fold', () => {
    fc.assert(
      fc.property(fc.array(transfer, { maxLength: 60 }), (transfers) => {
        const deltas = net(transfers).deltas()
        for (const sum of sumByAsset(deltas).values()) expect(sum).toBe(0n)
        const found = new Map(deltas.map((d) => [`${d.account}/${d.asset}`, BigInt(d.amount)]))
        expect(found).toEqual(naiveFold(transfers))
      }),
    )
  })

  it('counts deltas, words and groups as if each fold started anew', () => {
    fc.assert(
      fc.property(fc.array(transfer, { maxLength: 40 }), (transfers) => {
        const netting = new Netting()
        for (const item of transfers) {
          netting.add(item)
          const deltas = netting.deltas()
          const words = new Set(deltas.map((d) => `${d.account}/${Math.floor(d.asset / 3)}`)).size
          const groups = new Set(deltas.map((d) => Math.floor(d.asset / 3))).size
          const exact = { deltas: deltas.length, words, groups }
          expect(netting.fits(exact)).toBe(true)
          for (const name of ['deltas', 'words', 'groups'] as const) {
            expect(netting.fits({ ...exact, [name]: exact[name] - 1 })).toBe(false)
          }
        }
      }),
    )
  })

  it('leaves deposits and mints to their own events', () => {
    const netting = net([
      { sequence: 1n, index: 0, debit: CUSTODY_OF_CASH, credit: 16n, asset: 0, amount: 5n },
      { sequence: 2n, index: 0, debit: 2n * 2n ** 32n + 3n, credit: 16n, asset: 3, amount: 5n },
    ])
    expect(netting.transfers).toBe(0)
    expect(netting.deltas()).toEqual([])
  })

  it('gives the deltas by account, then asset', () => {
    const make = (debit: bigint, credit: bigint, asset: number): NettableTransfer => ({
      sequence: 1n,
      index: 0,
      debit,
      credit,
      asset,
      amount: 7n,
    })
    const deltas = net([make(300n, 16n, 9), make(300n, 16n, 2)]).deltas()
    expect(deltas.map((d) => [d.account, d.asset, BigInt(d.amount)])).toEqual([
      [16, 2, 7n],
      [16, 9, 7n],
      [300, 2, -7n],
      [300, 9, -7n],
    ])
  })

  it('stops fitting one past each limit', () => {
    const netting = new Netting()
    for (let account = 2; account <= BATCH_LIMITS.words; account += 1) {
      netting.add({
        sequence: 1n,
        index: 0,
        debit: 1n,
        credit: BigInt(account),
        asset: 0,
        amount: 1n,
      })
    }
    expect(netting.fits(BATCH_LIMITS)).toBe(true)
    netting.add({ sequence: 1n, index: 0, debit: 1n, credit: 9_999n, asset: 0, amount: 1n })
    expect(netting.fits(BATCH_LIMITS)).toBe(false)
  })
})
