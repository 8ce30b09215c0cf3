import { EventEmitter } from 'node:events'
import { translateFailure } from '#platform/db/failure.ts'
import type { Database } from '#platform/db/pool.ts'
import { Wakes } from '#platform/events/wakes.ts'
import type { Process, World } from './world.ts'

export type Row = Readonly<Record<string, unknown>>
export type LockMode = 'share' | 'update'
/** One row that a commit changed; `after` is undefined when it was deleted. */
export interface Change {
  readonly table: string
  readonly key: string
  readonly before: Row | undefined
  readonly after: Row | undefined
}

/** Hears what a commit changed, and who committed. */
export type CommitWatcher = (changes: readonly Change[], process: Process | undefined) => void

/** What one statement does to the tables, given its parameters. */
export type Statement = (view: View, params: readonly unknown[]) => readonly Row[]

/** Recognises a statement by its text with single spaces. */
export type StatementPattern = readonly [pattern: RegExp, statement: Statement]

/** A failure with its SQLSTATE. */
export class SqlError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

class LockWait extends Error {
  readonly key: string
  readonly mode: LockMode

  constructor(key: string, mode: LockMode) {
    super(key)
    this.key = key
    this.mode = mode
  }
}

type Table = Map<string, Row>

class Transaction {
  readonly session: Session
  readonly isExplicit: boolean
  /** Tables as they were at the first statement, under REPEATABLE READ. */
  snapshot: ReadonlyMap<string, Table> | undefined
  overlay = new Map<string, Map<string, Row | undefined>>()
  readonly locks = new Set<string>()
  isFailed = false
  isOver = false

  constructor(session: Session, isExplicit: boolean) {
    this.session = session
    this.isExplicit = isExplicit
  }
}

/** What a statement sees and writes: committed rows, those of its transaction and its own. */
export class View {
  readonly server: SimulatedPostgres
  readonly #transaction: Transaction
  readonly #own = new Map<string, Map<string, Row | undefined>>()

  constructor(server: SimulatedPostgres, transaction: Transaction) {
    this.server = server
    this.#transaction = transaction
  }

  get session(): Session {
    return this.#transaction.session
  }

  get(table: string, key: string): Row | undefined {
    const own = this.#own.get(table)
    if (own?.has(key) === true) return own.get(key)
    const before = this.#transaction.overlay.get(table)
    if (before?.has(key) === true) return before.get(key)
    return this.#base(table).get(key)
  }

  rows(table: string): readonly Row[] {
    const layers = [this.#transaction.overlay.get(table), this.#own.get(table)]
    const base = this.#base(table)
    if (layers.every((layer) => layer === undefined)) return [...base.values()]
    const merged = new Map<string, Row | undefined>(base)
    for (const layer of layers) for (const [key, row] of layer ?? []) merged.set(key, row)
    return [...merged.values()].filter((row) => row !== undefined)
  }

  /** Waits for whoever else writes the row. */
  put(table: string, key: string, row: Row): void {
    this.lock(table, key, 'update')
    this.#write(table, key, row)
  }

  remove(table: string, key: string): void {
    this.lock(table, key, 'update')
    this.#write(table, key, undefined)
  }

  /** Changes fields of a row that is there. */
  patch(table: string, key: string, fields: Row): Row {
    this.lock(table, key, 'update')
    const row = { ...this.get(table, key), ...fields }
    this.#write(table, key, row)
    return row
  }

  lock(table: string, key: string, mode: LockMode): void {
    this.server.requireLock(this.#transaction, `${table}/${key}`, mode)
  }

  /** Milliseconds since 1970, as `clock_timestamp()`. */
  nowMs(): number {
    return this.server.world.epochMs()
  }

  now(): Date {
    return new Date(this.nowMs())
  }

  /** The statement succeeded. */
  keep(): void {
    for (const [table, rows] of this.#own) {
      const overlay = this.#transaction.overlay.get(table) ?? new Map<string, Row | undefined>()
      this.#transaction.overlay.set(table, overlay)
      for (const [key, row] of rows) overlay.set(key, row)
    }
  }

  #base(table: string): Table {
    return this.#transaction.snapshot?.get(table) ?? this.server.committed(table)
  }

  #write(table: string, key: string, row: Row | undefined): void {
    const own = this.#own.get(table) ?? new Map<string, Row | undefined>()
    this.#own.set(table, own.set(key, row))
  }
}

