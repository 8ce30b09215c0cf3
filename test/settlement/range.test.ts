import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { net } from '#settlement/netting.ts'
import { RangeFold, type RangeLimits } from '#settlement/range.ts'
import type { TradeTransfer } from '#settlement/trade-leaf.ts'

const WIDE: RangeLimits = { deltas: 2_000, words: 500, groups: 255, transfers: 60_000 }

const transfers = fc
  .array(
    fc.record({
      step: fc.integer({ min: 0, max: 2 }),
      debit: fc.bigInt(1n, 8n),
      credit: fc.bigInt(9n, 16n),
      asset: fc.integer({ min: 0, max: 7 }),
      amount: fc.bigInt(1n, 9n),
    }),
    { maxLength: 50 },
  )
  .map((rows) => {
    let sequence = 5n
    return rows.map(({ step, ...row }, index): TradeTransfer => {
      sequence += BigInt(step)
      return { ...row, sequence, index, code: 'trade_base', ref: null }
    })
  })

/** The first sequence at whose end the fold of everything so far is too big, the slow way. */
function firstTooBig(rows: readonly TradeTransfer[], limits: RangeLimits): bigint | undefined {
  return [...new Set(rows.map(({ sequence }) => sequence))].find((end) => {
    const soFar = rows.filter(({ sequence }) => sequence <= end)
    return soFar.length > limits.transfers || !net(soFar).fits(limits)
  })
}

describe('a range', () => {
  it('stops at the first sequence that is too much for one transaction', () => {
    const limits = fc.record({
      deltas: fc.integer({ min: 1, max: 12 }),
      words: fc.integer({ min: 1, max: 12 }),
      groups: fc.integer({ min: 1, max: 3 }),
      transfers: fc.integer({ min: 1, max: 30 }),
    })
    fc.assert(
      fc.property(transfers, limits, fc.integer({ min: 1, max: 9 }), (rows, limit, size) => {
        const fold = new RangeFold(limit)
        for (let at = 0; at < rows.length; at += size) {
          if (!fold.push(rows.slice(at, at + size))) break
        }
        fold.end()
        const expected = firstTooBig(rows, limit)
        expect(fold.overflow).toBe(expected)
        const end = expected === undefined ? 10_000n : expected - 1n
        expect(fold.upTo(end)).toEqual(rows.filter(({ sequence }) => sequence <= end))
      }),
    )
  })

  it('takes everything when it fits', () => {
    const fold = new RangeFold(WIDE)
    expect(fold.push([])).toBe(true)
    fold.end()
    expect(fold.overflow).toBeUndefined()
  })
})
