import { assert } from '#kernel/assert.ts'
import { delta, MAX_ATOMS } from '#kernel/money.ts'
import { ASSETS_PER_GROUP, type AccountDelta } from './netting.ts'

const RECORD_BYTES = 32
const LEG_BYTES = 9
const LEGS_OFFSET = 5
const MAX_GROUPS = 255

interface Word {
  readonly account: number
  readonly place: number
  readonly lanes: (AccountDelta | undefined)[]
}

/**
 * Packs deltas as the contract reads them, big-endian: count u8, that many asset groups u16
 * ascending, then one 32-byte record per (account, group) ascending: account u32, place of the
 * group u8, three legs {credit u8, amount u64}, lane 2 first.
 */
export function encodeRecords(deltas: readonly AccountDelta[]): Buffer {
  const groups = groupsOf(deltas)
  assert(groups.length <= MAX_GROUPS, `${groups.length} asset groups in one batch`)
  const words = wordsOf(deltas, groups)
  const prefix = 1 + groups.length * 2
  const out = Buffer.alloc(prefix + words.length * RECORD_BYTES)
  out.writeUInt8(groups.length, 0)
  groups.forEach((group, place) => out.writeUInt16BE(group, 1 + place * 2))
  words.forEach((word, place) => writeRecord(out, prefix + place * RECORD_BYTES, word))
  return out
}

/** Reads records back; asserts every rule that `encodeRecords` keeps. */
export function decodeRecords(records: Uint8Array): readonly AccountDelta[] {
  const bytes = Buffer.from(records)
  const groups = readGroups(bytes)
  const prefix = 1 + groups.length * 2
  assert((bytes.length - prefix) % RECORD_BYTES === 0, 'records end in the middle of one')
  const deltas: AccountDelta[] = []
  let previous = -1
  for (let at = prefix; at < bytes.length; at += RECORD_BYTES) {
    const order = bytes.readUInt32BE(at) * 256 + bytes.readUInt8(at + 4)
    assert(order > previous, 'records ascend strictly')
    previous = order
    deltas.push(...readRecord(bytes, at, groups))
  }
  return deltas.toSorted(compareDeltas)
}

function compareDeltas(a: AccountDelta, b: AccountDelta): number {
  return a.account - b.account || a.asset - b.asset
}

function groupOf(asset: number): number {
  return Math.floor(asset / ASSETS_PER_GROUP)
}

function groupsOf(deltas: readonly AccountDelta[]): readonly number[] {
  return [...new Set(deltas.map(({ asset }) => groupOf(asset)))].toSorted((a, b) => a - b)
}

function wordsOf(deltas: readonly AccountDelta[], groups: readonly number[]): readonly Word[] {
  const places = new Map(groups.map((group, place) => [group, place]))
  const words = new Map<number, Word>()
  for (const item of deltas) {
    const place = places.get(groupOf(item.asset)) ?? 0
    const key = item.account * 256 + place
    const found = words.get(key) ?? { account: item.account, place, lanes: [] }
    const lane = item.asset % ASSETS_PER_GROUP
    assert(found.lanes[lane] === undefined, 'one delta per account and asset')
    found.lanes[lane] = item
    words.set(key, found)
  }
  return [...words].toSorted(([a], [b]) => a - b).map(([, word]) => word)
}

function writeRecord(out: Buffer, at: number, { account, place, lanes }: Word): void {
  out.writeUInt32BE(account, at)
  out.writeUInt8(place, at + 4)
  lanes.forEach((leg, lane) => {
    if (leg !== undefined) writeLeg(out, legOffset(at, lane), leg.amount)
  })
}

function writeLeg(out: Buffer, at: number, amount: bigint): void {
  const magnitude = amount < 0n ? -amount : amount
  assert(magnitude > 0n && magnitude <= MAX_ATOMS, `leg out of range: ${amount}`)
  out.writeUInt8(amount > 0n ? 1 : 0, at)
  out.writeBigUInt64BE(magnitude, at + 1)
}

function legOffset(at: number, lane: number): number {
  return at + LEGS_OFFSET + (ASSETS_PER_GROUP - 1 - lane) * LEG_BYTES
}

function readGroups(bytes: Buffer): readonly number[] {
  const count = bytes.readUInt8(0)
  const groups = Array.from({ length: count }, (_, place) => bytes.readUInt16BE(1 + place * 2))
  assert(
    groups.every((group, place) => place === 0 || group > (groups[place - 1] ?? 0)),
    'groups ascend strictly',
  )
  return groups
}

function readRecord(bytes: Buffer, at: number, groups: readonly number[]): AccountDelta[] {
  const account = bytes.readUInt32BE(at)
  const group = groups[bytes.readUInt8(at + 4)]
  assert(group !== undefined, 'a record names a listed group')
  const deltas: AccountDelta[] = []
  for (let lane = 0; lane < ASSETS_PER_GROUP; lane += 1) {
    const amount = readLeg(bytes, legOffset(at, lane))
    if (amount !== 0n) {
      deltas.push({ account, asset: group * ASSETS_PER_GROUP + lane, amount: delta(amount) })
    }
  }
  assert(deltas.length > 0, 'a record moves something')
  return deltas
}

function readLeg(bytes: Buffer, at: number): bigint {
  const credit = bytes.readUInt8(at)
  const amount = bytes.readBigUInt64BE(at + 1)
  assert(credit <= 1 && amount <= MAX_ATOMS, 'a leg is a flag and an amount below 2^63')
  assert(credit === 0 || amount > 0n, 'a credit is not zero')
  return credit === 1 ? amount : -amount
}
