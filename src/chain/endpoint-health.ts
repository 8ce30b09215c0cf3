/** How an endpoint has been doing; times are milliseconds of one monotonic clock. */
export interface EndpointState {
  /** Moving average of the time to an answer. */
  readonly latencyMs: number | undefined
  /** Moving average: 0 never fails, 1 always. */
  readonly errorRate: number
  readonly failuresInRow: number
  /** Requests that may be under way at once. */
  readonly concurrency: number
  /** Calls that may share one request. */
  readonly callsPerRequest: number
  /** Asked only when nobody else is left. */
  readonly restUntilMs: number
  /** The same, because it contradicted itself. */
  readonly distrustedUntilMs: number
  readonly head: number | undefined
  readonly lastError: string | undefined
}

export const FRESH_ENDPOINT: EndpointState = {
  latencyMs: undefined,
  errorRate: 0,
  failuresInRow: 0,
  concurrency: 4,
  callsPerRequest: 100,
  restUntilMs: 0,
  distrustedUntilMs: 0,
  head: undefined,
  lastError: undefined,
}

const MOST_CONCURRENT = 16
const MOST_CALLS = 100
const WEIGHT = 0.2
const THROTTLED_REST_MS = 250
const LONGEST_THROTTLE_MS = 5000
const FAILED_REST_MS = 5000
const DISTRUST_MS = 30_000
/** Behind the best endpoint by more, it is asked after the others. */
const LAG_BLOCKS = 5
const SICK_ERROR_RATE = 0.5
/** Slower than the fastest by this factor and this much, it is asked after the others. */
const SLOW_FACTOR = 5
const SLOW_MS = 250

/** It answered: more may be asked of it at once (additive increase). */
export function afterAnswer(state: EndpointState, tookMs: number): EndpointState {
  const { latencyMs = tookMs, concurrency, callsPerRequest } = state
  return {
    ...state,
    latencyMs: latencyMs + WEIGHT * (tookMs - latencyMs),
    errorRate: state.errorRate * (1 - WEIGHT),
    failuresInRow: 0,
    concurrency: Math.min(MOST_CONCURRENT, concurrency + 1 / concurrency),
    callsPerRequest: Math.min(MOST_CALLS, callsPerRequest + 1),
    restUntilMs: 0,
  }
}

/** It wants less: half as much at once, after a pause (multiplicative decrease). */
export function afterThrottle(
  state: EndpointState,
  nowMs: number,
  reason: string,
  retryAfterMs = 0,
): EndpointState {
  const failuresInRow = state.failuresInRow + 1
  const pauseMs = Math.min(LONGEST_THROTTLE_MS, THROTTLED_REST_MS * 2 ** (failuresInRow - 1))
  return {
    ...state,
    failuresInRow,
    concurrency: Math.max(1, state.concurrency / 2),
    restUntilMs: nowMs + Math.min(LONGEST_THROTTLE_MS, Math.max(pauseMs, retryAfterMs)),
    lastError: reason,
  }
}

/** It did not answer, or not as JSON-RPC. */
export function afterFailure(state: EndpointState, nowMs: number, reason: string): EndpointState {
  return {
    ...state,
    errorRate: state.errorRate + WEIGHT * (1 - state.errorRate),
    failuresInRow: state.failuresInRow + 1,
    concurrency: Math.max(1, state.concurrency / 2),
    restUntilMs: nowMs + FAILED_REST_MS,
    lastError: reason,
  }
}

/** A request of so many calls was too much: half of them from now on. */
export function afterTooMany(state: EndpointState, calls: number): EndpointState {
  return { ...state, callsPerRequest: Math.max(1, Math.floor(calls / 2)) }
}

/** It contradicted itself or others, so that somebody else is asked for a while. */
export function afterLie(state: EndpointState, nowMs: number, reason: string): EndpointState {
  return { ...state, distrustedUntilMs: nowMs + DISTRUST_MS, lastError: reason }
}

/** Its last request failed; one that only wants less is not silent. */
export function isSilent({ failuresInRow, errorRate }: EndpointState): boolean {
  return failuresInRow > 0 && errorRate >= WEIGHT
}

export function withHead(state: EndpointState, head: number): EndpointState {
  return { ...state, head }
}

export function lagOf(state: EndpointState, best: number | undefined): number | undefined {
  if (state.head === undefined || best === undefined) return undefined
  return Math.max(0, best - state.head)
}

export function bestHead(states: readonly EndpointState[]): number | undefined {
  const heads = states.flatMap(({ head }) => (head === undefined ? [] : [head]))
  return heads.length === 0 ? undefined : Math.max(...heads)
}

export function isHealthy(state: EndpointState, best: number | undefined, nowMs: number): boolean {
  const isLagging = (lagOf(state, best) ?? 0) > LAG_BLOCKS
  return demerit(state, { best, nowMs, fastestMs: undefined }) < 2 && !isLagging
}

interface Field {
  readonly best: number | undefined
  readonly fastestMs: number | undefined
  readonly nowMs: number
}

/** 4 is out of favour, 3 rests, 2 fails too often, 1 is slow or behind. */
function demerit(state: EndpointState, { best, fastestMs, nowMs }: Field): number {
  if (state.distrustedUntilMs > nowMs) return 4
  if (state.restUntilMs > nowMs) return 3
  if (state.errorRate > SICK_ERROR_RATE) return 2
  const isLagging = (lagOf(state, best) ?? 0) > LAG_BLOCKS
  const { latencyMs } = state
  const isSlow =
    latencyMs !== undefined &&
    fastestMs !== undefined &&
    latencyMs > fastestMs * SLOW_FACTOR &&
    latencyMs > fastestMs + SLOW_MS
  return isLagging || isSlow ? 1 : 0
}

/** Places of the endpoints in the order to ask them: as configured, the troubled ones last. */
export function rankEndpoints(states: readonly EndpointState[], nowMs: number): readonly number[] {
  const latencies = states.flatMap(({ latencyMs }) => (latencyMs === undefined ? [] : [latencyMs]))
  const fastestMs = latencies.length === 0 ? undefined : Math.min(...latencies)
  const field = { best: bestHead(states), fastestMs, nowMs }
  return states
    .map((state, place) => ({ place, demerit: demerit(state, field) }))
    .toSorted((a, b) => a.demerit - b.demerit || a.place - b.place)
    .map(({ place }) => place)
}
