import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { finalTarget } from '#chain/finality.ts'
import type { Header } from '#chain/block.ts'
import { hashOf } from '#chain/hex.ts'
import { judgeHead, linkedPrefix, planRetraction } from '#chain/reorg.ts'

const hash = (branch: number, number: number) =>
  hashOf(
    `0x${(BigInt(branch) * 2n ** 64n + BigInt(number)).toString(16).padStart(64, '0')}`,
    'hash',
  )

/** Blocks `from`–`to` that leave the chain 0 above `fork` for the branch. */
function chainOf(from: number, to: number, branch = 0, fork = to): readonly Header[] {
  const at = (number: number) => hash(number > fork ? branch : 0, number)
  return Array.from({ length: to - from + 1 }, (_, place) => {
    const number = from + place
    return {
      number,
      hash: at(number),
      parentHash: at(number - 1),
      timestamp: number,
      transactions: [],
    }
  })
}

describe('judging a head', () => {
  const ours = { number: 10, hash: hash(0, 10) }

  it('takes a lower head for a slow endpoint', () => {
    expect(judgeHead(ours, { number: 3, hash: hash(5, 3) }, false)).toBe('behind')
  })

  it('believes a lower head of a new chain instance', () => {
    expect(judgeHead(ours, { number: 3, hash: hash(0, 3) }, true)).toBe('fork')
  })

  it('sees a fork in another block at the same height', () => {
    expect(judgeHead(ours, { number: 10, hash: hash(1, 10) }, false)).toBe('fork')
    expect(judgeHead(ours, ours, true)).toBe('same')
    expect(judgeHead(ours, { number: 11, hash: hash(1, 11) }, false)).toBe('ahead')
  })
})

describe('planning a retraction', () => {
  it('goes back to the last common block, newest first', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 64 }),
        fc.integer({ min: 0, max: 64 }),
        fc.integer({ min: 0, max: 64 }),
        (shared, own, other) => {
          const final = 100
          const ours = chainOf(final, final + shared + own, 1, final + shared)
          const theirs = chainOf(final, final + shared + other, 2, final + shared)
          const plan = planRetraction(ours, theirs, final + shared + Math.min(own, other))
          expect(plan).toMatchObject({ type: 'retract', ancestor: { number: final + shared } })
          const numbers = plan.type === 'retract' ? plan.blocks.map(({ number }) => number) : []
          expect(numbers).toEqual(
            Array.from({ length: own }, (_, place) => final + shared + own - place),
          )
        },
      ),
    )
  })

  it('refuses a chain that does not hold our final block', () => {
    expect(planRetraction(chainOf(5, 9), chainOf(5, 9, 1, 4), 9)).toEqual({
      type: 'beyond_finality',
    })
  })

  it('refuses a chain that ends below our final block', () => {
    expect(planRetraction(chainOf(5, 9), [], 4)).toEqual({ type: 'beyond_finality' })
  })

  it('refuses headers of different chains and no headers', () => {
    const torn = [...chainOf(5, 7), ...chainOf(8, 9, 3, 6)]
    expect(planRetraction(chainOf(5, 9), torn, 9)).toEqual({ type: 'incoherent' })
    expect(planRetraction(chainOf(5, 9), [], 9)).toEqual({ type: 'incoherent' })
  })

  it('refuses headers that end below a head that was shown', () => {
    const short = chainOf(5, 7)
    expect(planRetraction(chainOf(5, 9), short, 9)).toEqual({ type: 'incoherent' })
    expect(planRetraction(chainOf(5, 9), short, 7)).toMatchObject({ ancestor: { number: 7 } })
  })
})

describe('linked headers', () => {
  it('end where a reorg tore them apart', () => {
    const [base, ...rest] = chainOf(4, 6)
    const torn = [...rest, ...chainOf(7, 9, 2, 6).slice(1)]
    expect(linkedPrefix({ number: 4, hash: hash(0, 4) }, torn)).toEqual(rest)
    expect(base?.number).toBe(4)
  })
})

describe('finality', () => {
  const view = { head: 20, final: 5, tagged: undefined, durable: undefined }

  it('is a depth, or what the chain says, never above our head', () => {
    expect(finalTarget({ ...view, rule: { depth: 3 } })).toBe(17)
    expect(finalTarget({ ...view, rule: { tag: 'finalized' }, tagged: 12 })).toBe(12)
    expect(finalTarget({ ...view, rule: { tag: 'finalized' }, tagged: 25 })).toBe(20)
  })

  it('waits for the disk and never goes back', () => {
    expect(finalTarget({ ...view, rule: { depth: 3 }, durable: 11 })).toBe(11)
    expect(finalTarget({ ...view, rule: { depth: 3 }, durable: 2 })).toBe(5)
    expect(finalTarget({ ...view, rule: { depth: 30 } })).toBe(5)
    expect(finalTarget({ ...view, rule: { tag: 'finalized' } })).toBe(5)
  })
})
