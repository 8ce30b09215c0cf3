import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { platformErrors } from '#platform/errors.ts'
import { Consumer } from '#platform/events/consumer.ts'
import { listDeadLetters, wantRetry } from '#platform/events/dead-letter.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { readPosition } from '#platform/events/position.ts'
import { Metrics } from '#platform/metrics.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../../support/database.ts'

const signal = new AbortController().signal

describe('dead letters', () => {
  let open: OpenDatabase
  let consumer: Consumer
  let applied: bigint[]
  let failure: Error | undefined

  beforeEach(async () => {
    open = await openDatabase()
    applied = []
    failure = new RangeError('nobody listens')
    consumer = new Consumer({
      log: new PgLog({ database: open.database, log: silentLog }),
      database: open.database,
      metrics: new Metrics(),
      group: 'webhooks',
      stream: 's',
      deadLetter: { log: silentLog },
      apply: (_tx, { seq }) => {
        if (seq === 2n && failure !== undefined) return Promise.reject(failure)
        applied.push(seq)
        return Promise.resolve()
      },
    })
    await inTransaction(open.database, (tx) => {
      const event = { stream: 's', type: 'test.counted.v1', key: 'k', data: {} }
      return appendEvents(tx, [event, event, event], instant(0))
    })
  })
  afterEach(async () => {
    await consumer.stop()
    await open.close()
  })

  const letters = () => listDeadLetters(open.database, 10)
  const position = () => readPosition(open.database, 'webhooks', 's')

  it('sets an event aside whose effect keeps failing, and goes on', async () => {
    await consumer.start(signal)
    await expect.poll(position).toBe(3n)
    expect(applied.filter((seq) => seq !== 1n)).toEqual([3n])
    expect(await letters()).toMatchObject([
      { group: 'webhooks', stream: 's', seq: 2n, error: 'nobody listens', attempts: 5 },
    ])
    expect(consumer.health().ok).toBe(true)
  })

  it('tries again when somebody asks for it, until it works', async () => {
    await consumer.start(signal)
    await expect.poll(position).toBe(3n)
    expect(await wantRetry(open.database, undefined)).toBe(1)
    await expect
      .poll(letters)
      .toMatchObject([{ attempts: 6, retryWanted: false, error: 'nobody listens' }])
    failure = undefined
    const [letter] = await letters()
    expect(await wantRetry(open.database, letter?.id)).toBe(1)
    await expect.poll(letters).toEqual([])
    expect(applied.filter((seq) => seq === 2n)).toEqual([2n])
  })

  it('sets nothing aside while it is the node that fails', async () => {
    failure = platformErrors.unavailable('the database is away')
    await consumer.start(signal)
    await expect.poll(() => consumer.health().ok).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(await letters()).toEqual([])
    expect(await position()).toBe(1n)
  })
})
