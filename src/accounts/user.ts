import type { Role } from './rbac.ts'

export interface User {
  /** `usr_…` */
  readonly id: string
  readonly email: string
  readonly name: string
  readonly roles: readonly Role[]
  /** `acc_…` */
  readonly accountId: string
  /** The account's number on the chain and in the ledger, from 16. */
  readonly chainAccount: number
}

export const PASSWORD_LENGTH = { least: 12, most: 256 } as const

/** The form in which an address is stored and compared. */
export function normalizeEmail(email: string): string {
  return email.trim().toLowerCase()
}

/** Length in characters as people count them. */
export function isPasswordLength(password: string): boolean {
  const length = Array.from(password).length
  return length >= PASSWORD_LENGTH.least && length <= PASSWORD_LENGTH.most
}
