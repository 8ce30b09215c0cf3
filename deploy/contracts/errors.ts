import { defineErrors } from '#kernel/errors.ts'

export const deployErrors = defineErrors('deploy', {
  admin_is_deployer: { kind: 'invalid', title: 'The admin must not be the deployer' },
  cash_missing: { kind: 'invalid', title: 'Neither a cash token nor deployCash was given' },
  upgrade_delay_short: {
    kind: 'invalid',
    title: 'An upgrade would be quicker than an exit',
  },
  admin_delay_short: {
    kind: 'invalid',
    title: 'The admin would wait less than an upgrade',
  },
  attestors_unsupported: {
    kind: 'invalid',
    title: 'The node sends no attestations of batches',
  },
  guards_differ: { kind: 'conflict', title: 'The chain does not keep what the settings say' },
  wrong_chain: { kind: 'conflict', title: 'The addresses file belongs to another chain' },
  contracts_incomplete: {
    kind: 'conflict',
    title: 'Some contracts of the addresses file have no code and cannot be made where they belong',
  },
  operation_refused: { kind: 'conflict', title: 'The chain refuses this operation' },
  layout_incompatible: { kind: 'conflict', title: 'The new storage layout would break the old' },
  immutables_differ: {
    kind: 'conflict',
    title: 'The implementation was made for other contracts than the one that runs',
  },
  implementation_unknown: {
    kind: 'conflict',
    title: 'No build here made the implementation',
  },
  module_refused: { kind: 'conflict', title: 'This module cannot be bound or unbound' },
  events_refused: { kind: 'unavailable', title: 'The endpoint does not serve events' },
  node_disagrees: { kind: 'conflict', title: 'Node and chain do not say the same' },
  node_unreachable: { kind: 'unavailable', title: 'The node did not answer' },
  transaction_failed: { kind: 'conflict', title: 'A deployment transaction reverted' },
  transaction_missing: { kind: 'unavailable', title: 'A deployment transaction was not mined' },
  address_file_malformed: { kind: 'malformed', title: 'The addresses file cannot be read' },
  setting_malformed: { kind: 'invalid', title: 'A deployment setting cannot be read' },
  setting_missing: { kind: 'invalid', title: 'A deployment setting is missing' },
})
