import { defineErrors } from '#kernel/errors.ts'

/** Refusals of deposits and withdrawals. */
export const paymentsErrors = defineErrors('payments', {
  withdrawal_not_found: { kind: 'not_found', title: 'No such withdrawal' },
  asset_not_found: { kind: 'not_found', title: 'No such asset' },
  amount_invalid: { kind: 'invalid', title: 'The amount is not a positive decimal of the asset' },
})
