import { expect, it } from 'vitest'
import {
  REGISTRATION_STATUSES,
  registrationTxKey,
  statusAfter,
} from '#compliance/wallet-registration.ts'

it.each([
  ['link', [undefined, 'refused'], 'pending_approval'],
  ['approve', ['pending_approval'], 'submitted'],
  ['refuse', ['pending_approval'], 'refused'],
] as const)('allows %s from %j only', (step, from, to) => {
  const starts: readonly unknown[] = from
  for (const status of [undefined, ...REGISTRATION_STATUSES]) {
    expect(statusAfter(status, step)).toBe(starts.includes(status) ? to : undefined)
  }
})

it('has one transaction for each account', () => {
  expect(registrationTxKey(16)).toBe('register:16')
})
