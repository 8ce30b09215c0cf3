import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'
import { assert, present } from '#kernel/assert.ts'
import { isJsonObject } from '#kernel/json.ts'
import { platformErrors } from '#platform/errors.ts'
import { describeFailure } from '#platform/lifecycle.ts'
import { maskUrls, type Log } from '#platform/log.ts'
import { backoffMs } from '#platform/scheduler.ts'
import { bestHead, isHealthy, isSilent, lagOf, rankEndpoints } from './endpoint-health.ts'
import { countOf, quantity } from './hex.ts'
import { resultOf, type RpcAnswer, type RpcCall } from './rpc-call.ts'
import { RpcEndpoint } from './rpc-endpoint-adapter.ts'
import { isPassing } from './rpc-refusal.ts'

export type { RpcAnswer, RpcCall } from './rpc-call.ts'

export interface RpcOptions {
  /** Endpoints of one chain, the preferred one first. */
  readonly urls: readonly string[]
  readonly log: Log
  readonly timeoutMs?: number
  /** How often all endpoints are tried before the chain counts as away. */
  readonly rounds?: number
  /** An endpoint of another chain is left out of account. */
  readonly chainId?: number
  /** Rest between two comparisons of all endpoints. */
  readonly probeMs?: number
}

/** How an endpoint is doing. */
export interface EndpointHealth {
  /** Without secrets. */
  readonly url: string
  readonly isHealthy: boolean
  /** Its newest block, as far as anybody asked. */
  readonly head?: number
  readonly lagBlocks?: number
  /** Moving average, 0 to 1. */
  readonly errorRate: number
  readonly latencyMs?: number
  readonly lastError?: string
}

/** One endpoint for a while, so that its answers can be held against one another. */
export interface RpcLine {
  /** The URL without secrets. */
  readonly name: string
  /** Its last request failed: what it would say is not worth waiting for. */
  readonly isSilent: boolean
  /** Answers in the order of the calls; throws as `RpcClient.answers` does. */
  answers(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]>
  /** Results in the order of the calls; throws on the first refusal. */
  batch(calls: readonly RpcCall[]): Promise<readonly unknown[]>
  noteHead(head: number): void
  /** Others are asked before it for half a minute. */
  distrust(reason: string): void
}

const TIMEOUT_MS = 10_000
/** A large answer may come for longer than its first byte took, but not for ever. */
const WHOLE_ANSWER = 3
const ROUNDS = 3
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1000
const PROBE_MS = 10_000
/** What an endpoint that is silent gets while another one answers. */
const SILENT_TIMEOUT_MS = 2000
/** How long the others have once what was asked of all is certain. */
const GRACE_MS = 250
/** Endpoints may differ for a moment while a block spreads. */
const DISPUTES = 2

/** JSON-RPC over HTTP with connections kept open; goes to the next endpoint when one fails. */
export class RpcClient {
  readonly #options: RpcOptions
  readonly #agent: Agent
  readonly #endpoints: readonly RpcEndpoint[]
  #probedAtMs: number | undefined
  #disputes = 0
  #disagreement: string | undefined

