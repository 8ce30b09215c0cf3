import { defineErrors } from '#kernel/errors.ts'

/** Refusals about users, sessions, keys and wallets' signatures. */
export const accountsErrors = defineErrors('accounts', {
  email_taken: { kind: 'conflict', title: 'A user with this email exists' },
  wrong_credentials: { kind: 'unauthenticated', title: 'Email or password is wrong' },
  user_not_found: { kind: 'not_found', title: 'No such user' },
  account_not_found: { kind: 'not_found', title: 'No such account' },
  weak_password: { kind: 'invalid', title: 'A password has 12 to 256 characters' },
  invalid_key: { kind: 'invalid', title: 'The API key has another form' },
  unknown_scope: { kind: 'invalid', title: 'The user has no such permission' },
  address_invalid: { kind: 'invalid', title: 'The address has a wrong checksum' },
  challenge_not_found: { kind: 'invalid', title: 'No unused challenge of this address' },
  signature_wrong: { kind: 'invalid', title: 'The wallet did not sign the challenge' },
})
