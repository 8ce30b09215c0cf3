import { defineErrors } from '#kernel/errors.ts'

/** Refusals of the chain context. */
export const chainErrors = defineErrors('chain', {
  transaction_mismatch: {
    kind: 'conflict',
    title: 'The key of this transaction was used for another one',
  },
  call_reverted: { kind: 'conflict', title: 'The contract refused the call' },
  wrong_chain: { kind: 'unavailable', title: 'The endpoint serves another chain' },
  incoherent: { kind: 'unavailable', title: 'The endpoint contradicts itself; try again' },
  signer_missing: { kind: 'unavailable', title: 'The key of a signer is not configured' },
})
