import { AppError, defineErrors } from '#kernel/errors.ts'

/** Refusals of the ledger part of the core; the journal carries their codes. */
export const ledgerErrors = defineErrors('ledger', {
  unknown_command: { kind: 'invalid', title: 'The core knows no such command' },
  insufficient_funds: { kind: 'invalid', title: 'The available balance is too small' },
  account_not_registered: {
    kind: 'conflict',
    title: 'The registration of the account is not final, or has expired',
  },
  account_frozen: { kind: 'conflict', title: 'The account is frozen' },
  exit_requested: { kind: 'conflict', title: 'The account is leaving; its exit can be cancelled' },
  exit_mode: { kind: 'conflict', title: 'Settlement has ended for good: wallets take their money' },
  asset_not_found: { kind: 'not_found', title: 'No such asset in the ledger' },
  asset_mismatch: { kind: 'conflict', title: 'The asset is listed with other decimals' },
  hold_exists: { kind: 'conflict', title: 'A hold with this id exists' },
  hold_not_found: { kind: 'not_found', title: 'No such hold' },
  block_out_of_order: { kind: 'conflict', title: 'The block does not follow the last one' },
  duplicate_command: {
    kind: 'conflict',
    title: 'Another command bears the same key or name',
  },
  malformed_submission: {
    kind: 'malformed',
    title: 'What another process sent is no list of commands',
  },
  journal_broken: { kind: 'unavailable', title: 'The journal does not verify' },
})

/** Whether another command bears the same key or name, and is durable: look for it again. */
export function isDuplicateCommand(error: unknown): boolean {
  return error instanceof AppError && error.definition === ledgerErrors.duplicate_command
}
