import { expect, test } from 'vitest'
import { column } from '#kernel/array-literal.ts'

test.each([
  [[], '{}'],
  [[1, 2n, null, undefined], '{1,2,NULL,NULL}'],
  [['0xab:1', 'a;b', 'NULL', 'null'], '{0xab:1,a;b,"NULL","null"}'],
  [['', 'a b', 'a,b', '{}', 'say "no"', '\\'], '{"","a b","a,b","{}","say \\"no\\"","\\\\"}'],
])('items of case %# become an array literal', (items, literal) => {
  expect(column(items, (item: bigint | number | string | null | undefined) => item)).toBe(literal)
})
