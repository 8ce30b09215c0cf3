import { assert } from '#kernel/assert.ts'
import { isJsonObject, plainJson, stringifyJson } from '#kernel/json.ts'
import type { Instant } from '#kernel/time.ts'
import type { BlockPlace, Changes } from './books.ts'
import type { Command } from './command.ts'
import type { LedgerCore } from './core.ts'
import { eventsJson, journalBody, type Applied, type BatchHeader } from './journal.ts'
import type { IdempotencyEntry, PositionEntry, SubmitOptions } from './submission.ts'

/** A closed batch: all that its commit writes. */
export interface SealedBatch {
  readonly header: BatchHeader
  readonly body: string
  readonly applied: readonly Applied[]
  readonly changes: Changes
  readonly headBlock: BlockPlace | undefined
  readonly idempotency: readonly IdempotencyEntry[]
  readonly positions: readonly PositionEntry[]
}

/** Commands that were applied in memory and wait for their commit, all of one timestamp. */
export class OpenBatch {
  readonly at: Instant
  readonly #core: LedgerCore
  readonly #firstSequence: bigint
  readonly #applied: Applied[] = []
  readonly #idempotency: IdempotencyEntry[] = []
  readonly #positions: PositionEntry[] = []

  constructor(core: LedgerCore, firstSequence: bigint, at: Instant) {
    this.#core = core
    this.#firstSequence = firstSequence
    this.at = at
  }

  get size(): number {
    return this.#applied.length
  }

  apply(command: Command, options: SubmitOptions): Applied {
    const sequence = this.#firstSequence + BigInt(this.#applied.length)
    const outcome = this.#core.apply(sequence, this.at, command)
    const applied = { sequence, command, outcome }
    this.#applied.push(applied)
    if (options.idempotency !== undefined && outcome.ok) this.#idempotency.push(options.idempotency)
    if (options.position !== undefined) this.#positions.push(options.position)
    return applied
  }

  /** Takes the core's changes and writes the journal text; nothing may be applied afterwards. */
  seal(epoch: bigint): SealedBatch {
    const header: BatchHeader = {
      firstSequence: this.#firstSequence,
      lastSequence: this.#firstSequence + BigInt(this.#applied.length) - 1n,
      epoch,
      at: this.at,
    }
    const changes = this.#core.takeChanges()
    return {
      header,
      body: journalBody(header, this.#applied, changes),
      applied: this.#applied,
      changes,
      headBlock: this.#core.books.headBlock,
      idempotency: this.#idempotency,
      positions: this.#positions,
    }
  }
}

/** The body of `ledger.batch_committed.v1` in an array; null without events. */
export function outboxJson({ header, changes }: SealedBatch): string | null {
  if (changes.events.length === 0) return null
  const first = header.firstSequence
  return `[{"first_sequence":"${first}","last_sequence":"${header.lastSequence}","events":${eventsJson(changes.events)}}]`
}

/** The events of each new block, in the order of `rareRowsJson`; null without one. */
export function blockEventsJson({ changes }: SealedBatch): string | null {
  const fresh = changes.blocks.filter(({ isNew }) => isNew)
  return fresh.length === 0 ? null : JSON.stringify(fresh.map(({ events }) => events))
}

/** The rare rows of a batch, as `ledger.apply_rows` takes them; null when there are none. */
export function rareRowsJson({ changes, idempotency, positions }: SealedBatch): string | null {
  const rows = {
    accounts: changes.accounts.map((row) => ({
      account: row.account,
      class: row.class,
      wallet: row.wallet,
      expires_at: row.expiresAt,
      freezes: row.freezes,
      exits: row.exits,
      exit_at: row.exitAt,
    })),
    modes: changes.isExitMode === undefined ? [] : [{ is_exit_mode: changes.isExitMode }],
    assets: changes.assets.map((row) => ({
      asset: row.asset,
      symbol: row.symbol,
      decimals: row.decimals,
      external: row.external,
      token: row.token,
      allowed_classes: row.allowedClasses,
    })),
    blocks: changes.blocks
      .filter(({ isNew }) => isNew)
      .map(({ number, hash, time, state }) => ({ number, hash, at: time, state })),
    known_blocks: changes.blocks
      .filter(({ isNew }) => !isNew)
      .map(({ number, hash, state }) => ({ number, hash, state })),
    idempotency: idempotency.map((entry) => ({
      scope: entry.scope,
      operation: entry.operation,
      key: entry.key,
      input_hash: Buffer.from(entry.inputHash).toString('hex'),
      resource: entry.resource,
    })),
    positions: lastPositions(positions).map((entry) => ({
      consumer_group: entry.group,
      stream: entry.stream,
      seq: entry.seq.toString(),
      log_epoch: entry.epoch.toString(),
    })),
  }
  const empty = Object.values(rows).every((list) => list.length === 0)
  return empty ? null : stringifyJson(rows)
}

/** Of several positions of one consumer the last one, which must be the furthest. */
function lastPositions(positions: readonly PositionEntry[]): readonly PositionEntry[] {
  const last = new Map<string, PositionEntry>()
  for (const entry of positions) {
    const key = `${entry.group} ${entry.stream}`
    assert((last.get(key)?.seq ?? -1n) < entry.seq, `position of ${key} goes back`)
    last.set(key, entry)
  }
  return [...last.values()]
}

/** Effects by context; null when there are none. */
export function effectsJson({ changes }: SealedBatch): string | null {
  if (changes.effects.size === 0) return null
  return plainJson(Object.fromEntries(changes.effects))
}

/** The commands of a journal body, for replay. */
export function commandsOf(body: unknown): readonly ReplayedCommand[] {
  if (!isJsonObject(body) || !Array.isArray(body['commands'])) return []
  return body['commands'].flatMap((entry: unknown) => {
    if (!isJsonObject(entry)) return []
    const { sequence, command, refused } = entry
    if (typeof sequence !== 'string' || !isCommand(command)) return []
    return [
      {
        sequence: BigInt(sequence),
        command,
        refused: typeof refused === 'string' ? refused : null,
      },
    ]
  })
}

export interface ReplayedCommand {
  readonly sequence: bigint
  readonly command: Command
  readonly refused: string | null
}

function isCommand(value: unknown): value is Command {
  return isJsonObject(value) && typeof value['type'] === 'string'
}
