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
  signer_failed: { kind: 'unavailable', title: 'The signer did not sign what was asked' },
  keystore_unreadable: { kind: 'invalid', title: 'The keystore cannot be opened' },
  transaction_not_found: { kind: 'not_found', title: 'No such transaction' },
  transaction_over: { kind: 'conflict', title: 'The transaction is mined or over' },
  transaction_not_held: { kind: 'conflict', title: 'The transaction is not held' },
  breaker_closed: { kind: 'conflict', title: 'The breaker is closed' },
  signer_missing: { kind: 'unavailable', title: 'The key of a signer is not configured' },
})