interface Lock {
  mode: LockMode
  readonly holders: Set<Transaction>
  readonly queue: { transaction: Transaction; mode: LockMode; resume: () => void }[]
}

interface Work {
  readonly text: string
  readonly params: readonly unknown[]
  readonly done: (error: Error | undefined, rows: readonly Row[], command: string) => void
}

/** The server's side of one connection. */
export class Session {
  readonly process: Process | undefined
  readonly queue: Work[] = []
  readonly advisory = new Set<string>()
  transaction: Transaction | undefined
  readonly pid: number
  isOpen = true
  isBusy = false
  /** What it is working on. */
  current: Work | undefined
  onLost: () => void = () => undefined

  constructor(process: Process | undefined, pid: number) {
    this.process = process
    this.pid = pid
  }
}

/** What may happen to commits, and how long things take. */
export interface PostgresTroubles {
  /** Of each commit. */
  readonly failedCommits: number
  readonly unknownCommits: number
  readonly lostStatements: number
  readonly slowStatements: number
}

const CALM: PostgresTroubles = {
  failedCommits: 0,
  unknownCommits: 0,
  lostStatements: 0,
  slowStatements: 0,
}
const LOST = 'Connection terminated unexpectedly'
const DEADLOCK_MS = 1000

/**
 * A database of tables in memory with what the node relies on: atomic commits, READ COMMITTED and
 * REPEATABLE READ, row locks that wait, session advisory locks, and connections that break at the
 * worst moment, so that nobody knows whether a commit happened.
 */
export class SimulatedPostgres {
  readonly world: World
  readonly #statements: readonly StatementPattern[]
  readonly #tables = new Map<string, Table>()
  readonly #locks = new Map<string, Lock>()
  readonly #advisory = new Map<string, Session>()
  readonly #sessions = new Set<Session>()
  readonly #watchers: CommitWatcher[] = []
  /** Of every connection there ever was. */
  readonly #clients = new Map<number, Process | undefined>()
  readonly #texts = new Map<string, string>()
  readonly #known = new Map<string, Statement | undefined>()
  readonly #sequences = new Map<string, bigint>()
  #pids = 0
  troubles = CALM
  awayUntilMs = 0

  constructor(world: World, statements: readonly StatementPattern[]) {
    this.world = world
    this.#statements = statements
  }

  /** Hears of every commit, in order. */
  onCommit(watcher: CommitWatcher): void {
    this.#watchers.push(watcher)
  }

  /** Whose connection it is, or was. */
  clientOf(pid: number): Process | undefined {
    return this.#clients.get(pid)
  }

  calm(): void {
    this.troubles = CALM
    this.awayUntilMs = 0
  }

  committed(table: string): Table {
    const found = this.#tables.get(table) ?? new Map<string, Row>()
    this.#tables.set(table, found)
    return found
  }

  all(table: string): readonly Row[] {
    return [...this.committed(table).values()]
  }

  /** Writes rows outside any transaction, before the run. */
  seed(table: string, key: string, row: Row): void {
    this.committed(table).set(key, row)
  }

