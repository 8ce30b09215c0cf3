import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Rng } from '#kernel/rng.ts'
import type { Command } from '#ledger/command.ts'
import { verifyJournal } from '#ledger/recovery-store.ts'
import { Sequencer } from '#ledger/sequencer.ts'
import type { CommandResult } from '#ledger/submission.ts'
import { SystemClock } from '#platform/clock.ts'
import { newUuid } from '#platform/crypto.ts'
import { EmbeddedPostgres } from '#platform/db/embedded-postgres.ts'
import { migrate } from '#platform/db/migrate.ts'
import { Database } from '#platform/db/pool.ts'
import { Leadership } from '#platform/leader.ts'
import { createLog } from '#platform/log.ts'
import { Metrics } from '#platform/metrics.ts'
import { exchangeSource } from '#trading/exchange-source.ts'
import { printFigure, quantile } from './figure.ts'

const MARKET = 'BLDG-USD'
const BASE = 1
const QUOTE = 0
const FUNDS = '1000000000000000'
const FIRST_ACCOUNT = 16
const MIDDLE_TICKS = 10_000
const TARGET_ORDERS_PER_SECOND = 25_000
const FSYNC_ROUNDS = 300

interface Load {
  readonly accounts: number
  readonly seconds: number
  readonly clients: number
  readonly seed: number
}

interface Tally {
  readonly latenciesMs: number[]
  acknowledged: number
  placed: number
  refused: number
}

/** Durable orders a second through sequencer, core and Postgres; false when a check fails. */
export async function runEngineBench(flags: readonly string[]): Promise<boolean> {
  const load = parseLoad(flags)
  const home = await mkdtemp(join(tmpdir(), 'mooring-bench-'))
  const postgres = new EmbeddedPostgres({ home, log: () => undefined })
  try {
    await postgres.start()
    printFsync(home)
    await migrate({ url: postgres.url })
    return await measure(postgres.url, load)
  } finally {
    await postgres.stop()
    await postgres.remove()
    await rm(home, { recursive: true, force: true })
  }
}

function parseLoad(flags: readonly string[]): Load {
  const number = (fallback: string) => ({ type: 'string', default: fallback }) as const
  const { values } = parseArgs({
    args: [...flags],
    options: {
      accounts: number('1000'),
      seconds: number('10'),
      clients: number('1000'),
      seed: number('1'),
    },
  })
  return {
    accounts: Number(values.accounts),
    seconds: Number(values.seconds),
    clients: Number(values.clients),
    seed: Number(values.seed),
  }
}

async function measure(url: string, load: Load): Promise<boolean> {
  const log = createLog({ level: 'error' })
  const database = new Database({ url, log })
  await database.start(new AbortController().signal)
  const leadership = new Leadership({ role: 'engine', database, log })
  await leadership.start()
  const sequencer = new Sequencer({
    database,
    leadership,
    clock: new SystemClock(),
    log,
    metrics: new Metrics(),
    reducers: exchangeSource,
    ringSize: load.clients + 1024,
  })
  await sequencer.start()
  await sequencer.whenReady()
  try {
    const setup = await prepare(sequencer, load)
    await drive(sequencer, { ...load, seconds: Math.min(1, load.seconds) }, newTally())
    const before = { ...sequencer.timings() }
    const counted = await countCommands(database)
    const tally = newTally()
    const elapsedMs = await drive(sequencer, load, tally)
    printLoad(tally, elapsedMs)
    printTimings(before, { ...sequencer.timings() }, elapsedMs)
    return await check(database, tally, counted, setup)
  } finally {
    await sequencer.stop()
    await leadership.stop()
    await database.stop()
  }
}

function newTally(): Tally {
  return { latenciesMs: [], acknowledged: 0, placed: 0, refused: 0 }
}

