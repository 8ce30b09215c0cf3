import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Pool } from 'undici'
import { Rng } from '#kernel/rng.ts'
import { isBody, rows, text, type Body } from '../body.ts'
import { readSandbox, ScriptFailure, userOf, type SandboxAccess } from '../sandbox-access.ts'
import { freePort } from '../free-port.ts'
import { printFigure, quantile } from './figure.ts'

const TARGET_ORDERS_PER_SECOND = 8000
const TARGET_HALF_LOAD_P99_MS = 10
const START_TIMEOUT_MS = 120_000
/** Demo users with something to trade; the first holds cash only. */
const TRADERS = [
  { role: 'investor', number: 0, sides: ['buy'] },
  { role: 'investor', number: 1, sides: ['buy', 'sell'] },
  { role: 'issuer', number: 0, sides: ['sell', 'sell', 'buy'] },
] as const

interface Load {
  readonly seconds: number
  readonly connections: number
  readonly seed: number
}

interface Tally {
  readonly latenciesMs: number[]
  /** Durable: 201 to an order or 200 to a cancel. */
  acknowledged: number
  readonly others: Map<number, number>
}

/** Orders a second over REST from another process; false when a reply is not what it should be. */
export async function runHttpBench(flags: readonly string[]): Promise<boolean> {
  const load = parseLoad(flags)
  const home = await mkdtemp(join(tmpdir(), 'mooring-bench-'))
  const env = {
    ...process.env,
    MOORING_HOME: home,
    HTTP_PORT: String(await freePort()),
    CHAIN_RPC_PORT: String(await freePort()),
    SETTLEMENT_INTERVAL_MS: '0',
    LOG_LEVEL: 'error',
    RATE_LIMITS: 'orders=100000000/60,public=100000000/60',
  }
  const node = spawn(process.execPath, ['src/main.ts', 'sandbox'], { env, stdio: 'ignore' })
  try {
    return await measure(await whenReady(node, home), load)
  } finally {
    await end(node)
    const reset = spawn(process.execPath, ['src/main.ts', 'reset'], { env, stdio: 'ignore' })
    await once(reset, 'exit')
    await rm(home, { recursive: true, force: true })
  }
}

function parseLoad(flags: readonly string[]): Load {
  const number = (fallback: string) => ({ type: 'string', default: fallback }) as const
  const options = { seconds: number('10'), connections: number('128'), seed: number('1') }
  const { values } = parseArgs({ args: [...flags], options })
  return {
    seconds: Number(values.seconds),
    connections: Number(values.connections),
    seed: Number(values.seed),
  }
}

async function measure(sandbox: SandboxAccess, load: Load): Promise<boolean> {
  const pool = new Pool(sandbox.api, { connections: load.connections, pipelining: 1 })
  try {
    const limit = await requestsPerSecond(pool, Math.min(3, load.seconds))
    printFigure({ name: 'http.livez', value: limit, unit: 'requests/s' })
    await drive(pool, sandbox, { ...load, seconds: Math.min(2, load.seconds) })
    const full = newTally()
    const elapsedMs = await drive(pool, sandbox, { ...load, seed: load.seed + 1 }, { tally: full })
    const rate = (full.acknowledged * 1000) / elapsedMs
    printFigure({
      name: 'http.durable_orders',
      value: rate,
      unit: 'orders/s',
      peer: `target ${TARGET_ORDERS_PER_SECOND}`,
      ratio: rate / TARGET_ORDERS_PER_SECOND,
    })
    printFigure({
      name: 'http.durable_orders',
      value: rate,
      unit: 'orders/s',
      peer: 'http.livez, the same client and server without an order',
      ratio: rate / limit,
    })
    printLatencies('full_load', full)
    const half = newTally()
    const pace = { tally: half, ratePerSecond: rate / 2 }
    await drive(pool, sandbox, { ...load, seed: load.seed + 2 }, pace)
    printLatencies('half_load', half, TARGET_HALF_LOAD_P99_MS)
    return check([full, half])
  } finally {
    await pool.destroy()
  }
}

/** What HTTP alone costs here: the smallest route, the same connections. */
async function requestsPerSecond(pool: Pool, seconds: number): Promise<number> {
  const from = performance.now()
  const until = from + seconds * 1000
  let answered = 0
  const callers = Array.from({ length: 128 }, async () => {
    while (performance.now() < until) {
      const { body } = await pool.request({ method: 'GET', path: '/livez' })
      await body.dump()
      answered += 1
    }
  })
  await Promise.all(callers)
  return (answered * 1000) / (performance.now() - from)
}

function newTally(): Tally {
  return { latenciesMs: [], acknowledged: 0, others: new Map() }
}

interface Pace {
  readonly tally: Tally
  /** Sent at this rate whatever comes back; without it every client waits for its reply. */
  readonly ratePerSecond?: number
}

