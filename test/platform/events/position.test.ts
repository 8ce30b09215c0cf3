import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeEnvelope, encodeEnvelope, type Envelope } from '#platform/events/event.ts'
import { decide, isOurs, takeRun } from '#platform/events/position.ts'

const envelope = (seq: bigint): Envelope => ({
  id: 'id',
  type: 'test.counted.v1',
  stream: 's',
  seq,
  key: 'k',
  occurredAt: '2026-01-01T00:00:00.000Z',
  instance: 'i',
  epoch: '1',
  data: { amount: '9007199254740993' },
})

describe('decide', () => {
  it('skips what is known, applies what follows and stops at a gap', () => {
    expect([4n, 5n, 6n, 7n].map((seq) => decide(5n, seq))).toEqual(['skip', 'skip', 'apply', 'gap'])
  })
})

describe('takeRun', () => {
  it('takes each event once and in order, whatever a transport repeats or misplaces', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 5n),
        fc.array(fc.bigInt(1n, 12n), { maxLength: 40 }),
        (position, seqs) => {
          const { run, beyond } = takeRun(position, seqs.map(envelope))
          expect(run.map(({ seq }) => seq)).toEqual(
            run.map((_item, place) => position + BigInt(place) + 1n),
          )
          const last = position + BigInt(run.length)
          expect(beyond.every(({ seq }) => seq > last)).toBe(true)
          if (beyond.length > 0) expect(beyond[0]?.seq).not.toBe(last)
        },
      ),
    )
  })

  it('finds the run behind events that came too early', () => {
    const { run, beyond } = takeRun(0n, [6n, 1n, 2n, 2n, 3n, 9n].map(envelope))
    expect(run.map(({ seq }) => seq)).toEqual([1n, 2n, 3n])
    expect(beyond.map(({ seq }) => seq)).toEqual([6n, 9n])
  })
})

describe('isOurs', () => {
  it('asks for the instance and its present life', () => {
    expect(isOurs(envelope(1n), { id: 'i', logEpoch: 1n })).toBe(true)
    expect(isOurs(envelope(1n), { id: 'i', logEpoch: 2n })).toBe(false)
    expect(isOurs(envelope(1n), { id: 'j', logEpoch: 1n })).toBe(false)
  })
})

describe('decodeEnvelope', () => {
  it('reads what encodeEnvelope wrote', () => {
    expect(decodeEnvelope(encodeEnvelope(envelope(2n ** 62n)))).toEqual(envelope(2n ** 62n))
  })

  it.each([
    '',
    'no json',
    '[]',
    '{}',
    '{"seq":"1"}',
    encodeEnvelope(envelope(1n)).replace('"seq":"1"', '"seq":"-1"'),
  ])('refuses %s', (text) => {
    expect(decodeEnvelope(text)).toBeUndefined()
  })
})
