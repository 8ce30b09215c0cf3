import { AsyncLocalStorage } from 'node:async_hooks'
import { nextTick } from 'node:process'
import { Rng } from '#kernel/rng.ts'
import { instant, type Clock } from '#kernel/time.ts'

/** One operating-system process of the simulated node. Dead ones never run again. */
export class Process {
  readonly name: string
  isAlive = true
  /** Nothing of it runs before this time, as after SIGSTOP. */
  pausedUntilMs = 0
  /** I/O calls that are left until it dies in the middle of one. */
  callsToLive = Infinity

  constructor(name: string) {
    this.name = name
  }
}

interface Event {
  readonly atMs: number
  readonly order: number
  readonly process: Process | undefined
  readonly action: () => void
  isCancelled: boolean
}

/** What the invariants found; ends the run. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly invariant: string

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`)
    this.invariant = invariant
  }
}

const EPOCH_MS = 1_800_000_000_000
const realTurn = setImmediate
/** How long real calls may hold up the virtual clock. */
const SERVER_MS = 25
const realNow = performance.now.bind(performance)
const realTimeout = AbortSignal.timeout.bind(AbortSignal)
const current = new AsyncLocalStorage<Process>()
let running: World | undefined

/** The world of the run; everything that product code gets from outside comes from it. */
export function theWorld(): World {
  if (running === undefined) throw new TypeError('no simulation is running')
  return running
}

function enter(world: World): void {
  running = world
}

export function realMs(): number {
  return realNow()
}

/** Virtual time, seeded randomness and the order of all events. */
export class World {
  readonly seed: number
  readonly rng: Rng
  readonly clock: Clock
  /** Answers a request to an endpoint. */
  network: (url: string, body: string) => Promise<{ status: number; text: string }> = () =>
    Promise.reject(new TypeError('no network'))
  /** A process ran out of calls to live. */
  died: (process: Process) => void = () => undefined
  traced: ((line: string) => void) | undefined
  steps = 0
  nowMs = 0
  /** When the run began; a real server makes it its own time. */
  epochBaseMs = EPOCH_MS
  /** Calls to a real server that are not answered yet; time stands still for them. */
  outstanding = 0
  #violation: Violation | undefined
  #heap: Event[] = []
  #order = 0
  #uuids = 0

  constructor(seed: number) {
    this.seed = seed
    this.rng = new Rng(seed)
    this.clock = { now: () => instant(this.epochMs()) }
  }

  /** Milliseconds since 1970, whole. */
  epochMs(): number {
    return this.epochBaseMs + Math.floor(this.nowMs)
  }

  /** True once in `one` of `of` times. */
  chance(one: number, of = 1): boolean {
    return this.rng.next() * of < one
  }

