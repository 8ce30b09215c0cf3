import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_ATOMS } from '#kernel/money.ts'
import { guardSupply, type SupplyLimits } from '#supply/supply-request.ts'

const OPEN: SupplyLimits = {
  reserveAtoms: null,
  ceilingAtoms: 1_000n,
  supplyAtoms: 400n,
  pendingAtoms: 100n,
}

describe('the supply guard', () => {
  it('lets supply grow up to the ceiling, counting what is on its way', () => {
    expect(guardSupply(OPEN, 500n)).toBeUndefined()
    expect(guardSupply(OPEN, 501n)).toBe('ceiling_exceeded')
  })

  it('never lets supply pass what a ledger account can hold', () => {
    const limits = { ...OPEN, ceilingAtoms: null }
    expect(guardSupply(limits, MAX_ATOMS - 500n)).toBeUndefined()
    expect(guardSupply(limits, MAX_ATOMS - 499n)).toBe('ceiling_exceeded')
  })

  it('mints up to what attestors vouch for, counting what is on its way, and nothing without them', () => {
    expect(guardSupply({ ...OPEN, reserveAtoms: 0n }, 1n)).toBe('reserve_unattested')
    expect(guardSupply({ ...OPEN, reserveAtoms: 0n }, -1n)).toBeUndefined()
    expect(guardSupply({ ...OPEN, reserveAtoms: 700n }, 200n)).toBeUndefined()
    expect(guardSupply({ ...OPEN, reserveAtoms: 700n }, 201n)).toBe('reserve_exceeded')
  })

  it('keeps the supply between zero and the ceiling for every accepted change', () => {
    const amount = fc.bigInt(-(2n ** 63n), 2n ** 63n)
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 18n), amount, (supplyAtoms, change) => {
        const limits = { ...OPEN, supplyAtoms, pendingAtoms: 0n, ceilingAtoms: 10n ** 18n }
        if (guardSupply(limits, change) !== undefined) return
        expect(supplyAtoms + change).toBeGreaterThanOrEqual(0n)
        expect(supplyAtoms + change).toBeLessThanOrEqual(10n ** 18n)
      }),
    )
  })
})
