import { FIRST_USER_ACCOUNT, SYSTEM_CLASS } from './account-code.ts'

/** A chain account that the ledger knows. Class 0 is unregistered. */
export interface Account {
  readonly account: number
  readonly class: number
  readonly wallet: string | null
  /** Unix seconds. */
  readonly expiresAt: number | null
  /** Freezes seen in any block minus ends of one in final blocks: above 0, the account is frozen. */
  readonly freezes: number
  /** The same for exits that were requested and cancelled. */
  readonly exits: number
  /** When the block of the last request was made, Unix seconds; null before any. */
  readonly exitAt: number | null
}

export interface ListedAsset {
  readonly asset: number
  readonly symbol: string
  readonly decimals: number
  readonly external: boolean
  readonly token: string | null
  /** null allows every registered class. */
  readonly allowedClasses: readonly number[] | null
}

export function newAccount(account: number): Account {
  const own = account < FIRST_USER_ACCOUNT
  const accountClass = own ? SYSTEM_CLASS : 0
  const terms = { class: accountClass, wallet: null, expiresAt: null }
  return { account, ...terms, freezes: 0, exits: 0, exitAt: null }
}

/** Registered on the chain, in a final block, and not expired at `atMs`. */
export function isRegistered(account: Account | undefined, atMs: number): boolean {
  if (account === undefined || account.class === 0) return false
  return account.expiresAt === null || account.expiresAt * 1000 > atMs
}

/** Whether the asset may be credited to an account of this class. */
export function allowsClass(asset: ListedAsset, accountClass: number): boolean {
  if (accountClass === SYSTEM_CLASS) return true
  if (accountClass === 0) return false
  return asset.allowedClasses === null || asset.allowedClasses.includes(accountClass)
}
