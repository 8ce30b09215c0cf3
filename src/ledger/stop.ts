import type { Account } from './account.ts'
import { refuse, type Outcome } from './command.ts'

/** Why an account may neither trade nor withdraw. */
export type Stop = 'account_frozen' | 'exit_requested' | 'exit_mode'

/** Why orders are taken out of the books: a stop, or a payment of what they hold. */
export type OrderStop = Stop | 'funds_withdrawn'

/** What stops this account now, if anything. */
export function findStop(account: Account | undefined, isExitMode: boolean): Stop | undefined {
  if (isExitMode) return 'exit_mode'
  if (account === undefined) return undefined
  if (account.freezes > 0) return 'account_frozen'
  return account.exits > 0 ? 'exit_requested' : undefined
}

/** The refusal of a command that a stop forbids: `ledger.<stop>`. */
export function refuseStopped(stop: Stop, account: number): Outcome {
  return refuse(`ledger.${stop}`, `account ${account}`)
}
