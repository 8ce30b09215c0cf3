import { assert } from './assert.ts'

/** Noun prefixes of the API; an id is `<prefix>_<uuid v7>`. */
export const ID_PREFIXES = {
  user: 'usr',
  account: 'acc',
  apiKey: 'key',
  asset: 'ast',
  market: 'mkt',
  order: 'ord',
  trade: 'trd',
  deposit: 'dep',
  withdrawal: 'wdr',
  batch: 'stl',
  operation: 'opn',
  registration: 'reg',
  transaction: 'txn',
  request: 'req',
  event: 'evt',
} as const

export type IdNoun = keyof typeof ID_PREFIXES

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'

/** The exact text form of an id of this noun, for schemas. */
export function idPattern(noun: IdNoun): RegExp {
  return new RegExp(`^${ID_PREFIXES[noun]}_${UUID}$`)
}

export function isId(noun: IdNoun, text: string): boolean {
  return idPattern(noun).test(text)
}

/** The bare UUID of an id, as Postgres stores it. */
export function uuidOf(noun: IdNoun, id: string): string {
  assert(isId(noun, id), `not an id of ${noun}: ${id}`)
  return id.slice(ID_PREFIXES[noun].length + 1)
}

export function idFromUuid(noun: IdNoun, uuid: string): string {
  return `${ID_PREFIXES[noun]}_${uuid}`
}

/**
 * A UUIDv7 made of a time and a place in the journal, so that replay gives the same id:
 * 48 bits of milliseconds, 12 bits of index, 62 bits of (sequence · 2²² + index high bits).
 */
export function journalUuid(atMs: number, sequence: bigint, index: number): string {
  assert(
    index >= 0 && index < 2 ** 22 && sequence >= 0n && sequence < 2n ** 40n,
    'journal place out of range',
  )
  const time = BigInt(atMs).toString(16).padStart(12, '0')
  const low = (index & 0xfff).toString(16).padStart(3, '0')
  const tail = ((1n << 63n) | (sequence << 22n) | BigInt(index)).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${low}-${tail.slice(0, 4)}-${tail.slice(4)}`
}