  /** A number between `low` and `high`. */
  between(low: number, high: number): number {
    return low + this.rng.next() * (high - low)
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.rng.below(items.length)]
    if (item === undefined) throw new TypeError('nothing to pick from')
    return item
  }

  uuid(): string {
    this.#uuids += 1
    const hex = this.epochMs().toString(16).padStart(12, '0')
    const tail = (this.#uuids * 0x9e3779b1) % 0x1000000000000
    const end = Math.abs(tail).toString(16).padStart(12, '0').slice(-12)
    const count = this.#uuids.toString(16).padStart(6, '0')
    return `${hex.slice(0, 8)}-${hex.slice(8)}-7${count.slice(0, 3)}-8${count.slice(3)}-${end}`
  }

  trace(kind: string, detail: () => string): void {
    this.traced?.(`${this.nowMs.toFixed(2).padStart(9)} ${kind.padEnd(12)} ${detail()}`)
  }

  process(): Process | undefined {
    return current.getStore()
  }

  /** Runs `action` later in the process that asks, or in another; answers how to call it off. */
  schedule(delayMs: number, action: () => void, process = current.getStore()): () => void {
    const atMs = this.nowMs + Math.max(0, delayMs)
    const event: Event = { atMs, order: (this.#order += 1), process, action, isCancelled: false }
    this.#push(event)
    return () => {
      event.isCancelled = true
    }
  }

  /** The same outside every process: servers, chain, broker, users. */
  later(delayMs: number, action: () => void): () => void {
    const atMs = this.nowMs + Math.max(0, delayMs)
    const event: Event = {
      atMs,
      order: (this.#order += 1),
      process: undefined,
      action,
      isCancelled: false,
    }
    this.#push(event)
    return () => {
      event.isCancelled = true
    }
  }

  in<T>(process: Process, action: () => T): T {
    return current.run(process, action)
  }

  /** Counts a call to the outside; false when the process died in it. */
  survives(process: Process | undefined): boolean {
    if (process === undefined) return true
    if (!process.isAlive) return false
    process.callsToLive -= 1
    if (process.callsToLive > 0) return true
    this.died(process)
    return false
  }

  violate(invariant: string, detail: string): void {
    this.#violation ??= new Violation(invariant, detail)
  }

  check(holds: boolean, invariant: string, detail: () => string): void {
    if (!holds) this.violate(invariant, detail())
  }

  /** Runs events in their order until `done` or the end of time; throws what was violated. */
  async run(until: () => boolean, lastMs: number): Promise<boolean> {
    while (!until()) {
      if (this.outstanding > 0) await this.#waitForServer()
      const event = this.#pop()
      if (event === undefined || event.atMs > lastMs) return false
      this.nowMs = event.atMs
      await this.#take(event)
      if (this.#violation !== undefined) throw this.#violation
    }
    return true
  }

  /** An answer of a real server, given to the process that asked unless it died. */
  answerOf<T>(work: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const process = current.getStore()
    this.outstanding += 1
    work
      .finally(() => {
        this.outstanding -= 1
      })
      .then(
        (value) => this.schedule(0.1, () => resolve(value), process),
        (error: unknown) => this.schedule(0.1, () => reject(error), process),
      )
    return promise
  }

  /** Some calls wait for others, which need time to go on: so not for ever. */
  async #waitForServer(): Promise<void> {
    const untilMs = realNow() + SERVER_MS
    while (this.outstanding > 0 && realNow() < untilMs)
      await new Promise((resolve) => realTurn(resolve))
  }

  /** Puts this world's time into the place of the real one. */
  install(): () => void {
    enter(this)
    const real = {
      setImmediate: globalThis.setImmediate,
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
      setInterval: globalThis.setInterval,
      clearInterval: globalThis.clearInterval,
    }
    const repeat = (action: () => void, delayMs: number): (() => void) => {
      let cancel: () => void
      const again = (): void => {
        cancel = this.schedule(delayMs, again)
        action()
      }
      cancel = this.schedule(delayMs, again)
      return () => cancel()
    }
    const handle = (cancel: () => void) => ({
      cancel,
      unref: () => undefined,
      ref: () => undefined,
    })
    const clear = (timer: unknown): void => {
      if (typeof timer === 'object' && timer !== null && 'cancel' in timer)
        (timer as { cancel: () => void }).cancel()
    }
    Object.assign(globalThis, {
      setImmediate: (action: (...args: unknown[]) => void, ...args: unknown[]) =>
        handle(this.schedule(0, () => action(...args))),
      setTimeout: (action: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]) =>
        handle(this.schedule(delayMs, () => action(...args))),
      clearTimeout: clear,
      setInterval: (action: () => void, delayMs = 0) => handle(repeat(action, delayMs)),
      clearInterval: clear,
    })
    const timeout = (delayMs: number): AbortSignal => {
      const controller = new AbortController()
      this.schedule(delayMs, () => controller.abort(new DOMException('timeout', 'TimeoutError')))
      return controller.signal
    }
    Object.assign(AbortSignal, { timeout })
    performance.now = () => this.nowMs
    const rejected = (error: unknown): void => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.violate('no unhandled rejection', text)
    }
    process.on('unhandledRejection', rejected)
    return () => {
      process.off('unhandledRejection', rejected)
      Object.assign(globalThis, real)
      Object.assign(AbortSignal, { timeout: realTimeout })
      performance.now = realNow
      running = undefined
    }
  }

  async #take(event: Event): Promise<void> {
    const { process, action } = event
    if (process !== undefined) {
      if (!process.isAlive) return
      if (process.pausedUntilMs > this.nowMs) {
        this.#push({ ...event, atMs: process.pausedUntilMs, order: (this.#order += 1) })
        return
      }
    }
    this.steps += 1
    if (process === undefined) current.exit(action)
    else current.run(process, action)
    // A tick that is asked for in a promise callback comes when no other is left to run.
    if (this.steps % 512 === 0) await new Promise((resolve) => realTurn(resolve))
    else await new Promise<void>((resolve) => nextTick(resolve))
  }

  #push(event: Event): void {
    const heap = this.#heap
    let place = heap.push(event) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(event, above)) break
      heap[place] = above
      place = parent
    }
    heap[place] = event
  }

  #pop(): Event | undefined {
    for (;;) {
      const event = this.#popAny()
      if (event === undefined || !event.isCancelled) return event
    }
  }

  #popAny(): Event | undefined {
    const heap = this.#heap
    const [top] = heap
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let place = 0
    for (;;) {
      const left = place * 2 + 1
      const [a, b] = [heap[left], heap[left + 1]]
      if (a === undefined) break
      const child = b !== undefined && isBefore(b, a) ? left + 1 : left
      const below = child === left ? a : b
      if (below === undefined || !isBefore(below, last)) break
      heap[place] = below
      place = child
    }
    heap[place] = last
    return top
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
