import { assert } from '#kernel/assert.ts'
import type { Clock } from '#kernel/time.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import type { OutboxEvent } from '#platform/events/event.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { requireEpoch, type Leadership } from '#platform/leader.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { GaugeMetric, Metrics } from '#platform/metrics.ts'
import { Loop } from '#platform/scheduler.ts'
import { BlockReader } from './block-reader.ts'
import type { BlockPlace, Header } from './block.ts'
import { BlockSource } from './block-source-adapter.ts'
import { Decoders } from './decoders.ts'
import type { Deployment } from './deployment.ts'
import { chainErrors } from './errors.ts'
import { blockApplied, blockFinalized, blockRetracted } from './events.ts'
import { finalTarget, type Finality } from './finality.ts'
import { judgeHead, linkedPrefix, planRetraction } from './reorg.ts'
import type { RpcClient } from './rpc-adapter.ts'
import {
  finalizeBlocks,
  findCursor,
  insertBlocks,
  listUnfinal,
  lockCursor,
  putCursor,
  retractBlocks,
  type Cursor,
  type NewBlock,
} from './store.ts'

export interface WatcherOptions {
  readonly database: Database
  /** Of the role `watcher`. */
  readonly leadership: Leadership
  readonly rpc: RpcClient
  readonly deployment: Deployment
  readonly finality: Finality
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly pollMs?: number
}

/** What one transaction changes, in this order. */
interface Step {
  readonly retract: readonly BlockPlace[]
  readonly apply: readonly NewBlock[]
  readonly head: BlockPlace
  readonly finalTo: number
}

interface View {
  readonly cursor: Cursor
  readonly head: Header
  readonly tagged: number | undefined
  readonly durable: number | undefined
}

const POLL_MS = 200
const BLOCKS_PER_STEP = 64
const FINAL_PER_STEP = 512
/** Blocks so far below the head, or final by tag, are read by range. */
const FAR_BLOCKS = 128
/** Without an answer of the chain for so long the watcher is not well. */
const SILENCE_MS = 5000
/** An endpoint that stays behind for so long needs a look. */
const STALE_MS = 30_000

/**
 * Follows the chain block by block while this process leads the role. Blocks, logs, receipts,
 * cursor and messages of a step commit together, fenced by the epoch, so each message is written
 * once (I7, I8).
 */
export class Watcher implements Service {
  readonly name = 'chain.watcher'
  readonly #options: WatcherOptions
  readonly #source: BlockSource
  readonly #reader: BlockReader
  readonly #loop: Loop
  readonly #headGauge: GaugeMetric
  readonly #finalGauge: GaugeMetric
  readonly #haltGauge: GaugeMetric
  #halted: string | undefined
  #behind: { readonly detail: string; readonly sinceMs: number } | undefined
  #silentSinceMs: number | undefined
  #checkedChain = false

