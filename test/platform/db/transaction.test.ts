import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Tx } from '#platform/db/pool.ts'
import { inSnapshot, inTransaction } from '#platform/db/transaction.ts'
import { openDatabase, type OpenDatabase } from '../../support/database.ts'

let open: OpenDatabase
beforeAll(async () => {
  open = await openDatabase()
})
afterAll(() => open.close())

const put = (tx: Tx, stream: string): Promise<unknown> =>
  tx.query('INSERT INTO platform.stream_head (stream, seq) VALUES ($1, 1)', [stream])

const has = async (stream: string): Promise<boolean> => {
  const rows = await open.database.query('SELECT FROM platform.stream_head WHERE stream = $1', [
    stream,
  ])
  return rows.length > 0
}

describe('inTransaction', () => {
  it('commits what the work did, and runs its after-commit actions then', async () => {
    const seen: boolean[] = []
    await inTransaction(open.database, async (tx) => {
      await put(tx, 'kept')
      tx.onCommit(() => seen.push(true))
      expect(seen).toEqual([])
    })
    expect(seen).toEqual([true])
    expect(await has('kept')).toBe(true)
  })

  it('leaves nothing behind when the work throws', async () => {
    const seen: boolean[] = []
    const failing = inTransaction(open.database, async (tx) => {
      tx.onCommit(() => seen.push(true))
      await put(tx, 'gone')
      throw new RangeError('no')
    })
    await expect(failing).rejects.toBeInstanceOf(RangeError)
    expect(await has('gone')).toBe(false)
    expect(seen).toEqual([])
  })

  it('does not report success when a failed statement was swallowed', async () => {
    const swallowing = inTransaction(open.database, async (tx) => {
      await put(tx, 'swallowed')
      await tx.query('SELECT 1 / 0').catch(() => undefined)
    })
    await expect(swallowing).rejects.toThrow()
    expect(await has('swallowed')).toBe(false)
  })

  it('runs a deadlocked transaction again', async () => {
    await inTransaction(open.database, async (tx) => {
      await put(tx, 'left')
      await put(tx, 'right')
    })
    const bump = (tx: Tx, stream: string): Promise<unknown> =>
      tx.query('UPDATE platform.stream_head SET seq = seq + 1 WHERE stream = $1', [stream])
    let [runs, holding] = [0, 0]
    const both = Promise.withResolvers<void>()
    const crossing = (first: string, second: string): Promise<void> =>
      inTransaction(open.database, async (tx) => {
        runs += 1
        await bump(tx, first)
        holding += 1
        if (holding === 2) both.resolve()
        await both.promise
        await bump(tx, second)
      })
    await Promise.all([crossing('left', 'right'), crossing('right', 'left')])
    expect(runs).toBeGreaterThan(2)
    const rows = await open.database.query(
      `SELECT seq FROM platform.stream_head WHERE stream IN ('left', 'right')`,
    )
    expect(rows).toEqual([{ seq: 3n }, { seq: 3n }])
  })

  it('refuses with platform.unavailable when the connection is cut, and keeps the pool clean', async () => {
    const cut = inTransaction(open.database, async (tx) => {
      await put(tx, 'cut')
      await tx.query('SET LOCAL ROLE NONE')
      await tx.query('SELECT pg_terminate_backend(pg_backend_pid())')
    })
    await expect(cut).rejects.toMatchObject({ code: 'platform.unavailable' })
    expect(await has('cut')).toBe(false)
  })
})

describe('inSnapshot', () => {
  it('reads one state throughout and refuses to write', async () => {
    await inSnapshot(open.database, async (tx) => {
      await tx.query('SELECT count(*) FROM platform.stream_head')
      await inTransaction(open.database, (other) => put(other, 'later'))
      expect(await tx.query(`SELECT FROM platform.stream_head WHERE stream = 'later'`)).toEqual([])
    })
    const writing = inSnapshot(open.database, (tx) => put(tx, 'never'))
    await expect(writing).rejects.toThrow()
    expect(await has('never')).toBe(false)
  })
})