  nextOf(sequence: string): bigint {
    const next = (this.#sequences.get(sequence) ?? 0n) + 1n
    this.#sequences.set(sequence, next)
    return next
  }

  open(process: Process | undefined): Session {
    this.#pids += 1
    const session = new Session(process, this.#pids)
    this.#sessions.add(session)
    this.#clients.set(session.pid, process)
    return session
  }

  /** Takes the next statement of a session. */
  send(session: Session, work: Work): void {
    session.queue.push(work)
    if (!session.isBusy) this.#next(session)
  }

  /** The client is gone, or the network; what runs is rolled back. */
  close(session: Session): void {
    if (!session.isOpen) return
    session.isOpen = false
    this.#sessions.delete(session)
    for (const key of session.advisory) this.#advisory.delete(key)
    const { transaction } = session
    session.transaction = undefined
    if (transaction !== undefined) this.#end(transaction)
    const unanswered = [
      ...(session.current === undefined ? [] : [session.current]),
      ...session.queue.splice(0),
    ]
    for (const work of unanswered) work.done(new TypeError(LOST), [], '')
    session.onLost()
  }

  /** Every connection of a process that died. */
  closeAll(process: Process): void {
    for (const session of this.#sessions) if (session.process === process) this.close(session)
  }

  /** The server restarts: nobody keeps a connection. */
  restart(awayMs: number): void {
    this.awayUntilMs = this.world.nowMs + awayMs
    for (const session of this.#sessions) this.close(session)
  }

  takeAdvisory(session: Session, key: string): boolean {
    if (!session.isOpen) throw new SqlError('57P01', 'the client is gone')
    const holder = this.#advisory.get(key)
    if (holder !== undefined && holder !== session) return false
    this.#advisory.set(key, session)
    session.advisory.add(key)
    return true
  }

  advisoryHolder(key: string): Session | undefined {
    return this.#advisory.get(key)
  }

  /** Ends a connection from the server's side. */
  terminate(pid: number): void {
    for (const session of this.#sessions) if (session.pid === pid) this.close(session)
  }

  /** `idle_in_transaction_session_timeout`: a paused client must not hold its rows. */
  endIdle(process: Process): void {
    for (const session of this.#sessions) {
      const isIdle = session.transaction !== undefined && !session.isBusy
      if (session.process === process && isIdle) this.close(session)
    }
  }

  /** Throws to be tried again while another transaction holds the lock. */
  requireLock(transaction: Transaction, key: string, mode: LockMode): void {
    const lock = this.#locks.get(key)
    if (lock === undefined) {
      this.#locks.set(key, { mode, holders: new Set([transaction]), queue: [] })
      transaction.locks.add(key)
      return
    }
    const isHolder = lock.holders.has(transaction)
    if (isHolder && (lock.mode === 'update' || mode === 'share')) return
    const isAlone = isHolder && lock.holders.size === 1
    const isShared = lock.mode === 'share' && mode === 'share' && lock.queue.length === 0
    if (!isAlone && !isShared && lock.holders.size > 0) throw new LockWait(key, mode)
    lock.holders.add(transaction)
    lock.mode = mode
    transaction.locks.add(key)
  }

  #next(session: Session): void {
    const work = session.queue.shift()
    if (work === undefined || !session.isOpen) {
      session.isBusy = false
      return
    }
    session.isBusy = true
    session.current = work
    const isSlow = this.world.chance(this.troubles.slowStatements)
    if (isSlow) this.world.later(this.world.between(5, 120), () => this.#execute(session, work))
    else this.#execute(session, work)
  }

  #finish(
    session: Session,
    work: Work,
    error?: Error,
    rows: readonly Row[] = [],
    command = 'SELECT',
  ) {
    session.current = undefined
    work.done(error, rows, command)
    this.#next(session)
  }

  #execute(session: Session, work: Work): void {
    if (!session.isOpen) {
      work.done(new TypeError(LOST), [], '')
      return
    }
    const text = this.#normal(work.text)
    if (this.world.chance(this.troubles.lostStatements)) {
      this.close(session)
      work.done(new TypeError(LOST), [], '')
      return
    }
    if (text.startsWith('BEGIN')) return this.#begin(session, work, text)
    if (text === 'COMMIT') return this.#commitExplicit(session, work)
    if (text === 'ROLLBACK') {
      if (session.transaction !== undefined) this.#end(session.transaction)
      session.transaction = undefined
      return this.#finish(session, work, undefined, [], 'ROLLBACK')
    }
    if (text.startsWith('SET ')) return this.#finish(session, work)
    this.#run(session, work, text, session.transaction ?? new Transaction(session, false))
  }

  #begin(session: Session, work: Work, text: string): void {
    const transaction = new Transaction(session, true)
    session.transaction = transaction
    if (text.includes('REPEATABLE READ')) {
      transaction.snapshot = new Map([...this.#tables].map(([name, rows]) => [name, new Map(rows)]))
    }
    this.#finish(session, work, undefined, [], 'BEGIN')
  }

  #run(session: Session, work: Work, text: string, transaction: Transaction): void {
    if (transaction.isFailed) {
      const message = 'current transaction is aborted'
      return this.#finish(session, work, new SqlError('25P02', message))
    }
    const statement = this.#find(text)
    if (statement === undefined) {
      this.world.violate('the simulated database knows every statement', text)
      return
    }
    const view = new View(this, transaction)
    try {
      const rows = statement(view, work.params)
      view.keep()
      if (transaction.isExplicit) return this.#finish(session, work, undefined, rows)
      this.#commit(session, work, transaction, rows, 'SELECT')
    } catch (error) {
      if (error instanceof LockWait) {
        this.#wait(transaction, error, () => this.#run(session, work, text, transaction))
        return
      }
      transaction.isFailed = true
      if (!transaction.isExplicit) this.#end(transaction)
      if (!(error instanceof SqlError)) {
        this.world.violate('the simulated database works', `${String(error)} in ${text}`)
      }
      this.#finish(session, work, error instanceof Error ? error : new TypeError(String(error)))
    }
  }

  #wait(transaction: Transaction, { key, mode }: LockWait, resume: () => void): void {
    const lock = this.#locks.get(key)
    if (lock === undefined) return resume()
    // A statement that waits keeps what its transaction holds and gives back nothing.
    let isWaiting = true
    const go = (): void => {
      if (!isWaiting) return
      isWaiting = false
      if (!transaction.isOver) resume()
    }
    lock.queue.push({ transaction, mode, resume: go })
    this.world.later(DEADLOCK_MS, () => {
      if (!isWaiting || transaction.isOver) return
      if (lock.holders.size > 0 && this.#isDeadlocked(transaction, lock)) {
        isWaiting = false
        const place = lock.queue.findIndex((entry) => entry.resume === go)
        if (place >= 0) lock.queue.splice(place, 1)
        this.close(transaction.session)
      }
    })
  }

  /** Whether those who hold the lock wait for this transaction, by way of any others. */
  #isDeadlocked(transaction: Transaction, lock: Lock, seen = new Set<Lock>()): boolean {
    if (seen.has(lock)) return false
    seen.add(lock)
    for (const holder of lock.holders) {
      if (holder === transaction) continue
      for (const other of this.#locks.values()) {
        if (!other.queue.some((entry) => entry.transaction === holder)) continue
        if (other.holders.has(transaction)) return true
        if (this.#isDeadlocked(transaction, other, seen)) return true
      }
    }
    return false
  }

  #commitExplicit(session: Session, work: Work): void {
    const { transaction } = session
    session.transaction = undefined
    if (transaction === undefined) return this.#finish(session, work, undefined, [], 'COMMIT')
    if (transaction.isFailed) {
      this.#end(transaction)
      return this.#finish(session, work, undefined, [], 'ROLLBACK')
    }
    this.#commit(session, work, transaction, [], 'COMMIT')
  }

  /** Commits for certain, or not, or so that the client cannot know. */
  #commit(
    session: Session,
    work: Work,
    transaction: Transaction,
    rows: readonly Row[],
    command: string,
  ): void {
    const { world, troubles } = this
    const isWrite = [...transaction.overlay.values()].some((layer) => layer.size > 0)
    const fate = isWrite ? world.rng.next() : 1
    if (fate < troubles.failedCommits) {
      world.trace('commit', () => `fails (${session.process?.name})`)
      this.#end(transaction)
      this.close(session)
      work.done(new TypeError(LOST), [], '')
      return
    }
    if (fate < troubles.failedCommits + troubles.unknownCommits) {
      const lateMs = world.chance(1, 2) ? 0 : world.between(1, 400)
      world.trace(
        'commit',
        () => `unknown, ${lateMs.toFixed(0)} ms late (${session.process?.name})`,
      )
      this.close(session)
      work.done(new TypeError(LOST), [], '')
      // The server is not told that the client has gone; its locks stay until it is through.
      world.later(lateMs, () => this.#apply(transaction))
      return
    }
    if (!isWrite) {
      this.#end(transaction)
      return this.#finish(session, work, undefined, rows, command)
    }
    session.transaction = undefined
    world.later(world.between(0.2, 1.5), () => {
      if (transaction.isOver) {
        work.done(new TypeError(LOST), [], '')
        return
      }
      this.#apply(transaction)
      this.#finish(session, work, undefined, rows, command)
    })
  }

  #apply(transaction: Transaction): void {
    if (transaction.isOver) return
    const changes: Change[] = []
    for (const [table, rows] of transaction.overlay) {
      const committed = this.committed(table)
      for (const [key, after] of rows) {
        const before = committed.get(key)
        if (after === undefined) committed.delete(key)
        else committed.set(key, after)
        changes.push({ table, key, before, after })
      }
    }
    this.#end(transaction)
    if (changes.length === 0) return
    this.world.trace('committed', () => {
      const names = changes.map(({ table, key }) => `${table}[${key.slice(0, 36)}]`)
      return `${transaction.session.process?.name ?? ''} ${names.slice(0, 12).join(' ')}`
    })
    for (const watcher of this.#watchers) watcher(changes, transaction.session.process)
  }

  #end(transaction: Transaction): void {
    if (transaction.isOver) return
    transaction.isOver = true
    for (const key of transaction.locks) {
      const lock = this.#locks.get(key)
      if (lock === undefined) continue
      lock.holders.delete(transaction)
      const waiting = lock.queue.splice(0)
      if (lock.holders.size === 0) this.#locks.delete(key)
      for (const { resume } of waiting) this.world.later(0, resume)
    }
  }

