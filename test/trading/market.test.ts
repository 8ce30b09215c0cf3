import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatPrice,
  formatQuantity,
  makeMarket,
  notionalOf,
  parsePrice,
  parseQuantity,
  type Market,
} from '#trading/market.ts'
import { averagePrice, collarTicks } from '#trading/order.ts'

const TERMS = {
  symbol: 'BLDG-USD',
  tick_size: '0.05',
  lot_size: '0.001',
  maker_fee_bps: 5,
  taker_fee_bps: 10,
  market_collar_bps: 500,
}

function market(change: Partial<typeof TERMS> = {}, decimals = { base: 4, quote: 6 }) {
  const base = { asset: 1, decimals: decimals.base }
  const quote = { asset: 0, decimals: decimals.quote }
  return makeMarket(1, { ...TERMS, ...change }, base, quote)
}

function valid(): Market {
  const made = market()
  if (typeof made === 'string') throw new TypeError(made)
  return made
}

describe('a market', () => {
  it.each([
    ['a lot finer than the base asset', { lot_size: '0.00001' }, 'lot_size'],
    ['a tick of zero', { tick_size: '0' }, 'tick_size'],
    ['a lot of zero', { lot_size: '0.000' }, 'lot_size'],
    ['a tick and lot that do not give whole atoms', { tick_size: '0.0001' }, 'inexact'],
    ['a maker fee above the taker fee', { maker_fee_bps: 11 }, 'fees'],
  ])('refuses %s', (_, change, problem) => {
    expect(market(change)).toBe(problem)
  })

  it('prices one lot at one tick in whole atoms', () => {
    expect(notionalOf(valid(), 1n, 1n)).toBe(50n)
  })

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 40n), (count) => {
        expect(parsePrice(valid(), formatPrice(valid(), count))).toBe(count)
        expect(parseQuantity(valid(), formatQuantity(valid(), count))).toBe(count)
      }),
    )
  })

  it.each([
    ['10.05', 201n],
    ['10.050000', 201n],
    ['10.03', 'off_grid'],
    ['10.0500001', 'too_many_decimals'],
    ['0', 'out_of_range'],
    ['-1', 'not_a_decimal'],
    ['1e3', 'not_a_decimal'],
  ])('reads the price %s', (text, expected) => {
    expect(parsePrice(valid(), text)).toBe(expected)
  })

  it.each([
    ['0.002', 2n],
    ['0.0005', 'off_grid'],
    ['0.00001', 'too_many_decimals'],
    ['99999999999999999999', 'out_of_range'],
  ])('reads the quantity %s', (text, expected) => {
    expect(parseQuantity(valid(), text)).toBe(expected)
  })

  it('rounds the collar towards the best price', () => {
    expect(collarTicks(valid(), 'buy', 99n)).toBe(103n)
    expect(collarTicks(valid(), 'sell', 99n)).toBe(95n)
  })

  it('rounds the average price half to even at four decimals more than the tick', () => {
    const fills = { filledLots: 3n, makerNotional: 0n, takerNotional: 50n * 200n }
    expect(averagePrice(valid(), fills)).toBe('3.333333')
    expect(averagePrice(valid(), { ...fills, filledLots: 0n })).toBeNull()
  })
})
