import { describe, expect, it, vi } from 'vitest'
import { Registry, type Service } from '#platform/lifecycle.ts'
import { silentLog } from '../support/database.ts'

function recorder(): { calls: string[]; make: (name: string, work?: Partial<Service>) => Service } {
  const calls: string[] = []
  const make = (name: string, work: Partial<Service> = {}): Service => ({
    name,
    start: async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      calls.push(`+${name}`)
    },
    stop: () => {
      calls.push(`-${name}`)
      return Promise.resolve()
    },
    health: () => ({ ok: true }),
    ...work,
  })
  return { calls, make }
}

describe('Registry', () => {
  it('starts what is needed first and stops in reverse order', async () => {
    const { calls, make } = recorder()
    const [database, engine, http] = [make('database'), make('engine'), make('http')]
    const registry = new Registry({ log: silentLog })
      .add(database)
      .add(engine, { after: [database] })
      .add(http, { after: [engine, database] })
    expect(registry.health()['http']).toEqual({ ok: false, detail: 'not started' })
    await registry.start()
    expect(registry.health()['http']).toEqual({ ok: true })
    await registry.stop()
    await registry.stop()
    expect(calls).toEqual(['+database', '+engine', '+http', '-http', '-engine', '-database'])
  })

  it('stops what ran when a start fails, and starts nothing that needs it', async () => {
    const { calls, make } = recorder()
    const database = make('database')
    const broken = make('broken', { start: () => Promise.reject(new RangeError('no')) })
    const registry = new Registry({ log: silentLog })
      .add(database)
      .add(broken, { after: [database] })
      .add(make('http'), { after: [broken] })
    await expect(registry.start()).rejects.toBeInstanceOf(RangeError)
    expect(calls).toEqual(['+database', '-broken', '-database'])
  })

  it('gives up a start that takes too long', async () => {
    const { make } = recorder()
    const stuck = make('stuck', { start: () => new Promise(() => undefined) })
    const registry = new Registry({ log: silentLog }).add(stuck, { startTimeoutMs: 30 })
    await expect(registry.start()).rejects.toMatchObject({ code: 'platform.unavailable' })
  })

  it('stops the others when one fails to stop', async () => {
    const { calls, make } = recorder()
    const first = make('first')
    const registry = new Registry({ log: silentLog })
      .add(first)
      .add(make('bad', { stop: () => Promise.reject(new RangeError('no')) }), { after: [first] })
    await registry.start()
    await registry.stop()
    expect(calls).toEqual(['+first', '+bad', '-first'])
  })

  it('stops within its time however many hang, and the others in order between them', async () => {
    const { calls, make } = recorder()
    const registry = new Registry({ log: silentLog })
    for (let number = 0; number < 20; number += 1) {
      const isHung = number % 2 === 1
      const work: Partial<Service> = isHung ? { stop: () => new Promise(() => undefined) } : {}
      registry.add(make(`service ${number}`, work))
    }
    await registry.start()
    calls.length = 0
    vi.useFakeTimers()
    try {
      const begunMs = performance.now()
      let tookMs: number | undefined
      void registry.stop().then(() => (tookMs = performance.now() - begunMs))
      await vi.advanceTimersByTimeAsync(120_000)
      expect(tookMs).toBeLessThanOrEqual(25_000)
    } finally {
      vi.useRealTimers()
    }
    const expected = Array.from({ length: 10 }, (_, place) => `-service ${18 - 2 * place}`)
    expect(calls).toEqual(expected)
  })

  it('leaves nothing running when it is stopped while it starts', async () => {
    const { calls, make } = recorder()
    const first = make('first')
    const registry = new Registry({ log: silentLog })
      .add(first)
      .add(make('second'), { after: [first] })
    const starting = expect(registry.start()).rejects.toMatchObject({
      code: 'platform.unavailable',
    })
    await new Promise((resolve) => setTimeout(resolve, 1))
    await registry.stop()
    await starting
    expect(calls).toEqual(['+first', '-first'])
  })

  it('refuses a need that was not added before, and a name that is taken', () => {
    const { make } = recorder()
    const registry = new Registry({ log: silentLog }).add(make('a'))
    expect(() => registry.add(make('b'), { after: [make('c')] })).toThrow()
    expect(() => registry.add(make('a'))).toThrow()
  })
})
