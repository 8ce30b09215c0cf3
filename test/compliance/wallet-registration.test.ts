import { expect, it } from 'vitest'
import { TRANSACTION_STATES } from '#chain/tx.ts'
import {
  REGISTRATION_STATUSES,
  isLost,
  registrationTxKey,
  statusAfter,
} from '#compliance/wallet-registration.ts'

it.each([
  ['link', [undefined, 'refused'], 'pending_approval'],
  ['approve', ['pending_approval'], 'submitted'],
  ['refuse', ['pending_approval'], 'refused'],
  ['lose', ['submitted'], 'pending_approval'],
] as const)('allows %s from %j only', (step, from, to) => {
  const starts: readonly unknown[] = from
  for (const status of [undefined, ...REGISTRATION_STATUSES]) {
    expect(statusAfter(status, step)).toBe(starts.includes(status) ? to : undefined)
  }
})

it('has one transaction for each attempt of an account', () => {
  expect(registrationTxKey(16, 1)).toBe('register:16:1')
  expect(registrationTxKey(16, 2)).toBe('register:16:2')
})

it('is lost with a transaction that can never succeed, and with no other', () => {
  expect(TRANSACTION_STATES.filter(isLost)).toEqual(['reverted', 'rejected', 'cancelled'])
})
