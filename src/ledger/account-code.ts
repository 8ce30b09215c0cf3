import { assert } from '#kernel/assert.ts'
import { MAX_ATOMS } from '#kernel/money.ts'

const BLOCK = 2n ** 32n

/** The families of accounts that no user owns; each has one account per asset. */
export type SystemFamily = 'custody' | 'issuance' | 'suspense'

const FAMILIES: readonly SystemFamily[] = ['custody', 'issuance', 'suspense']

/** Chain account 1 earns the fees of every trade. */
export const FEE_ACCOUNT = 1n
/** Chain accounts below this one belong to the system and are registered at deployment. */
export const FIRST_USER_ACCOUNT = 16
/** The class of accounts 1–15, which every asset allows. */
export const SYSTEM_CLASS = 84

/** The ledger account of a chain account: the same number, 1 … 2³²−1. */
export function userAccount(chainAccount: number): bigint {
  assert(
    Number.isInteger(chainAccount) && chainAccount > 0 && chainAccount < 2 ** 32,
    `not a chain account: ${chainAccount}`,
  )
  return BigInt(chainAccount)
}

/** The ledger account of a family and an asset (`custody:3`). */
export function systemAccount(family: SystemFamily, asset: number): bigint {
  assert(Number.isInteger(asset) && asset >= 0 && asset < 2 ** 16, `not a chain asset: ${asset}`)
  return BLOCK * BigInt(FAMILIES.indexOf(family) + 1) + BigInt(asset)
}

export function isUserAccount(account: bigint): boolean {
  return account > 0n && account < BLOCK
}

/** The text of journal and API: `17`, `custody:0`. */
export function accountText(account: bigint): string {
  if (isUserAccount(account)) return account.toString()
  const family = FAMILIES[Number(account / BLOCK) - 1]
  assert(family !== undefined, `not a ledger account: ${account}`)
  return `${family}:${account % BLOCK}`
}

/** The least that `posted − held` may be: what is owed to the outside is negative, all else never. */
export function floorOf(account: bigint): bigint {
  return isUserAccount(account) ? 0n : -MAX_ATOMS
}
