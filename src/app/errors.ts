import { defineErrors } from '#kernel/errors.ts'

export const appErrors = defineErrors('app', {
  stopped: { kind: 'unavailable', title: 'The node was told to stop' },
  usage: { kind: 'invalid', title: 'The command was not understood' },
  seed_failed: { kind: 'unavailable', title: 'The demo data could not be made' },
  contracts_changed: {
    kind: 'conflict',
    title: 'The contracts changed since the sandbox was made',
  },
  addresses_missing: { kind: 'invalid', title: 'No contract addresses for this chain' },
  broker_running: { kind: 'conflict', title: 'A broker keeps its data in this sandbox' },
  setting_missing: { kind: 'invalid', title: 'A setting is missing' },
  journal_differs: { kind: 'conflict', title: 'Replaying the journal gives another state' },
  backup_exists: { kind: 'conflict', title: 'There is something where the backup should go' },
  backup_broken: { kind: 'invalid', title: 'The backup is not whole' },
  backup_version: { kind: 'conflict', title: 'The backup is of another version' },
  database_not_empty: { kind: 'conflict', title: 'The database is in use' },
  group_unknown: { kind: 'not_found', title: 'No such group of readers' },
  group_in_use: { kind: 'conflict', title: 'The group of readers is in use' },
  not_ready: { kind: 'unavailable', title: 'The node did not become ready' },
})
