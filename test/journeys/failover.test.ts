import { randomUUID } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client as PostgresClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, isBody, type Body } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { Sandbox } from '../support/sandbox.ts'

const TAKEOVER_MS = 10_000
/** SQLSTATE of a write under an old epoch, as it is logged. */
const FENCED = '"code":"MF001"'
const ENGINE = { ROLES: 'api,engine', HTTP_PORT: '0' } as const

interface Reply {
  readonly status: number
  readonly body: Body
  readonly afterMs: number
}

describe('a leader that falls and one that is only asleep', () => {
  let sandbox: Sandbox
  let postgres: PostgresClient
  let apis: readonly string[] = []

  beforeAll(async () => {
    sandbox = await Sandbox.start({
      env: {
        ROLES: 'api,settler,watcher,txm,relay,projector,jobs',
        INTERNAL_TOKEN: randomUUID(),
      },
      peers: [ENGINE],
    })
    apis = await whoServes()
    postgres = new PostgresClient({ connectionString: sandbox.database })
    await postgres.connect()
  })

  afterAll(async () => {
    await postgres?.end()
    for (const peer of sandbox?.peers ?? []) peer.kill('SIGCONT')
    await sandbox?.dispose()
  })

  /** The APIs of the engines, in the order of their start. */
  async function whoServes(): Promise<readonly string[]> {
    return until('an API of each engine', () => {
      const urls = sandbox.peers.flatMap((peer) => sandbox.urlOf(peer) ?? [])
      return Promise.resolve(urls.length === sandbox.peers.length ? urls : undefined)
    })
  }

  async function startStandby(): Promise<void> {
    const { ROLES, ...env } = ENGINE
    sandbox.startPeer(ROLES, env)
    apis = await whoServes()
  }

  /** One order on an API; it rests far from the market. */
  async function place(api: string, key: string, patienceMs = 60_000): Promise<Reply> {
    const from = performance.now()
    const reply = await fetch(`${api}/v1/orders`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${sandbox.user('investor').apiKey}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({
        market: sandbox.market,
        side: 'buy',
        type: 'limit',
        quantity: '1.00',
        price: '1.00',
      }),
      signal: AbortSignal.timeout(patienceMs),
    })
    const body: unknown = await reply.json()
    return {
      status: reply.status,
      body: isBody(body) ? body : {},
      afterMs: performance.now() - from,
    }
  }

  /** How long the other processes were without an engine. */
  async function takeover(api: string): Promise<number> {
    const from = performance.now()
    await until('the next leader', async () => {
      const { status } = await place(api, randomUUID(), 1000).catch(() => ({ status: 0 }))
      return status === 201
    })
    const tookMs = performance.now() - from
    process.stdout.write(`takeover in ${Math.round(tookMs)} ms\n`)
    return tookMs
  }

  async function ordersUnder(key: string): Promise<number> {
    const found = await postgres.query<{ epoch: string }>(
      `SELECT j.epoch::text FROM platform.idempotency i
       JOIN trading."order" o ON o.id = i.resource::uuid
       JOIN ledger.journal_batch j ON o.seq BETWEEN j.first_seq AND j.last_seq
       WHERE i.key = $1`,
      [key],
    )
    return found.rows.length
  }

  async function epoch(): Promise<bigint> {
    const found = await postgres.query<{ epoch: string }>(
      `SELECT epoch::text FROM platform.fence WHERE role = 'engine'`,
    )
    return BigInt(found.rows[0]?.epoch ?? 0)
  }

  it('lets two APIs place one order when the same key comes to both at once', async () => {
    for (let round = 0; round < 20; round += 1) {
      const key = randomUUID()
      const replies = await Promise.all([
        place(sandbox.api, key),
        place(apis[0] ?? '', key),
        place(sandbox.api, `${key}-other`),
      ])
      const [first, second, other] = replies
      expect(new Set([first.status, second.status])).toEqual(new Set([200, 201]))
      expect(at(first.body, 'id')).toBe(at(second.body, 'id'))
      expect(other.status).toBe(201)
    }
  })

  it('hears nothing of a leader that was paused in a commit, and goes on without it', async () => {
    const [leader] = sandbox.peers
    await startStandby()
    const before = await epoch()
    const key = randomUUID()
    // Inside this transaction a part of what is asked about the others would stay the same.
    const blocker = new PostgresClient({ connectionString: sandbox.database })
    await blocker.connect()
    await blocker.query('BEGIN')
    await blocker.query('LOCK TABLE ledger.hold IN EXCLUSIVE MODE')
    const unanswered = place(apis[0] ?? '', key)
    await until('a commit that waits', async () => {
      const found = await postgres.query(
        `SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT ledger.commit_batch%'
         AND wait_event_type = 'Lock'`,
      )
      return found.rows.length > 0
    })
    const forwarded = place(sandbox.api, `${key}-forwarded`)
    await sleep(200)
    leader?.kill('SIGSTOP')
    await blocker.query('COMMIT')
    await blocker.end()
    // The commit is durable, and its leader cannot say so any more.
    await until('the commit', async () => (await ordersUnder(key)) === 1)

    expect(await takeover(sandbox.api)).toBeLessThan(TAKEOVER_MS)
    expect(await epoch()).toBeGreaterThan(before)
    leader?.kill('SIGCONT')
    expect(await unanswered).toMatchObject({
      status: 503,
      body: { code: 'platform.unavailable' },
    })
    expect((await forwarded).status).toBe(503)
    // Whoever asks again under the same key gets the one order, from the former leader's API too.
    const again = await Promise.all([place(sandbox.api, key), place(apis[0] ?? '', key)])
    expect(again.map(({ status }) => status)).toEqual([200, 200])
    expect(await ordersUnder(key)).toBe(1)
    // It is a standby now, and forwards.
    expect((await place(apis[0] ?? '', randomUUID())).status).toBe(201)
  })

  it('lets a leader that was paused with nothing to do commit nothing when it wakes', async () => {
    const [, leader] = sandbox.peers
    const key = randomUUID()
    const before = await epoch()
    const said = sandbox.output.printed
    leader?.kill('SIGSTOP')
    const late = place(apis[1] ?? '', key)
    expect(await takeover(sandbox.api)).toBeLessThan(TAKEOVER_MS)
    expect(await epoch()).toBeGreaterThan(before)
    leader?.kill('SIGCONT')
    const { status } = await late
    // Its term has heard of nothing: it is the database that refuses what it commits first, be it
    // this order or a block of the chain. After that it is a standby, which forwards.
    expect([201, 503]).toContain(status)
    const refusal = await until('the end of the old term', async () =>
      Promise.resolve(
        sandbox.output.after(said).find((line) => line.includes('"sequencer.term_failed"')),
      ),
    )
    expect(refusal).toContain(FENCED)
    expect(refusal).toContain(`not ${before}`)
    expect(await ordersUnder(key)).toBe(status === 201 ? 1 : 0)
    expect((await place(apis[1] ?? '', key)).status).toBe(status === 201 ? 200 : 201)
    expect(await ordersUnder(key)).toBe(1)
  })

  it('goes on within seconds when the leader is killed under load, and loses nothing', async () => {
    const [leader] = sandbox.peers
    const acknowledged: string[] = []
    const load = new AbortController()
    const clients = [0, 1, 2, 3].map(async () => {
      while (!load.signal.aborted) {
        const key = randomUUID()
        const { status } = await place(sandbox.api, key, 15_000).catch(() => ({ status: 0 }))
        if (status === 201) acknowledged.push(key)
        else await sleep(50)
      }
    })
    await until('a load', () => Promise.resolve(acknowledged.length >= clients.length))
    leader?.kill('SIGKILL')
    expect(await takeover(sandbox.api)).toBeLessThan(TAKEOVER_MS)
    load.abort()
    await Promise.all(clients)
    for (const key of acknowledged) expect(await ordersUnder(key)).toBe(1)
    const verify = spawn(process.execPath, ['src/main.ts', 'journal', 'verify'], {
      env: { ...process.env, ...sandbox.peerEnvironment() },
    })
    const [code] = await once(verify, 'close')
    expect(code).toBe(0)
  })
})
