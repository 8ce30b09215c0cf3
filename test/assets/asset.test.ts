import { expect, it } from 'vitest'
import {
  ALL_CLASSES,
  ASSET_STATUSES,
  ceilingOf,
  classMask,
  isVisible,
  statusAfter,
} from '#assets/asset.ts'

it.each([
  ['submit', 'draft', 'submitted'],
  ['approve', 'submitted', 'approved'],
  ['tokenize', 'approved', 'tokenizing'],
  ['activate', 'tokenizing', 'active'],
] as const)('allows %s from %s only', (step, from, to) => {
  for (const status of ASSET_STATUSES) {
    expect(statusAfter(status, step)).toBe(status === from ? to : undefined)
  }
})

it('shows a draft to its issuer and auditors, a submitted one to approvers, the rest to all', () => {
  const viewer = { chainAccount: 20, mayApprove: false, seesAll: false }
  const seen = (view: object, issuer = 16) =>
    ASSET_STATUSES.filter((status) => isVisible({ status, issuer }, { ...viewer, ...view }))
  expect(seen({})).toEqual(['approved', 'tokenizing', 'active'])
  expect(seen({ mayApprove: true })).toEqual(['submitted', 'approved', 'tokenizing', 'active'])
  expect(seen({ seesAll: true })).toEqual(ASSET_STATUSES)
  expect(seen({}, 20)).toEqual(ASSET_STATUSES)
})

it('has a bit of the mask for each class, and none for the unregistered', () => {
  expect(classMask([1, 3])).toBe(0b1010n)
  expect(classMask(ALL_CLASSES)).toBe(2n ** 84n - 2n)
})

it('lets the chain mint as much as the ledger can count where there is no ceiling', () => {
  expect(ceilingOf({ ceilingAtoms: null })).toBe(2n ** 63n - 1n)
  expect(ceilingOf({ ceilingAtoms: 5n })).toBe(5n)
})