/** Assets, market, registered and funded accounts, through the journal like everything else. */
async function prepare(sequencer: Sequencer, { accounts }: Load): Promise<number> {
  const ids = Array.from({ length: accounts }, (_, index) => FIRST_ACCOUNT + index)
  const events = ids.flatMap((account) => [
    {
      type: 'registered',
      account,
      wallet: `0x${account.toString(16).padStart(40, '0')}`,
      class: 1,
      expires_at: null,
    },
    ...[BASE, QUOTE].map((asset) => ({
      type: 'deposit',
      id: `0x${account.toString(16).padStart(64, '0')}:${asset}`,
      account,
      asset,
      amount: FUNDS,
    })),
  ])
  const block = { number: 1, hash: `0x${'1'.padStart(64, '0')}`, time: 1_700_000_000 }
  const commands = [
    { type: 'list_asset', asset: QUOTE, symbol: 'USD', decimals: 6, external: true },
    { type: 'list_asset', asset: BASE, symbol: 'BLDG', decimals: 4, external: false },
    {
      type: 'create_market',
      symbol: MARKET,
      base: BASE,
      quote: QUOTE,
      base_decimals: 4,
      quote_decimals: 6,
      tick_size: '0.01',
      lot_size: '0.001',
      maker_fee_bps: 5,
      taker_fee_bps: 10,
      market_collar_bps: 500,
    },
    { type: 'apply_block', ...block, events },
    { type: 'finalize_block', ...block },
  ]
  for (const command of commands) {
    const result = await sequencer.submit(command)
    if (!result.ok) throw new TypeError(`setup refused: ${result.error.code}`)
  }
  return commands.length
}

/** Every client waits for its acknowledgement before it sends the next command. */
async function drive(sequencer: Sequencer, load: Load, tally: Tally): Promise<number> {
  const from = performance.now()
  const until = from + load.seconds * 1000
  const clients = Array.from({ length: load.clients }, async (_, index) => {
    const client = new Client(FIRST_ACCOUNT + (index % load.accounts), load.seed * 100_003 + index)
    while (performance.now() < until) {
      const command = client.next()
      const sent = performance.now()
      const result = await sequencer.submit(command)
      tally.latenciesMs.push(performance.now() - sent)
      tally.acknowledged += 1
      if (!result.ok) tally.refused += 1
      else if (command.type === 'place_order') tally.placed += 1
      client.answered(command, result)
    }
  })
  await Promise.all(clients)
  return performance.now() - from
}

type Sent = Command & { readonly id: string }

/** 60 % orders that rest, 10 % that cross, 30 % cancels of what it has resting. */
class Client {
  readonly #account: number
  readonly #rng: Rng
  readonly #resting: string[] = []

  constructor(account: number, seed: number) {
    this.#account = account
    this.#rng = new Rng(seed)
  }

