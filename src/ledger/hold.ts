/** Value of an account that is promised to an order or a withdrawal; amount 0 means released. */
export interface Hold {
  /** The bare UUID of the order or withdrawal. */
  readonly id: string
  readonly account: bigint
  readonly asset: number
  readonly amount: bigint
  readonly kind: HoldKind
  /** The command that made it. */
  readonly sequence: bigint
}

export type HoldKind = 'order' | 'withdrawal'
