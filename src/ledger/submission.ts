import type { Instant } from '#kernel/time.ts'
import type { Command, Refusal } from './command.ts'

/** What commits together with a command. */
export interface SubmitOptions {
  /** Stored only when the command is not refused. */
  readonly idempotency?: IdempotencyEntry
  /**
   * Further names that one accepted command may bear, beside its idempotency key. A repetition is
   * refused with `ledger.duplicate_command` once the first bearer is durable.
   */
  readonly claims?: readonly string[]
  /** When the sender began to look for an earlier command of these names. */
  readonly checkedAt?: Instant
  /** Where a consumer stands once the command is committed, refused or not. */
  readonly position?: PositionEntry
}

export interface IdempotencyEntry {
  readonly scope: string
  readonly operation: string
  readonly key: string
  readonly inputHash: Uint8Array
  readonly resource: string
}

export interface PositionEntry {
  readonly group: string
  readonly stream: string
  readonly seq: bigint
  /** Log epoch of the node. */
  readonly epoch: bigint
}

export type CommandResult =
  | {
      readonly ok: true
      readonly sequence: bigint
      readonly at: Instant
      /** What the reducer answered, as of this command. */
      readonly value: object
    }
  | { readonly ok: false; readonly sequence: bigint; readonly at: Instant; readonly error: Refusal }

/** Where commands go: the sequencer of this process, or the way to the one that leads. */
export interface CommandSink {
  /**
   * Resolves when the command is durable, refused ones included. Throws `platform.unavailable` when
   * it was not taken or when nobody can say whether it was: retry with the same key. Throws
   * `ledger.duplicate_command` when another command bears its key or one of its names.
   */
  submit<C extends Command>(command: C, options?: SubmitOptions): Promise<CommandResult>
}
