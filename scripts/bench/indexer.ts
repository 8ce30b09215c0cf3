import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RpcClient } from '#chain/rpc-adapter.ts'
import { Watcher } from '#chain/watcher.ts'
import { verifyJournal } from '#ledger/recovery-store.ts'
import { Sequencer } from '#ledger/sequencer.ts'
import { SystemClock } from '#platform/clock.ts'
import { EmbeddedPostgres } from '#platform/db/embedded-postgres.ts'
import { migrate } from '#platform/db/migrate.ts'
import { Database } from '#platform/db/pool.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { Leadership, type LeaderRole } from '#platform/leader.ts'
import type { Service } from '#platform/lifecycle.ts'
import { createLog } from '#platform/log.ts'
import { Metrics } from '#platform/metrics.ts'
import { ChainEventConsumer } from '#settlement/consumers.ts'
import { exchangeSource } from '#trading/exchange-source.ts'
import { freePort } from '../free-port.ts'
import { printFigure } from './figure.ts'
import { LOG_DEPLOYMENT, LogChain } from './log-chain.ts'

const TARGET_LOGS_PER_SECOND = 20_000
const TARGET_REORG_MS = 1000
/** The node follows the chain's own word on finality, as it does by default; anvil gives it so deep. */
const FINALITY_DEPTH = 64
const REORG_BLOCKS = 64
const RANGE_BLOCKS = 64

interface Load {
  readonly blocks: number
  readonly logsPerBlock: number
}

/**
 * Logs a second from a local chain (anvil) to the journal: watcher, outbox, engine and Postgres, as
 * they run in a node of one process. False when a check fails.
 */
export async function runIndexerBench(flags: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...flags],
    options: {
      blocks: { type: 'string', default: '1500' },
      logs: { type: 'string', default: '200' },
    },
  })
  const load = { blocks: Number(values.blocks), logsPerBlock: Number(values.logs) }
  const home = await mkdtemp(join(tmpdir(), 'mooring-bench-'))
  const postgres = new EmbeddedPostgres({ home, log: () => undefined })
  const chain = await LogChain.start(await freePort())
  try {
    await postgres.start()
    await migrate({ url: postgres.url })
    await chain.mine(load.blocks, load.logsPerBlock)
    return await measure(postgres.url, chain, load)
  } finally {
    await chain.stop()
    await postgres.stop()
    await postgres.remove()
    await rm(home, { recursive: true, force: true })
  }
}

async function measure(url: string, chain: LogChain, load: Load): Promise<boolean> {
  const database = new Database({ url, log: createLog({ level: 'error' }) })
  await database.start(new AbortController().signal)
  const node = new IndexingNode(database, chain.url)
  try {
    await node.start()
    const limits = await measureLimits(database, chain, load)
    const rate = await measureBackfill(node, load, limits)
    const reorg = await measureReorg(node, chain, load.logsPerBlock)
    const isRight = await check(database, chain, load)
    console.log(JSON.stringify({ name: 'indexer.checks', ok: isRight }))
    return isRight && rate > 0 && reorg
  } finally {
    await node.stop()
    await database.stop()
  }
}

/** Watcher, log, consumer and engine of a node, and nothing else of it. */
class IndexingNode {
  readonly #database: Database
  readonly #rpc: RpcClient
  readonly #log = createLog({ level: 'error' })
  readonly #metrics = new Metrics()
  readonly #services: Service[] = []
  readonly #leaderships = new Map<LeaderRole, Leadership>()
  readonly sequencer: Sequencer
  #watcher: Watcher | undefined

