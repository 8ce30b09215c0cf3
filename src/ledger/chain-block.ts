/** A block as the ledger sees it: only what changes balances or what the core reads. */
export interface ChainBlock {
  readonly number: number
  readonly hash: string
  /** Unix seconds. */
  readonly time: number
  readonly events: readonly LedgerChainEvent[]
}

export interface DepositEvent {
  readonly type: 'deposit'
  /** `<transaction hash>:<log index>` */
  readonly id: string
  readonly account: number
  readonly asset: number
  readonly amount: string
  readonly tx_hash?: string
}

export interface WithdrawnEvent {
  readonly type: 'withdrawn'
  /** Bare UUID of the withdrawal. */
  readonly id: string
  readonly account: number
  readonly asset: number
  readonly amount: string
  readonly tx_hash?: string
}

/** A settlement batch was executed; a supply batch also makes or burns `supply.change`. */
export interface BatchEvent {
  readonly type: 'batch'
  readonly sequence: number
  readonly head: string
  readonly deltas: readonly (readonly [account: number, asset: number, delta: string])[]
  readonly supply?: {
    readonly asset: number
    readonly change: string
    readonly beneficiary: number
  }
  readonly tx_hash?: string
}

export interface RegisteredEvent {
  readonly type: 'registered'
  readonly account: number
  readonly wallet: string
  readonly class: number
  /** Unix seconds; null never expires. */
  readonly expires_at: number | null
}

export interface ClassChangedEvent {
  readonly type: 'class_changed'
  readonly account: number
  readonly class: number
  /** Unix seconds; null never expires. */
  readonly expires_at: number | null
}

export interface ListedEvent {
  readonly type: 'listed'
  readonly asset: number
  readonly token: string
  readonly decimals: number
  readonly allowed_classes: readonly number[]
  readonly symbol?: string
}

export type LedgerChainEvent =
  DepositEvent | WithdrawnEvent | BatchEvent | RegisteredEvent | ClassChangedEvent | ListedEvent

export type BlockState = 'applied' | 'final' | 'retracted'

export interface TrackedBlock extends ChainBlock {
  readonly state: BlockState
}
