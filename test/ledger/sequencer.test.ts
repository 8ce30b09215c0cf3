import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assert } from '#kernel/assert.ts'
import { newUuid } from '#platform/crypto.ts'
import { platformErrors } from '#platform/errors.ts'
import type { Command } from '#ledger/command.ts'
import { createEngineDatabase, startEngine, type Engine } from '../support/engine.ts'
import { funded, order } from '../support/commands.ts'
import type { TestDatabase } from '../support/postgres.ts'

let home: TestDatabase
let engine: Engine

beforeEach(async () => {
  home = await createEngineDatabase()
  engine = await startEngine(home.url)
})

afterEach(async () => {
  await engine.stop()
  await home.drop()
})

async function submitAll(commands: readonly Command[], target = engine) {
  return Promise.all(commands.map((command) => target.sequencer.submit(command)))
}

async function restart(): Promise<void> {
  await engine.stop()
  engine = await startEngine(home.url)
}

describe('the sequencer', () => {
  it('acknowledges commands in order, and the tables hold what the core holds', async () => {
    const results = await submitAll([
      ...funded([16, 17]),
      order({ account: 16, side: 'sell', price: 100, quantity: 5 }),
      order({ account: 17, side: 'buy', price: 110, quantity: 8 }),
    ])
    expect(results.every((result) => result.ok)).toBe(true)
    expect(results.map((result) => result.sequence)).toEqual(results.map((_, i) => BigInt(i + 1)))
    const verification = await engine.ledger.verifyJournal()
    expect(verification.equal).toBe(true)
    expect(verification.sequence).toBe(BigInt(results.length))
    const trades = await engine.database.query('SELECT * FROM trading.trade')
    expect(trades).toHaveLength(1)
  })

  it('goes on after a restart with the same state and the same price-time priority', async () => {
    await submitAll(funded([16, 17, 18]))
    const first = order({ account: 16, side: 'sell', price: 100, quantity: 1 })
    const second = order({ account: 17, side: 'sell', price: 100, quantity: 1 })
    await submitAll([first, second])
    await restart()
    await submitAll([order({ account: 18, side: 'buy', price: 100, quantity: 1 })])
    const rows = await engine.database.query<{ maker_order: string }>(
      'SELECT maker_order FROM trading.trade',
    )
    expect(rows).toEqual([{ maker_order: first.id }])
    expect((await engine.ledger.verifyJournal()).equal).toBe(true)
  })

  it('journals refused commands, and they change nothing', async () => {
    await submitAll(funded([16]))
    const [refused] = await submitAll([
      order({ account: 16, side: 'buy', price: 1_000_000, quantity: 1_000_000_000 }),
    ])
    expect(refused).toMatchObject({ ok: false, error: { code: 'ledger.insufficient_funds' } })
    const journal = await engine.ledger.listJournal(refused?.sequence ?? 0n, 1)
    expect(journal[0]?.body).toContain('"refused":"ledger.insufficient_funds"')
    expect(await engine.database.query('SELECT * FROM trading."order"')).toEqual([])
  })

  it('stores key and position with the command, the key only when it was not refused', async () => {
    await submitAll(funded([16]))
    const entry = (key: string) => ({
      idempotency: { scope: 's', operation: 'o', key, inputHash: Buffer.alloc(32), resource: 'r' },
      position: { group: 'engine', stream: 'chain.events', seq: BigInt(key), epoch: 1n },
    })
    const good = order({ account: 16, side: 'sell', price: 10, quantity: 1 })
    await engine.sequencer.submit(good, entry('1'))
    await engine.sequencer.submit(
      { ...good, id: newUuid(), quantity: '900000000000000' },
      entry('2'),
    )
    const keys = await engine.database.query('SELECT key FROM platform.idempotency')
    expect(keys).toEqual([{ key: '1' }])
    const positions = await engine.database.query('SELECT seq FROM platform.consumer_position')
    expect(positions).toEqual([{ seq: 2n }])
  })

  it('is fenced by a higher epoch and recovers under a new one', async () => {
    await submitAll(funded([16]))
    await engine.database.query(`UPDATE platform.fence SET epoch = epoch + 1 WHERE role = 'engine'`)
    const late = engine.sequencer.submit({ type: 'open_account', account: 99 })
    await expect(late).rejects.toMatchObject({ code: platformErrors.unavailable.code })
    const found = await engine.database.query('SELECT 1 FROM ledger.account WHERE account = 99')
    expect(found).toEqual([])
  })

  it('is sick as a standby only where a standby is of no use', async () => {
    const useful = await startEngine(home.url, { standby: true })
    const trouble = 'set INTERNAL_TOKEN'
    const useless = await startEngine(home.url, { standby: true, standbyTrouble: trouble })
    await expect.poll(() => useful.leadership.isStandby()).toBe(true)
    await expect.poll(() => useless.leadership.isStandby()).toBe(true)
    expect(useful.sequencer.health()).toEqual({ ok: true, detail: 'standby' })
    expect(useless.sequencer.health()).toEqual({ ok: false, detail: trouble })
    await Promise.all([useful.stop(), useless.stop()])
  })

  it('hands over to a standby, and two engines never both write', async () => {
    const standby = await startEngine(home.url, { standby: true })
    const acknowledged: number[] = []
    let account = 1000
    const push = async (target: Engine) => {
      const next = (account += 1)
      const done = await submitOk(opening(next), target)
      if (done) acknowledged.push(next)
      return done
    }
    expect(await push(engine)).toBe(true)
    expect(await push(standby)).toBe(false)
    // The lock is gone, and the first engine goes on writing until it is fenced.
    await engine.leadership.stop()
    await expect.poll(async () => push(standby)).toBe(true)
    const answers = await Promise.all([push(engine), push(standby), push(engine), push(standby)])
    expect(answers).toEqual([false, true, false, true])
    await standby.stop()
    const rows = await engine.database.query<{ account: bigint }>(
      'SELECT account FROM ledger.account WHERE account > 1000',
    )
    const stored = new Set(rows.map((row) => Number(row.account)))
    expect(acknowledged.filter((each) => !stored.has(each))).toEqual([])
    expect((await engine.ledger.verifyJournal()).equal).toBe(true)
  })

  it('answers 503 when the connection dies during a commit, and is consistent afterwards', async () => {
    await submitAll(funded([16, 17]))
    const blocker = await engine.database.connect()
    await blocker.query('BEGIN')
    await blocker.query('LOCK TABLE ledger.hold IN EXCLUSIVE MODE')
    const lost = order({ account: 16, side: 'sell', price: 10, quantity: 1 })
    const waiting = order({ account: 17, side: 'sell', price: 10, quantity: 1 })
    const first = engine.sequencer.submit(lost)
    const watcher = new Client({ connectionString: home.url })
    await watcher.connect()
    const isStuck = async () => {
      const { rows } = await watcher.query(
        `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT ledger.commit_batch%'
         AND wait_event_type = 'Lock' AND datname = current_database()`,
      )
      return rows.length
    }
    await expect.poll(isStuck).toBe(1)
    const answers = Promise.allSettled([first, engine.sequencer.submit(waiting)])
    await watcher.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE query LIKE 'SELECT ledger.commit_batch%' AND datname = current_database()`,
    )
    await blocker.query('ROLLBACK')
    await Promise.all([blocker.end(), watcher.end()])
    for (const answer of await answers)
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'platform.unavailable' } })
    await expect
      .poll(async () => submitOk(order({ account: 17, side: 'sell', price: 10, quantity: 1 })))
      .toBe(true)
    expect((await engine.ledger.verifyJournal()).equal).toBe(true)
    expect(
      await engine.database.query('SELECT id FROM trading."order" WHERE id = ANY($1::uuid[])', [
        [lost.id, waiting.id],
      ]),
    ).toEqual([])
  })

  it('refuses when the ring is full', async () => {
    await engine.stop()
    engine = await startEngine(home.url, { ringSize: 2 })
    const answers = await Promise.allSettled(
      [1, 2, 3].map((n) => engine.sequencer.submit({ type: 'open_account', account: 20 + n })),
    )
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
  })

  it('keeps journal, transfers and trades from being changed', async () => {
    await submitAll(funded([16, 17]))
    await submitAll([
      order({ account: 16, side: 'sell', price: 10, quantity: 1 }),
      order({ account: 17, side: 'buy', price: 10, quantity: 1 }),
    ])
    for (const sql of [
      `UPDATE ledger.journal_batch SET body = ''`,
      'DELETE FROM ledger.transfer',
      'DELETE FROM trading.trade',
    ])
      await expect(engine.database.query(sql)).rejects.toMatchObject({ code: 'MA001' })
  })

  it('never writes over a settled figure that was altered, however much is traded after it', async () => {
    await submitAll(funded([16, 17]))
    const read = async () =>
      engine.database.query<{ settled: bigint }>(
        'SELECT settled FROM ledger.balance WHERE account = 16 ORDER BY asset',
      )
    const before = await read()
    await engine.database.query(
      'UPDATE ledger.balance SET settled = settled + 7 WHERE account = 16',
    )
    await submitAll([
      order({ account: 16, side: 'sell', price: 100, quantity: 1 }),
      order({ account: 17, side: 'buy', price: 100, quantity: 1 }),
    ])
    expect(await read()).toEqual(before.map(({ settled }) => ({ settled: settled + 7n })))
  })

  it('answers everything that it took when the core throws', async () => {
    const broken: Command = Object.defineProperty({ type: 'place_order' }, 'market', {
      get: () => assert(false, 'a fault in the core'),
    })
    const outcomes = await Promise.allSettled(
      [...funded([16]), broken, ...funded([17])].map((command) => engine.sequencer.submit(command)),
    )
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0)
    await expect.poll(async () => engine.sequencer.health().ok).toBe(true)
    expect((await engine.ledger.verifyJournal()).equal).toBe(true)
  })

  it('notices a balance that was altered behind its back', async () => {
    await submitAll(funded([16]))
    await engine.database.query(
      'UPDATE ledger.balance SET settled = settled + 1 WHERE account = 16',
    )
    expect((await engine.ledger.verifyJournal()).equal).toBe(false)
  })

  it('sends a deposit that overflows its account to suspense and applies the next event', async () => {
    await submitAll(funded([16, 17]))
    await engine.stop()
    engine = await startEngine(home.url)
    await engine.database.query(
      'UPDATE ledger.balance SET posted = 9223372036854775800 WHERE account = 16 AND asset = 0',
    )
    await engine.stop()
    engine = await startEngine(home.url)
    const deposit = (account: number, id: string) => ({
      type: 'deposit' as const,
      id,
      account,
      asset: 0,
      amount: '1000',
    })
    const results = await submitAll([
      block(50, [deposit(16, '0xaa:0'), deposit(17, '0xaa:1')]),
      { type: 'finalize_block', number: 50, hash: '0x50' } as Command,
    ])
    expect(results.every((result) => result.ok)).toBe(true)
    const suspense = await engine.ledger.getBalance(3n * 2n ** 32n, 0)
    expect([suspense.posted, suspense.settled]).toEqual([1000n, 0n])
    // The lane did grow, and the mirror compares lanes.
    const lane = await engine.ledger.getBalance(16n, 0)
    expect(lane.settled).toBe(1_000_000_000_000_000n + 1000n)
    const next = await engine.ledger.getBalance(17n, 0)
    expect([next.posted, next.incoming]).toEqual([1_000_000_000_000_000n + 1000n, 0n])
    expect(await engine.metrics.render()).toContain('mooring_ledger_suspended_total 1')
  })
})

function block(number: number, events: readonly object[]): Command {
  const made = { type: 'apply_block', number, hash: `0x${number}`, time: 1000 + number, events }
  return made
}

function opening(account: number): Command {
  const made = { type: 'open_account', account }
  return made
}

async function submitOk(command: Command, target = engine): Promise<boolean> {
  try {
    return (await target.sequencer.submit(command)).ok
  } catch {
    return false
  }
}
