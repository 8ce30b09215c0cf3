import { request, type Agent } from 'undici'
import { describeFailure } from '#platform/lifecycle.ts'
import { maskUrls } from '#platform/log.ts'
import {
  afterAnswer,
  afterFailure,
  afterLie,
  afterThrottle,
  afterTooMany,
  FRESH_ENDPOINT,
  withHead,
  type EndpointState,
} from './endpoint-health.ts'
import { decodeAnswers, encodeCalls, type RpcAnswer, type RpcCall } from './rpc-call.ts'
import { isBatchRefusal, isThrottle, RpcRefusal } from './rpc-refusal.ts'

/** An endpoint that did not answer, or not as JSON-RPC. */
class EndpointFailure extends Error {
  override readonly name = 'EndpointFailure'
  readonly status: number
  readonly retryAfterMs: number

  constructor(reason: string, status = 0, retryAfterMs = 0) {
    super(reason)
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

const TOO_LARGE = 413
const TOO_MANY_REQUESTS = 429

export interface RpcEndpointOptions {
  readonly url: string
  readonly agent: Agent
  readonly name: string
  /** How long a request may take now, from the first byte sent to the last one read. */
  readonly limitMs: () => number
}

/** One endpoint over HTTP, asked no faster than it likes. */
export class RpcEndpoint {
  /** The URL without its secrets; no two endpoints share a name. */
  readonly name: string
  readonly #url: string
  readonly #agent: Agent
  readonly #limitMs: () => number
  readonly #waiting: (() => void)[] = []
  #underWay = 0
  #nextId = 1
  #state: EndpointState = FRESH_ENDPOINT

  constructor({ url, agent, name, limitMs }: RpcEndpointOptions) {
    this.name = name
    this.#url = url
    this.#agent = agent
    this.#limitMs = limitMs
  }

  get state(): EndpointState {
    return this.#state
  }

  /** Answers in the order of the calls; throws when it does not answer. */
  async ask(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> {
    const parts: Promise<readonly RpcAnswer[]>[] = []
    const size = this.#state.callsPerRequest
    for (let at = 0; at < calls.length; at += size) {
      parts.push(this.#inTurn(() => this.#askPart(calls.slice(at, at + size))))
    }
    return (await Promise.all(parts)).flat()
  }

  distrust(reason: string): void {
    this.#state = afterLie(this.#state, performance.now(), reason)
  }

  noteHead(head: number): void {
    this.#state = withHead(this.#state, head)
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    while (this.#underWay >= Math.floor(this.#state.concurrency)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#underWay += 1
    try {
      return await work()
    } finally {
      this.#underWay -= 1
      for (const resume of this.#waiting.splice(0)) resume()
    }
  }

  async #askPart(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> {
    const begunMs = performance.now()
    try {
      const answers = await this.#postInTime(calls)
      const busy = answers.find((answer) => 'refusal' in answer && isThrottle(answer.refusal))
      if (busy === undefined) this.#state = afterAnswer(this.#state, performance.now() - begunMs)
      else this.#noteThrottle('refusal' in busy ? busy.refusal.message : '')
      return answers
    } catch (error) {
      if (calls.length > 1 && isTooMany(error)) return await this.#askHalves(calls)
      this.#noteFailure(error)
      throw error
    }
  }

  async #askHalves(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> {
    this.#state = afterTooMany(this.#state, calls.length)
    const half = Math.ceil(calls.length / 2)
    const first = await this.#askPart(calls.slice(0, half))
    return [...first, ...(await this.#askPart(calls.slice(half)))]
  }

  async #postInTime(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> {
    const limitMs = this.#limitMs()
    const abort = new AbortController()
    const late = new EndpointFailure(`no answer within ${limitMs} ms`)
    const timer = setTimeout(() => abort.abort(late), limitMs)
    try {
      return await this.#post(calls, abort.signal)
    } finally {
      clearTimeout(timer)
    }
  }

  async #post(calls: readonly RpcCall[], signal?: AbortSignal): Promise<readonly RpcAnswer[]> {
    const firstId = this.#nextId
    this.#nextId += calls.length
    const response = await request(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: encodeCalls(calls, firstId),
      dispatcher: this.#agent,
      ...(signal !== undefined && { signal }),
    })
    const text = await response.body.text()
    const { statusCode, headers } = response
    if (statusCode === TOO_LARGE || statusCode === TOO_MANY_REQUESTS) {
      const retryAfterMs = Number(headers['retry-after'] ?? 0) * 1000
      throw new EndpointFailure(`HTTP ${statusCode}`, statusCode, retryAfterMs || 0)
    }
    const answers = decodeAnswers(text, calls, firstId)
    if (answers === undefined) throw new EndpointFailure(`HTTP ${statusCode}`, statusCode)
    if (answers instanceof RpcRefusal) throw answers
    const [first] = answers
    if (first !== undefined && 'refusal' in first && isBatchRefusal(first.refusal)) {
      throw first.refusal
    }
    return answers
  }

  #noteThrottle(reason: string, retryAfterMs = 0): void {
    this.#state = afterThrottle(this.#state, performance.now(), maskUrls(reason), retryAfterMs)
  }

  #noteFailure(error: unknown): void {
    const isBusy =
      error instanceof RpcRefusal
        ? isThrottle(error)
        : error instanceof EndpointFailure && error.status === TOO_MANY_REQUESTS
    const reason = maskUrls(describeFailure(error))
    if (isBusy) {
      this.#noteThrottle(reason, error instanceof EndpointFailure ? error.retryAfterMs : 0)
    } else {
      this.#state = afterFailure(this.#state, performance.now(), reason)
    }
  }
}

function isTooMany(error: unknown): boolean {
  if (error instanceof RpcRefusal) return isBatchRefusal(error)
  return error instanceof EndpointFailure && error.status === TOO_LARGE
}
