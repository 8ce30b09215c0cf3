import { expect, it } from 'vitest'
import {
  AppError,
  defineErrors,
  findErrorDefinition,
  listErrorDefinitions,
} from '#kernel/errors.ts'

const errors = defineErrors('kerneltest', {
  too_late: { kind: 'conflict', title: 'The window has closed' },
})

it('makes a refusal with a stable code, its kind and what is wrong where', () => {
  const field = { pointer: '/price', code: 'tick_size', message: 'not a multiple' }
  const error = errors.too_late('closed at noon', { errors: [field], retryAfterSeconds: 3 })
  expect(error).toBeInstanceOf(AppError)
  expect(error.code).toBe('kerneltest.too_late')
  expect(error.definition.kind).toBe('conflict')
  expect(error.errors).toEqual([field])
  expect(error.retryAfterSeconds).toBe(3)
  expect(errors.too_late().detail).toBe('The window has closed')
})

it('finds refusals that travel as data', () => {
  expect(findErrorDefinition('kerneltest.too_late')).toBe(errors.too_late)
  expect(findErrorDefinition('kerneltest.unknown')).toBeUndefined()
  expect(listErrorDefinitions()).toContain(errors.too_late)
})
