import { describe, expect, it } from 'vitest'
import { sharedFinal, type FinalClaim } from '#chain/finality.ts'

const own = { head: 1000, final: 900 }

describe('what endpoints agree to call final', () => {
  it.each<[string, readonly FinalClaim[], number]>([
    ['the own claim where nobody else answers', [], 900],
    ['the lower claim of two', [{ head: 999, final: 880 }], 880],
    ['never more than the own claim', [{ head: 1001, final: 950 }], 900],
    ['the lower claim of two, however far behind', [{ head: 120, final: 100 }], 100],
    ['the own claim beside one that calls nothing final', [{ head: 1000, final: undefined }], 900],
    [
      'what two of three claim, whatever one that lags says',
      [
        { head: 998, final: 890 },
        { head: 120, final: 100 },
      ],
      890,
    ],
    [
      'what two of three claim, though the own head is far ahead of theirs',
      [
        { head: 120, final: 100 },
        { head: 121, final: 101 },
      ],
      101,
    ],
  ])('is %s', (_, others, expected) => {
    expect(sharedFinal(own, others)).toBe(expected)
  })
})
