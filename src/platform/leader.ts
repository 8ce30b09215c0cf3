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
  readonly address?: () => string
}

/** Runs first in a worker's write transactions; throws `platform.fenced` when another process leads. */
export type EpochGuard = (tx: Tx) => Promise<void>

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
const RENEW_MS = 1000
const ANSWER_TIMEOUT_MS = 4000
/** How long a leader that does not renew is believed; a standby then ends its connection. */
const LEASE_MS = 4000

/**
 * Holds a session advisory lock on a connection of its own while it leads, and raises the role's
 * epoch each time it begins to. What a former leader still tries to write is refused by the epoch.
 *
 * The lock falls when the connection does, at once when a process dies. A process that is paused, or
 * whose machine is gone, keeps it, so the leader also renews a lease; a standby ends the connection
 * of one whose lease ran out. The leader counts its lease from before it asked for it: when
 * `confirm` resolves, no other process led up to that moment.
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
  #campaigned = false
  #leaseEndMs = 0
  #connection: Connection | undefined
  #prolonging: Promise<void> | undefined
  #raising: Promise<bigint> | undefined

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
    if (this.#epoch !== undefined) return { ok: true }
    return this.#campaigned ? { ok: true, detail: 'standby' } : { ok: false, detail: 'campaigns' }
  }

  /** Whether another process leads, as far as this one has heard. */
  isStandby(): boolean {
    return this.#campaigned && this.#epoch === undefined && this.#trouble === undefined
  }

  isLeading(): boolean {
    return this.#epoch !== undefined
  }

  /** The epoch of this term; it is a bug to ask while another process leads. */
  epoch(): bigint {
    assert(this.#epoch !== undefined, `${this.name} does not lead`)
    return this.#epoch
  }

  /**
   * A check for the writes that follow from what is read now: they commit only under this epoch, not
   * under one that this process wins later. Throws `platform.fenced` when another process leads.
   */
  guard(): EpochGuard {
    const epoch = this.#epoch
    if (epoch === undefined) throw platformErrors.fenced()
    return (tx) => requireEpoch(tx, this.#options.role, epoch)
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
    this.#raising = this.#raise()
    return this.#raising
  }

  /** Whether the lease is good without asking anybody. */
  holdsLease(): boolean {
    return this.#epoch !== undefined && performance.now() < this.#leaseEndMs
  }

  /** Resolves while this process leads for certain; throws `platform.fenced` when it does not. */
  async confirm(): Promise<void> {
    while (!this.holdsLease()) {
      if (this.#connection === undefined || this.#epoch === undefined) throw platformErrors.fenced()
      await this.#prolong(this.#connection)
    }
  }

  async #raise(): Promise<bigint> {
    const before = this.epoch()
    const after = await raiseEpoch(this.#options.database, this.#options.role, before)
    // The term may have ended while the writes under the old epoch were waited for.
    if (this.#epoch !== before) throw platformErrors.fenced()
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
      const epoch = await this.#lock(connection, lost)
      if (epoch === undefined) return
      this.#begin(connection, epoch)
      await this.#keep(connection, lost)
    } finally {
      this.#connection = undefined
      this.#end()
      await connection.end().catch(() => undefined)
    }
  }

  /** The epoch that was won; undefined when this process stops first. */
  async #lock(connection: Connection, lost: AbortSignal): Promise<bigint | undefined> {
    const { role, address } = this.#options
    while (!lost.aborted) {
      const sentMs = performance.now()
      const result = await connection.query<{ epoch: bigint | null }>(
        'SELECT platform.lead($1, $2, $3, $4) AS epoch',
        [role, LOCK_SPACE, LOCK_NUMBERS[role], address?.() ?? null],
      )
      this.#trouble = undefined
      this.#campaigned = true
      const epoch = result.rows[0]?.epoch ?? undefined
      if (epoch !== undefined) {
        this.#leaseEndMs = sentMs + LEASE_MS
        return epoch
      }
      await this.#endLapsed(connection)
      await sleep(RETRY_MS, undefined, { signal: lost }).catch(() => undefined)
    }
    return undefined
  }

  /** Ends the connection of a leader that no longer renews its lease. */
  async #endLapsed(connection: Connection): Promise<void> {
    const { role, log } = this.#options
    const key = [role, LOCK_SPACE, LOCK_NUMBERS[role], `${LEASE_MS} ms`]
    const lapsed = 'platform.lapsed_backend($1, $2, $3, $4::interval)'
    const found = await connection.query<{ pid: number | null }>(`SELECT ${lapsed} AS pid`, key)
    if (typeof found.rows[0]?.pid !== 'number') return
    log.warn({ event: 'leader.lapsed', role, backend: found.rows[0].pid })
    await connection.query('BEGIN')
    // The node's own role may end no connection; the user that logged in may end its own.
    await connection.query('SET LOCAL ROLE NONE')
    await connection.query(`SELECT pg_terminate_backend(${lapsed})`, key)
    await connection.query('COMMIT')
  }

  #begin(connection: Connection, epoch: bigint): void {
    const { role, log } = this.#options
    this.#connection = connection
    this.#epoch = epoch
    this.#waiting.resolve(epoch)
    log.info({ event: 'leader.won', role, epoch: epoch.toString() })
  }

  async #keep(connection: Connection, lost: AbortSignal): Promise<void> {
    while (!lost.aborted) {
      await sleep(RENEW_MS, undefined, { signal: lost }).catch(() => undefined)
      if (!lost.aborted) await this.#prolong(connection)
    }
  }

  /** One prolongation at a time, shared by all who wait for it. */
  async #prolong(connection: Connection): Promise<void> {
    this.#prolonging ??= answerWithin(this.#prolongNow(connection), ANSWER_TIMEOUT_MS).finally(
      () => (this.#prolonging = undefined),
    )
    await this.#prolonging
  }

  async #prolongNow(connection: Connection): Promise<void> {
    for (;;) {
      const epoch = this.epoch()
      const sentMs = performance.now()
      const result = await connection.query<{ held: boolean }>(
        'SELECT platform.renew_lead($1, $2) AS held',
        [this.#options.role, epoch],
      )
      if (result.rows[0]?.held === true) {
        this.#leaseEndMs = sentMs + LEASE_MS
        return
      }
      // The epoch may be ours, raised a moment ago.
      await this.#raising?.catch(() => undefined)
      if (this.#epoch === epoch) throw platformErrors.fenced()
    }
  }

  #end(): void {
    if (this.#epoch === undefined) return
    this.#epoch = undefined
    // Nobody has said yet that another process leads.
    this.#campaigned = false
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
