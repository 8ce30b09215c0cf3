import type { EventEmitter } from 'node:events'
import { Database } from '#platform/db/pool.ts'
import { translateFailure } from '#platform/db/failure.ts'
import { inSnapshot } from '#platform/db/transaction.ts'
import { createLog } from '#platform/log.ts'
import { VIOLATIONS } from './commit-checks.ts'
import type { Row, SimulatedPostgres } from './postgres.ts'
import type { Process, World } from './world.ts'

interface Answer {
  readonly rows: Row[]
  readonly command: string
}

type Query = (text: unknown, params?: readonly unknown[]) => Promise<Answer>
type RealClient = EventEmitter & {
  readonly query: Query
  readonly release?: (broken?: boolean | Error) => void
  readonly end: () => Promise<void>
  readonly connection: { readonly stream: { destroy(): void } }
}

const LOST = 'Connection terminated unexpectedly'
const COPY_MS = 400
const silent = createLog({ level: 'silent' })

/** What the checks at rest look at, and what those at each commit found. */
const COPIED: readonly (readonly [table: string, key: string, sql: string])[] = [
  ['simulation.violation', 'id', VIOLATIONS],
  ['trading.order', 'id', 'SELECT * FROM trading."order"'],
  ['trading.trade', 'id', 'SELECT id FROM trading.trade'],
  ['payments.withdrawal', 'id', 'SELECT * FROM payments.withdrawal'],
  ['settlement.batch', 'id', 'SELECT id, status, kind FROM settlement.batch'],
  ['supply.request', 'id', 'SELECT id, status FROM supply.request'],
  ['chain.tx_request', 'id', 'SELECT id, key, state FROM chain.tx_request'],
  ['settlement.state', 'place', `SELECT 'row' AS place, status, reason FROM settlement.state`],
  ['settlement.incident', 'id', 'SELECT id, kind FROM settlement.incident'],
  ['chain.tx_attempt', 'hash', 'SELECT request, hash, kind FROM chain.tx_attempt'],
  ['chain.breaker', 'place', `SELECT name || '/' || scope AS place, * FROM chain.breaker`],
  ['chain.breaker_change', 'id', 'SELECT id, name, is_open FROM chain.breaker_change'],
  ['platform.stream_head', 'stream', 'SELECT * FROM platform.stream_head'],
  [
    'platform.consumer_position',
    'place',
    `SELECT consumer_group || ' ' || stream AS place, seq FROM platform.consumer_position`,
  ],
  ['chain.cursor', 'place', `SELECT 'row' AS place, final_number FROM chain.cursor`],
  ['ledger.balance', 'place', `SELECT account || '/' || asset AS place, * FROM ledger.balance`],
]

/** A real server behind the same faults: clients that die, commits that nobody knows of. */
export class RealPostgres {
  readonly #world: World
  readonly #url: string
  readonly #copy: SimulatedPostgres
  readonly #clients = new Map<RealClient, Process | undefined>()
  /** Those that idle in a pool as well, which would use up the connections of the server. */
  readonly #opened = new Map<RealClient, Process | undefined>()
  readonly #observer: Database
  /** Whether the copy shows all that was done before `isDone`, as `copyNowAndThen` was told. */
  isCopied = false

  constructor(world: World, url: string, copy: SimulatedPostgres) {
    this.#world = world
    world.epochBaseMs = Date.now()
    this.#url = url
    this.#copy = copy
    this.#observer = new Database({ url, log: silent, poolSize: 1 })
  }

