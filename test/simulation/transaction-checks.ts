import type { PooledTransaction, SimulatedChain } from './chain.ts'
import type { Change, Row, SimulatedPostgres } from './postgres.ts'
import type { World } from './world.ts'

const text = (cell: unknown): string => String(cell)

/** What people did, which explains what is a mistake of the node otherwise. */
export interface Deeds {
  /** Requests that somebody wanted to end. */
  readonly cancelled: ReadonlySet<string>
}

/** What must hold of the node's transactions whatever people do to them. */
export class TransactionChecks {
  readonly #world: World
  readonly #server: SimulatedPostgres
  readonly #chain: SimulatedChain
  readonly #deeds: Deeds

  constructor(world: World, server: SimulatedPostgres, chain: SimulatedChain, deeds: Deeds) {
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
      if (after['state'] === 'cancelled')
        this.#check(
          this.#deeds.cancelled.has(id),
          'a transaction is cancelled only for somebody',
          () => key,
        )
    }
  }

  /** What was signed with it might be mined otherwise, beside what the request gets next. */
  #lost(changes: readonly Change[]): void {
    for (const { key, before, after } of changes) {
      if (before === undefined || after?.['is_lost'] !== true) continue
      const number = Number(this.#server.committed('chain.cursor').get('row')?.['final_number'])
      const block = this.#chain.ancestor(this.#chain.head, number)
      const used = block === undefined ? 0 : this.#chain.nonceOf(text(after['signer']), block)
      this.#check(
        used > Number(after['nonce']),
        'a nonce is given up only when it is used for good',
        () => `${key}: ${used} are used`,
      )
    }
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

  #isExplained(request: Row | undefined): boolean {
    return request?.['state'] === 'cancelled' || this.#mayRevert()
  }

  #mayRevert(): boolean {
    return this.#deeds.cancelled.size > 0
  }

  #reverted(transaction: PooledTransaction, reason: string): void {
    if (!transaction.isNodes) return
    this.#check(
      reason === 'WrongHead' && this.#mayRevert(),
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
