import { defineErrors } from '#kernel/errors.ts'

export const sandboxErrors = defineErrors('sandbox', {
  chain_unsupported: { kind: 'unavailable', title: 'No chain binary for this machine' },
  chain_in_use: { kind: 'conflict', title: 'Another node uses this chain' },
  chain_port_taken: { kind: 'conflict', title: 'The port of the sandbox chain is taken' },
  chain_failed: { kind: 'unavailable', title: 'The sandbox chain did not start' },
  chain_away: { kind: 'unavailable', title: 'The sandbox chain does not answer' },
})