  constructor(database: Database, rpcUrl: string) {
    this.#database = database
    this.#rpc = new RpcClient({ urls: [rpcUrl], log: this.#log })
    for (const role of ['engine', 'watcher'] as const) {
      this.#leaderships.set(role, new Leadership({ role, database, log: this.#log }))
    }
    this.sequencer = new Sequencer({ ...this.#base('engine'), reducers: exchangeSource })
  }

  get database(): Database {
    return this.#database
  }

  async start(): Promise<void> {
    const { signal } = new AbortController()
    for (const leadership of this.#leaderships.values()) {
      await leadership.start()
      await leadership.whenLeading()
    }
    await this.sequencer.start()
    await this.sequencer.whenReady()
    const consumer = new ChainEventConsumer({
      ...this.#base('engine'),
      events: new PgLog({ database: this.#database, log: this.#log }),
      engine: this.sequencer,
      ledger: { listOpenWithdrawals: () => Promise.resolve(new Set()) },
      payments: { listLate: () => Promise.resolve(new Set()) },
      findSymbol: () => Promise.resolve(undefined),
    })
    await consumer.start(signal)
    this.#services.push(consumer)
  }

  async watch(): Promise<void> {
    this.#watcher = new Watcher({
      ...this.#base('watcher'),
      rpc: this.#rpc,
      deployment: LOG_DEPLOYMENT,
      finality: { rule: { tag: 'finalized' } },
      pollMs: 20,
    })
    await this.#watcher.start()
  }

  async unwatch(): Promise<void> {
    await this.#watcher?.stop()
    this.#watcher = undefined
  }

  async stop(): Promise<void> {
    await this.unwatch()
    for (const service of this.#services) await service.stop()
    await this.sequencer.stop()
    for (const leadership of this.#leaderships.values()) await leadership.stop()
    await this.#rpc.close()
  }

  #base(role: LeaderRole) {
    const leadership = this.#leaderships.get(role)
    if (leadership === undefined) throw new TypeError(`no leadership of ${role}`)
    const shared = { database: this.#database, log: this.#log, metrics: this.#metrics }
    return { ...shared, leadership, clock: new SystemClock() }
  }
}

interface Limits {
  readonly downloadRate: number
  readonly insertRate: number
}

/** What the parts could do alone: the chain's answers read and parsed, rows of logs inserted. */
async function measureLimits(database: Database, chain: LogChain, load: Load): Promise<Limits> {
  const address = LOG_DEPLOYMENT.contracts['ClearingHouse']
  const head = await chain.head()
  const from = performance.now()
  const sample: unknown[] = []
  let logs = 0
  for (let at = 1; at <= head; at += RANGE_BLOCKS) {
    const toBlock = `0x${Math.min(head, at + RANGE_BLOCKS - 1).toString(16)}`
    const where = { fromBlock: `0x${at.toString(16)}`, toBlock, address }
    const found = await chain.rpc('eth_getLogs', where)
    if (!Array.isArray(found)) throw new TypeError('no logs')
    logs += found.length
    if (sample.length < 50_000) for (const log of found) sample.push(log)
  }
  const downloadRate = (logs * 1000) / (performance.now() - from)
  printFigure({ name: 'indexer.limit_download', value: downloadRate, unit: 'logs/s' })
  if (logs !== load.blocks * load.logsPerBlock) throw new TypeError(`${logs} logs`)
  const insertRate = await measureInsert(database, sample)
  printFigure({ name: 'indexer.limit_insert', value: insertRate, unit: 'logs/s' })
  return { downloadRate, insertRate }
}

async function measureInsert(database: Database, sample: readonly unknown[]): Promise<number> {
  const texts = sample.map((log) => JSON.stringify(log))
  const from = performance.now()
  for (let at = 0; at < texts.length; at += 10_000) {
    await database.query('SELECT count(body::jsonb) FROM unnest($1::text[]) AS l (body)', [
      texts.slice(at, at + 10_000),
    ])
  }
  return (texts.length * 1000) / (performance.now() - from)
}

async function measureBackfill(node: IndexingNode, load: Load, limits: Limits): Promise<number> {
  const from = performance.now()
  await node.watch()
  await untilBlock(node.database, 'chain.cursor', load.blocks)
  const watchedMs = performance.now() - from
  await untilJournal(node.database, load.blocks, load.blocks - FINALITY_DEPTH)
  const tookMs = performance.now() - from
  const logs = load.blocks * load.logsPerBlock
  const rate = (logs * 1000) / tookMs
  const watched = (logs * 1000) / watchedMs
  const peer = `target ${TARGET_LOGS_PER_SECOND}`
  const figure = { unit: 'logs/s', value: rate }
  printFigure({
    ...figure,
    name: 'indexer.logs_to_journal',
    peer,
    ratio: rate / TARGET_LOGS_PER_SECOND,
  })
  printFigure({
    ...figure,
    name: 'indexer.logs_to_journal',
    peer: 'limit_download',
    ratio: rate / limits.downloadRate,
  })
  printFigure({ name: 'indexer.logs_to_chain_tables', value: watched, unit: 'logs/s' })
  const timings = node.sequencer.timings()
  for (const name of ['applyMs', 'serialiseMs', 'commitMs'] as const) {
    const spentMs = timings?.[name] ?? 0
    printFigure({
      name: `indexer.engine_${name}`,
      value: spentMs,
      unit: 'ms',
      peer: 'elapsed',
      ratio: spentMs / tookMs,
    })
  }
  return rate
}

/** 64 blocks of logs leave the chain and 64 others take their place. */
async function measureReorg(node: IndexingNode, chain: LogChain, logs: number): Promise<boolean> {
  const base = await chain.head()
  const snapshot = await chain.rpc('evm_snapshot')
  await chain.mine(REORG_BLOCKS, logs)
  await untilJournal(node.database, base + REORG_BLOCKS, base + REORG_BLOCKS - FINALITY_DEPTH)
  await node.unwatch()
  await chain.rpc('evm_revert', snapshot)
  await chain.rpc('evm_increaseTime', 1000)
  await chain.mine(REORG_BLOCKS, logs)
  const head = base + REORG_BLOCKS
  if ((await chain.head()) !== head) throw new TypeError(`the chain is at ${await chain.head()}`)
  const hash = await hashOf(chain, head)
  const from = performance.now()
  await node.watch()
  await until(
    async () => (await readOne(node.database, 'SELECT head_hash FROM chain.cursor')) === hash,
  )
  const indexedMs = performance.now() - from
  await until(async () => {
    const sql = `SELECT hash FROM ledger.chain_block WHERE number = ${head} AND state = 'applied'`
    return (await readOne(node.database, sql)) === hash
  })
  const tookMs = performance.now() - from
  const peer = `target ${TARGET_REORG_MS}`
  for (const [name, value] of [
    ['reorg_64_in_chain_tables', indexedMs],
    ['reorg_64_in_ledger', tookMs],
  ] as const) {
    printFigure({
      name: `indexer.${name}`,
      value,
      unit: 'ms',
      peer,
      ratio: value / TARGET_REORG_MS,
    })
  }
  return true
}

/** Ledger, deposits and chain tables hold every log once, and a replay gives the same state. */
async function check(database: Database, chain: LogChain, load: Load): Promise<boolean> {
  const head = await chain.head()
  const sumOfBlock = sumOf(load.logsPerBlock)
  const counts = await database.query<{
    logs: bigint
    deposits: bigint
    total: string
    zero: string
  }>(
    `SELECT (SELECT count(*) FROM chain.log JOIN chain.block ON block_hash = hash
              WHERE state <> 'retracted') AS logs,
            (SELECT count(*) FROM payments.deposit WHERE status <> 'retracted') AS deposits,
            (SELECT sum(posted + incoming) FROM ledger.balance WHERE account < 4294967296)::text AS total,
            (SELECT sum(posted) FROM ledger.balance)::text AS zero`,
  )
  const [row] = counts
  const logs = BigInt(head * load.logsPerBlock)
  const { equal } = await verifyJournal(database, exchangeSource)
  const checks = {
    logs: row?.logs === logs,
    deposits: row?.deposits === logs,
    credited: row?.total === (BigInt(head) * sumOfBlock).toString(),
    zero_sum: row?.zero === '0',
    replay_hash: equal,
  }
  console.log(JSON.stringify({ name: 'indexer.rows', ...checks }))
  return Object.values(checks).every(Boolean)
}

function sumOf(logs: number): bigint {
  return BigInt((logs * (logs + 1)) / 2 + 1000 * logs)
}

async function untilBlock(database: Database, table: string, number: number): Promise<void> {
  await until(
    async () => (await readOne(database, `SELECT head_number FROM ${table}`)) === BigInt(number),
  )
}

/** Applied and final as far as the finality depth allows, both in the ledger's own commit. */
async function untilJournal(database: Database, head: number, final: number): Promise<void> {
  const newest = `SELECT max(number) FROM ledger.chain_block WHERE state <> 'retracted'`
  const settled = `SELECT max(number) FROM ledger.chain_block WHERE state = 'final'`
  await until(async () => (await readOne(database, newest)) === BigInt(head))
  await until(async () => (await readOne(database, settled)) === BigInt(final))
}

async function readOne(database: Database, sql: string): Promise<unknown> {
  const [row] = await database.query(sql)
  return row === undefined ? undefined : Object.values(row)[0]
}

async function hashOf(chain: LogChain, number: number): Promise<string> {
  const block = await chain.rpc('eth_getBlockByNumber', `0x${number.toString(16)}`, false)
  if (typeof block !== 'object' || block === null || !('hash' in block))
    throw new TypeError('no block')
  return String(block.hash)
}

async function until(look: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 120_000
  while (!(await look())) {
    if (performance.now() > endMs) throw new TypeError('the node did not get there in two minutes')
    await sleep(10)
  }
}
