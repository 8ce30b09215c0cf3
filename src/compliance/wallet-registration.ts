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
  readonly reason: string | null
  readonly identityHash: Buffer
  readonly createdAt: Instant
}

type Step = 'link' | 'approve' | 'refuse'

const STEPS: Readonly<
  Record<
    Step,
    { readonly from: readonly (RegistrationStatus | undefined)[]; to: RegistrationStatus }
  >
> = {
  link: { from: [undefined, 'refused'], to: 'pending_approval' },
  approve: { from: ['pending_approval'], to: 'submitted' },
  refuse: { from: ['pending_approval'], to: 'refused' },
}

/** The status after a step, or undefined where the step is not allowed; the chain does the rest. */
export function statusAfter(
  status: RegistrationStatus | undefined,
  step: Step,
): RegistrationStatus | undefined {
  const { from, to } = STEPS[step]
  return from.includes(status) ? to : undefined
}

/** Key of the transaction that registers an account; each account is registered once. */
export function registrationTxKey(chainAccount: number): string {
  return `register:${chainAccount}`
}
