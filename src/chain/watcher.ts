import type { Clock } from '#kernel/time.ts'
import { unreachable } from '#kernel/assert.ts'
import { AppError } from '#kernel/errors.ts'
import type { Database } from '#platform/db/pool.ts'
import type { Leadership } from '#platform/leader.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { Metrics } from '#platform/metrics.ts'
import { Loop } from '#platform/scheduler.ts'
import { BlockReader, type ReadBlocks } from './block-reader.ts'
import { LogQuery, type BlockSource } from './block-source-adapter.ts'
import { BlockSources } from './block-sources.ts'
import { BlockWriter, FINAL_PER_STEP } from './block-writer.ts'
import type { BlockPlace, Header } from './block.ts'
import { Decoders } from './decoders.ts'
import type { Deployment } from './deployment.ts'
import { chainErrors } from './errors.ts'
import { FinalWord } from './final-word.ts'
import type { Finality } from './finality.ts'
import { ReadAhead } from './read-ahead.ts'
import type { RpcClient } from './rpc-adapter.ts'
import { findCursor, findHalt, listUnfinal, type Cursor, type HaltKind } from './store.ts'
import { WatchProgress } from './watch-progress.ts'
import {
  decideStep,
  finalAfter,
  judgeFork,
  opinionOf,
  takeHeaders,
  type ForkLook,
  type ForkStep,
  type ForkView,
  type Opinion,
  type WatchStep,
  type WatchView,
} from './watch.ts'

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

/** What one endpoint shows, held against what the node has. */
interface Sight {
  readonly source: BlockSource
  readonly cursor: Cursor
  readonly view: WatchView
  readonly step: WatchStep
}

/** Headers as the endpoint gave them, and what was read of those. */
interface ReadStretch {
  readonly headers: readonly Header[]
  readonly read: ReadBlocks
}

const POLL_MS = 200
/** Headers of one question when the last common block is searched. */
const COMPARED_AT_ONCE = 128

/** Follows the chain block by block while this process leads the role. */
export class Watcher implements Service {
  readonly name = 'chain.watcher'
  readonly #options: WatcherOptions
  readonly #sources: BlockSources
  readonly #reader: BlockReader
  readonly #writer: BlockWriter
  readonly #progress: WatchProgress
  readonly #finalWord: FinalWord
  readonly #loop: Loop
  readonly #ahead = new ReadAhead<ReadStretch>()
  #term: bigint | undefined
  #look: ForkLook | undefined
  /** An unreadable log, and the endpoint that showed it. */
  #odd: { readonly detail: string; readonly endpoint: string } | undefined

  constructor(options: WatcherOptions) {
    const { database, deployment, finality, clock, log, metrics, rpc } = options
    this.#options = options
    const decoders = new Decoders(deployment)
    const query = new LogQuery(decoders)
    const { chainId } = deployment
    this.#sources = new BlockSources({ rpc, query, chainId })
    this.#reader = new BlockReader({ rpc, query, decoders, database })
    const chainInstance = finality.chainInstance ?? null
    this.#writer = new BlockWriter({ database, clock, chainId, chainInstance })
    this.#progress = new WatchProgress({ log, metrics })
    this.#finalWord = new FinalWord({ sources: this.#sources, log })
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
    await this.#ahead.settle()
  }

  /** Looks for a new block at once. */
  wake(): void {
    this.#loop.wake()
  }

