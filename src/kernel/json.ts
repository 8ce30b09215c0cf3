import { assert } from './assert.ts'

export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }
export type JsonObject = { readonly [key: string]: Json | undefined }

/** JSON text in which every bigint is a decimal string; `JSON.stringify` alone throws on one. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? item.toString() : item,
  )
}

/** The same for values whose type leaves no room for a bigint, in half the time. */
export function plainJson(value: Json): string {
  return JSON.stringify(value)
}

/** JSON text with sorted keys: equal values give equal text, for fingerprints. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return item.toString()
    if (item === null || typeof item !== 'object' || Array.isArray(item)) return item
    return Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** Parses text from outside; the caller narrows the result. */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  return value
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER)

/** A counter (sequence, block, gas) as a JSON number; amounts are decimal strings instead. */
export function jsonInteger(value: bigint): number {
  assert(value >= -MAX_SAFE && value <= MAX_SAFE, `not a safe integer: ${value}`)
  return Number(value)
}