  next(): Sent {
    const dice = this.#rng.below(100)
    const id = dice < 30 ? this.#resting.shift() : undefined
    if (id !== undefined) return Object.assign({ type: 'cancel_order' }, this.#own(id))
    return this.#order(dice < 40 && dice >= 30)
  }

  answered(command: Sent, result: CommandResult): void {
    if (command.type === 'place_order' && result.ok) this.#resting.push(command.id)
  }

  #own(id: string) {
    return { id, account: this.#account }
  }

  #order(crossing: boolean): Sent {
    const side = this.#rng.below(2) === 0 ? 'buy' : 'sell'
    const distance = 1 + this.#rng.below(500)
    const away = side === 'buy' ? -distance : distance
    const ticks = crossing ? MIDDLE_TICKS - Math.sign(away) * 600 : MIDDLE_TICKS + away
    return Object.assign(
      { type: 'place_order' },
      {
        ...this.#own(newUuid()),
        market: MARKET,
        side,
        order_type: 'limit',
        price: String(ticks),
        quantity: String(1 + this.#rng.below(100)),
        time_in_force: crossing ? 'ioc' : 'gtc',
        request_hash: '00',
      },
    )
  }
}

function printLoad({ latenciesMs, acknowledged, refused }: Tally, elapsedMs: number): void {
  const rate = (acknowledged * 1000) / elapsedMs
  printFigure({
    name: 'engine.durable_orders',
    value: rate,
    unit: 'orders/s',
    peer: `target ${TARGET_ORDERS_PER_SECOND}`,
    ratio: rate / TARGET_ORDERS_PER_SECOND,
  })
  const sorted = Float64Array.from(latenciesMs).toSorted()
  for (const [name, share] of [
    ['p50', 0.5],
    ['p95', 0.95],
    ['p99', 0.99],
    ['p999', 0.999],
  ] as const)
    printFigure({ name: `engine.ack_${name}`, value: quantile(sorted, share), unit: 'ms' })
  const share = refused / Math.max(acknowledged, 1)
  printFigure({ name: 'engine.refused_share', value: share, unit: 'ratio' })
}

type Timings = Partial<ReturnType<Sequencer['timings']>>

function printTimings(before: Timings, after: Timings, elapsedMs: number): void {
  const grown = (name: keyof NonNullable<Timings>): number =>
    (after?.[name] ?? 0) - (before?.[name] ?? 0)
  const batches = grown('batches')
  printFigure({ name: 'engine.batch_size', value: grown('commands') / batches, unit: 'commands' })
  for (const [name, field] of [
    ['core_apply', 'applyMs'],
    ['serialise', 'serialiseMs'],
    ['sql_call', 'commitMs'],
  ] as const) {
    printFigure({
      name: `engine.${name}_per_batch`,
      value: grown(field) / batches,
      unit: 'ms',
      peer: 'elapsed time',
      ratio: grown(field) / elapsedMs,
    })
  }
}

/** How long a write of 8 KiB takes to be on the disk, as pg_test_fsync measures it. */
function printFsync(folder: string): void {
  const file = openSync(join(folder, 'fsync-probe'), 'w')
  const page = Buffer.alloc(8192, 1)
  const times = Array.from({ length: FSYNC_ROUNDS }, () => {
    const from = performance.now()
    writeSync(file, page, 0, page.length, 0)
    fdatasyncSync(file)
    return performance.now() - from
  })
  closeSync(file)
  const sorted = Float64Array.from(times).toSorted()
  printFigure({ name: 'engine.fdatasync_p50', value: quantile(sorted, 0.5), unit: 'ms' })
  printFigure({ name: 'engine.fdatasync_p99', value: quantile(sorted, 0.99), unit: 'ms' })
}

interface Counts {
  readonly commands: number
  readonly orders: number
}

async function countCommands(database: Database): Promise<Counts> {
  const [row] = await database.query<{ commands: bigint; orders: bigint }>(
    `SELECT (SELECT coalesce(max(last_seq), 0) FROM ledger.journal_batch) AS commands,
            (SELECT count(*) FROM trading."order") AS orders`,
  )
  return { commands: Number(row?.commands ?? 0n), orders: Number(row?.orders ?? 0n) }
}

/** Rows = acknowledgements, zero-sum per asset, and a replay that gives the same state. */
async function check(
  database: Database,
  tally: Tally,
  before: Counts,
  setup: number,
): Promise<boolean> {
  const after = await countCommands(database)
  const sums = await database.query<{ asset: number; total: string }>(
    'SELECT asset, sum(posted)::text AS total FROM ledger.balance GROUP BY asset ORDER BY asset',
  )
  const from = performance.now()
  const verification = await verifyJournal(database, exchangeSource)
  const replayMs = performance.now() - from
  const checks = {
    set_up: before.commands > setup,
    journal_rows: after.commands - before.commands === tally.acknowledged,
    order_rows: after.orders - before.orders === tally.placed,
    zero_sum: sums.length === 2 && sums.every(({ total }) => total === '0'),
    replay_hash: verification.equal,
  }
  printFigure({
    name: 'engine.replay',
    value: (after.commands * 1000) / replayMs,
    unit: 'commands/s',
  })
  const ok = Object.values(checks).every(Boolean)
  console.log(JSON.stringify({ name: 'engine.checks', ok, ...checks }))
  return ok
}
