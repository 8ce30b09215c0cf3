import { describe, expect, it } from 'vitest'
import type { Header } from '#chain/block.ts'
import { bloomBits, mayHold } from '#chain/bloom.ts'
import { hashOf, hexOf } from '#chain/hex.ts'
import { decideStep, judgeFork, opinionOf, takeHeaders, type ForkView } from '#chain/watch.ts'

const hash = (branch: number, number: number) =>
  hashOf(`0x${(branch * 100_000 + number).toString(16).padStart(64, '0')}`, 'hash')

/** Blocks of a branch that leaves chain 0 above `fork`. */
function chainOf(from: number, to: number, branch: number, fork: number): readonly Header[] {
  const at = (number: number) => hash(number > fork ? branch : 0, number)
  return Array.from({ length: to - from + 1 }, (_, place) => ({
    number: from + place,
    hash: at(from + place),
    parentHash: at(from + place - 1),
    timestamp: from + place,
    transactions: [],
  }))
}

const place = (number: number, branch = 0) => ({ number, hash: hash(branch, number) })
const view = {
  head: place(100),
  final: place(90),
  theirHead: place(100),
  tagged: undefined,
  durable: undefined,
  rule: { depth: 10 },
  isInstanceNew: false,
  farBlocks: 50,
}

describe('one look at a head', () => {
  it('rests, waits, goes on or compares', () => {
    expect(decideStep(view)).toEqual({ type: 'rest' })
    expect(decideStep({ ...view, theirHead: place(99, 7) })).toEqual({ type: 'behind' })
    expect(decideStep({ ...view, theirHead: place(100, 7) })).toEqual({
      type: 'compare',
      from: 90,
      to: 100,
    })
    expect(decideStep({ ...view, final: place(80) })).toEqual({ type: 'finalize', to: 90 })
    expect(decideStep({ ...view, theirHead: place(105) })).toEqual({
      type: 'take',
      from: 101,
      to: 105,
      isFar: false,
    })
  })

  it('reads by number only what stands still', () => {
    const far = { ...view, theirHead: place(1000) }
    expect(decideStep(far)).toEqual({ type: 'take', from: 101, to: 150, isFar: true })
    expect(decideStep({ ...far, rule: { depth: 880 } })).toMatchObject({ to: 120, isFar: true })
    expect(decideStep({ ...far, rule: { depth: 950 } })).toMatchObject({ to: 164, isFar: false })
    const tag = { ...far, rule: { tag: 'finalized' } as const }
    expect(decideStep({ ...tag, tagged: 110 })).toMatchObject({ to: 110, isFar: true })
    expect(decideStep(tag)).toMatchObject({ isFar: false })
  })

  it('compares when the next block has another parent', () => {
    expect(takeHeaders(view, chainOf(101, 103, 5, 99))).toEqual({
      type: 'compare',
      from: 90,
      to: 100,
    })
    expect(takeHeaders(view, chainOf(101, 103, 0, 0))).toMatchObject({ type: 'take' })
  })
})

describe('a fork', () => {
  const fork = (depth: number, change: Partial<ForkView> = {}): ForkView => ({
    ours: chainOf(90, 100, 0, 0),
    theirs: chainOf(90, 101, 5, 100 - depth),
    top: 100,
    isInstanceNew: false,
    others: 0,
    opinions: [],
    look: undefined,
    ...change,
  })

  it('of up to three blocks is believed at once', () => {
    expect(judgeFork(fork(3, { others: 2 }))).toMatchObject({ type: 'retract' })
    expect(judgeFork(fork(4, { others: 2 }))).toMatchObject({ type: 'ask', number: 97 })
  })

  it('that is deeper needs a second endpoint, and is dropped when one denies it', () => {
    const two = { others: 2 }
    expect(judgeFork(fork(6, { ...two, opinions: ['silent', 'agrees'] }))).toMatchObject({
      type: 'retract',
      ancestor: { number: 94 },
    })
    expect(judgeFork(fork(6, { ...two, opinions: ['denies'] }))).toMatchObject({
      type: 'distrust',
      isDisputed: true,
    })
    expect(judgeFork(fork(6, { ...two, opinions: ['silent', 'silent'] }))).toMatchObject({
      type: 'wait',
    })
  })

  it('that one endpoint alone reports must last for three looks', () => {
    let look: ForkView['look']
    const kinds = [1, 2, 3].map(() => {
      const step = judgeFork(fork(6, { look }))
      look = step.type === 'wait' ? step.look : undefined
      return step.type
    })
    expect(kinds).toEqual(['wait', 'wait', 'retract'])
    const other = { ours: hash(0, 95), theirs: hash(6, 95), count: 2 }
    expect(judgeFork(fork(6, { look: other }))).toMatchObject({ type: 'wait', look: { count: 1 } })
  })

  it('beyond finality halts, and only when it is certain', () => {
    const beyond = { theirs: chainOf(90, 101, 5, 80) }
    expect(judgeFork(fork(0, beyond))).toMatchObject({ type: 'wait' })
    expect(judgeFork(fork(0, { ...beyond, others: 1 }))).toMatchObject({ type: 'ask', number: 90 })
    const agreed = fork(0, { ...beyond, others: 1, opinions: ['agrees'] })
    expect(judgeFork(agreed)).toMatchObject({ type: 'halt' })
    const denied = fork(0, { ...beyond, others: 1, opinions: ['denies'] })
    expect(judgeFork(denied)).toMatchObject({ type: 'distrust' })
  })

  it('is judged by the header at the very number', () => {
    expect(opinionOf(place(97), place(97, 5))).toBe('agrees')
    expect(opinionOf(place(97), place(97))).toBe('denies')
    expect(opinionOf(place(97), undefined)).toBe('silent')
  })
})

it('a bloom holds what was put into it and not much else', () => {
  // Keccak-256 of address 0x00…01 and of the word 1, from ethers.
  const address = bloomBits(hashOf(`0x1468288056310c82aa4c01a7e12a10f8${'0'.repeat(32)}`, ''))
  const topic = bloomBits(hashOf(`0xb10e2d527612073b26eecdfd717e6a32${'0'.repeat(32)}`, ''))
  const set = new Set([...address, ...topic])
  const digits = Array.from({ length: 512 }, (_, digit) => {
    const low = (511 - digit) * 4
    return [0, 1, 2, 3]
      .reduce((sum, bit) => sum + (set.has(low + bit) ? 1 << bit : 0), 0)
      .toString(16)
  })
  const bloom = hexOf(`0x${digits.join('')}`, 'bloom')
  expect(mayHold(bloom, { addresses: [address], topics: [topic] })).toBe(true)
  expect(mayHold(bloom, { addresses: [address], topics: [[1, 2, 3]] })).toBe(false)
  expect(
    mayHold(hexOf(`0x${'00'.repeat(256)}`, ''), { addresses: [address], topics: [topic] }),
  ).toBe(false)
})
