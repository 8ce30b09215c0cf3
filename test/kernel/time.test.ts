import fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatInstant, instant } from '#kernel/time.ts'

it('writes the same text as the platform for every millisecond of four centuries', () => {
  fc.assert(
    fc.property(fc.integer({ min: -6_000_000_000_000, max: 7_000_000_000_000 }), (ms) => {
      expect(formatInstant(instant(ms))).toBe(new Date(ms).toISOString())
    }),
  )
})
