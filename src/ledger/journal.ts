import { stringifyJson } from '#kernel/json.ts'
import { formatInstant, type Instant } from '#kernel/time.ts'
import type { Changes } from './books.ts'
import { isLedgerCommand, type Command, type Outcome } from './command.ts'
import { transferJson } from './transfer.ts'

const JOURNAL_VERSION = 1

/** A command with its place and what it came to. */
export interface Applied {
  readonly sequence: bigint
  readonly command: Command
  readonly outcome: Outcome
}

export interface BatchHeader {
  readonly firstSequence: bigint
  readonly lastSequence: bigint
  readonly epoch: bigint
  readonly at: Instant
}

/**
 * The exact text that is hashed, stored and served: header, every command (refused ones with their
 * code), every event, every transfer. Nobody has to agree on a canonical form of it.
 */
export function journalBody(
  header: BatchHeader,
  applied: readonly Applied[],
  changes: Pick<Changes, 'events' | 'transfers'>,
): string {
  const commands = applied.map(({ sequence, command, outcome }) => {
    const end = outcome.ok ? '' : `,"refused":${JSON.stringify(outcome.error.code)}`
    return `{"sequence":"${sequence}","command":${commandJson(command)}${end}}`
  })
  const start = `{"version":${JOURNAL_VERSION},"first_sequence":"${header.firstSequence}","last_sequence":"${header.lastSequence}","epoch":"${header.epoch}","at":"${formatInstant(header.at)}","at_ms":${header.at}`
  const transfers = changes.transfers.map(transferJson)
  return `${start},"commands":[${commands.join(',')}],"events":${eventsJson(changes.events)},"transfers":[${transfers.join(',')}]}`
}

/** The ledger's own commands hold no bigint, and those with many events are long. */
function commandJson(command: Command): string {
  return isLedgerCommand(command) ? JSON.stringify(command) : stringifyJson(command)
}

/** The events with their sequences, as journal and outbox carry them. */
export function eventsJson(events: Changes['events']): string {
  const parts = events.map(
    ([sequence, event]) => `{"sequence":"${sequence}",${stringifyJson(event).slice(1)}`,
  )
  return `[${parts.join(',')}]`
}

export interface JournalHead {
  readonly sequence: bigint
  readonly hash: Buffer
  readonly at: Instant
}

export interface JournalBatch {
  readonly firstSequence: bigint
  readonly lastSequence: bigint
  readonly epoch: bigint
  readonly at: Instant
  readonly prevHash: Buffer
  readonly hash: Buffer
  readonly body: string
}

/** Where a journal batch ends. */
export interface BatchEnd {
  readonly lastSeq: bigint
  readonly hash: Buffer
  /** Unix seconds of the last block that the core had applied; 0 before the first one. */
  readonly blockTime: number
}
