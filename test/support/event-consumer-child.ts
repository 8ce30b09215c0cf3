import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { present } from '#kernel/assert.ts'
import { Database } from '#platform/db/pool.ts'
import { Consumer } from '#platform/events/consumer.ts'
import { KafkaLog } from '#platform/events/kafka-log.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { Metrics } from '#platform/metrics.ts'

const [url = '', stream = '', group = '', brokers = ''] = process.argv.slice(2)
const SLOW_MS = 5

const log = pino({ level: 'silent' })
const metrics = new Metrics()
const database = new Database({ url: present(url, 'url of a database'), log, poolSize: 4 })
await database.start(new AbortController().signal)
const events =
  brokers === ''
    ? new PgLog({ database, log })
    : new KafkaLog({ brokers: brokers.split(','), database, log, metrics })
const consumer = new Consumer({
  log: events,
  database,
  metrics,
  group,
  stream,
  apply: async (tx, { seq }) => {
    await tx.query('INSERT INTO platform.effect VALUES ($1, $2, 0)', [group, seq])
    // The parent kills this process somewhere in here.
    await sleep(SLOW_MS)
    process.stdout.write(`${seq}\n`)
  },
})
await consumer.start(new AbortController().signal)
