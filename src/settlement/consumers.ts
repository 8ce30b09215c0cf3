import { assert, present } from '#kernel/assert.ts'
import type { Command, Refusal } from '#ledger/command.ts'
import type { LedgerService } from '#ledger/service.ts'
import type { CommandSink } from '#ledger/submission.ts'
import type { PaymentsService } from '#payments/service.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { platformErrors } from '#platform/errors.ts'
import { foreignEventCounter, gapCounter } from '#platform/events/consumer.ts'
import type { Envelope } from '#platform/events/event.ts'
import type { EventLog, EventSubscription } from '#platform/events/log.ts'
import { isOurs, lockPosition, readPosition, takeRun } from '#platform/events/position.ts'
import { Presence } from '#platform/events/presence.ts'
import { readInstance, type Instance } from '#platform/instance.ts'
import type { EpochGuard, Leadership } from '#platform/leader.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { CounterMetric, Metrics } from '#platform/metrics.ts'
import {
  CHAIN_EVENTS_GROUP as GROUP,
  headsOf,
  listedAssets,
  readBlock,
  readFinality,
  readRetraction,
  strayWithdrawals,
  translateBlock,
  withdrawalsOf,
  type PaidWithdrawal,
  type UnknownEvent,
} from './chain-events.ts'
import { checksumOf } from './keccak-adapter.ts'
import { insertIncident, listKnownBatches, lockState, setHalted } from './store.ts'

export interface ChainEventConsumerOptions {
  readonly events: EventLog
  readonly database: Database
  readonly engine: CommandSink
  /** Of the role `engine`. */
  readonly leadership: Leadership
  readonly ledger: Pick<LedgerService, 'listOpenWithdrawals'>
  readonly payments: Pick<PaymentsService, 'listLate'>
  readonly log: Log
  readonly metrics: Metrics
  /** Symbol of an asset that this node registered, by its number on chain. */
  readonly findSymbol: (chainAsset: number) => Promise<string | undefined>
  /** Chain events that enter the core in one turn: more would keep orders waiting for too long. */
  readonly eventsPerTurn?: number
}

const STREAM = 'chain.events'
const EVENTS_PER_TURN = 4096

/**
 * Brings the chain into the core: one sequenced command per message, whose commit also moves the
 * position, so that each block counts exactly once (I7).
 */
export class ChainEventConsumer implements Service {
  readonly name = 'consumer.engine.chain.events'
  readonly #options: ChainEventConsumerOptions
  readonly #subscription: EventSubscription
  readonly #presence: Presence
  readonly #dropped: CounterMetric
  readonly #gaps: CounterMetric
  readonly #unknown: CounterMetric
  readonly #refused: CounterMetric
  #trouble: string | undefined