  health(): Health {
    const trouble = this.#progress.health()
    if (!trouble.ok) return trouble
    const health = this.#loop.health()
    return health.ok ? trouble : health
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { leadership } = this.#options
    if (!leadership.isLeading()) return this.#progress.standDown()
    let more = !(await this.#isHalted(leadership.epoch()))
    while (more && !signal.aborted && leadership.isLeading()) {
      this.#loop.noteProgress()
      more = await this.#advance(leadership.epoch())
    }
  }

  /** Read anew in each turn while halted, because an operator may have decided. */
  async #isHalted(epoch: bigint): Promise<boolean> {
    const isFirst = this.#term !== epoch
    if (!isFirst && !this.#progress.isHalted) return false
    if (isFirst) await this.#writer.forgetUnreadable(epoch)
    this.#term = epoch
    const halt = await findHalt(this.#options.database)
    this.#progress.noteHalt(halt?.reason)
    return halt !== undefined
  }

  /** One step; whether another may follow at once. */
  async #advance(epoch: bigint): Promise<boolean> {
    const sight = await this.#findSight(epoch)
    if (sight === undefined) return false
    try {
      return await this.#follow(sight, epoch)
    } catch (error) {
      if (isIncoherent(error)) sight.source.distrust(error.detail)
      throw error
    }
  }

  /** The best endpoint that is not behind us; undefined when all are. */
  async #findSight(epoch: bigint): Promise<Sight | undefined> {
    const { finality, database } = this.#options
    // Read before the head: what was on disk then is of the chain that the head shows.
    const durable = finality.durableBlock?.()
    const cursor = (await findCursor(database)) ?? (await this.#begin(epoch))
    const asked = new Set<string>()
    this.#progress.noteQuestion()
    for (let source = this.#sources.except(asked); source; source = this.#sources.except(asked)) {
      const sight = await this.#see(source, cursor, durable)
      this.#progress.noteSight(cursor, sight.view.theirHead, sight.step.type === 'behind')
      if (sight.step.type !== 'behind' && !this.#isIdle(sight)) return sight
      asked.add(source.name)
    }
    return undefined
  }

  /** An endpoint that stands still while another one was seen further on. */
  #isIdle({ step, view }: Sight): boolean {
    if (step.type !== 'rest') return false
    const heads = this.#options.rpc.endpoints().map(({ head }) => head ?? 0)
    return Math.max(...heads) > view.theirHead.number
  }

  async #see(source: BlockSource, cursor: Cursor, durable: number | undefined): Promise<Sight> {
    const { finality } = this.#options
    try {
      await this.#sources.checkChain(source)
      const { head: theirHead, finalized } = await source.readHead('tag' in finality.rule)
      const view: WatchView = {
        head: cursor.head,
        final: cursor.final,
        theirHead,
        tagged: await this.#findFinal(source, finalized, cursor),
        durable,
        rule: finality.rule,
        isInstanceNew: (finality.chainInstance ?? null) !== cursor.chainInstance,
        farBlocks: source.farBlocks,
      }
      return { source, cursor, view, step: decideStep(view) }
    } catch (error) {
      if (isIncoherent(error)) source.distrust(error.detail)
      throw error
    }
  }

