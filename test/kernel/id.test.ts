import fc from 'fast-check'
import { expect, it } from 'vitest'
import { idFromUuid, isId, journalUuid, uuidOf } from '#kernel/id.ts'

it('makes a valid id of every place in the journal, and a different one for each', () => {
  const place = fc.tuple(
    fc.integer({ min: 0, max: 2 ** 45 }),
    fc.bigInt({ min: 0n, max: 2n ** 40n - 1n }),
    fc.integer({ min: 0, max: 2 ** 22 - 1 }),
  )
  fc.assert(
    fc.property(place, place, (a, b) => {
      const id = idFromUuid('trade', journalUuid(...a))
      expect(isId('trade', id)).toBe(true)
      expect(idFromUuid('trade', uuidOf('trade', id))).toBe(id)
      const same = a.every((part, place) => part === b[place])
      expect(journalUuid(...a) === journalUuid(...b)).toBe(same)
    }),
  )
})

it('does not take an id of another noun', () => {
  const uuid = journalUuid(1, 1n, 1)
  expect(isId('order', `trd_${uuid}`)).toBe(false)
  expect(isId('order', uuid)).toBe(false)
  expect(() => uuidOf('order', `trd_${uuid}`)).toThrow('not an id')
})