  constructor(options: RpcOptions) {
    assert(options.urls.length > 0, 'an endpoint')
    this.#options = options
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.#agent = new Agent({
      connect: { timeout: timeoutMs },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    })
    this.#endpoints = options.urls.map((url, place) => {
      const isTaken = options.urls.slice(0, place).some((one) => maskUrls(one) === maskUrls(url))
      const name = isTaken ? `${maskUrls(url)} (${place + 1})` : maskUrls(url)
      const limitMs = (): number => this.#limitOf(name) ?? timeoutMs * WHOLE_ANSWER
      return new RpcEndpoint({ url, agent: this.#agent, name, limitMs })
    })
  }

  /** Throws `RpcRefusal` when the endpoint refuses, `platform.unavailable` when none answers. */
  async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const [answer] = await this.answers([{ method, params }])
    return resultOf(present(answer, 'answer'))
  }

  /** Results in the order of the calls; throws on the first refusal. */
  async batch(calls: readonly RpcCall[]): Promise<readonly unknown[]> {
    return (await this.answers(calls)).map(resultOf)
  }

  /** Answers in the order of the calls, refusals among them. */
  async answers(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> {
    this.#probeIfDue()
    return await this.#askRounds(calls, () => this.#ranked())
  }

  /**
   * Asks every endpoint; the answers that came, in their order. Once one of them `isEnough`, the
   * others are waited for no longer than a moment, though each gets the call.
   */
  async askAll(
    call: RpcCall,
    isEnough: (answer: RpcAnswer) => boolean,
  ): Promise<readonly RpcAnswer[]> {
    const enough = Promise.withResolvers<void>()
    const answers: (RpcAnswer | undefined)[] = this.#endpoints.map(() => undefined)
    let failure: unknown
    const asked = this.#endpoints.map(async (endpoint, place) => {
      try {
        const [answer] = await endpoint.ask([call])
        answers[place] = answer
        if (answer !== undefined && isEnough(answer)) enough.resolve()
      } catch (error) {
        failure = error
        this.#noteFailed(endpoint, error)
      }
    })
    const grace = async () => await sleep(GRACE_MS, undefined, { ref: false })
    await Promise.race([Promise.all(asked), enough.promise.then(grace)])
    const found = answers.filter((answer) => answer !== undefined)
    if (found.length === 0) throw away(failure)
    return found
  }

  /** The best endpoint by itself, `except` some; undefined when no other is left. */
  line(except: ReadonlySet<string> = new Set()): RpcLine | undefined {
    this.#probeIfDue()
    const endpoint = this.#ranked().find(({ name }) => !except.has(name))
    if (endpoint === undefined) return undefined
    // Who asks one endpoint turns to another: more rounds would only wait for the same one.
    const isEnd = ({ state }: RpcEndpoint) => this.#endpoints.length > 1 && isSilent(state)
    const answers = async (calls: readonly RpcCall[]) =>
      await this.#askRounds(calls, () => [endpoint], isEnd)
    return {
      name: endpoint.name,
      isSilent: isSilent(endpoint.state),
      answers,
      batch: async (calls) => (await answers(calls)).map(resultOf),
      noteHead: (head) => endpoint.noteHead(head),
      distrust: (reason) => this.#distrust(endpoint, reason),
    }
  }

  /** How each endpoint is doing, in the order of the configuration. */
  endpoints(): readonly EndpointHealth[] {
    const states = this.#endpoints.map(({ state }) => state)
    const best = bestHead(states)
    return this.#endpoints.map(({ name, state }) => {
      const lagBlocks = lagOf(state, best)
      const { head, errorRate, latencyMs, lastError } = state
      return {
        url: name,
        isHealthy: isHealthy(state, best, performance.now()),
        errorRate,
        ...(head !== undefined && { head }),
        ...(lagBlocks !== undefined && { lagBlocks }),
        ...(latencyMs !== undefined && { latencyMs }),
        ...(lastError !== undefined && { lastError }),
      }
    })
  }

  /** What the endpoints do not agree on: a block, or which chain they serve. */
  disagreement(): string | undefined {
    return this.#disagreement
  }

  /** Compares all endpoints: chain, head, and the newest block that all should have. */
  async probe(): Promise<void> {
    this.#probedAtMs = performance.now()
    const seen = await Promise.all(this.#endpoints.map((endpoint) => this.#look(endpoint)))
    const heads = seen.flatMap((head) => (head === undefined ? [] : [head]))
    if (heads.length < 2) return
    const number = Math.min(...heads)
    const asked = this.#endpoints.map((endpoint) => readHash(endpoint, number))
    const hashes = new Set((await Promise.all(asked)).filter((hash) => hash !== undefined))
    this.#disputes = hashes.size > 1 ? this.#disputes + 1 : 0
    if (this.#disputes === 0) this.#disagreement = undefined
    if (this.#disputes < DISPUTES) return
    this.#disagreement = `the endpoints hold ${hashes.size} different blocks ${number}`
    this.#options.log.warn({ event: 'rpc.disagreement', block: number, hashes: [...hashes] })
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  /** Its head; undefined when it is away or of another chain. */
  async #look(endpoint: RpcEndpoint): Promise<number | undefined> {
    try {
      const [id, latest] = (
        await endpoint.ask([
          { method: 'eth_chainId', params: [] },
          { method: 'eth_blockNumber', params: [] },
        ])
      ).map(resultOf)
      const { chainId } = this.#options
      if (chainId !== undefined && countOf(id, 'eth_chainId') !== chainId) {
        this.#distrust(endpoint, `serves chain ${String(id)}`)
        return undefined
      }
      const head = countOf(latest, 'eth_blockNumber')
      endpoint.noteHead(head)
      return head
    } catch {
      return undefined
    }
  }

  #probeIfDue(): void {
    if (this.#endpoints.length < 2) return
    const nowMs = performance.now()
    const { probeMs = PROBE_MS } = this.#options
    if (this.#probedAtMs !== undefined && nowMs - this.#probedAtMs < probeMs) return
    this.#probedAtMs = nowMs
    this.probe().catch((error: unknown) => {
      this.#options.log.debug({ event: 'rpc.probe_failed', error })
    })
  }

  /** Undefined while nobody else answers either: then the last one is worth the wait. */
  #limitOf(name: string): number | undefined {
    const isOtherThere = this.#endpoints.some((one) => one.name !== name && !isSilent(one.state))
    const own = this.#endpoints.find((one) => one.name === name)
    if (own === undefined || !isSilent(own.state) || !isOtherThere) return undefined
    return SILENT_TIMEOUT_MS
  }

  #ranked(): readonly RpcEndpoint[] {
    const states = this.#endpoints.map(({ state }) => state)
    return rankEndpoints(states, performance.now()).map((place) =>
      present(this.#endpoints[place], 'endpoint'),
    )
  }

  /** What an endpoint is too busy for, or lacks the block of, goes to the next one. */
  async #askRounds(
    calls: readonly RpcCall[],
    order: () => readonly RpcEndpoint[],
    isEnd: (failed: RpcEndpoint) => boolean = () => false,
  ): Promise<readonly RpcAnswer[]> {
    const { rounds = ROUNDS } = this.#options
    const answers: (RpcAnswer | undefined)[] = calls.map(() => undefined)
    let failure: unknown
    for (let round = 1; round <= rounds; round += 1) {
      for (const endpoint of order()) {
        const open = openPlaces(answers)
        if (open.length === 0) break
        try {
          const found = await endpoint.ask(open.map((place) => present(calls[place], 'call')))
          for (const [at, answer] of found.entries()) answers[present(open[at], 'place')] = answer
        } catch (error) {
          failure = error
          this.#noteFailed(endpoint, error)
          if (isEnd(endpoint)) throw away(error)
        }
      }
      if (openPlaces(answers).length === 0) break
      if (round < rounds) await sleep(backoffMs(round, FIRST_PAUSE_MS, LONGEST_PAUSE_MS))
    }
    const complete = answers.filter((answer) => answer !== undefined)
    if (complete.length < calls.length) throw away(failure)
    return complete
  }

  #noteFailed(endpoint: RpcEndpoint, error: unknown): void {
    const reason = maskUrls(describeFailure(error))
    this.#options.log.debug({ event: 'rpc.endpoint_failed', endpoint: endpoint.name, reason })
  }

  #distrust(endpoint: RpcEndpoint, reason: string): void {
    endpoint.distrust(reason)
    this.#options.log.warn({ event: 'rpc.endpoint_distrusted', endpoint: endpoint.name, reason })
  }
}

/** Calls that have no answer, or one that somebody else may better. */
function openPlaces(answers: readonly (RpcAnswer | undefined)[]): readonly number[] {
  return answers.flatMap((answer, place) => {
    return answer === undefined || mayPass(answer) ? [place] : []
  })
}

function mayPass(answer: RpcAnswer): boolean {
  return 'refusal' in answer && isPassing(answer.refusal)
}

async function readHash(endpoint: RpcEndpoint, number: number): Promise<string | undefined> {
  const call = { method: 'eth_getBlockByNumber', params: [quantity(number), false] }
  const [answer] = await endpoint.ask([call]).catch(() => [])
  if (answer === undefined || !('result' in answer) || !isJsonObject(answer.result)) {
    return undefined
  }
  return String(answer.result['hash']).toLowerCase()
}

function away(cause: unknown): Error {
  const reason = cause === undefined ? '' : `: ${maskUrls(describeFailure(cause))}`
  return platformErrors.unavailable(`the chain is away${reason}`, { cause, retryAfterSeconds: 1 })
}