  #find(text: string): Statement | undefined {
    if (this.#known.has(text)) return this.#known.get(text)
    const found = this.#statements.find(([pattern]) => pattern.test(text))?.[1]
    this.#known.set(text, found)
    return found
  }

  #normal(text: string): string {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    const normal = text.replaceAll(/\s+/g, ' ').trim()
    this.#texts.set(text, normal)
    return normal
  }
}

interface Answer {
  readonly rows: readonly Row[]
  readonly command: string
}

/** The client's side of a connection, as `pg` shows it. */
class SimulatedClient extends EventEmitter {
  readonly #server: SimulatedPostgres
  readonly #process: Process | undefined
  readonly #session: Session
  #isEnded = false

  constructor(server: SimulatedPostgres) {
    super()
    this.#server = server
    this.#process = server.world.process()
    this.#session = server.open(this.#process)
    this.#session.onLost = () => {
      server.world.schedule(0.1, () => this.#lost(), this.#process)
    }
  }

  query(
    statement: string | { readonly text: string; readonly values?: readonly unknown[] },
    params: readonly unknown[] = [],
  ): Promise<Answer> {
    const { world } = this.#server
    const text = typeof statement === 'string' ? statement : statement.text
    const values = typeof statement === 'string' ? params : (statement.values ?? [])
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    if (!world.survives(this.#process)) return promise
    world.later(0.1, () => {
      if (!this.#session.isOpen) {
        world.schedule(0, () => reject(new TypeError(LOST)), this.#process)
        return
      }
      this.#server.send(this.#session, {
        text,
        params: values.map(asSent),
        done: (error, rows, command) =>
          world.schedule(
            0.05,
            () => {
              if (error === undefined) resolve({ rows, command })
              else reject(error)
            },
            this.#process,
          ),
      })
    })
    return promise
  }

  /** Connections of the pool are used once; making one costs nothing here. */
  release(): void {
    this.#isEnded = true
    this.#server.close(this.#session)
  }

  end(): Promise<void> {
    this.#isEnded = true
    this.#server.close(this.#session)
    return Promise.resolve()
  }

  #lost(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    if (this.listenerCount('error') > 0) this.emit('error', new TypeError(LOST))
    this.emit('end')
  }
}

/** Parameters travel as values of their own, so that nobody changes them later. */
function asSent(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asSent)
  return value === undefined ? null : value
}

/** A `Database` of product code whose server is simulated. */
export function simulatedDatabase(server: SimulatedPostgres): Database {
  const connect = (): Promise<SimulatedClient> => {
    const { world } = server
    if (!world.survives(world.process())) return new Promise(() => undefined)
    if (server.awayUntilMs <= world.nowMs) return Promise.resolve(new SimulatedClient(server))
    return new Promise((_resolve, reject) => {
      const failure = Object.assign(new TypeError('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      world.schedule(0.1, () => reject(failure))
    })
  }
  const pooled = async (): Promise<SimulatedClient> => {
    try {
      return await connect()
    } catch (error) {
      throw translateFailure(error)
    }
  }
  const database = {
    name: 'database',
    wakes: new Wakes(),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    health: () => ({ ok: true }),
    acquire: pooled,
    connect: pooled,
    query: async (text: string, params: readonly unknown[] = []) => {
      const client = await pooled()
      try {
        return (await client.query(text, params)).rows
      } catch (error) {
        throw translateFailure(error)
      } finally {
        client.release()
      }
    },
  }
  return database as unknown as Database
}