  constructor(options: ChainEventConsumerOptions) {
    const { events, database, metrics } = options
    this.#options = options
    this.#presence = new Presence({ database, group: GROUP, stream: STREAM })
    this.#dropped = foreignEventCounter(metrics)
    this.#gaps = gapCounter(metrics, { group: GROUP, stream: STREAM })
    this.#unknown = metrics.counter('unknown_chain_events_total', 'Events that no row explains')
    this.#refused = metrics.counter('refused_chain_commands_total', 'Blocks that the core refused')
    this.#subscription = events.subscribe({
      group: GROUP,
      stream: STREAM,
      position: () => readPosition(database, GROUP, STREAM),
      handle: (batch) => this.#handle(batch),
    })
  }

  async start(signal: AbortSignal): Promise<void> {
    // Needs no epoch: whoever does it, the position of a group that is known stays as it is.
    await inTransaction(this.#options.database, (tx) => lockPosition(tx, GROUP, STREAM))
    this.#presence.start()
    await this.#subscription.start(signal)
  }

  async stop(): Promise<void> {
    await this.#presence.stop()
    await this.#subscription.stop()
  }

  health(): Health {
    if (this.#trouble !== undefined) return { ok: false, detail: this.#trouble }
    return this.#subscription.health()
  }

  async #handle(batch: readonly Envelope[]): Promise<void> {
    const { database, leadership } = this.#options
    const guard = leadership.guard()
    const instance = await readInstance(database)
    const ours = batch.filter((envelope) => isOurs(envelope, instance))
    if (ours.length < batch.length)
      this.#dropped.inc({ stream: STREAM }, batch.length - ours.length)
    const { run, beyond } = takeRun(await readPosition(database, GROUP, STREAM), ours)
    const { eventsPerTurn = EVENTS_PER_TURN } = this.#options
    await this.#applyAll(partsOf(run, eventsPerTurn), instance, guard)
    if (beyond[0] !== undefined) throw this.#alarm(beyond[0].seq)
    this.#trouble = undefined
  }

  /**
   * While a part commits, the next one is read and submitted, unless reading it needs what that one
   * writes. A part that fails ends the term of the engine, and whatever is submitted before that is
   * heard of goes down with it: nothing enters a later term without the parts before it.
   */
  async #applyAll(
    parts: readonly (readonly Envelope[])[],
    instance: Instance,
    guard: EpochGuard,
  ): Promise<void> {
    let last = new Submission()
    try {
      for (const part of parts) {
        if (part.some(readsTables)) await last.outcome
        const commands: Command[] = []
        for (const envelope of part) commands.push(await this.#translate(envelope, guard))
        if (last.hasFailed) break
        const next = new Submission(this.#submit(part, commands, instance))
        await last.outcome.finally(() => (last = next))
      }
      await last.outcome
    } finally {
      // Whoever reads the position again must find it where all this leaves it.
      await last.settled
    }
  }

  /**
   * Submits all in one turn of the event loop, so that they enter one term in their order: whatever
   * fails, the committed ones are the first of them, and the position says how many.
   */
  async #submit(
    part: readonly Envelope[],
    commands: readonly Command[],
    instance: Instance,
  ): Promise<void> {
    const { engine } = this.#options
    const submitted = part.map(async ({ seq }, place) => {
      const position = { group: GROUP, stream: STREAM, seq, epoch: instance.logEpoch }
      return await engine.submit(present(commands[place], 'command'), { position })
    })
    const results = await Promise.allSettled(submitted)
    for (const [place, result] of results.entries()) {
      if (result.status === 'rejected') throw result.reason
      if (!result.value.ok) this.#tellRefusal(commands[place], result.value.error)
    }
  }

  /** Settlement has halted with the commit; this is for whoever looks after the node. */
  #tellRefusal(command: Command | undefined, error: Refusal): void {
    const { code, detail } = error
    this.#refused.inc()
    this.#options.log.error({ event: 'chain.command_refused', type: command?.type, code, detail })
  }

  async #translate(envelope: Envelope, guard: EpochGuard): Promise<Command> {
    switch (envelope.type) {
      case 'chain.block_applied.v1':
        return await this.#translateBlock(envelope, guard)
      case 'chain.block_retracted.v1':
        return readRetraction(envelope.data)
      case 'chain.block_finalized.v1':
        return readFinality(envelope.data)
      default:
        assert(false, `unknown event type ${envelope.type}`)
    }
  }

  async #translateBlock(envelope: Envelope, guard: EpochGuard): Promise<Command> {
    const { database, findSymbol } = this.#options
    const block = readBlock(envelope.data)
    const heads = headsOf(block)
    const batches = heads.length === 0 ? new Map() : await listKnownBatches(database, heads)
    const symbols = new Map<number, string>()
    for (const asset of listedAssets(block)) {
      const symbol = await findSymbol(asset)
      if (symbol !== undefined) symbols.set(asset, symbol)
    }
    const { late, stray } = await this.#explainPayments(withdrawalsOf(block))
    const { command, unknown } = translateBlock(block, {
      batches,
      symbols,
      late,
      checksum: checksumOf,
    })
    for (const event of [...unknown, ...stray])
      await this.#reportUnknown(event, envelope.seq, guard)
    return command
  }

  /** Most are open; some had failed when their account left, and were on their way all the same. */
  async #explainPayments(
    paid: readonly PaidWithdrawal[],
  ): Promise<{ readonly late: ReadonlySet<string>; readonly stray: readonly UnknownEvent[] }> {
    if (paid.length === 0) return { late: new Set(), stray: [] }
    const { ledger, payments, log } = this.#options
    const open = await ledger.listOpenWithdrawals(paid.map(({ id }) => id))
    const rest = paid.filter(({ id }) => !open.has(id))
    const late = rest.length === 0 ? new Set<string>() : await payments.listLate(rest)
    for (const { id, txHash } of rest.filter((payment) => late.has(payment.id)))
      log.warn({ event: 'chain.late_withdrawal', withdrawal: id, tx_hash: txHash })
    return { late, stray: strayWithdrawals(rest, late) }
  }

  /**
   * Halts unless the block was applied meanwhile, by a late commit or by the engine that leads: a
   * withdrawal that is final looks like one that nobody asked for.
   */
  async #reportUnknown(event: UnknownEvent, seq: bigint, guard: EpochGuard): Promise<void> {
    const isReported = await inTransaction(this.#options.database, async (tx) => {
      await guard(tx)
      if ((await lockPosition(tx, GROUP, STREAM)) >= seq) return false
      await halt(tx, `unknown ${event.name} in ${event.tx_hash}: ${event.detail}`)
      return true
    })
    if (!isReported) return
    this.#unknown.inc()
    const { name, tx_hash } = event
    this.#options.log.error({ event: 'chain.unknown_event', name, tx_hash })
  }

  #alarm(gapAt: bigint): Error {
    this.#gaps.inc({ group: GROUP, stream: STREAM })
    this.#trouble = `an event before ${gapAt} of ${STREAM} is missing`
    return platformErrors.stream_gap(this.#trouble)
  }
}

async function halt(tx: Tx, reason: string): Promise<void> {
  const isRunning = (await lockState(tx)).status === 'running'
  // Whoever resumes after an earlier halt should find this one as well.
  if (isRunning) await setHalted(tx, reason, 'chain')
  else await insertIncident(tx, 'halted', reason, 'chain')
}

/** Commands on their way; a failure waits until somebody asks for the outcome. */
class Submission {
  readonly outcome: Promise<void>
  /** Resolves when all is over, whatever the outcome. */
  readonly settled: Promise<void>
  #hasFailed = false

  constructor(outcome: Promise<void> = Promise.resolve()) {
    this.outcome = outcome
    this.settled = outcome.catch(() => {
      this.#hasFailed = true
    })
  }

  get hasFailed(): boolean {
    return this.#hasFailed
  }
}

/** Events whose translation looks into tables, which an earlier block may change. */
const LOOKED_UP: ReadonlySet<unknown> = new Set(['BatchSettled', 'AssetCreated', 'Withdrawn'])

function readsTables({ data: { events } }: Envelope): boolean {
  return Array.isArray(events) && events.some((event) => LOOKED_UP.has(event.name))
}

/** Runs of messages with a bounded number of chain events each, at least one message. */
function partsOf(
  batch: readonly Envelope[],
  eventsPerTurn: number,
): readonly (readonly Envelope[])[] {
  const parts: Envelope[][] = []
  let weight = Infinity
  for (const envelope of batch) {
    const { events } = envelope.data
    const own = 1 + (Array.isArray(events) ? events.length : 0)
    weight += own
    if (weight > eventsPerTurn) {
      parts.push([])
      weight = own
    }
    parts.at(-1)?.push(envelope)
  }
  return parts
}
