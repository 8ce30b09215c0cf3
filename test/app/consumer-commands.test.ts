import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { Consumer } from '#platform/events/consumer.ts'
import { listGroups } from '#platform/events/groups.ts'
import { appendEvents } from '#platform/events/outbox.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { writePosition } from '#platform/events/position.ts'
import { RELAY_GROUP } from '#platform/events/relay.ts'
import { listResendRequests } from '#platform/events/resend.ts'
import { Metrics } from '#platform/metrics.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../support/database.ts'

const STREAM = 'chain.events'
const GROUPS = { engine: 4n, [RELAY_GROUP]: 5n, old: 2n }

describe('the commands for groups of readers', () => {
  let open: OpenDatabase

  beforeEach(async () => {
    open = await openDatabase()
    await inTransaction(open.database, async (tx) => {
      const event = { stream: STREAM, type: 'test.counted.v1', key: 'k', data: {} }
      await appendEvents(tx, [event, event, event, event, event], instant(0))
      for (const [group, seq] of Object.entries(GROUPS))
        await writePosition(tx, group, STREAM, seq, 1n)
    })
    await open.database.query(
      `UPDATE platform.consumer_position SET updated_at = clock_timestamp() - interval '3 hours',
         seen_at = clock_timestamp() - interval '3 hours'`,
    )
  })
  afterEach(() => open.close())

  async function run(argv: string, env: Record<string, string> = {}) {
    const child = spawn(process.execPath, ['src/main.ts', ...argv.split(' ')], {
      env: { PATH: process.env['PATH'], NO_COLOR: '1', DATABASE_URL: open.url, ...env },
    })
    let [out, errors] = ['', '']
    child.stdout.on('data', (chunk) => (out += String(chunk)))
    child.stderr.on('data', (chunk) => (errors += String(chunk)))
    const [code]: unknown[] = await once(child, 'close')
    return { code, lines: out.trim().split('\n'), errors: errors.trim().split('\n') }
  }

  const names = async () => (await listGroups(open.database)).map(({ group }) => group)
  const actions = async () =>
    await open.database.query('SELECT action, detail FROM platform.operator_action ORDER BY id')
  const refused = async (argv: string, hint: string) => {
    const { code, errors } = await run(argv)
    expect([code, errors.length]).toEqual([1, 1])
    expect(errors[0]).toContain(hint)
    expect(await names()).toEqual(['engine', 'old', 'relay'])
    expect(await actions()).toEqual([])
  }

  it('tell where each group stands, how far it is behind and when it was seen', async () => {
    const { code, lines } = await run('consumers list')
    expect(code).toBe(0)
    expect(lines).toEqual([
      `engine  ${STREAM}  at 4 of 5, 1 behind, seen 3 h ago  the node's own`,
      `old  ${STREAM}  at 2 of 5, 3 behind, seen 3 h ago  gone?`,
      `relay  ${STREAM}  at 5 of 5, 0 behind, seen 3 h ago  the node's own`,
    ])
  })

  it('drop a group that is gone, but only when told so twice, and keep a note of it', async () => {
    const first = await run('consumers drop --group old')
    expect(first.lines).toEqual([
      `would drop old at 2 of 5 in ${STREAM}`,
      expect.stringContaining('--yes'),
    ])
    expect(await names()).toContain('old')
    expect(await actions()).toEqual([])
    const second = await run('consumers drop --group old --yes')
    expect([second.code, second.lines]).toEqual([0, [`dropped old at 2 of 5 in ${STREAM}`]])
    expect(await names()).toEqual(['engine', 'relay'])
    expect(await actions()).toEqual([
      { action: 'consumers.drop', detail: { group: 'old', positions: { [STREAM]: '2' } } },
    ])
    const note = open.database.query('DELETE FROM platform.operator_action')
    await expect(note).rejects.toMatchObject({ code: 'MA001' })
  })

  it('refuse to drop a group of the node itself, and one that nobody knows', async () => {
    await refused('consumers drop --group engine --yes', 'the node itself')
    await refused('consumers drop --group relay --yes', 'the node itself')
    await refused('consumers drop --group nobody --yes', 'no group nobody')
    await refused('consumers drop --yes', '--group')
    await refused(`consumers drop --group old --stream ${STREAM} --yes`, '--stream')
  })

  it('refuse to drop a group whose consumer runs, though it has not moved for long', async () => {
    const consumer = new Consumer({
      log: new PgLog({ database: open.database, log: silentLog }),
      database: open.database,
      metrics: new Metrics(),
      group: 'old',
      stream: STREAM,
      apply: () => Promise.reject(new RangeError('poison')),
    })
    await consumer.start(new AbortController().signal)
    try {
      const seen = async () => (await listGroups(open.database, 'old'))[0]?.seenSecondsAgo
      await expect.poll(seen).toBeLessThan(10)
      await refused('consumers drop --group old --yes', 'was seen')
    } finally {
      await consumer.stop()
    }
  })

  it('ask the relay to send again what groups have yet to apply', async () => {
    const kafka = { KAFKA_BROKERS: '127.0.0.1:1' }
    const asked = async () =>
      (await listResendRequests(open.database, STREAM)).map(({ group, after }) => [group, after])
    await refused(`consumers resend --stream ${STREAM} --yes`, 'KAFKA_BROKERS')
    await refused('consumers resend --stream nowhere --yes', '--stream')
    expect((await run(`consumers resend --stream ${STREAM}`, kafka)).lines).toHaveLength(3)
    expect(await asked()).toEqual([])
    const { code, lines } = await run(`consumers resend --stream ${STREAM} --yes`, kafka)
    expect([code, lines.length]).toEqual([0, 2])
    expect(await asked()).toEqual([
      ['engine', 4n],
      ['old', 2n],
    ])
    expect(await actions()).toMatchObject([{ action: 'consumers.resend' }])
  })
})
