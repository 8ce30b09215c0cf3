import { closesItself } from '#chain/breaker.ts'
import { isOver } from '#chain/tx.ts'
import type { NodeProcess } from './node.ts'
import type { Requester } from './requester.ts'
import type { World } from './world.ts'

export interface OperatorsOptions {
  readonly world: World
  readonly requester: Requester
}

const ORDER = { reason: 'it was time', actor: 'usr_operator' }
const PAGE = { limit: 12, after: undefined }
const ROUND_MS = 900
const SETTLE_REFUSALS = [
  'settlement.halted',
  'settlement.in_progress',
  'settlement.nothing_to_settle',
  'settlement.attestation_required',
]
/** While ledger and chain agree nobody is refused because they differ. */
const RESUME_REFUSALS = ['settlement.not_halted', 'settlement.chain_unread']

/** Those who look after the node: they take back, let go on, close breakers and resume. */
export class Operators {
  readonly #world: World
  readonly #requester: Requester
  /** Transactions that somebody wanted to end, whether the node heard it or not. */
  readonly cancelled = new Set<string>()

  constructor({ world, requester }: OperatorsOptions) {
    this.#world = world
    this.#requester = requester
  }

  /** From now on somebody looks now and then at what waits for a person. */
  beginDuty(): void {
    const round = (): void => {
      this.#requester.run(
        () => this.#round(),
        () => this.#world.later(this.#world.between(0.3, 1.7) * ROUND_MS, round),
      )
    }
    round()
  }

  /** Somebody does something for which there is no reason. */
  meddle(): void {
    const dice = this.#world.rng.below(10)
    this.#requester.run(async () => {
      if (dice < 6) await this.#cancelAny()
      else if (dice < 8)
        await this.#try((node) => node.settlement.service.settle(), SETTLE_REFUSALS)
      else await this.#resumeSettlement()
    })
  }

  async #round(): Promise<void> {
    const found = await this.#try(async (node) => {
      const held = await node.transactions.list({ state: 'held' }, PAGE)
      const breakers = await node.transactions.listBreakers()
      const { status } = await node.settlement.service.readState()
      return { held, breakers, isHalted: status === 'halted' }
    })
    if (found === undefined) return
    for (const { id, wish } of found.held) if (wish === undefined) await this.#decide(id)
    const open = found.breakers.filter(({ name, isOpen }) => isOpen && !closesItself(name))
    for (const name of new Set(open.map((breaker) => breaker.name)))
      await this.#try(
        (node) => node.transactions.resetBreaker(name, ORDER),
        ['chain.breaker_closed'],
      )
    if (found.isHalted) await this.#resumeSettlement()
  }

  async #decide(id: string): Promise<void> {
    if (this.#world.chance(1, 4)) await this.#cancel(id)
    else
      await this.#try((node) => node.transactions.resume(id, ORDER), ['chain.transaction_not_held'])
  }

  async #cancelAny(): Promise<void> {
    const list = await this.#try((node) => node.transactions.list({}, PAGE))
    const open = (list ?? []).filter(({ state }) => !isOver(state))
    if (open.length > 0) await this.#cancel(this.#world.pick(open).id)
  }

  async #cancel(id: string): Promise<void> {
    this.cancelled.add(id)
    await this.#try((node) => node.transactions.cancel(id, ORDER), ['chain.transaction_over'])
  }

  async #resumeSettlement(): Promise<void> {
    const { reason, actor } = ORDER
    await this.#try((node) => node.settlement.service.resume(reason, actor), RESUME_REFUSALS)
  }

  /** Once: what nobody answered is looked at again in the next round. */
  #try<T>(
    request: (node: NodeProcess) => Promise<T>,
    refusals: readonly string[] = [],
  ): Promise<T | undefined> {
    return this.#requester.tryOnce(request, refusals)
  }
}