  constructor(options: WatcherOptions) {
    const { database, deployment, log, metrics, rpc } = options
    this.#options = options
    const decoders = new Decoders(deployment)
    this.#source = new BlockSource(rpc, decoders)
    this.#reader = new BlockReader({ source: this.#source, decoders, database })
    this.#headGauge = metrics.gauge('chain_head_block', 'Last applied block')
    this.#finalGauge = metrics.gauge('chain_final_block', 'Last final block')
    this.#haltGauge = metrics.gauge('chain_watcher_halted', '1 while the watcher refuses to go on')
    this.#haltGauge.set(0)
    this.#loop = new Loop({
      name: this.name,
      intervalMs: options.pollMs ?? POLL_MS,
      log,
      run: (signal) => this.#turn(signal),
    })
  }

  async start(): Promise<void> {
    await this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /** Looks for a new block at once. */
  wake(): void {
    this.#loop.wake()
  }

  health(): Health {
    if (this.#halted !== undefined) return { ok: false, detail: this.#halted }
    const silentMs = performance.now() - (this.#silentSinceMs ?? performance.now())
    if (silentMs > SILENCE_MS) return { ok: false, detail: 'the chain does not answer' }
    const health = this.#loop.health()
    if (!health.ok || this.#behind === undefined) return health
    const { detail, sinceMs } = this.#behind
    return { ok: performance.now() - sinceMs < STALE_MS, detail }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { leadership } = this.#options
    let more = true
    while (more && !signal.aborted && leadership.isLeading() && this.#halted === undefined) {
      await this.#checkChain()
      more = await this.#advance(leadership.epoch())
    }
  }

  async #checkChain(): Promise<void> {
    if (this.#checkedChain) return
    const { chainId } = this.#options.deployment
    const found = await this.#source.readChainId()
    if (found !== chainId) throw chainErrors.wrong_chain(`chain id ${found} instead of ${chainId}`)
    this.#checkedChain = true
  }

  /** One step; whether another may follow at once. */
  async #advance(epoch: bigint): Promise<boolean> {
    const { finality, database } = this.#options
    // Read before the head: what was on disk then is of the chain that the head shows.
    const durable = finality.durableBlock?.()
    const cursor = (await findCursor(database)) ?? (await this.#begin(epoch))
    this.#silentSinceMs ??= performance.now()
    const { head, finalized } = await this.#source.readHead('tag' in finality.rule)
    this.#silentSinceMs = undefined
    const view = { cursor, head, tagged: finalized?.number, durable }
    const isInstanceNew = this.#chainInstance() !== cursor.chainInstance
    const verdict = judgeHead(cursor.head, head, isInstanceNew)
    this.#noteBehind(verdict === 'behind', cursor, head)
    if (verdict === 'behind') return false
    if (verdict === 'fork') return await this.#retract(view, epoch)
    if (verdict === 'ahead') return await this.#apply(view, epoch)
    return await this.#finalize(view, epoch)
  }

  #noteBehind(isBehind: boolean, cursor: Cursor, head: Header): void {
    const detail = `the endpoint is at block ${head.number}, behind ${cursor.head.number}`
    const sinceMs = this.#behind?.sinceMs ?? performance.now()
    this.#behind = isBehind ? { detail, sinceMs } : undefined
  }

  /** The first cursor: the block before the deployment, which is final by definition. */
  async #begin(epoch: bigint): Promise<Cursor> {
    const { database, deployment } = this.#options
    const chainInstance = this.#chainInstance()
    const number = Math.max(0, deployment.deployedAt - 1)
    const [base] = await this.#source.readHeaders(number, number)
    if (base === undefined) throw chainErrors.incoherent(`the chain has no block ${number}`)
    const place = { number: base.number, hash: base.hash }
    const { chainId } = deployment
    const cursor = { chainId, chainInstance, head: place, final: place }
    return await inTransaction(database, async (tx) => {
      await requireEpoch(tx, 'watcher', epoch)
      const known = await lockCursor(tx)
      if (known !== undefined) return known
      await putCursor(tx, cursor)
      return cursor
    })
  }

  async #apply(view: View, epoch: bigint): Promise<boolean> {
    const { cursor, head } = view
    const last = Math.min(head.number, cursor.head.number + BLOCKS_PER_STEP)
    const found = await this.#source.readHeaders(cursor.head.number + 1, last)
    const [next] = found
    if (next === undefined) return false
    if (next.parentHash !== cursor.head.hash) return await this.#retract(view, epoch)
    const headers = linkedPrefix(cursor.head, found)
    const end = headers.at(-1)
    assert(end !== undefined, 'the next block is linked')
    const isFar = end.number <= Math.max(head.number - FAR_BLOCKS, view.tagged ?? 0)
    const read = await this.#reader.read(headers, isFar)
    if ('odd' in read) return this.#halt(read.odd)
    const { number, hash } = end
    const finalTo = this.#finalTarget(view, number)
    await this.#commit(cursor, epoch, {
      retract: [],
      apply: read.blocks,
      head: { number, hash },
      finalTo,
    })
    return true
  }

  async #finalize(view: View, epoch: bigint): Promise<boolean> {
    const { cursor } = view
    const finalTo = this.#finalTarget(view, cursor.head.number)
    const isKnown = this.#chainInstance() === cursor.chainInstance
    const isSettled = finalTo <= cursor.final.number && isKnown
    if (isSettled) return false
    await this.#commit(cursor, epoch, { retract: [], apply: [], head: cursor.head, finalTo })
    return finalTo - cursor.final.number > FINAL_PER_STEP
  }

  #finalTarget({ cursor, tagged, durable }: View, head: number): number {
    const { rule } = this.#options.finality
    return finalTarget({ rule, head, final: cursor.final.number, tagged, durable })
  }

  async #retract(view: View, epoch: bigint): Promise<boolean> {
    const { cursor, head } = view
    const ours = [cursor.final, ...(await listUnfinal(this.#options.database))]
    const top = Math.min(cursor.head.number, head.number)
    const theirs = await this.#source.readHeaders(cursor.final.number, top)
    const plan = planRetraction(ours, theirs, top)
    if (plan.type === 'incoherent') throw chainErrors.incoherent('headers do not link')
    if (plan.type === 'beyond_finality') {
      const { number, hash } = cursor.final
      return this.#halt(`reorg beyond finality: block ${number} ${hash} left the chain`)
    }
    if (plan.blocks.length === 0) throw chainErrors.incoherent('the head moved while it was read')
    const { blocks: retract, ancestor } = plan
    await this.#commit(cursor, epoch, { retract, apply: [], head: ancestor, finalTo: 0 })
    this.#options.log.warn({
      event: 'block.retracted',
      blocks: retract.length,
      ancestor: ancestor.number,
    })
    return true
  }

  async #commit(from: Cursor, epoch: bigint, step: Step): Promise<void> {
    const { database, clock } = this.#options
    const chainInstance = this.#chainInstance()
    const cursor = await inTransaction(database, async (tx) => {
      await requireEpoch(tx, 'watcher', epoch)
      const locked = await lockCursor(tx)
      assert(locked?.head.hash === from.head.hash, 'the cursor belongs to the leader')
      const events = await this.#write(tx, step)
      const final = await this.#writeFinality(tx, step, from.final, events)
      const next = { chainId: from.chainId, chainInstance, head: step.head, final }
      await putCursor(tx, next)
      await appendEvents(tx, events, clock.now())
      return next
    })
    this.#headGauge.set(cursor.head.number)
    this.#finalGauge.set(cursor.final.number)
  }

  async #write(tx: Tx, { retract, apply }: Step): Promise<OutboxEvent[]> {
    const { chainId } = this.#options.deployment
    const events: OutboxEvent[] = []
    if (retract.length > 0) {
      const blocks = await retractBlocks(tx, retract)
      events.push(...blocks.map((block) => blockRetracted(chainId, block)))
    }
    if (apply.length === 0) return events
    await insertBlocks(tx, apply)
    for (const { header, logs, receipts } of apply) {
      const body = { header, receipts, events: logs.map(({ event }) => event) }
      events.push(blockApplied(chainId, body))
    }
    return events
  }

  async #writeFinality(
    tx: Tx,
    { finalTo }: Step,
    final: BlockPlace,
    events: OutboxEvent[],
  ): Promise<BlockPlace> {
    if (finalTo <= final.number) return final
    const blocks = await finalizeBlocks(tx, finalTo, FINAL_PER_STEP)
    const { chainId } = this.#options.deployment
    events.push(...blocks.map((block) => blockFinalized(chainId, block)))
    return blocks.at(-1) ?? final
  }

  #chainInstance(): string | null {
    return this.#options.finality.chainInstance ?? null
  }

  /** Stops for good: a person has to look before anything more is believed. */
  #halt(reason: string): false {
    this.#halted = reason
    this.#haltGauge.set(1)
    this.#options.log.error({ event: 'chain.halted', reason })
    return false
  }
}
