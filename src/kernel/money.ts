import { assert } from './assert.ts'
import { mint, type Brand } from './brand.ts'

/** An amount in the smallest unit of its asset: 0 ≤ atoms < 2⁶³ (a Postgres BIGINT). */
export type Atoms = Brand<bigint, 'Atoms'>
/** A signed change in atoms: −2⁶³ < delta < 2⁶³. */
export type Delta = Brand<bigint, 'Delta'>
/** Hundredths of a percent, 0–10,000. */
export type Bps = Brand<number, 'Bps'>

export const MAX_ATOMS = 2n ** 63n - 1n
export const MAX_DECIMALS = 8
const BPS_PER_UNIT = 10_000n

export function isAtoms(value: bigint): boolean {
  return value >= 0n && value <= MAX_ATOMS
}

/** Asserts the range; overflow is an error, never a wrap. */
export function atoms(value: bigint): Atoms {
  assert(isAtoms(value), `atoms out of range: ${value}`)
  return mint<Atoms>(value)
}

export function delta(value: bigint): Delta {
  assert(value >= -MAX_ATOMS && value <= MAX_ATOMS, `delta out of range: ${value}`)
  return mint<Delta>(value)
}

export function bps(value: number): Bps {
  assert(Number.isInteger(value) && value >= 0 && value <= 10_000, `bps out of range: ${value}`)
  return mint<Bps>(value)
}

export function add(a: Atoms, b: Atoms): Atoms {
  return atoms(a + b)
}

/** a − b, which must not be negative. */
export function subtract(a: Atoms, b: Atoms): Atoms {
  return atoms(a - b)
}

/** ⌊a·b / c⌋ */
export function mulDivDown(a: bigint, b: bigint, c: bigint): bigint {
  assert(a >= 0n && b >= 0n && c > 0n, 'mulDivDown takes a, b ≥ 0 and c > 0')
  return (a * b) / c
}

/** ⌈a·b / c⌉ */
export function mulDivUp(a: bigint, b: bigint, c: bigint): bigint {
  assert(a >= 0n && b >= 0n && c > 0n, 'mulDivUp takes a, b ≥ 0 and c > 0')
  return (a * b + c - 1n) / c
}

/** a / b rounded half to even, for figures that are shown and never booked. */
export function divHalfEven(a: bigint, b: bigint): bigint {
  assert(a >= 0n && b > 0n, 'divHalfEven takes a ≥ 0 and b > 0')
  const quotient = a / b
  const twice = (a % b) * 2n
  if (twice > b || (twice === b && quotient % 2n === 1n)) return quotient + 1n
  return quotient
}

/** ⌈notional · rate⌉: what an order owes on all its fills so far. */
export function feeUp(notional: Atoms, rate: Bps): Atoms {
  return atoms(mulDivUp(notional, BigInt(rate), BPS_PER_UNIT))
}

export type DecimalProblem = 'not_a_decimal' | 'too_many_decimals' | 'out_of_range'

const DECIMAL = /^(0|[1-9]\d*)(?:\.(\d+))?$/

/**
 * Reads a plain decimal string (`12.50`; no sign, exponent, blank or leading zero) as an integer of
 * 10^−decimals units, at most 2⁶³−1. Trailing zeros beyond `decimals` are too many decimals as well.
 */
export function parseDecimal(text: string, decimals: number): Atoms | DecimalProblem {
  const match = DECIMAL.exec(text)
  if (match === null || text.length > 64) return 'not_a_decimal'
  const fraction = match[2] ?? ''
  if (fraction.length > decimals) return 'too_many_decimals'
  const value = BigInt((match[1] ?? '') + fraction.padEnd(decimals, '0'))
  return isAtoms(value) ? atoms(value) : 'out_of_range'
}

/** Exactly `decimals` places: `formatDecimal(1250n, 2)` is `12.50`; negative values keep their sign. */
export function formatDecimal(value: bigint, decimals: number): string {
  const sign = value < 0n ? '-' : ''
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, '0')
  if (decimals === 0) return sign + digits
  return `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
}
