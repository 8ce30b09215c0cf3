import { present } from '#kernel/assert.ts'
import { findErrorDefinition } from '#kernel/errors.ts'
import type { CommandResult } from '#ledger/submission.ts'

/** What the core answered; throws the error that the code of a refusal names. */
export function requireAccepted(result: CommandResult): object {
  if (result.ok) return result.value
  const { code, detail } = result.error
  throw present(findErrorDefinition(code), `error ${code}`)(detail)
}
