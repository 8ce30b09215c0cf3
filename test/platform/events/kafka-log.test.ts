import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig, readEnvironment } from '#platform/config.ts'
import { createKafka, topicOf, withAdmin } from '#platform/events/kafka-client.ts'
import { KafkaLog } from '#platform/events/kafka-log.ts'
import { KafkaProducer } from '#platform/events/kafka-producer.ts'
import { Relay } from '#platform/events/relay.ts'
import { Leadership } from '#platform/leader.ts'
import { Metrics } from '#platform/metrics.ts'
import { freePort } from '../../../scripts/free-port.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../../support/database.ts'
import { describeEventLog, type RigMaker } from './event-log.suite.ts'

const { kafkaBrokers: brokers } = loadConfig(readEnvironment())
const signal = new AbortController().signal

const makeRig: RigMaker = async ({ database, metrics, streams }) => {
  const leadership = new Leadership({ role: 'relay', database, log: silentLog })
  const access = { brokers, log: silentLog, createTopics: {} }
  const producer = new KafkaProducer(access)
  const foreign = new KafkaProducer(access)
  const relay = new Relay({ database, leadership, producer, streams, log: silentLog, metrics })
  await leadership.start()
  await relay.start()
  return {
    log: new KafkaLog({ brokers, database, log: silentLog, metrics }),
    brokers,
    inject: (stream, batch) => foreign.send(stream, batch),
    lose: async (stream) => {
      const admin = createKafka({ brokers, log: silentLog }).admin()
      await admin.connect()
      await admin.deleteTopics({ topics: [topicOf(stream)] })
      await admin.disconnect()
    },
    forget: (stream) =>
      withAdmin(createKafka({ brokers, log: silentLog }), async (admin) => {
        const [end] = await admin.fetchTopicOffsets(topicOf(stream))
        const partitions = [{ partition: 0, offset: end?.high ?? '-1' }]
        await admin.deleteTopicRecords({ topic: topicOf(stream), partitions })
      }),
    close: async () => {
      await relay.stop()
      await leadership.stop()
      await foreign.reset()
    },
  }
}

if (brokers.length > 0) describeEventLog('kafka', makeRig)
else {
  describe('event log on kafka', () => {
    it('passes the contract of the event log', (context) => {
      context.skip('KAFKA_BROKERS is not set; npm run kafka:up starts a broker')
    })
  })
}

describe('without a broker', () => {
  let open: OpenDatabase
  beforeAll(async () => {
    open = await openDatabase()
  })
  afterAll(() => open.close())

  it('says which broker is away, keeps trying and stops at once', async () => {
    const address = `127.0.0.1:${await freePort()}`
    const log = new KafkaLog({
      brokers: [address],
      database: open.database,
      log: silentLog,
      metrics: new Metrics(),
    })
    const subscription = log.subscribe({
      group: 'g',
      stream: 'test.away',
      position: () => Promise.resolve(0n),
      handle: () => Promise.resolve(),
    })
    await subscription.start(signal)
    expect(subscription.health().ok).toBe(false)
    expect(subscription.health().detail).toContain(address)
    await subscription.stop()
  })

  it('leaves positions where they are', async () => {
    const producer = new KafkaProducer({
      brokers: [`127.0.0.1:${await freePort()}`],
      log: silentLog,
    })
    await expect(producer.send('test.away', [])).rejects.toMatchObject({
      code: 'platform.unavailable',
    })
    await producer.reset()
  })
})
