import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EventLog } from '#platform/events/log.ts'
import { readPosition } from '#platform/events/position.ts'
import { event, startRig, type Rig } from './rig.ts'

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
    await expect.poll(() => rig.consumer.health().ok, { timeout: 5000 }).toBe(false)
    expect(rig.consumer.health().detail).toContain('missing')
    expect([await position(), await cash()]).toEqual([before, held])

    log.lost = undefined
    await rig.arrive()
    expect([await position(), await cash()]).toEqual([before + 4n, held + 12n])
    await expect.poll(() => rig.consumer.health().ok, { timeout: 5000 }).toBe(true)
  })

  it('applies what is whole before the gap', async () => {
    const [before, held] = [await position(), await cash()]
    log.lost = before + 3n
    await deposit(5n)
    await deposit(7n)
    rig.engine.database.wakes.wake('chain.events')
    await expect.poll(() => rig.consumer.health().ok, { timeout: 5000 }).toBe(false)
    expect([await position(), await cash()]).toEqual([before + 2n, held + 5n])
  })
})
