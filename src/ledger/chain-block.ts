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
  /** It had failed here, and its hold was given back, before the chain paid it. */
  readonly is_late?: boolean
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

/** The wallet that the chain pays for an account is another one: the former was lost. */
export interface WalletChangedEvent {
  readonly type: 'wallet_changed'
  readonly account: number
  readonly wallet: string
}

/** An account wants to leave, or stays after all. */
export interface ExitIntentEvent {
  readonly type: 'exit_requested' | 'exit_cancelled'
  readonly account: number
}

/** A whole lane left for the account's wallet. */
export interface ExitExecutedEvent {
  readonly type: 'exit_executed'
  /** Names the hold of this lane in this transaction; a bare UUID. */
  readonly id: string
  readonly account: number
  readonly asset: number
  readonly amount: string
}

/** Deposits, settlement and withdrawals have ended for good. */
export interface ExitModeEvent {
  readonly type: 'exit_mode'
}

export interface FreezeEvent {
  readonly type: 'frozen' | 'unfrozen'
  readonly account: number
  /** Hash of the order behind it. */
  readonly document: string
}

/** Tokens of wallets were burned against cash, outside every batch. */
export interface RedeemedEvent {
  readonly type: 'redeemed'
  readonly asset: number
  readonly amount: string
}

/** What keeps accounts from trading, or lets them again. */
export type StopEvent = ExitIntentEvent | ExitModeEvent | FreezeEvent

/** What the chain does to accounts and tokens without the node's doing. */
export type LeavingEvent = StopEvent | ExitExecutedEvent | RedeemedEvent

export type LedgerChainEvent =
  | DepositEvent
  | WithdrawnEvent
  | BatchEvent
  | RegisteredEvent
  | ClassChangedEvent
  | WalletChangedEvent
  | ListedEvent
  | LeavingEvent

export type BlockState = 'applied' | 'final' | 'retracted'

export interface TrackedBlock extends ChainBlock {
  readonly state: BlockState
}
