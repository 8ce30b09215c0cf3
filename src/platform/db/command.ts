import type { Clock } from '#kernel/time.ts'
import { SystemClock } from '../clock.ts'
import type { OutboxEvent } from '../events/event.ts'
import { appendEvents } from '../events/outbox.ts'
import {
  claimIdempotency,
  findIdempotency,
  hashInput,
  insertIdempotency,
  requireSameInput,
} from './idempotency.ts'
import type { Database, Tx } from './pool.ts'
import { inTransaction } from './transaction.ts'

export interface CommandWork<T> {
  readonly result: T
  /** Id of what the command made or changed; a repetition is answered with its present state. */
  readonly resource: string
  readonly events?: readonly OutboxEvent[]
}

export interface CommandDefinition<T> {
  /** Whose key it is: the id of the principal. */
  readonly scope: string
  /** Method and route, such as `POST /v1/assets`. */
  readonly operation: string
  readonly key?: string | undefined
  readonly input: unknown
  readonly work: (tx: Tx) => Promise<CommandWork<T>>
  readonly replay: (resource: string) => Promise<T>
  readonly clock?: Clock
}

type Outcome<T> = { readonly done: T } | { readonly known: string }

/**
 * The write path for what the ledger core never reads: work, idempotency key and events in one
 * transaction. The same key and input give the resource as it is now, another input throws
 * `platform.idempotency_mismatch`, and a key in use `platform.idempotency_running`. A refusal,
 * thrown by `work`, keeps no key.
 */
export async function runCommand<T>(
  database: Database,
  command: CommandDefinition<T>,
): Promise<{ result: T; replayed: boolean }> {
  const outcome = await inTransaction(database, (tx) => runOnce(tx, command))
  if ('done' in outcome) return { result: outcome.done, replayed: false }
  return { result: await command.replay(outcome.known), replayed: true }
}

async function runOnce<T>(tx: Tx, command: CommandDefinition<T>): Promise<Outcome<T>> {
  const { scope, operation, key, clock = new SystemClock() } = command
  const inputHash = hashInput(command.input)
  if (key !== undefined) {
    await claimIdempotency(tx, scope, operation, key)
    const record = await findIdempotency(tx, scope, operation, key)
    if (record !== undefined) {
      requireSameInput(record, inputHash)
      return { known: record.resource }
    }
  }
  const { result, resource, events = [] } = await command.work(tx)
  if (key !== undefined) {
    await insertIdempotency(tx, { scope, operation, key, inputHash, resource })
  }
  await appendEvents(tx, events, clock.now())
  return { done: result }
}
