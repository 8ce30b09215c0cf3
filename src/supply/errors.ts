import { defineErrors } from '#kernel/errors.ts'

/** Refusals of supply changes. */
export const supplyErrors = defineErrors('supply', {
  reserve_unattested: { kind: 'conflict', title: 'No attested reserve backs this supply' },
  reserve_exceeded: {
    kind: 'conflict',
    title: 'The supply would pass the reserve that attestors vouch for',
  },
  ceiling_exceeded: { kind: 'invalid', title: 'The supply would pass its ceiling' },
  supply_exceeded: { kind: 'invalid', title: 'More than the supply cannot be burnt' },
})