/** Drives clients over the load's time; returns how long it took, in milliseconds. */
async function drive(
  pool: Pool,
  sandbox: SandboxAccess,
  load: Load,
  { tally, ratePerSecond }: Pace = { tally: newTally() },
): Promise<number> {
  const from = performance.now()
  const until = from + load.seconds * 1000
  const gapMs = ratePerSecond === undefined ? 0 : (load.connections * 1000) / ratePerSecond
  const clients = Array.from({ length: load.connections }, async (_, place) => {
    const client = new Trader(pool, sandbox, load, place)
    let dueMs = from + (place * gapMs) / load.connections
    while (performance.now() < until) {
      if (gapMs > 0 && dueMs > performance.now()) await sleep(dueMs - performance.now())
      // A paced request counts from when it was due, so that a stall is not forgiven.
      const sinceMs = gapMs > 0 ? dueMs : performance.now()
      const { status, isDurable } = await client.next()
      tally.latenciesMs.push(performance.now() - sinceMs)
      if (isDurable) tally.acknowledged += 1
      else tally.others.set(status, (tally.others.get(status) ?? 0) + 1)
      dueMs += gapMs
    }
  })
  await Promise.all(clients)
  return performance.now() - from
}

/** 60 % orders that rest, 10 % that cross, 30 % cancels of what rests. */
class Trader {
  readonly #pool: Pool
  readonly #market: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #sides: readonly ('buy' | 'sell')[]
  readonly #rng: Rng
  readonly #name: string
  readonly #resting: string[] = []
  #sent = 0

  constructor(pool: Pool, sandbox: SandboxAccess, { seed }: Load, place: number) {
    const { role, number, sides } = TRADERS[place % TRADERS.length] ?? TRADERS[0]
    this.#sides = sides
    this.#pool = pool
    this.#market = sandbox.market
    this.#headers = {
      authorization: `Bearer ${text(userOf(sandbox, role, number), 'api_key')}`,
      'content-type': 'application/json',
    }
    this.#rng = new Rng(seed * 100_003 + place)
    this.#name = `bench-${process.pid}-${seed}-${place}`
  }

  async next(): Promise<{ status: number; isDurable: boolean }> {
    const dice = this.#rng.below(100)
    const id = dice < 30 ? this.#resting.shift() : undefined
    if (id !== undefined) return this.#send('DELETE', `/v1/orders/${id}`)
    return this.#send('POST', '/v1/orders', this.#order(dice < 40 && dice >= 30))
  }

  #order(crosses: boolean): Body {
    const side = this.#sides[this.#rng.below(this.#sides.length)]
    const away = 1 + this.#rng.below(200)
    const cents = 10_000 + (side === 'buy' ? -1 : 1) * (crosses ? -1 : away)
    this.#sent += 1
    return {
      market: this.#market,
      side,
      type: 'limit',
      price: (cents / 100).toFixed(2),
      quantity: '0.01',
      time_in_force: crosses ? 'ioc' : 'gtc',
      client_order_id: `${this.#name}-${this.#sent}`,
    }
  }

  async #send(method: 'POST' | 'DELETE', path: string, order?: Body) {
    const answer = await this.#pool.request({
      method,
      path,
      headers: this.#headers,
      ...(order !== undefined && { body: JSON.stringify(order) }),
    })
    const reply: unknown = await answer.body.json()
    const status = answer.statusCode
    if (status === 201 && isBody(reply) && reply['status'] === 'open')
      this.#resting.push(text(reply, 'id'))
    return { status, isDurable: status === 201 || status === 200 }
  }
}

function printLatencies(name: string, { latenciesMs }: Tally, targetP99Ms?: number): void {
  const sorted = Float64Array.from(latenciesMs).toSorted()
  for (const [label, share] of [
    ['p50', 0.5],
    ['p95', 0.95],
    ['p99', 0.99],
    ['p999', 0.999],
  ] as const) {
    const value = quantile(sorted, share)
    const isJudged = label === 'p99' && targetP99Ms !== undefined
    printFigure({
      name: `http.${name}_ack_${label}`,
      value,
      unit: 'ms',
      ...(isJudged && { peer: `target ${targetP99Ms}`, ratio: value / targetP99Ms }),
    })
  }
}

/** A cancel may meet an order that was filled meanwhile (409); nothing else may be refused. */
function check(tallies: readonly Tally[]): boolean {
  const others = tallies.flatMap(({ others: found }) => [...found])
  const unexpected = others.filter(([status]) => status !== 409)
  const ok = unexpected.length === 0 && tallies.every(({ acknowledged }) => acknowledged > 0)
  console.log(
    JSON.stringify({ name: 'http.checks', ok, other_statuses: Object.fromEntries(others) }),
  )
  return ok
}

async function whenReady(node: ChildProcess, home: string): Promise<SandboxAccess> {
  const file = join(home, 'sandbox.json')
  const deadline = performance.now() + START_TIMEOUT_MS
  while (performance.now() < deadline && node.exitCode === null) {
    if (existsSync(file)) {
      const sandbox = readSandbox(file)
      const isReady = await fetch(`${sandbox.api}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
      if (isReady && rows({ data: sandbox.users }, 'data').length > 0) return sandbox
    }
    await sleep(50)
  }
  throw new ScriptFailure('the sandbox of the bench did not become ready')
}

async function end(node: ChildProcess): Promise<void> {
  if (node.exitCode !== null || node.signalCode !== null) return
  const exited = once(node, 'exit')
  node.kill('SIGTERM')
  await exited
}
