import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { Client as PostgresClient } from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { findProcesses } from '#platform/process-identity.ts'
import { at, show, text } from '../../scripts/body.ts'
import { Broker } from '../support/broker.ts'
import { until } from '../support/client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { deal, newestTrade, orderKey, reconciled } from './market-story.ts'

const BROKERS = process.env['KAFKA_BROKERS'] ?? ''

interface Progress {
  readonly group: string
  readonly stream: string
  readonly seq: string
  readonly head: string
}

let sandbox: Sandbox | undefined
let broker: Broker | undefined

function node(): Sandbox {
  if (sandbox === undefined) throw new TypeError('no node')
  return sandbox
}

afterEach(async () => {
  await sandbox?.dispose()
  await broker?.dispose()
  sandbox = undefined
  broker = undefined
})

/** Asks the database itself. */
async function ask<R extends object>(sql: string): Promise<readonly R[]> {
  const database = new PostgresClient({ connectionString: node().database })
  await database.connect()
  try {
    return (await database.query<R>(sql)).rows
  } finally {
    await database.end()
  }
}

/** Who has read how far, of all streams. */
async function progress(): Promise<readonly Progress[]> {
  return await ask<Progress>(
    `SELECT consumer_group AS group, stream, position.seq::text AS seq, head.seq::text AS head
     FROM platform.consumer_position AS position JOIN platform.stream_head AS head USING (stream)
     ORDER BY 1, 2`,
  )
}

/** What /readyz says of the services that are not well. */
async function complaints(): Promise<string> {
  const services = await node().health()
  return services
    .filter(({ ok }) => !ok)
    .map(({ name, detail }) => `${name}: ${detail}`)
    .join('\n')
}

async function gaps(): Promise<number> {
  const metrics = await (await fetch(`${node().api}/metrics`)).text()
  const lines = metrics.split('\n').filter((line) => line.startsWith('mooring_stream_gaps_total{'))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

const caughtUp = async (): Promise<boolean> =>
  (await progress()).every(({ seq, head }) => seq === head)

async function well(): Promise<void> {
  await until('a node that is well', async () => (await complaints()) === '')
}

/** `npm run test:kafka` sets the variable; the test starts a broker of its own, to stop it. */
describe.skipIf(BROKERS === '')('a broker that goes away (needs KAFKA_BROKERS)', () => {
  it('holds positions where they are, not orders, and costs no event', async () => {
    broker = await Broker.start()
    const { address } = broker
    sandbox = await Sandbox.start({ env: { KAFKA_BROKERS: address } })
    await deal(sandbox, { quantity: '1.00', price: '100.00' })
    await settleAll(sandbox)
    await until('positions at the head', caughtUp)
    const before = await progress()
    expect(before.map(({ group }) => group)).toContain('relay')

    await broker.kill9()
    try {
      for (let place = 0; place < 5; place += 1) {
        const [, purchase] = await deal(sandbox, { quantity: '0.10', price: '100.00' })
        expect(purchase['status']).toBe('filled')
      }
      await until('the name of the broker in /readyz', async () =>
        (await complaints()).includes(address),
      )
      const during = await progress()
      expect(during.map(({ seq }) => seq)).toEqual(before.map(({ seq }) => seq))
      expect(during.some(({ seq, head }) => BigInt(seq) < BigInt(head))).toBe(true)
    } finally {
      await broker.start()
    }
    await until('positions at the head', caughtUp)
    await well()
    await settleAll(sandbox)
    expect(at(await newestTrade(sandbox), 'settlement', 'status')).toBe('final')
    await reconciled(sandbox)
    expect(await gaps()).toBe(0)
  })
})

describe('a Postgres that is killed', () => {
  it('gets refused what was in flight, and loses nothing that was acknowledged', async () => {
    sandbox = await Sandbox.start()
    const investor = sandbox.client('investor')
    const acknowledged = new Map<string, string>()
    const answers = new Set<string>()

    /** Posts until it is acknowledged, always under the same key. */
    async function post(): Promise<void> {
      const key = orderKey()
      const order = {
        market: node().market,
        side: 'buy',
        type: 'limit',
        quantity: '0.10',
        price: '50.00',
        client_order_id: key,
      }
      await until(`an answer to ${key}`, async () => {
        const { status, body } = await investor.call('POST', '/v1/orders', { body: order })
        if (status < 300) acknowledged.set(key, text(body, 'id'))
        else answers.add(`${status} ${show(body['code'])}`)
        return status < 300
      })
    }

    for (let place = 0; place < 5; place += 1) await post()
    const [place] = await ask<{ folder: string }>(
      `SELECT current_setting('data_directory') AS folder`,
    )
    const [postmaster] = findProcesses(place?.folder ?? 'none')
    if (postmaster === undefined) throw new TypeError('no Postgres to kill')
    // By a writer, in the middle of the work, so that there is always more to be refused.
    let isKilled = false
    const killOnce = (): void => {
      if (isKilled || acknowledged.size < 12) return
      isKilled = true
      process.kill(postmaster.pid, 'SIGKILL')
    }
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let place = 0; place < 20; place += 1) {
          await post()
          killOnce()
        }
      }),
    )
    expect([...answers]).toEqual(['503 platform.unavailable'])

    await well()
    const open = await investor.all('/v1/orders?status=open')
    const known = new Map(open.map((row) => [text(row, 'client_order_id'), text(row, 'id')]))
    expect(open).toHaveLength(acknowledged.size)
    expect(known).toEqual(acknowledged)
    for (const id of acknowledged.values()) await investor.delete(`/v1/orders/${id}`)
    await deal(sandbox, { quantity: '1.00', price: '100.00' })
    await settleAll(sandbox)
    await reconciled(sandbox)
  })
})

describe('a chain that dies', () => {
  it('lets the market go on, and settles what was traded once it is back', async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
    const [anvil] = findProcesses(join(realpathSync(sandbox.home), 'chain', 'cache'))
    if (anvil === undefined) throw new TypeError('no chain to stop')
    process.kill(anvil.pid, 'SIGSTOP')
    const [, purchase] = await deal(sandbox, { quantity: '1.00', price: '100.00' })
    expect(purchase['status']).toBe('filled')
    await until('a complaint about the chain', async () => /chain|rpc/i.test(await complaints()))
    const [, next] = await deal(sandbox, { quantity: '1.00', price: '100.00' })
    expect(next['status']).toBe('filled')

    process.kill(anvil.pid, 'SIGKILL')
    await well()
    await settleAll(sandbox)
    expect(at(await newestTrade(sandbox), 'settlement', 'status')).toBe('final')
    await reconciled(sandbox)
  })
})
