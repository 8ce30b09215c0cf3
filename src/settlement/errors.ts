import { defineErrors } from '#kernel/errors.ts'

/** Refusals of settlement. */
export const settlementErrors = defineErrors('settlement', {
  halted: { kind: 'conflict', title: 'Settlement is halted' },
  not_halted: { kind: 'conflict', title: 'Settlement is not halted' },
  ended: { kind: 'conflict', title: 'Settlement has ended for good' },
  attestation_required: {
    kind: 'conflict',
    title: 'The vault wants attestations that this node does not send',
  },
  chain_unread: { kind: 'conflict', title: 'The chain is not read to its end yet' },
  in_progress: { kind: 'conflict', title: 'A batch is not mined yet' },
  nothing_to_settle: { kind: 'conflict', title: 'No trade waits for settlement' },
  batch_not_found: { kind: 'not_found', title: 'No such settlement' },
})
