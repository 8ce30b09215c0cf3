import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inTransaction } from '#platform/db/transaction.ts'
import { findLeader, Leadership, requireEpoch } from '#platform/leader.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../support/database.ts'

let open: OpenDatabase
beforeAll(async () => {
  open = await openDatabase()
})
afterAll(() => open.close())

const lead = (role: 'engine' | 'settler' | 'txm', address?: string): Leadership =>
  new Leadership({
    role,
    database: open.database,
    log: silentLog,
    ...(address !== undefined && { address: () => address }),
  })

describe('Leadership', () => {
  it('lets one lead, and the next one with a higher epoch when it stops', async () => {
    const [first, second] = [lead('engine', 'http://a'), lead('engine', 'http://b')]
    await first.start()
    expect(await first.whenLeading()).toBe(1n)
    await second.start()
    await expect.poll(() => second.isStandby()).toBe(true)
    expect(second.isLeading()).toBe(false)
    expect(second.health()).toEqual({ ok: true, detail: 'standby' })
    expect(await findLeader(open.database, 'engine')).toEqual({ epoch: 1n, address: 'http://a' })
    await first.stop()
    expect(first.isLeading()).toBe(false)
    expect(await second.whenLeading()).toBe(2n)
    expect(await findLeader(open.database, 'engine')).toEqual({ epoch: 2n, address: 'http://b' })
    await second.stop()
  })

  it('refuses what a former leader still writes', async () => {
    const first = lead('settler')
    await first.start()
    const old = await first.whenLeading()
    const write = (epoch: bigint): Promise<void> =>
      inTransaction(open.database, (tx) => requireEpoch(tx, 'settler', epoch))
    await write(old)
    const renewed = await first.renew()
    await expect(write(old)).rejects.toMatchObject({ code: 'platform.fenced' })
    await write(renewed)
    const viaSql = open.database.query(`SELECT platform.require_epoch('settler', $1)`, [old])
    await expect(viaSql).rejects.toMatchObject({ code: 'platform.fenced' })
    await first.stop()
  })

  it('raises the epoch only after the writes that run under the old one', async () => {
    const first = lead('txm')
    await first.start()
    const epoch = await first.whenLeading()
    const order: string[] = []
    const entered = Promise.withResolvers<void>()
    const writing = inTransaction(open.database, async (tx) => {
      await requireEpoch(tx, 'txm', epoch)
      entered.resolve()
      await new Promise((resolve) => setTimeout(resolve, 200))
      order.push('written')
    })
    await entered.promise
    const renewing = first.renew().then(() => order.push('raised'))
    await Promise.all([writing, renewing])
    expect(order).toEqual(['written', 'raised'])
    await first.stop()
  })

  it('tells that a term ended when its connection is cut, and strives again', async () => {
    const first = lead('engine')
    await first.start()
    const epoch = await first.whenLeading()
    let lost = 0
    first.onLost(() => {
      lost += 1
    })
    const killer = new Client({ connectionString: open.url })
    await killer.connect()
    await killer.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
    await killer.end()
    await expect.poll(() => lost).toBe(1)
    expect(await first.whenLeading()).toBe(epoch + 1n)
    await first.stop()
    expect(() => first.epoch()).toThrow()
  })

  it('does not lead again by an epoch that was raised after the term ended', async () => {
    const [first, second] = [lead('engine'), lead('engine')]
    await first.start()
    await first.whenLeading()
    let lost = 0
    first.onLost(() => {
      lost += 1
    })
    const [holder, killer] = [open.url, open.url].map(
      (connectionString) => new Client({ connectionString }),
    ) as [Client, Client]
    await Promise.all([holder.connect(), killer.connect()])
    await holder.query('BEGIN')
    await holder.query(`SELECT FROM platform.fence WHERE role = 'engine' FOR UPDATE`)
    const raising = expect(first.renew()).rejects.toMatchObject({ code: 'platform.fenced' })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const locks = `FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
    const locked = async () => (await killer.query(`SELECT 1 ${locks}`)).rows.length
    await killer.query(`SELECT pg_terminate_backend(pid) ${locks}`)
    await expect.poll(() => lost).toBe(1)
    await second.start()
    await expect.poll(locked).toBe(1)
    await holder.query('COMMIT')
    await raising
    await expect.poll(() => [first, second].filter((one) => one.isLeading()).length).toBe(1)
    const [leader, other] = first.isLeading() ? [first, second] : [second, first]
    expect([leader.isLeading(), leader.holdsLease()]).toEqual([true, true])
    await expect.poll(() => other.isStandby()).toBe(true)
    expect([other.isLeading(), other.holdsLease()]).toEqual([false, false])
    await Promise.all([first.stop(), second.stop(), holder.end(), killer.end()])
  })

  it('rejects those who wait for it when it stops', async () => {
    const [first, second] = [lead('engine'), lead('engine')]
    await first.start()
    await first.whenLeading()
    await second.start()
    const waiting = expect(second.whenLeading()).rejects.toMatchObject({
      code: 'platform.unavailable',
    })
    await second.stop()
    await waiting
    await first.stop()
  })
})
