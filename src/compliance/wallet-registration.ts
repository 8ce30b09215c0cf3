import type { TransactionState } from '#chain/tx.ts'
import type { Instant } from '#kernel/time.ts'

export const REGISTRATION_STATUSES = [
  'pending_approval',
  'submitted',
  'registered',
  'refused',
] as const

/** `submitted`: approved, and on its way to the chain. */
export type RegistrationStatus = (typeof REGISTRATION_STATUSES)[number]

/** 0 is unregistered and 84 for accounts of the system. */
export const INVESTOR_CLASSES = { least: 1, most: 83 } as const

/** The wallet of an account on its way to the investor registry. */
export interface WalletRegistration {
  /** Bare UUID; its place in the queue. */
  readonly id: string
  /** `acc_…` */
  readonly accountId: string
  readonly chainAccount: number
  /** With the checksum of EIP-55. */
  readonly wallet: string
  readonly status: RegistrationStatus
  readonly investorClass: number | null
  readonly expiresAt: Instant | null
  /** Why it was refused, or why the chain did not take it when it was approved. */
  readonly reason: string | null
  /** How many transactions were asked for. */
  readonly attempts: number
  /** Key of the transaction that is on its way, or was. */
  readonly txKey: string | null
  readonly identityHash: Buffer
  readonly createdAt: Instant
}

type Step = 'link' | 'approve' | 'refuse' | 'lose'

const STEPS: Readonly<
  Record<
    Step,
    { readonly from: readonly (RegistrationStatus | undefined)[]; to: RegistrationStatus }
  >
> = {
  link: { from: [undefined, 'refused'], to: 'pending_approval' },
  approve: { from: ['pending_approval'], to: 'submitted' },
  refuse: { from: ['pending_approval'], to: 'refused' },
  lose: { from: ['submitted'], to: 'pending_approval' },
}

/** The status after a step, or undefined where the step is not allowed; the chain does the rest. */
export function statusAfter(
  status: RegistrationStatus | undefined,
  step: Step,
): RegistrationStatus | undefined {
  const { from, to } = STEPS[step]
  return from.includes(status) ? to : undefined
}

/** Key of a transaction that registers an account; an attempt that was lost needs another. */
export function registrationTxKey(chainAccount: number, attempt: number): string {
  return `register:${chainAccount}:${attempt}`
}

/** Whether the transaction will never register anything. */
export function isLost(state: TransactionState): boolean {
  return state === 'rejected' || state === 'reverted' || state === 'cancelled'
}
