/** Value of an account that is promised to an order, a withdrawal or an exit; amount 0 means released. */
export interface Hold {
  /** The bare UUID of the order, withdrawal or exit. */
  readonly id: string
  readonly account: bigint
  readonly asset: number
  readonly amount: bigint
  readonly kind: HoldKind
  /** The command that made it. */
  readonly sequence: bigint
}

export type HoldKind = 'order' | 'withdrawal' | 'exit'
