import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  MAX_ATOMS,
  add,
  atoms,
  bps,
  delta,
  divHalfEven,
  feeUp,
  formatDecimal,
  mulDivDown,
  mulDivUp,
  parseDecimal,
  subtract,
} from '#kernel/money.ts'

const anyAtoms = fc.bigInt({ min: 0n, max: MAX_ATOMS })
const decimals = fc.integer({ min: 0, max: 8 })

describe('decimal strings', () => {
  it('reads back what it wrote, for every amount and number of decimals', () => {
    fc.assert(
      fc.property(anyAtoms, decimals, (value, places) => {
        expect(parseDecimal(formatDecimal(value, places), places)).toBe(value)
      }),
    )
  })

  it.each([
    ['12.5', 2, 1250n],
    ['0', 8, 0n],
    ['92233720368.54775807', 8, MAX_ATOMS],
    ['92233720368.54775808', 8, 'out_of_range'],
    ['1.234', 2, 'too_many_decimals'],
    ['1.00', 1, 'too_many_decimals'],
    ['01', 2, 'not_a_decimal'],
    ['-1', 2, 'not_a_decimal'],
    ['1e3', 2, 'not_a_decimal'],
    [' 1', 2, 'not_a_decimal'],
    ['1.', 2, 'not_a_decimal'],
    ['.5', 2, 'not_a_decimal'],
    ['', 2, 'not_a_decimal'],
    ['9'.repeat(65), 0, 'not_a_decimal'],
  ])('reads %s at %i decimals as %s', (text, places, expected) => {
    expect(parseDecimal(text, places)).toBe(expected)
  })

  it('writes exactly the decimals of the asset and keeps the sign', () => {
    expect(formatDecimal(5n, 2)).toBe('0.05')
    expect(formatDecimal(-1250n, 2)).toBe('-12.50')
    expect(formatDecimal(7n, 0)).toBe('7')
  })
})

describe('arithmetic', () => {
  it('refuses to leave the range instead of wrapping', () => {
    expect(() => add(atoms(MAX_ATOMS), atoms(1n))).toThrow('out of range')
    expect(() => subtract(atoms(1n), atoms(2n))).toThrow('out of range')
    expect(() => delta(-MAX_ATOMS - 1n)).toThrow('out of range')
    expect(() => bps(10_001)).toThrow('out of range')
    expect(() => bps(0.5)).toThrow('out of range')
  })

  it('rounds as its name says', () => {
    fc.assert(
      fc.property(anyAtoms, anyAtoms, fc.bigInt({ min: 1n, max: MAX_ATOMS }), (a, b, c) => {
        const down = mulDivDown(a, b, c)
        const up = mulDivUp(a, b, c)
        expect(down * c <= a * b && up * c >= a * b && up - down <= 1n).toBe(true)
      }),
    )
  })

  it('rounds half to even', () => {
    expect([
      divHalfEven(5n, 2n),
      divHalfEven(7n, 2n),
      divHalfEven(8n, 3n),
      divHalfEven(7n, 3n),
    ]).toEqual([2n, 4n, 3n, 2n])
  })

  it('never charges ten fills more than one fill of the same notional', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt({ min: 1n, max: 10n ** 12n }), { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 0, max: 10_000 }),
        (fills, rate) => {
          let notional = 0n
          let paid = 0n
          for (const fill of fills) {
            notional += fill
            const owed = feeUp(atoms(notional), bps(rate))
            expect(owed >= paid).toBe(true)
            paid = owed
          }
          expect(paid).toBe(feeUp(atoms(notional), bps(rate)))
        },
      ),
    )
  })
})
