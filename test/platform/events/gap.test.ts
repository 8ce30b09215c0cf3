import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  afterLostAsk,
  decideGap,
  GAP_INTERVAL_MS,
  NO_GAP,
  type GapMemory,
  type GapStep,
} from '#platform/events/gap.ts'

interface Meeting {
  readonly position: bigint
  readonly afterMs: number
}

interface Told extends Meeting {
  readonly nowMs: number
  readonly step: GapStep
}

/** A reader that meets one gap after another. */
const meetings = fc.array(
  fc.record({ position: fc.bigInt(0n, 3n), afterMs: fc.integer({ min: 0, max: 8000 }) }),
  { minLength: 1, maxLength: 40 },
)

function tellAll(list: readonly Meeting[], startMs: number): readonly Told[] {
  let memory = NO_GAP
  let nowMs = startMs
  return list.map((meeting) => {
    nowMs += meeting.afterMs
    const decision = decideGap(memory, meeting.position, nowMs)
    memory = decision.memory
    return { ...meeting, nowMs, step: decision.step }
  })
}

function stepsAt(gap: bigint, times: readonly number[], memory: GapMemory = NO_GAP) {
  let last = memory
  return times.map((nowMs) => {
    const decision = decideGap(last, gap, nowMs)
    last = decision.memory
    return decision.step
  })
}

describe('decideGap', () => {
  it('reads the topic from its start, then asks, then reads on until it is time to ask again', () => {
    const times = [0, 0, 1, GAP_INTERVAL_MS - 1, GAP_INTERVAL_MS, GAP_INTERVAL_MS + 1]
    expect(stepsAt(7n, times)).toEqual(['rewind', 'ask', 'pass', 'pass', 'ask', 'pass'])
  })

  it('reads from the start whenever the position is another one than at the last gap, and only then', () => {
    fc.assert(
      fc.property(meetings, fc.integer({ min: 0, max: 1e9 }), (list, startMs) => {
        let before: bigint | undefined
        for (const { position, step } of tellAll(list, startMs)) {
          expect(step === 'rewind').toBe(position !== before)
          before = position
        }
      }),
    )
  })

  it('never asks twice within the interval, and never reads on unless it asked within it', () => {
    fc.assert(
      fc.property(meetings, fc.integer({ min: 0, max: 1e9 }), (list, startMs) => {
        let askedAtMs = -Infinity
        for (const { nowMs, step } of tellAll(list, startMs)) {
          if (step === 'rewind') continue
          expect(step === 'pass').toBe(nowMs - askedAtMs < GAP_INTERVAL_MS)
          if (step === 'ask') askedAtMs = nowMs
        }
      }),
    )
  })

  it('asks again at once when nobody heard it', () => {
    const { memory } = decideGap({ rewoundAt: 3n, askedAtMs: -Infinity }, 3n, 10)
    expect(stepsAt(3n, [11], memory)).toEqual(['pass'])
    expect(stepsAt(3n, [11], afterLostAsk(memory))).toEqual(['ask'])
  })
})
