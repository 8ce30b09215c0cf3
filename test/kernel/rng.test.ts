import { expect, it } from 'vitest'
import { Rng } from '#kernel/rng.ts'

it('repeats itself for a seed and differs between seeds', () => {
  const take = (seed: number) => {
    const rng = new Rng(seed)
    return Array.from({ length: 20 }, () => rng.below(1000))
  }
  expect(take(7)).toEqual(take(7))
  expect(take(7)).not.toEqual(take(8))
  expect(take(7).every((value) => value >= 0 && value < 1000)).toBe(true)
})
