import { describe, expect, it } from 'vitest'
import { sharedFinal } from '#chain/finality.ts'

describe('what endpoints agree to call final', () => {
  it.each<[string, readonly number[], number]>([
    ['the own claim where nobody else claims anything', [], 900],
    ['the lower claim of two', [880], 880],
    ['never more than the own claim', [950], 900],
    ['the lower claim of two, however far behind', [100], 100],
    ['what two of three claim, whatever one that lags says', [890, 100], 890],
    ['what two of three claim, though the own claim is far ahead of theirs', [100, 101], 101],
  ])('is %s', (_, others, expected) => {
    expect(sharedFinal(900, others)).toBe(expected)
  })
})
