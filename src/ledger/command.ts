import type { ChainBlock } from './chain-block.ts'

/** Anything that is sequenced: JSON in the journal, big numbers as decimal strings. */
export interface Command {
  readonly type: string
}

export interface OpenAccount {
  readonly type: 'open_account'
  readonly account: number
}

/** Makes an asset known; `allowed_classes` defaults to every investor class. */
export interface ListAsset {
  readonly type: 'list_asset'
  readonly asset: number
  readonly symbol: string
  readonly decimals: number
  readonly external: boolean
  readonly token?: string
  readonly allowed_classes?: readonly number[]
}

export interface RequestWithdrawal {
  readonly type: 'request_withdrawal'
  /** Bare UUID. */
  readonly id: string
  readonly account: number
  readonly asset: number
  /** Atoms. */
  readonly amount: string
}

export interface FailWithdrawal {
  readonly type: 'fail_withdrawal'
  readonly id: string
}

export interface ApplyBlock extends ChainBlock {
  readonly type: 'apply_block'
}

export interface RetractBlock {
  readonly type: 'retract_block'
  readonly number: number
  readonly hash: string
}

export interface FinalizeBlock {
  readonly type: 'finalize_block'
  readonly number: number
  readonly hash: string
}

export type LedgerCommand =
  | OpenAccount
  | ListAsset
  | RequestWithdrawal
  | FailWithdrawal
  | ApplyBlock
  | RetractBlock
  | FinalizeBlock

/** What a command came to. Refusals are journalled like everything else and change nothing. */
export type Outcome =
  { readonly ok: true; readonly value: object } | { readonly ok: false; readonly error: Refusal }

export interface Refusal {
  /** A code of the error registry. */
  readonly code: string
  readonly detail: string
}

export const DONE: Outcome = { ok: true, value: {} }

export function refuse(code: string, detail: string): Outcome {
  return { ok: false, error: { code, detail } }
}

const LEDGER_TYPES: ReadonlySet<string> = new Set<LedgerCommand['type']>([
  'open_account',
  'list_asset',
  'request_withdrawal',
  'fail_withdrawal',
  'apply_block',
  'retract_block',
  'finalize_block',
])

export function isLedgerCommand(command: Command): command is LedgerCommand {
  return LEDGER_TYPES.has(command.type)
}
