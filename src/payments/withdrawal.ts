/** `requested` holds the amount, `submitted` has a transaction, `failed` gave the hold back. */
export const WITHDRAWAL_STATUSES = ['requested', 'submitted', 'mined', 'final', 'failed'] as const
export type WithdrawalStatus = (typeof WITHDRAWAL_STATUSES)[number]

export interface Withdrawal {
  /** Bare UUID. */
  readonly id: string
  readonly account: number
  readonly asset: number
  readonly amountAtoms: bigint
  readonly status: WithdrawalStatus
  /** The sequence that holds the amount; the payment waits until it is settled. */
  readonly holdSequence: bigint
  readonly txKey: string | null
  readonly txHash: string | null
  readonly createdAtMs: number
}

/** The on-chain id of a withdrawal: its UUID in the first 16 of 32 bytes. */
export function withdrawalId(uuid: string): `0x${string}` {
  return `0x${uuid.replaceAll('-', '').padEnd(64, '0')}`
}

/** The UUID of an on-chain id, or undefined for an id that this node cannot have given. */
export function withdrawalUuid(id: string): string | undefined {
  const match = /^0x([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})0{32}$/.exec(
    id.toLowerCase(),
  )
  return match?.slice(1).join('-')
}

/** The idempotency key of a withdrawal's transaction. */
export function withdrawalTxKey(uuid: string): string {
  return `withdraw:${uuid}`
}

/** Whether a transaction will never pay: it reverted or was cancelled for good, or got no nonce. */
export function hasFailed(transactionState: string): boolean {
  return ['reverted', 'rejected', 'cancelled'].includes(transactionState)
}
