import { AppError } from '#kernel/errors.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import type { Log } from '#platform/log.ts'
import type { GaugeMetric, Metrics } from '#platform/metrics.ts'
import {
  balanceTrouble,
  judgeBreakers,
  lagTrouble,
  revertTrouble,
  type Breaker,
  type BreakerChange,
  type BreakerLimits,
  type Finding,
} from './breaker.ts'
import { countReverted, listBreakers, putBreakerChange } from './breaker-store.ts'
import type { Address } from './hex.ts'
import type { RpcClient } from './rpc-adapter.ts'
import { SIGNER_ROLES, type SignerRole } from './signer.ts'
import { findHalt, type Cursor } from './store.ts'
import type { TransactionEndpoint } from './tx-endpoint-adapter.ts'

export interface BreakerBoardOptions {
  readonly database: Database
  readonly rpc: RpcClient
  readonly endpoint: TransactionEndpoint
  readonly addresses: Readonly<Record<SignerRole, Address>>
  readonly limits: BreakerLimits
  readonly ceilingWei: bigint
  /** Why ledger and chain do not agree; undefined while they do. */
  readonly findMismatch: (() => Promise<string | undefined>) | undefined
  readonly pollMs: number
  readonly metrics: Metrics
  readonly log: Log
}

/** What a turn of the transaction manager knows. */
export interface BoardView {
  readonly breakers: readonly Breaker[]
  readonly cursor: Cursor | undefined
  /** Why what is on its way cannot pay more. */
  readonly feeTrouble: string | undefined
  /** Runs work in a transaction that a former leader cannot commit. */
  readonly write: (work: (tx: Tx) => Promise<void>) => Promise<void>
}

const ACTOR = 'transaction manager'

/** Looks at what may stop the signing, now and then, and opens and closes the breakers. */
export class BreakerBoard {
  readonly #options: BreakerBoardOptions
  readonly #gauge: GaugeMetric
  readonly #shown = new Map<string, Pick<Breaker, 'name' | 'scope'>>()
  #lookedAtMs: number | undefined
  /** The indexed head, and since when the chain is ahead of it without its moving. */
  #stuck: { readonly head: number; readonly sinceMs: number } | undefined

  constructor(options: BreakerBoardOptions) {
    this.#options = options
    this.#gauge = options.metrics.gauge('chain_breaker_open', '1 while it stands open', [
      'name',
      'scope',
    ])
  }

  async read(): Promise<readonly Breaker[]> {
    const breakers = await listBreakers(this.#options.database)
    for (const breaker of breakers) this.#show(breaker)
    return breakers
  }

  /** The figures of a former leader say nothing: who leads now shows its own. */
  standDown(): void {
    for (const { name, scope } of this.#shown.values()) this.#gauge.set(0, { name, scope })
    this.#shown.clear()
  }

  #show({ name, scope, isOpen }: Pick<Breaker, 'name' | 'scope' | 'isOpen'>): void {
    this.#shown.set(`${name} ${scope}`, { name, scope })
    this.#gauge.set(isOpen ? 1 : 0, { name, scope })
  }

  /** The next `check` looks, whenever the last one was. */
  expire(): void {
    this.#lookedAtMs = undefined
  }

  async check(view: BoardView): Promise<void> {
    const nowMs = performance.now()
    const isFresh =
      this.#lookedAtMs !== undefined && nowMs - this.#lookedAtMs < this.#options.pollMs
    if (isFresh && view.feeTrouble === undefined) return
    this.#lookedAtMs = nowMs
    const findings = [...(await this.#lookAtStore(view)), ...(await this.#lookAtChain(view, nowMs))]
    const changes = judgeBreakers(view.breakers, findings)
    if (changes.length === 0) return
    await view.write(async (tx) => {
      for (const change of changes) await putBreakerChange(tx, change, ACTOR)
    })
    for (const change of changes) this.report(change)
  }

  /** Opens within a transaction of the caller, who calls `report` after it. */
  async open(tx: Tx, change: BreakerChange): Promise<void> {
    await putBreakerChange(tx, change, ACTOR)
  }

  report(change: BreakerChange): void {
    const { name, scope, isOpen, reason } = change
    const event = isOpen ? 'breaker.opened' : 'breaker.closed'
    this.#show(change)
    this.#options.log[isOpen ? 'error' : 'info']({ event, breaker: name, scope, reason })
  }

  async #lookAtStore({ breakers }: BoardView): Promise<readonly Finding[]> {
    const { database, limits, findMismatch } = this.#options
    const halt = await findHalt(database)
    const beyond = halt?.kind === 'beyond_finality' ? halt.reason : undefined
    const findings: Finding[] = [{ name: 'beyond_finality', scope: 'all', trouble: beyond }]
    if (findMismatch !== undefined) {
      const trouble = await findMismatch()
      findings.push({ name: 'supply_mismatch', scope: 'settler', trouble })
    }
    for (const signer of SIGNER_ROLES) {
      const known = breakers.find(({ name, scope }) => name === 'revert_rate' && scope === signer)
      const sinceMs = known?.sinceMs ?? 0
      const reverted = await countReverted(database, {
        signer,
        sinceMs,
        window: limits.revertWindow,
      })
      findings.push({
        name: 'revert_rate',
        scope: signer,
        trouble: revertTrouble(reverted, limits),
      })
    }
    return findings
  }

  /** Nothing is found while the chain is away: the breakers stay as they are. */
  async #lookAtChain(view: BoardView, nowMs: number): Promise<readonly Finding[]> {
    const { endpoint, rpc, addresses, limits } = this.#options
    try {
      const held = SIGNER_ROLES.map((role) => addresses[role])
      const { head, balancesWei } = await endpoint.readState(held)
      const balances = SIGNER_ROLES.map((scope, place): Finding => {
        const trouble = balanceTrouble(balancesWei[place] ?? 0n, limits)
        return { name: 'signer_balance', scope, trouble }
      })
      const feeTrouble = view.feeTrouble ?? (await this.#findDearness())
      return [
        ...balances,
        { name: 'fee_ceiling', scope: 'all', trouble: feeTrouble },
        { name: 'indexer_lag', scope: 'all', trouble: this.#findLag(view.cursor, head, nowMs) },
        { name: 'endpoint_disagreement', scope: 'all', trouble: rpc.disagreement() },
      ]
    } catch (error) {
      if (error instanceof AppError) return []
      throw error
    }
  }

  async #findDearness(): Promise<string | undefined> {
    const { endpoint, ceilingWei } = this.#options
    const { fees } = await endpoint.readMarket()
    return fees.maxFeeWei > ceilingWei ? 'gas costs more than the ceiling' : undefined
  }

  #findLag(cursor: Cursor | undefined, head: number, nowMs: number): string | undefined {
    if (cursor === undefined) return 'the chain was not read yet'
    const read = cursor.head.number
    if (head <= read) this.#stuck = undefined
    else if (this.#stuck?.head !== read) this.#stuck = { head: read, sinceMs: nowMs }
    const behindMs = this.#stuck === undefined ? 0 : nowMs - this.#stuck.sinceMs
    return lagTrouble({ blocks: head - read, behindMs }, this.#options.limits)
  }
}
