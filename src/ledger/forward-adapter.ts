import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { Database } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import { findLeader } from '#platform/leader.ts'
import { describeFailure, type Health, type Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import { Loop } from '#platform/scheduler.ts'
import type { Command } from './command.ts'
import type { CommandResult, CommandSink, SubmitOptions } from './submission.ts'
import {
  packSubmissions,
  unpackReceptions,
  type Reception,
  type Submission,
} from './wire-adapter.ts'

export interface ForwarderOptions {
  readonly database: Database
  readonly log: Log
  /** What the processes of one node prove to each other that they are. */
  readonly token: string
}

/** Where the leading engine takes commands, and tells whether it leads. */
export const COMMANDS_PATH = '/internal/commands'
export const ENGINE_PATH = '/internal/engine'

const LOOK_MS = 500
const LOOK_TIMEOUT_MS = 1000
const TIMEOUT_MS = 10_000
const CONNECTIONS = 8
const PER_REQUEST = 256
const WAITING_MOST = 8192
const STOP_WITHIN_MS = 5000
const NOT_LEADING = 421

interface Waiting extends Submission {
  readonly resolve: (result: CommandResult) => void
  readonly reject: (error: unknown) => void
}

/** Not taken for certain: the next leader may be asked. */
class NotTaken extends Error {
  override readonly name = 'NotTaken'
}

/**
 * The way to the engine that leads in another process. Commands that come together travel together;
 * while every connection is busy they gather. When nobody can say what became of a command, it is
 * refused with `platform.unavailable`, and the sender asks again with the same key.
 */
export class CommandForwarder implements Service, CommandSink {
  readonly name = 'engine.link'
  readonly #options: ForwarderOptions
  readonly #agent = new Agent({
    connections: CONNECTIONS,
    pipelining: 1,
    connect: { timeout: LOOK_TIMEOUT_MS },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  })
  readonly #look: Loop
  readonly #queue: Waiting[] = []
  #address: string | undefined
  /** Ends what waits for an engine that leads no more. */
  #former = new AbortController()
  #trouble: string | undefined = 'no engine was found yet'
  #busy = 0
  #scheduled = false
  #stopping = false

  constructor(options: ForwarderOptions) {
    this.#options = options
    const { log } = options
    this.#look = new Loop({ name: this.name, intervalMs: LOOK_MS, run: () => this.#find(), log })
  }

  async start(): Promise<void> {
    await this.#look.start()
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopping = true
    const until = performance.now() + STOP_WITHIN_MS
    while (this.#busy + this.#queue.length > 0 && performance.now() < until) await sleep(5)
    for (const waiting of this.#queue.splice(0)) waiting.reject(unavailable('the node is stopping'))
    await this.#look.stop()
    await this.#agent.destroy()
  }

  health(): Health {
    return this.#trouble === undefined ? { ok: true } : { ok: false, detail: this.#trouble }
  }

  async submit<C extends Command>(command: C, options: SubmitOptions = {}): Promise<CommandResult> {
    if (this.#stopping) throw unavailable('the node is stopping')
    if (this.#queue.length >= WAITING_MOST) throw unavailable('too many commands wait')
    const { promise, resolve, reject } = Promise.withResolvers<CommandResult>()
    this.#queue.push({ command, options, resolve, reject })
    this.#schedule()
    return promise
  }

  /** Lets everything that arrives in this turn of the event loop come along. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#sendOn()
    })
  }

  #sendOn(): void {
    while (this.#queue.length > 0 && this.#busy < CONNECTIONS) {
      this.#busy += 1
      void this.#deliver(this.#queue.splice(0, PER_REQUEST)).finally(() => {
        this.#busy -= 1
        this.#sendOn()
      })
    }
  }

  async #deliver(batch: readonly Waiting[]): Promise<void> {
    try {
      const receptions = await this.#sendTwice(batch)
      for (const [place, waiting] of batch.entries()) settle(waiting, receptions[place])
    } catch (cause) {
      this.#trouble = describeFailure(cause)
      this.#look.wake()
      this.#options.log.warn({ event: 'engine.unreachable', commands: batch.length, error: cause })
      const refusal = refusalOf(cause)
      for (const waiting of batch) waiting.reject(refusal)
    }
  }

  /** The second time only when the first address certainly took nothing and another one leads. */
  async #sendTwice(batch: readonly Waiting[]): Promise<readonly Reception[]> {
    const first = this.#address ?? (await this.#readAddress())
    try {
      return await this.#send(first, batch)
    } catch (error) {
      if (!(error instanceof NotTaken)) throw error
      const second = await this.#readAddress()
      if (second === first) throw error
      return await this.#send(second, batch)
    }
  }

  async #send(address: string, batch: readonly Waiting[]): Promise<readonly Reception[]> {
    const body = packSubmissions(batch)
    const reply = await this.#request(address, body)
    const text = await reply.body.text()
    if (reply.statusCode === NOT_LEADING) throw new NotTaken(`${address} does not lead`)
    if (reply.statusCode !== 200)
      throw platformErrors.unavailable(`the engine at ${address} answered ${reply.statusCode}`)
    this.#trouble = undefined
    return unpackReceptions(text, batch.length)
  }

  async #request(address: string, body: string) {
    const headers = this.#headers()
    try {
      return await request(`${address}${COMMANDS_PATH}`, {
        method: 'POST',
        dispatcher: this.#agent,
        headers: { ...headers, 'content-type': 'application/json' },
        body,
        signal: this.#former.signal,
      })
    } catch (error) {
      if (isRefusedConnection(error)) throw new NotTaken(describeFailure(error), { cause: error })
      throw error
    }
  }

  #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#options.token}` }
  }

  async #readAddress(): Promise<string> {
    const leader = await findLeader(this.#options.database, 'engine')
    const address = leader?.address ?? undefined
    if (address === undefined) throw platformErrors.unavailable('no engine takes commands')
    if (address !== this.#address) {
      this.#former.abort()
      this.#former = new AbortController()
    }
    this.#address = address
    return address
  }

  /** Whether the engine can be reached and leads; the row may name one that is gone. */
  async #find(): Promise<void> {
    try {
      const address = await this.#readAddress()
      const reply = await request(`${address}${ENGINE_PATH}`, {
        dispatcher: this.#agent,
        headers: this.#headers(),
        headersTimeout: LOOK_TIMEOUT_MS,
        bodyTimeout: LOOK_TIMEOUT_MS,
      })
      await reply.body.dump()
      this.#trouble =
        reply.statusCode === 200 ? undefined : `the engine answered ${reply.statusCode}`
    } catch (error) {
      this.#trouble = `the engine cannot be reached: ${describeFailure(error)}`
    }
  }
}

function settle(waiting: Waiting, reception: Reception | undefined): void {
  if (reception === undefined) waiting.reject(unavailable('the engine gave no answer'))
  else if ('result' in reception) waiting.resolve(reception.result)
  else waiting.reject(reception.refusal)
}

function refusalOf(cause: unknown) {
  if (cause instanceof NotTaken) return unavailable('no engine leads; retry', cause)
  return unavailable('the outcome is unknown; retry with the same key', cause)
}

function unavailable(detail: string, cause?: unknown) {
  return platformErrors.unavailable(detail, { retryAfterSeconds: 1, cause })
}

function isRefusedConnection(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return ['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT', 'ENOTFOUND', 'EHOSTUNREACH'].includes(
    String(error.code),
  )
}
