import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '#kernel/assert.ts'
import type { Connection, Database, Db, Tx } from './db/pool.ts'
import { platformErrors } from './errors.ts'
import { describeFailure, type Health, type Service } from './lifecycle.ts'
import type { Log } from './log.ts'

/** Roles that one process at a time plays. */
export type LeaderRole = 'engine' | 'settler' | 'watcher' | 'txm' | 'relay'

export interface LeadershipOptions {
  readonly role: LeaderRole
  readonly database: Database
  readonly log: Log
  /** Where other processes reach this one. */
  readonly address?: string
}

/** First half of the advisory lock's key; the second is the role's place. */
const LOCK_SPACE = 7_300_043
const LOCK_NUMBERS: Readonly<Record<LeaderRole, number>> = {
  engine: 1,
  settler: 2,
  watcher: 3,
  txm: 4,
  relay: 5,
}
const RETRY_MS = 250
const PING_MS = 1000
const PING_TIMEOUT_MS = 5000

/**
 * Holds a session advisory lock on a connection of its own while it leads, and raises the role's
 * epoch each time it begins to. What a former leader still tries to write is refused by the epoch.
 */
export class Leadership implements Service {
  readonly name: string
  readonly #options: LeadershipOptions
  readonly #abort = new AbortController()
  readonly #lostListeners: (() => void)[] = []
  #epoch: bigint | undefined
  #waiting = Promise.withResolvers<bigint>()
  #campaign: Promise<void> | undefined
  #trouble: string | undefined

  constructor(options: LeadershipOptions) {
    this.#options = options
    this.name = `leader.${options.role}`
    this.#waiting.promise.catch(() => undefined)
  }

  /** Starts to strive for the role; `whenLeading` tells when it is won. */
  start(): Promise<void> {
    this.#campaign ??= this.#run()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    this.#waiting.reject(platformErrors.unavailable(`${this.name} is stopping`))
    await this.#campaign
  }

  health(): Health {
    if (this.#trouble !== undefined) return { ok: false, detail: this.#trouble }
    return this.#epoch === undefined ? { ok: true, detail: 'standby' } : { ok: true }
  }

  isLeading(): boolean {
    return this.#epoch !== undefined
  }

  /** The epoch of this term; it is a bug to ask while another process leads. */
  epoch(): bigint {
    assert(this.#epoch !== undefined, `${this.name} does not lead`)
    return this.#epoch
  }

  /** Resolves with the epoch when this process leads; rejects when it stops. */
  whenLeading(): Promise<bigint> {
    return this.#waiting.promise
  }

  /** `listener` runs each time a term ends. */
  onLost(listener: () => void): void {
    this.#lostListeners.push(listener)
  }

  /** Raises the epoch within the term, which waits for the writes that run under the old one. */
  async renew(): Promise<bigint> {
    const before = this.epoch()
    const after = await raiseEpoch(this.#options.database, this.#options.role, before)
    this.#epoch = after
    return after
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        await this.#serveTerm()
      } catch (error) {
        this.#trouble = `${this.name}: ${describeFailure(error)}`
        this.#options.log.warn({ event: 'leader.trouble', role: this.#options.role, error })
      }
      await this.#pause(RETRY_MS)
    }
  }

  /** From the first attempt to lock to the loss of the connection. */
  async #serveTerm(): Promise<void> {
    const connection = await this.#options.database.connect()
    const broken = new AbortController()
    connection.on('error', () => broken.abort())
    connection.on('end', () => broken.abort())
    const lost = AbortSignal.any([this.#abort.signal, broken.signal])
    try {
      if (!(await this.#lock(connection, lost))) return
      await this.#begin(connection)
      await this.#keep(connection, lost)
    } finally {
      this.#end()
      await connection.end().catch(() => undefined)
    }
  }

  async #lock(connection: Connection, lost: AbortSignal): Promise<boolean> {
    const key = [LOCK_SPACE, LOCK_NUMBERS[this.#options.role]]
    while (!lost.aborted) {
      const result = await connection.query<{ won: boolean }>(
        'SELECT pg_try_advisory_lock($1, $2) AS won',
        key,
      )
      this.#trouble = undefined
      if (result.rows[0]?.won === true) return true
      await sleep(RETRY_MS, undefined, { signal: lost }).catch(() => undefined)
    }
    return false
  }

  async #begin(connection: Connection): Promise<void> {
    const { role, address = null, log } = this.#options
    const result = await connection.query<{ epoch: bigint }>(
      'UPDATE platform.fence SET epoch = epoch + 1 WHERE role = $1 RETURNING epoch',
      [role],
    )
    const epoch = result.rows[0]?.epoch
    assert(epoch !== undefined, `platform.fence has no row for ${role}`)
    await connection.query(
      `INSERT INTO platform.leader (role, epoch, address) VALUES ($1, $2, $3)
       ON CONFLICT (role) DO UPDATE
       SET epoch = excluded.epoch, address = excluded.address, since = clock_timestamp()`,
      [role, epoch, address],
    )
    this.#epoch = epoch
    this.#waiting.resolve(epoch)
    log.info({ event: 'leader.won', role, epoch: epoch.toString() })
  }

  async #keep(connection: Connection, lost: AbortSignal): Promise<void> {
    while (!lost.aborted) {
      await sleep(PING_MS, undefined, { signal: lost }).catch(() => undefined)
      if (!lost.aborted) await answerWithin(connection.query('SELECT 1'), PING_TIMEOUT_MS)
    }
  }

  #end(): void {
    if (this.#epoch === undefined) return
    this.#epoch = undefined
    this.#waiting = Promise.withResolvers()
    this.#waiting.promise.catch(() => undefined)
    if (this.#abort.signal.aborted) this.#waiting.reject(platformErrors.unavailable('stopping'))
    else this.#options.log.warn({ event: 'leader.lost', role: this.#options.role })
    for (const listener of this.#lostListeners) listener()
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#abort.signal }).catch(() => undefined)
  }
}

async function answerWithin(answer: Promise<unknown>, timeoutMs: number): Promise<void> {
  const timer = new AbortController()
  const late = sleep(timeoutMs, 'late', { signal: timer.signal })
  late.catch(() => undefined)
  try {
    const first = await Promise.race([answer, late])
    if (first === 'late') throw platformErrors.unavailable('the database does not answer')
  } finally {
    timer.abort()
  }
}

async function raiseEpoch(db: Db, role: LeaderRole, from: bigint): Promise<bigint> {
  const rows = await db.query<{ epoch: bigint }>(
    'UPDATE platform.fence SET epoch = epoch + 1 WHERE role = $1 AND epoch = $2 RETURNING epoch',
    [role, from],
  )
  const epoch = rows[0]?.epoch
  if (epoch === undefined) throw platformErrors.fenced()
  return epoch
}

/** Throws `platform.fenced` unless `epoch` is the role's; holds the epoch until the commit. */
export async function requireEpoch(tx: Tx, role: LeaderRole, epoch: bigint): Promise<void> {
  const rows = await tx.query<{ epoch: bigint }>(
    'SELECT epoch FROM platform.fence WHERE role = $1 FOR SHARE',
    [role],
  )
  if (rows[0]?.epoch !== epoch) throw platformErrors.fenced()
}

/** Where the leader of a role answers, as it said when it won. */
export async function findLeader(
  db: Db,
  role: LeaderRole,
): Promise<{ epoch: bigint; address: string | null } | undefined> {
  const rows = await db.query<{ epoch: bigint; address: string | null }>(
    'SELECT epoch, address FROM platform.leader WHERE role = $1',
    [role],
  )
  return rows[0]
}
