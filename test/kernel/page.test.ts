import { expect, it } from 'vitest'
import { decodeCursor, encodeCursor, pageOf } from '#kernel/page.ts'

it('tells with one extra row that there are more, and where to go on', () => {
  const page = pageOf([9, 8, 7], 2, String)
  expect(page.data).toEqual([9, 8])
  expect(page.has_more).toBe(true)
  expect(decodeCursor(page.next_cursor ?? '')).toBe('8')
})

it('ends the listing with null', () => {
  expect(pageOf([9, 8], 2, String)).toEqual({ data: [9, 8], next_cursor: null, has_more: false })
  expect(pageOf([], 2, String)).toEqual({ data: [], next_cursor: null, has_more: false })
})

it('reads back any cursor', () => {
  expect(decodeCursor(encodeCursor('ü 12:3'))).toBe('ü 12:3')
})
