import { defineErrors } from '#kernel/errors.ts'

export const embeddedErrors = defineErrors('sandbox_postgres', {
  unsupported: { kind: 'unavailable', title: 'No Postgres binaries for this machine' },
  in_use: { kind: 'conflict', title: 'Another node uses this folder' },
  other_major: { kind: 'conflict', title: 'The data belong to another major version of Postgres' },
  unsafe_folder: { kind: 'conflict', title: 'A folder in the way belongs to somebody else' },
  damaged: { kind: 'conflict', title: 'The sandbox database is damaged' },
  failed: { kind: 'unavailable', title: 'The sandbox Postgres did not start' },
})
