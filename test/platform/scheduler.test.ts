import { describe, expect, it } from 'vitest'
import { backoffMs, Loop } from '#platform/scheduler.ts'
import { silentLog } from '../support/database.ts'

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('Loop', () => {
  it('never runs two turns at once, and a wake during a turn starts the next right after it', async () => {
    let running = 0
    let most = 0
    let turns = 0
    const loop = new Loop({
      name: 'l',
      intervalMs: 60_000,
      log: silentLog,
      run: async () => {
        most = Math.max(most, (running += 1))
        await wait(20)
        running -= 1
        turns += 1
      },
    })
    await loop.start()
    loop.wake()
    loop.wake()
    await expect.poll(() => turns).toBe(2)
    loop.wake()
    await expect.poll(() => turns).toBe(3)
    expect(most).toBe(1)
    await loop.stop()
  })

  it('shows three failures in a row in its health, goes on, and gets well', async () => {
    let failing = true
    const heard: unknown[] = []
    const loop = new Loop({
      name: 'l',
      intervalMs: 1,
      log: silentLog,
      onError: (error) => heard.push(error),
      run: () => (failing ? Promise.reject(new RangeError('no')) : Promise.resolve()),
    })
    await loop.start()
    expect(loop.health().ok).toBe(true)
    await expect.poll(() => loop.health().ok).toBe(false)
    expect(heard.length).toBeGreaterThanOrEqual(3)
    failing = false
    await expect.poll(() => loop.health().ok).toBe(true)
    await loop.stop()
  })

  it('shows a turn that hangs, and not one that says it gets on', async () => {
    const { promise: hang, resolve: end } = Promise.withResolvers<void>()
    const loop = new Loop({
      name: 'l',
      intervalMs: 1,
      turnLimitMs: 200,
      log: silentLog,
      run: () => hang,
    })
    await loop.start()
    for (let time = 0; time < 10; time += 1) {
      await wait(50)
      loop.noteProgress()
    }
    expect(loop.health()).toEqual({ ok: true })
    await expect.poll(() => loop.health().ok).toBe(false)
    end()
    await expect.poll(() => loop.health().ok).toBe(true)
    await loop.stop()
  })

  it('waits for the running turn when it stops, and tells the turn', async () => {
    const seen: string[] = []
    const loop = new Loop({
      name: 'l',
      intervalMs: 1,
      log: silentLog,
      run: async (signal) => {
        seen.push('begun')
        await wait(50)
        seen.push(signal.aborted ? 'told' : 'not told')
      },
    })
    await loop.start()
    await loop.stop()
    expect(seen).toEqual(['begun', 'told'])
  })
})

describe('backoffMs', () => {
  it('doubles from the first to the most', () => {
    expect([1, 2, 3, 10, 1000].map((failures) => backoffMs(failures, 100, 500))).toEqual([
      100, 200, 400, 500, 500,
    ])
  })
})
