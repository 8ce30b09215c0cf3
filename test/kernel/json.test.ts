import { expect, it } from 'vitest'
import { canonicalJson, isJsonObject, parseJson, stringifyJson } from '#kernel/json.ts'

it('writes bigints as decimal strings', () => {
  expect(stringifyJson({ amount: 12n })).toBe('{"amount":"12"}')
})

it('gives equal values equal text whatever the order of their keys', () => {
  expect(canonicalJson({ b: [{ d: 1n, c: 2 }], a: null })).toBe(
    canonicalJson({ a: null, b: [{ c: 2, d: 1n }] }),
  )
  expect(canonicalJson({ a: [1, 2] })).not.toBe(canonicalJson({ a: [2, 1] }))
})

it('tells objects from arrays and null', () => {
  expect([parseJson('{}'), parseJson('[]'), null].map(isJsonObject)).toEqual([true, false, false])
})
