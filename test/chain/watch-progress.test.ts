import { afterEach, expect, it, vi } from 'vitest'
import type { Cursor } from '#chain/store.ts'
import { WatchProgress } from '#chain/watch-progress.ts'
import { Metrics } from '#platform/metrics.ts'
import { silentLog } from '../support/database.ts'

const MINUTE_MS = 60_000

afterEach(() => {
  vi.restoreAllMocks()
})

function begin() {
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0)
  const metrics = new Metrics()
  const progress = new WatchProgress({ log: silentLog, metrics })
  const see = (atMs: number, final: number, head: number): void => {
    clock.mockReturnValue(atMs)
    progress.noteSight(cursorAt(head, final), place(head), false)
  }
  return { metrics, progress, see }
}

const place = (number: number) => ({ number, hash: `0x${'0'.repeat(64)}` }) as const

function cursorAt(head: number, final: number): Cursor {
  return { head: place(head), final: place(final), chainId: 1, chainInstance: null }
}

it('is sick when final blocks stand still for long while the chain goes on', async () => {
  const { metrics, progress, see } = begin()
  see(0, 100, 200)
  see(MINUTE_MS, 100, 210)
  see(10 * MINUTE_MS, 100, 300)
  expect(progress.health().ok).toBe(true)
  see(22 * MINUTE_MS, 100, 400)
  expect(progress.health()).toMatchObject({ ok: false })
  expect(progress.health().detail).toContain('block 100')
  expect(await metrics.render()).toContain('mooring_chain_final_blocks_behind 300')
  see(23 * MINUTE_MS, 350, 401)
  expect(progress.health()).toEqual({ ok: true })
})

it('is well on a chain that hardly moves, and after a long rest', () => {
  const { progress, see } = begin()
  see(0, 100, 101)
  see(30 * MINUTE_MS, 100, 103)
  see(90 * MINUTE_MS, 100, 103)
  expect(progress.health()).toEqual({ ok: true })
  see(91 * MINUTE_MS, 102, 103)
  see(300 * MINUTE_MS, 102, 303)
  expect(progress.health()).toEqual({ ok: true })
})

it('leaves no figure behind when another process leads', async () => {
  const { metrics, progress, see } = begin()
  see(0, 100, 200)
  progress.noteHalt('beyond finality')
  expect(await metrics.render()).toContain('mooring_chain_watcher_halted 1')
  progress.standDown()
  expect(progress.health()).toEqual({ ok: true })
  const figures = await metrics.render()
  expect(figures).toContain('mooring_chain_watcher_halted 0')
  expect(figures).toContain('mooring_chain_final_blocks_behind 0')
})
