import { describe, expect, it } from 'vitest'
import { ReadAhead } from '#chain/read-ahead.ts'

const stretch = { endpoint: 'a', from: 5, to: 9 }

describe('what is read ahead', () => {
  it('is given once, to whoever wants exactly that range of that endpoint', async () => {
    const ahead = new ReadAhead<string>()
    ahead.begin(stretch, () => Promise.resolve('blocks'))
    expect(await ahead.take({ ...stretch })).toBe('blocks')
    expect(await ahead.take(stretch)).toBeUndefined()
  })

  it.each([{ endpoint: 'b' }, { from: 6 }, { to: 8 }])('is forgotten for %o', async (other) => {
    const ahead = new ReadAhead<string>()
    ahead.begin(stretch, () => Promise.resolve('blocks'))
    expect(await ahead.take({ ...stretch, ...other })).toBeUndefined()
    expect(await ahead.take(stretch)).toBeUndefined()
  })

  it('is nothing when reading failed', async () => {
    const ahead = new ReadAhead<string>()
    ahead.begin(stretch, () => Promise.reject(new RangeError('away')))
    await ahead.settle()
    expect(await ahead.take(stretch)).toBeUndefined()
  })
})
