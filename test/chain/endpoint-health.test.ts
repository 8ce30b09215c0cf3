import { describe, expect, it } from 'vitest'
import {
  afterAnswer,
  afterFailure,
  afterLie,
  afterThrottle,
  afterTooMany,
  FRESH_ENDPOINT,
  isHealthy,
  isSilent,
  rankEndpoints,
  withHead,
} from '#chain/endpoint-health.ts'
import { FIRST_SPAN, growSpan, shrinkSpan } from '#chain/log-span.ts'

describe('an endpoint', () => {
  it('is asked more and more at once while it answers, and half as much when it is busy', () => {
    let state = FRESH_ENDPOINT
    for (let time = 0; time < 500; time += 1) state = afterAnswer(state, 10)
    expect(state).toMatchObject({ concurrency: 16, callsPerRequest: 100, latencyMs: 10 })
    const busy = afterThrottle(state, 1000, '429')
    expect(busy).toMatchObject({ concurrency: 8, restUntilMs: 1250, errorRate: 0 })
    expect(afterThrottle(busy, 1000, '429')).toMatchObject({ concurrency: 4, restUntilMs: 1500 })
    expect(afterThrottle(state, 1000, '429', 3000).restUntilMs).toBe(4000)
    expect(afterTooMany(state, 40).callsPerRequest).toBe(20)
  })

  it('is asked last while it rests, and after that when it told a lie', () => {
    const failed = afterFailure(FRESH_ENDPOINT, 0, 'away')
    const lying = afterLie(FRESH_ENDPOINT, 0, 'two parents')
    expect(rankEndpoints([lying, failed, FRESH_ENDPOINT], 1000)).toEqual([2, 1, 0])
    expect(rankEndpoints([lying, failed, FRESH_ENDPOINT], 60_000)).toEqual([0, 1, 2])
    expect(isHealthy(lying, undefined, 1000)).toBe(false)
    expect(isHealthy(lying, undefined, 60_000)).toBe(true)
  })

  it('is silent from a failure to the next answer, and not while it is only busy', () => {
    const failed = afterFailure(FRESH_ENDPOINT, 0, 'away')
    expect([FRESH_ENDPOINT, failed, afterAnswer(failed, 10)].map(isSilent)).toEqual([
      false,
      true,
      false,
    ])
    expect(isSilent(afterThrottle(FRESH_ENDPOINT, 0, '429'))).toBe(false)
  })

  it('gives way when it is behind or much slower than the fastest', () => {
    const slow = afterAnswer(FRESH_ENDPOINT, 900)
    const fast = afterAnswer(FRESH_ENDPOINT, 20)
    expect(rankEndpoints([slow, fast], 0)).toEqual([1, 0])
    const behind = withHead(FRESH_ENDPOINT, 90)
    const ahead = withHead(FRESH_ENDPOINT, 100)
    expect(rankEndpoints([behind, ahead], 0)).toEqual([1, 0])
    expect(rankEndpoints([withHead(FRESH_ENDPOINT, 96), ahead], 0)).toEqual([0, 1])
    expect(isHealthy(behind, 100, 0)).toBe(false)
  })
})

describe('the span of a question for logs', () => {
  it('grows towards a good number of logs and stays below what was refused', () => {
    expect(growSpan(FIRST_SPAN, 128, 0).blocks).toBe(256)
    expect(growSpan(FIRST_SPAN, 128, 128 * 1024).blocks).toBe(16)
    const refused = shrinkSpan(FIRST_SPAN, 128)
    expect(refused).toMatchObject({ blocks: 64, ceiling: 127 })
    expect(growSpan(refused, 64, 0).blocks).toBe(127)
    const least = shrinkSpan(FIRST_SPAN, 1)
    expect(least).toMatchObject({ blocks: 1, ceiling: 1 })
    expect(growSpan(least, 1, 0).ceiling).toBeGreaterThan(1)
  })
})
