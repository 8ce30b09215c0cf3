import { defineErrors } from '#kernel/errors.ts'

/** Refusals of supply changes. */
export const supplyErrors = defineErrors('supply', {
  reserve_unattested: { kind: 'conflict', title: 'No attested reserve backs this supply' },
  ceiling_exceeded: { kind: 'invalid', title: 'The supply would pass its ceiling' },
  supply_exceeded: { kind: 'invalid', title: 'More than the supply cannot be burnt' },
})
