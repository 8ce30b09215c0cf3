import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { isLive, listGroups } from '#platform/events/groups.ts'
import type { EventLog } from '#platform/events/log.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { readPosition } from '#platform/events/position.ts'
import { silentLog } from '../support/database.ts'
import { event, NEVER, startRig, type Rig } from './rig.ts'

/** Carries everything but what it is told to lose. */
class LossyLog implements EventLog {
  readonly driver = 'pglog'
  readonly #inner: EventLog
  lost: bigint | undefined

  constructor(inner: EventLog) {
    this.#inner = inner
  }

  subscribe(subscriber: Parameters<EventLog['subscribe']>[0]): ReturnType<EventLog['subscribe']> {
    return this.#inner.subscribe({
      ...subscriber,
      handle: (batch) => subscriber.handle(batch.filter(({ seq }) => seq !== this.lost)),
    })
  }
}

describe('the consumer that moves money', () => {
  let rig: Rig
  let log: LossyLog

  beforeEach(async () => {
    rig = await startRig((events) => (log = new LossyLog(events)))
  })

  afterEach(async () => rig.stop())

  const position = (): Promise<bigint> =>
    readPosition(rig.engine.database, 'engine', 'chain.events')

  async function cash(): Promise<bigint> {
    const { balances } = await rig.engine.ledger.snapshotSettled(rig.engine.database)
    return balances.find(({ account, asset }) => account === 16n && asset === 0)?.posted ?? 0n
  }

  async function deposit(amount: bigint): Promise<void> {
    await rig.chain.mine([event('Deposited', { account: 16, asset: 0, amount })])
    await rig.chain.finalize()
  }

  it('applies nothing behind a lost block, says so, and then each block exactly once', async () => {
    const [before, held] = [await position(), await cash()]
    log.lost = before + 1n
    await deposit(5n)
    await deposit(7n)
    rig.engine.database.wakes.wake('chain.events')
    await expect.poll(() => rig.consumer.health().ok).toBe(false)
    expect(rig.consumer.health().detail).toContain('missing')
    expect([await position(), await cash()]).toEqual([before, held])

    log.lost = undefined
    await rig.arrive()
    expect([await position(), await cash()]).toEqual([before + 4n, held + 12n])
    await expect.poll(() => rig.consumer.health().ok).toBe(true)
  })

  it('applies what is whole before the gap', async () => {
    const [before, held] = [await position(), await cash()]
    log.lost = before + 3n
    await deposit(5n)
    await deposit(7n)
    rig.engine.database.wakes.wake('chain.events')
    await expect.poll(() => rig.consumer.health().ok).toBe(false)
    expect([await position(), await cash()]).toEqual([before + 2n, held + 5n])
  })

  /** Tells of a block that does not follow, as a watcher that lost its mind would. */
  async function announceNonsense(): Promise<void> {
    const data = { number: 9_999, hash: `0x${'00'.repeat(32)}` }
    const nonsense = {
      stream: 'chain.events',
      type: 'chain.block_finalized.v1',
      key: 'chain',
      data,
    }
    await inTransaction(rig.engine.database, (tx) => appendEvents(tx, [nonsense], instant(1)))
  }

  async function incidents(): Promise<readonly object[]> {
    return await rig.engine.database.query(
      'SELECT kind, reason, actor FROM settlement.incident ORDER BY id',
    )
  }

  const reason = 'the core refused finalize_block: block 9999 is not the oldest'

  it('halts settlement with the block that the core refuses, and goes on', async () => {
    const held = await cash()
    await announceNonsense()
    await deposit(5n)
    await rig.arrive()
    expect(await rig.settlement.service.readState()).toMatchObject({ status: 'halted', reason })
    expect(await cash()).toBe(held + 5n)
    expect(await rig.engine.metrics.render()).toMatch(/refused_chain_commands_total 1\n/)

    await announceNonsense()
    await rig.arrive()
    const incident = { kind: 'halted', reason, actor: 'chain' }
    expect(await incidents()).toEqual([incident, incident])
  })

  it('says that it is there, though no block comes', async () => {
    const { database, leadership, sequencer: engine } = rig.engine
    const isThere = async () => (await listGroups(database, 'engine')).every(isLive)
    await rig.consumer.stop()
    await database.query(
      `UPDATE platform.consumer_position SET updated_at = clock_timestamp() - interval '3 hours',
         seen_at = clock_timestamp() - interval '3 hours'`,
    )
    expect(await isThere()).toBe(false)
    const { payments } = rig
    const events = new PgLog({ database, log: silentLog })
    const next = rig.settlement.makeConsumer({ events, engine, leadership, payments })
    await next.start(NEVER)
    await expect.poll(isThere, { timeout: 5000 }).toBe(true)
    await next.stop()
  })

  it('has halted settlement though it dies before it hears of the refusal', async () => {
    await rig.consumer.stop()
    const { database, leadership, sequencer } = rig.engine
    const death = Promise.withResolvers<never>()
    let committed = 0
    const dying = rig.settlement.makeConsumer({
      events: new PgLog({ database, log: silentLog }),
      leadership,
      payments: rig.payments,
      engine: {
        submit: async (command, options) => {
          await sequencer.submit(command, options)
          committed += 1
          return await death.promise
        },
      },
    })
    await announceNonsense()
    await dying.start(NEVER)
    await expect.poll(() => committed, { timeout: 5000 }).toBe(1)
    expect(await rig.settlement.service.readState()).toMatchObject({ status: 'halted', reason })
    death.reject(new TypeError('gone'))
    await dying.stop()
    expect(await incidents()).toHaveLength(1)
  })
})
