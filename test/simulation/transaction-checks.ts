import { isOver, TRANSACTION_STATES } from '#chain/tx.ts'
import type { PooledTransaction, SimulatedChain } from './chain.ts'
import type { Change, Row, SimulatedPostgres } from './postgres.ts'
import type { World } from './world.ts'

const text = (cell: unknown): string => String(cell)
const OVER: ReadonlySet<unknown> = new Set(TRANSACTION_STATES.filter(isOver))

/** What people did, which explains what is a mistake of the node otherwise. */
export interface Deeds {
  /** Requests that somebody wanted to end. */
  readonly cancelled: ReadonlySet<string>
  /** Nonces of the settler that somebody used by hand. */
  readonly usedNonces: ReadonlySet<number>
  /** Whether the vault was ever paused. */
  readonly hasPaused: boolean
}

/** What must hold of the node's transactions whatever people do to them. */
export class TransactionChecks {
  readonly #world: World
  readonly #server: SimulatedPostgres
  readonly #chain: SimulatedChain
  readonly #deeds: () => Deeds

  constructor(world: World, server: SimulatedPostgres, chain: SimulatedChain, deeds: () => Deeds) {
    this.#world = world
    this.#server = server
    this.#chain = chain
    this.#deeds = deeds
    chain.onRevert = (transaction, reason) => this.#reverted(transaction, reason)
  }

  /** The parts of a commit that concern transactions. */
  committed(of: (table: string) => readonly Change[]): void {
    this.#ends(of('chain.tx_request'))
    this.#lost(of('chain.nonce'))
    this.#halts(of('settlement.state'))
  }

  #check(holds: boolean, invariant: string, detail: () => string): void {
    this.#world.check(holds, invariant, detail)
  }

  #ends(changes: readonly Change[]): void {
    for (const { before, after } of changes) {
      if (after === undefined || before?.['state'] === after['state']) continue
      const [id, key] = [text(after['id']), text(after['key'])]
      if (OVER.has(after['state'])) this.#isSettled(id, `${key} is ${text(after['state'])}`)
      if (after['state'] === 'cancelled')
        this.#check(
          this.#deeds().cancelled.has(id),
          'a transaction is cancelled only for somebody',
          () => key,
        )
      if (after['state'] === 'held')
        this.#check(
          this.#nonceWasUsed(id),
          'a transaction is held only for one made by hand',
          () => `${key}: ${text(after['error'])}`,
        )
    }
  }

  /** Nothing that was signed for it can be mined any more, or be torn off. */
  #isSettled(request: string, what: string): void {
    for (const row of this.#server.all('chain.nonce')) {
      if (row['request'] !== request) continue
      const [signer, nonce] = [text(row['signer']), Number(row['nonce'])]
      const used = this.#usedForGood(signer)
      this.#check(
        used > nonce,
        'a nonce is given up only when it is used for good',
        () => `${what}, ${nonce} of ${used} nonces`,
      )
    }
  }

  #lost(changes: readonly Change[]): void {
    for (const { before, after } of changes)
      if (before !== undefined && after?.['is_lost'] === true)
        this.#isSettled(text(after['request']), 'given up')
  }

  /** Transactions of the signer up to the last block that the node may call final. */
  #usedForGood(signer: string): number {
    const { head } = this.#chain
    const final = Number(this.#server.committed('chain.cursor').get('row')?.['final_number'])
    const block = this.#chain.ancestor(head, final)
    return block === undefined ? 0 : this.#chain.nonceOf(signer, block)
  }

  /** Nothing halts but a batch whose transaction came to nothing. */
  #halts(changes: readonly Change[]): void {
    for (const { after } of changes) {
      if (after?.['status'] !== 'halted') continue
      const reason = text(after['reason'])
      const sequence = /^batch (\d+) failed: /.exec(reason)?.[1]
      const batch = this.#server
        .all('settlement.batch')
        .find((row) => text(row['sequence']) === sequence && row['status'] === 'reverted')
      const request = this.#requestOf(text(batch?.['tx_key']))
      this.#check(
        batch !== undefined && this.#isExplained(request),
        'settlement runs while nothing differs',
        () => `${reason}; ${text(request?.['state'])}`,
      )
    }
  }

  #requestOf(key: string): Row | undefined {
    return this.#server.all('chain.tx_request').find((row) => row['key'] === key)
  }

  #nonceWasUsed(request: string): boolean {
    const held = this.#server
      .all('chain.nonce')
      .find((row) => row['request'] === request && row['is_lost'] !== true)
    return this.#deeds().usedNonces.has(Number(held?.['nonce']))
  }

  #isExplained(request: Row | undefined): boolean {
    return request?.['state'] === 'cancelled' || this.#mayRevert()
  }

  /** A batch whose predecessor did not get through, or a vault that takes nothing. */
  #mayRevert(): boolean {
    const { cancelled, usedNonces, hasPaused } = this.#deeds()
    return hasPaused || cancelled.size > 0 || usedNonces.size > 0
  }

  #reverted(transaction: PooledTransaction, reason: string): void {
    if (!transaction.isNodes) return
    this.#check(
      reason === 'EnforcedPause' || (reason === 'WrongHead' && this.#mayRevert()),
      'I5 once, I11 no-veto: no transaction of the node reverts',
      () => reason,
    )
  }
}

/** How the node's transactions ended on chain, and how the node says that they did. */
export function wrongEnds(server: SimulatedPostgres, chain: SimulatedChain): readonly string[] {
  const left: string[] = []
  const attempts = Map.groupBy(server.all('chain.tx_attempt'), (row) => row['request'])
  for (const row of server.all('chain.tx_request')) {
    const own = attempts.get(row['id']) ?? []
    const mined = own.flatMap(({ hash, kind }) => {
      const found = kind === 'cancel' ? undefined : chain.find(text(hash))
      return found === undefined ? [] : [found.included.status]
    })
    const expected = EXPECTED[text(row['state'])]
    if (expected !== undefined && expected !== mined.join())
      left.push(`${text(row['key'])} is ${text(row['state'])}, mined with [${mined.join()}]`)
  }
  return left
}

/** Status of the mined attempts of a request in each state that is for ever. */
const EXPECTED: Readonly<Record<string, string>> = {
  final: '1',
  reverted: '0',
  rejected: '',
  cancelled: '',
}
