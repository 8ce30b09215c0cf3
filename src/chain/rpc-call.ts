import { isJsonObject, parseJson } from '#kernel/json.ts'
import { RpcRefusal } from './rpc-refusal.ts'

export interface RpcCall {
  readonly method: string
  readonly params: readonly unknown[]
}

/** The answer to one call of a batch. */
export type RpcAnswer = { readonly result: unknown } | { readonly refusal: RpcRefusal }

/** Throws the refusal, if it is one. */
export function resultOf(answer: RpcAnswer): unknown {
  if ('refusal' in answer) throw answer.refusal
  return answer.result
}

/** The text of a request; the ids of the calls count up from `firstId`. */
export function encodeCalls(calls: readonly RpcCall[], firstId: number): string {
  const bodies = calls.map((call, place) => ({ jsonrpc: '2.0', id: firstId + place, ...call }))
  return JSON.stringify(calls.length === 1 ? bodies[0] : bodies)
}

/**
 * One answer per call, matched by id. A single refusal of a whole batch comes as that refusal;
 * undefined is anything that is no JSON-RPC.
 */
export function decodeAnswers(
  text: string,
  calls: readonly RpcCall[],
  firstId: number,
): readonly RpcAnswer[] | RpcRefusal | undefined {
  const json = tryParse(text)
  const items: readonly unknown[] = Array.isArray(json) ? json : [json]
  const byId = new Map<unknown, Record<string, unknown>>()
  for (const item of items) if (isJsonObject(item)) byId.set(item['id'], item)
  const answers = calls.flatMap((call, place) => {
    const item = byId.get(firstId + place)
    return item === undefined ? [] : [readAnswer(call.method, item)]
  })
  if (answers.length === calls.length) return answers
  if (Array.isArray(json) || !isJsonObject(json) || !isJsonObject(json['error'])) return undefined
  const whole = readAnswer(calls[0]?.method ?? '', json)
  return 'refusal' in whole ? whole.refusal : undefined
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