  /** The database as one process of the node sees it. */
  connect(): Database {
    const own = new Database({ url: this.#url, log: silent, poolSize: 8 })
    const open = (work: () => Promise<unknown>): Promise<unknown> => {
      const process = this.#world.process()
      if (!this.#world.survives(process)) return new Promise(() => undefined)
      return this.#world
        .answerOf(work())
        .then((client) => this.#wrap(client as RealClient, process))
    }
    const acquire = () => open(() => own.acquire())
    const database = {
      name: 'database',
      wakes: own.wakes,
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
      health: () => ({ ok: true }),
      acquire,
      connect: () => open(() => own.connect()),
      query: async (text: string, params: readonly unknown[] = []) => {
        const client = (await acquire()) as { query: Query; release: (broken?: unknown) => void }
        try {
          const { rows } = await client.query(text, params)
          client.release()
          return rows
        } catch (error) {
          client.release(true)
          throw translateFailure(error)
        }
      },
    }
    return database as unknown as Database
  }

  /** The process is gone: its connections break. */
  closeAll(process: Process): void {
    for (const [client, owner] of this.#opened) if (owner === process) this.#break(client)
  }

  /** Keeps a copy of what the checks at rest look at; one from before `isDone` proves nothing. */
  copyNowAndThen(isDone: () => boolean): void {
    const world = this.#world
    const isLate = isDone()
    const again = (): void => {
      world.later(COPY_MS, () => this.copyNowAndThen(isDone))
    }
    void world.answerOf(this.#readAll()).then(
      () => {
        this.isCopied = isLate
        again()
      },
      (error: unknown) => {
        // A server that answers slowly in virtual time; without any copy the run does not rest.
        world.trace('copy', () => String(error))
        again()
      },
    )
  }

  async close(): Promise<void> {
    for (const client of this.#opened.keys()) this.#break(client)
    await this.#observer.stop().catch(() => undefined)
  }

  async #readAll(): Promise<void> {
    const tables = await inSnapshot(this.#observer, async (tx) => {
      const read: [table: string, key: string, rows: readonly Row[]][] = []
      for (const [table, key, sql] of COPIED) read.push([table, key, await tx.query<Row>(sql)])
      return read
    })
    for (const [table, key, rows] of tables) {
      const copied = this.#copy.committed(table)
      for (const row of rows) copied.set(String(row[key]), row)
    }
    const [first] = this.#copy.all('simulation.violation')
    if (first !== undefined)
      this.#world.violate(String(first['invariant']), String(first['detail']))
  }

  #break(client: RealClient): void {
    this.#clients.delete(client)
    this.#opened.delete(client)
    client.connection.stream.destroy()
  }

  #wrap(client: RealClient, process: Process | undefined): unknown {
    const world = this.#world
    this.#clients.set(client, process)
    this.#opened.set(client, process)
    const on = (event: string, listener: (...args: unknown[]) => void): void => {
      client.on(event, (...args) => world.schedule(0, () => listener(...args), process))
    }
    client.on('error', () => undefined)
    return {
      on,
      query: (text: unknown, params: readonly unknown[] = []) =>
        this.#query(client, process, text, params),
      release: (broken?: boolean | Error) => {
        if (!this.#clients.delete(client)) client.release?.(true)
        else client.release?.(broken)
      },
      end: () => {
        this.#clients.delete(client)
        return client.end()
      },
    }
  }

  #query(
    client: RealClient,
    process: Process | undefined,
    text: unknown,
    params: readonly unknown[],
  ): Promise<Answer> {
    const world = this.#world
    if (!world.survives(process)) return new Promise(() => undefined)
    const { failedCommits, unknownCommits } = this.#copy.troubles
    const fate = isCommit(text) ? world.rng.next() : 1
    if (fate < failedCommits) {
      this.#break(client)
      return world.answerOf(Promise.reject(new TypeError(LOST)))
    }
    const answer = typeof text === 'string' ? client.query(text, [...params]) : client.query(text)
    if (fate >= failedCommits + unknownCommits) return world.answerOf(answer)
    const lost = answer.then(() => {
      this.#break(client)
      throw new TypeError(LOST)
    })
    return world.answerOf(lost)
  }
}

function isCommit(text: unknown): boolean {
  if (text === 'COMMIT') return true
  return typeof text === 'object' && text !== null && 'name' in text && text.name === 'commit_batch'
}
