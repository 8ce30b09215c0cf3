import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { assert, present } from '#kernel/assert.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { platformErrors } from '#platform/errors.ts'
import { describeFailure } from '#platform/lifecycle.ts'
import { maskUrls, type Log } from '#platform/log.ts'
import { backoffMs } from '#platform/scheduler.ts'
import { isPassing, RpcRefusal } from './rpc-refusal.ts'

export interface RpcCall {
  readonly method: string
  readonly params: readonly unknown[]
}

/** The answer to one call of a batch. */
export type RpcAnswer = { readonly result: unknown } | { readonly refusal: RpcRefusal }

export interface RpcOptions {
  /** Endpoints of one chain, the preferred one first. */
  readonly urls: readonly string[]
  readonly log: Log
  readonly timeoutMs?: number
  /** How often all endpoints are tried before the chain counts as away. */
  readonly rounds?: number
}

const TIMEOUT_MS = 10_000
const ROUNDS = 3
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1000
const REST_MS = 5000
const CALLS_PER_REQUEST = 100

/** An endpoint that did not answer, or not as JSON-RPC. */
class EndpointFailure extends Error {
  override readonly name = 'EndpointFailure'
}

/** JSON-RPC over HTTP with connections kept open; goes to the next endpoint when one fails. */
export class RpcClient {
  readonly #options: RpcOptions
  readonly #agent: Agent
  readonly #restUntilMs = new Map<string, number>()
  #nextId = 1

  constructor(options: RpcOptions) {
    assert(options.urls.length > 0, 'an endpoint')
    this.#options = options
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.#agent = new Agent({
      connect: { timeout: timeoutMs },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
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
    const answers: RpcAnswer[] = []
    for (let at = 0; at < calls.length; at += CALLS_PER_REQUEST) {
      answers.push(...(await this.#answerPart(calls.slice(at, at + CALLS_PER_REQUEST))))
    }
    return answers
  }

  /** Asks every endpoint; one answer each, in their order. */
  async askAll(method: string, ...params: readonly unknown[]): Promise<readonly RpcAnswer[]> {
    const calls = [{ method, params }]
    const asked = this.#options.urls.map(async (url) => await this.#ask(url, calls))
    const settled = await Promise.allSettled(asked)
    const answers = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    if (answers.length === 0) throw away(describeRejection(settled[0]))
    return answers
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  /** An endpoint that is busy, or lacks the block, gives way to the next one. */
  async #answerPart(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> {
    const { rounds = ROUNDS } = this.#options
    let failure: unknown
    let refused: readonly RpcAnswer[] | undefined
    for (let round = 1; round <= rounds; round += 1) {
      for (const url of this.#order()) {
        try {
          const answers = await this.#ask(url, calls)
          if (!answers.some(mayPass)) return answers
          refused = answers
        } catch (error) {
          failure = error
          this.#rest(url, error)
        }
      }
      if (round < rounds) await sleep(backoffMs(round, FIRST_PAUSE_MS, LONGEST_PAUSE_MS))
    }
    if (refused === undefined) throw away(failure)
    return refused
  }

  async #ask(url: string, calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> {
    const from = this.#nextId
    this.#nextId += calls.length
    const bodies = calls.map((call, place) => ({ jsonrpc: '2.0', id: from + place, ...call }))
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(calls.length === 1 ? bodies[0] : bodies),
      dispatcher: this.#agent,
    })
    const text = await response.body.text()
    const answers = readAnswers(text, calls, from)
    if (answers === undefined) throw new EndpointFailure(`HTTP ${response.statusCode}`)
    return answers
  }

  #order(): readonly string[] {
    const nowMs = performance.now()
    const { urls } = this.#options
    const rested = urls.filter((url) => (this.#restUntilMs.get(url) ?? 0) <= nowMs)
    return rested.length === 0 ? urls : [...rested, ...urls.filter((url) => !rested.includes(url))]
  }

  #rest(url: string, error: unknown): void {
    this.#restUntilMs.set(url, performance.now() + REST_MS)
    const endpoint = maskUrls(url)
    const reason = maskUrls(describeFailure(error))
    this.#options.log.debug({ event: 'rpc.endpoint_failed', endpoint, reason })
  }
}

function resultOf(answer: RpcAnswer): unknown {
  if ('refusal' in answer) throw answer.refusal
  return answer.result
}

function mayPass(answer: RpcAnswer): boolean {
  return 'refusal' in answer && isPassing(answer.refusal)
}

function describeRejection(one: PromiseSettledResult<unknown> | undefined): unknown {
  return one?.status === 'rejected' ? one.reason : undefined
}

function away(cause: unknown): Error {
  const reason = cause === undefined ? '' : `: ${maskUrls(describeFailure(cause))}`
  return platformErrors.unavailable(`the chain is away${reason}`, { cause, retryAfterSeconds: 1 })
}

/** One answer per call, matched by id; undefined for anything that is no JSON-RPC. */
function readAnswers(
  text: string,
  calls: readonly RpcCall[],
  from: number,
): readonly RpcAnswer[] | undefined {
  const json = tryParse(text)
  const items: readonly unknown[] = Array.isArray(json) ? json : [json]
  const byId = new Map<unknown, Record<string, unknown>>()
  for (const item of items) if (isJsonObject(item)) byId.set(item['id'], item)
  const answers = calls.flatMap((call, place) => {
    const item = byId.get(from + place)
    return item === undefined ? [] : [readAnswer(call.method, item)]
  })
  return answers.length === calls.length ? answers : undefined
}

function readAnswer(method: string, item: Record<string, unknown>): RpcAnswer {
  const { error } = item
  if (!isJsonObject(error)) return { result: item['result'] }
  const data = revertData(error['data'])
  const code = Number(error['code'])
  return { refusal: new RpcRefusal({ method, code, message: String(error['message']), data }) }
}

/** Some endpoints put the data of a revert one level deeper. */
function revertData(data: unknown): string | undefined {
  if (typeof data === 'string' && /^0x[\da-f]*$/i.test(data)) return data
  return isJsonObject(data) ? revertData(data['data']) : undefined
}

function tryParse(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}
