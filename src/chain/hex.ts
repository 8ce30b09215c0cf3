import { assert } from '#kernel/assert.ts'

/** `0x` and hex digits, lower case. */
export type Hex = `0x${string}`
/** Twenty bytes, lower case: compare and store it as it is. */
export type Address = Hex

const HEX_FORM = /^0x[\da-f]*$/i
const HASH_FORM = /^0x[\da-f]{64}$/i
const ADDRESS_FORM = /^0x[\da-f]{40}$/i
const QUANTITY_FORM = /^0x[\da-f]{1,64}$/i

/** Of text that has the form already; most is in lower case and then stays the string it is. */
function lower(text: string): Hex {
  const small = text.toLowerCase()
  assert(isPrefixed(small), 'hex begins with 0x')
  return small
}

function isPrefixed(text: string): text is Hex {
  return text.startsWith('0x')
}

/** Whole bytes in hex, from outside. */
export function hexOf(value: unknown, what: string): Hex {
  assert(typeof value === 'string' && HEX_FORM.test(value), `${what} is not hex`)
  assert(value.length % 2 === 0, `${what} has half a byte`)
  return lower(value)
}

export function hashOf(value: unknown, what: string): Hex {
  assert(typeof value === 'string' && HASH_FORM.test(value), `${what} is not a hash`)
  return lower(value)
}

export function addressOf(value: unknown, what: string): Address {
  assert(typeof value === 'string' && ADDRESS_FORM.test(value), `${what} is not an address`)
  return lower(value)
}

/** A JSON-RPC quantity, such as `0x1b4`. */
export function quantityOf(value: unknown, what: string): bigint {
  assert(typeof value === 'string' && QUANTITY_FORM.test(value), `${what} is not a quantity`)
  return BigInt(value)
}

/** A JSON-RPC quantity that fits a safe integer. */
export function countOf(value: unknown, what: string): number {
  const count = Number(quantityOf(value, what))
  assert(Number.isSafeInteger(count), `${what} is out of range`)
  return count
}

export function quantity(value: bigint | number): Hex {
  return `0x${value.toString(16)}`
}
