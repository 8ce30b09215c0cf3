import { MAX_ATOMS } from '#kernel/money.ts'
import { floorOf } from './account-code.ts'

/** What one ledger account has of one asset, in atoms. */
export interface Balance {
  readonly account: bigint
  readonly asset: number
  /** Credits minus debits of all transfers. */
  readonly posted: bigint
  /** Promised to orders and withdrawals; never negative. */
  readonly held: bigint
  /** Seen on the chain, not final yet; not bounded, since the chain is not ours. */
  readonly incoming: bigint
  /** The lane on the chain as of the last final block. */
  readonly settled: bigint
  readonly floor: bigint
  /** Counts changes. */
  readonly version: number
  /** The command that changed it last. */
  readonly lastSequence: bigint
}

export type BalanceChange = Partial<Pick<Balance, 'posted' | 'held' | 'incoming' | 'settled'>>

export function emptyBalance(account: bigint, asset: number): Balance {
  return {
    account,
    asset,
    posted: 0n,
    held: 0n,
    incoming: 0n,
    settled: 0n,
    floor: floorOf(account),
    version: 0,
    lastSequence: 0n,
  }
}

/** One safe integer per (account, asset), for maps. */
export function balanceKey(account: bigint, asset: number): number {
  return Number(account) * 65_536 + asset
}

export function availableOf(balance: Balance): bigint {
  return balance.posted - balance.held
}

export function isInt64(value: bigint): boolean {
  return value >= -MAX_ATOMS && value <= MAX_ATOMS
}

/** The rules that the balance table repeats as CHECKs (invariant I3). */
export function isSound(balance: Balance): boolean {
  return (
    isInt64(balance.posted) &&
    isInt64(balance.settled) &&
    balance.held >= 0n &&
    balance.held <= MAX_ATOMS &&
    balance.incoming >= 0n &&
    balance.posted - balance.held >= balance.floor
  )
}
