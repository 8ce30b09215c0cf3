import { defineErrors } from '#kernel/errors.ts'

/** Refusals about wallets and their registration. */
export const complianceErrors = defineErrors('compliance', {
  wallet_linked: { kind: 'conflict', title: 'The account has a wallet' },
  wallet_taken: { kind: 'conflict', title: 'The wallet belongs to another account' },
  registration_not_found: { kind: 'not_found', title: 'No such registration' },
  registration_decided: { kind: 'conflict', title: 'The registration has been decided' },
  own_registration: { kind: 'forbidden', title: 'Another officer has to decide this registration' },
  expiry_past: { kind: 'invalid', title: 'The registration would have expired already' },
})
