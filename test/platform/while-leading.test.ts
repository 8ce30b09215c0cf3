import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Leadership } from '#platform/leader.ts'
import type { Service } from '#platform/lifecycle.ts'
import { WhileLeading } from '#platform/while-leading.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../support/database.ts'

let open: OpenDatabase
const started: { stop(): Promise<void> }[] = []

beforeAll(async () => {
  open = await openDatabase()
})
afterEach(async () => {
  for (const service of started.splice(0).toReversed()) await service.stop()
})
afterAll(() => open.close())

interface Process {
  readonly leadership: Leadership
  readonly worker: WhileLeading
  /** What its services did, each with the number of its life. */
  readonly calls: string[]
}

async function start(failures = 0): Promise<Process> {
  const leadership = new Leadership({ role: 'engine', database: open.database, log: silentLog })
  const calls: string[] = []
  let lives = 0
  const make = (): Service => {
    lives += 1
    const life = lives
    return {
      name: 'inner',
      start: () => {
        calls.push(`+${life}`)
        return life <= failures ? Promise.reject(new RangeError('no')) : Promise.resolve()
      },
      stop: () => {
        calls.push(`-${life}`)
        return Promise.resolve()
      },
      health: () => ({ ok: true, detail: `life ${life}` }),
    }
  }
  const worker = new WhileLeading({ name: 'worker', leadership, make, log: silentLog })
  started.push(leadership, worker)
  await worker.start()
  await leadership.start()
  return { leadership, worker, calls }
}

describe('a service that runs while its process leads', () => {
  it('runs in the leader alone, and in the next one when that stops', async () => {
    const first = await start()
    await expect.poll(() => first.worker.health()).toEqual({ ok: true, detail: 'life 1' })
    const second = await start()
    await expect.poll(() => second.worker.health()).toEqual({ ok: true, detail: 'standby' })
    expect(second.calls).toEqual([])
    await first.leadership.stop()
    await expect.poll(() => second.calls).toEqual(['+1'])
    expect(first.calls).toEqual(['+1', '-1'])
  })

  it('begins anew with each term', async () => {
    const { leadership, calls } = await start()
    await expect.poll(() => calls).toEqual(['+1'])
    await open.database.query(`UPDATE platform.fence SET epoch = epoch + 1 WHERE role = 'engine'`)
    await expect.poll(() => calls).toEqual(['+1', '-1', '+2'])
    expect(leadership.isLeading()).toBe(true)
  })

  it('tries again when it does not start, and says so meanwhile', async () => {
    const { worker, calls } = await start(2)
    await expect.poll(() => worker.health().ok).toBe(true)
    expect(calls).toEqual(['+1', '-1', '+2', '-2', '+3'])
    await worker.stop()
    expect(calls.at(-1)).toBe('-3')
  })
})
