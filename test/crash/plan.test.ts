import { describe, expect, it } from 'vitest'
import { planKills, ROUND_LENGTH, stallMsOf } from './plan.ts'

describe('stallMsOf', () => {
  it('lets the database finish the commit that was sent in one round, and not in the other', () => {
    const plan = planKills(2 * ROUND_LENGTH)
    const stalls = plan.flatMap((target, place) =>
      target === 'commit_sent' ? [stallMsOf(place + 1, target)] : [],
    )
    expect(stalls.toSorted((a, b) => a - b)).toEqual([0, 30])
    expect(stallMsOf(ROUND_LENGTH + 2, 'anvil')).toBe(0)
  })
})
