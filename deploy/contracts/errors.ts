import { defineErrors } from '#kernel/errors.ts'

export const deployErrors = defineErrors('deploy', {
  admin_is_deployer: { kind: 'invalid', title: 'The admin must not be the deployer' },
  cash_missing: { kind: 'invalid', title: 'Neither a cash token nor deployCash was given' },
  wrong_chain: { kind: 'conflict', title: 'The addresses file belongs to another chain' },
  contracts_incomplete: {
    kind: 'conflict',
    title: 'Some contracts of the addresses file have no code and cannot be made where they belong',
  },
  transaction_failed: { kind: 'conflict', title: 'A deployment transaction reverted' },
  transaction_missing: { kind: 'unavailable', title: 'A deployment transaction was not mined' },
  address_file_malformed: { kind: 'malformed', title: 'The addresses file cannot be read' },
  setting_malformed: { kind: 'invalid', title: 'A deployment setting cannot be read' },
  setting_missing: { kind: 'invalid', title: 'A deployment setting is missing' },
})