  /** Other endpoints are asked when the block would be final that was not before. */
  async #findFinal(
    source: BlockSource,
    claimed: BlockPlace | undefined,
    { final }: Cursor,
  ): Promise<number | undefined> {
    if (claimed === undefined || claimed.number <= final.number) return claimed?.number
    return await this.#finalWord.settle(source, claimed)
  }

  /** The first cursor: the block before the deployment, which is final by definition. */
  async #begin(epoch: bigint): Promise<Cursor> {
    const source = this.#sources.except(new Set())
    const number = Math.max(0, this.#options.deployment.deployedAt - 1)
    if (source !== undefined) await this.#sources.checkChain(source)
    const [base] = (await source?.readHeaders(number, number)) ?? []
    if (base === undefined) throw chainErrors.incoherent(`the chain has no block ${number}`)
    return await this.#writer.begin(base, epoch)
  }

  async #follow(sight: Sight, epoch: bigint): Promise<boolean> {
    const { step } = sight
    switch (step.type) {
      case 'take':
        return await this.#take(sight, step, epoch)
      case 'compare':
        return await this.#compare(sight, step, epoch)
      case 'finalize':
        return await this.#finalize(sight, step.to, epoch)
      case 'behind':
      case 'rest':
        this.#look = undefined
        return false
      default:
        return unreachable(step)
    }
  }

  async #take(
    sight: Sight,
    step: { readonly from: number; readonly to: number; readonly isFar: boolean },
    epoch: bigint,
  ): Promise<boolean> {
    const { source, cursor, view } = sight
    const known = await this.#ahead.take({ endpoint: source.name, from: step.from, to: step.to })
    const found = known?.headers ?? (await source.readHeaders(step.from, step.to))
    const taking = takeHeaders(view, found)
    if (taking.type === 'compare') return await this.#compare(sight, taking, epoch)
    const end = taking.type === 'take' ? taking.headers.at(-1) : undefined
    if (taking.type !== 'take' || end === undefined) return false
    this.#look = undefined
    const isKnown = known !== undefined && known.headers.length === taking.headers.length
    const read = isKnown ? known.read : await this.#reader.read(source, taking.headers, step.isFar)
    if ('odd' in read) return await this.#meetOdd(source, read.odd, epoch)
    const { number, hash } = end
    if (step.isFar) this.#readAhead(sight, { number, hash })
    const next = await this.#writer.commit(cursor, epoch, {
      retract: [],
      apply: read.blocks,
      head: { number, hash },
      finalTo: finalAfter(view, number),
    })
    this.#progress.noteCommit(next, view.theirHead.number, read.blocks)
    return true
  }

  /** The range that follows `head`, if it lies far below the endpoint's head as well. */
  #readAhead({ source, view }: Sight, head: BlockPlace): void {
    const next = decideStep({ ...view, head, farBlocks: source.farBlocks })
    if (next.type !== 'take' || !next.isFar) return
    const { from, to } = next
    this.#ahead.begin({ endpoint: source.name, from, to }, async () => {
      const headers = await source.readHeaders(from, to)
      if (headers.length <= to - from) return undefined
      return { headers, read: await this.#reader.read(source, headers, true) }
    })
  }

  async #finalize({ cursor, view }: Sight, to: number, epoch: bigint): Promise<boolean> {
    this.#look = undefined
    const step = { retract: [], apply: [], head: cursor.head, finalTo: to }
    const next = await this.#writer.commit(cursor, epoch, step)
    this.#progress.noteCommit(next, view.theirHead.number, [])
    return to - cursor.final.number > FINAL_PER_STEP
  }

  async #compare(
    sight: Sight,
    { from, to }: { readonly from: number; readonly to: number },
    epoch: bigint,
  ): Promise<boolean> {
    const { source, cursor, view } = sight
    const ours = [cursor.final, ...(await listUnfinal(this.#options.database))]
    const hashes = new Set(ours.map(({ hash }) => hash))
    const fork: ForkView = {
      ours,
      theirs: await readDown(source, from, to, ({ hash }) => hashes.has(hash)),
      top: to,
      isInstanceNew: view.isInstanceNew,
      others: this.#options.rpc.endpoints().length - 1,
      opinions: [],
      look: this.#look,
    }
    return await this.#settleFork(sight, await this.#judge(source, fork), epoch)
  }

  /** Asks other endpoints for as long as the judgement wants to hear another. */
  async #judge(first: BlockSource, fork: ForkView): Promise<ForkStep> {
    const asked = new Set([first.name])
    const opinions: Opinion[] = []
    for (;;) {
      const step = judgeFork({ ...fork, opinions })
      if (step.type !== 'ask') return step
      const other = this.#sources.except(asked)
      if (other !== undefined) asked.add(other.name)
      const headers = await other?.readHeaders(step.number, step.number).catch(() => [])
      opinions.push(opinionOf(step.ours, headers?.[0]))
    }
  }

  async #settleFork({ source, cursor }: Sight, step: ForkStep, epoch: bigint): Promise<boolean> {
    this.#look = step.type === 'wait' ? step.look : undefined
    this.#progress.noteDoubt(step.type === 'wait' ? step.reason : undefined)
    switch (step.type) {
      case 'retract': {
        const { blocks, ancestor } = step
        const change = { retract: blocks, apply: [], head: ancestor, finalTo: 0 }
        const next = await this.#writer.commit(cursor, epoch, change)
        this.#progress.noteRetraction(next, blocks.length)
        return true
      }
      case 'halt':
        return await this.#halt('beyond_finality', step.reason, epoch)
      case 'distrust':
        source.distrust(step.reason)
        if (step.isDisputed) return this.#options.rpc.endpoints().length > 1
        throw chainErrors.incoherent(step.reason)
      case 'ask':
      case 'wait':
        return false
      default:
        return unreachable(step)
    }
  }

  /** A log of our own that makes no sense: a lie of one endpoint, or a contract we do not know. */
  async #meetOdd(source: BlockSource, detail: string, epoch: bigint): Promise<boolean> {
    const isConfirmed = this.#odd?.detail === detail && this.#odd.endpoint !== source.name
    const isAlone = this.#options.rpc.endpoints().length === 1
    if (isConfirmed || isAlone) return await this.#halt('unreadable_log', detail, epoch)
    this.#odd = { detail, endpoint: source.name }
    throw chainErrors.incoherent(detail)
  }

  /** Stops for good: a person has to look before anything more is believed. */
  async #halt(kind: HaltKind, reason: string, epoch: bigint): Promise<false> {
    await this.#writer.halt({ kind, reason }, epoch)
    this.#progress.noteHalt(reason)
    return false
  }
}

/** Headers `from`–`to`, read from above only as far as the first that is known. */
async function readDown(
  source: BlockSource,
  from: number,
  to: number,
  isKnown: (header: Header) => boolean,
): Promise<readonly Header[]> {
  let headers: readonly Header[] = []
  for (let end = to; end >= from; end -= COMPARED_AT_ONCE) {
    const begin = Math.max(from, end - COMPARED_AT_ONCE + 1)
    const part = await source.readHeaders(begin, end)
    headers = [...part, ...headers]
    if (part.some(isKnown)) break
  }
  return headers
}

function isIncoherent(error: unknown): error is AppError {
  return error instanceof AppError && error.code === chainErrors.incoherent.code
}
