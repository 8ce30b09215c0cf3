import { vi } from 'vitest'
import { PaymentsService } from '#payments/service.ts'
import type { EventLog } from '#platform/events/log.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { SystemClock } from '#platform/clock.ts'
import { Leadership } from '#platform/leader.ts'
import { migrate } from '#platform/db/migrate.ts'
import type { ChainEventConsumer } from '#settlement/consumers.ts'
import { settlementModule, type SettlementModule } from '#settlement/module.ts'
import type { Settler } from '#settlement/settler.ts'
import { SupplyService } from '#supply/service.ts'
import { silentLog } from '../support/database.ts'
import { startEngine, type Engine } from '../support/engine.ts'
import { createDatabase } from '../support/postgres.ts'
import { ModelChain, type ModelEvent } from './model-chain.ts'

export const TX = `0x${'99'.repeat(32)}`
export const NEVER = new AbortController().signal

/** A node without HTTP and without a real chain: engine, settlement, payments and supply. */
export interface Rig {
  readonly engine: Engine
  readonly chain: ModelChain
  readonly leadership: Leadership
  readonly settlement: SettlementModule
  readonly settler: Settler
  readonly payments: PaymentsService
  readonly supply: SupplyService
  readonly consumer: ChainEventConsumer
  /** Waits until the core has taken every message of the chain. */
  arrive(): Promise<void>
  /** Sends what is due, executes it in one block, makes that final, and looks again. */
  mineAll(): Promise<void>
  stop(): Promise<void>
}

/** Two external assets, one of our own, one market, two registered accounts with money. */
export async function startRig(
  carry: (events: EventLog) => EventLog = (events) => events,
): Promise<Rig> {
  const home = await createDatabase({ migrate: (url) => migrate({ url }) })
  const engine = await startEngine(home.url)
  const { database, ledger, metrics, sequencer } = engine
  const chain = new ModelChain(database)
  const leadership = new Leadership({ role: 'settler', database, log: silentLog })
  await leadership.start()
  await leadership.whenLeading()
  const shared = { database, ledger, chain, metrics, log: silentLog, clock: new SystemClock() }
  const payments = new PaymentsService(shared)
  const supply = new SupplyService(shared)
  const settlement = settlementModule({
    ...shared,
    supply,
    accounts: { listUsersByChainAccount: () => Promise.resolve([]) },
    findSymbol: () => Promise.resolve(undefined),
  })
  const settler = settlement.makeSettler({ leadership, payments, settlementIntervalMs: 0 })
  const events = carry(new PgLog({ database, log: silentLog }))
  const consumer = settlement.makeConsumer({
    events,
    engine: sequencer,
    leadership: engine.leadership,
    payments,
  })
  await consumer.start(NEVER)
  const arrive = () => untilArrived(engine)
  await openTheDoors(engine, chain)
  await arrive()
  return {
    engine,
    chain,
    leadership,
    settlement,
    settler,
    payments,
    supply,
    consumer,
    arrive,
    mineAll: async () => {
      await settler.turn(NEVER)
      await chain.mine()
      await chain.finalize()
      await arrive()
      await settler.turn(NEVER)
    },
    stop: async () => {
      await consumer.stop()
      await leadership.stop()
      await engine.stop()
      await home.drop()
    },
  }
}

async function openTheDoors(engine: Engine, chain: ModelChain): Promise<void> {
  const assets = [
    { type: 'list_asset', asset: 0, symbol: 'USD', decimals: 6, external: true, token: wallet(0) },
    { type: 'list_asset', asset: 1, symbol: 'BLDG', decimals: 4, external: true, token: wallet(1) },
    {
      type: 'list_asset',
      asset: 3,
      symbol: 'GOLD',
      decimals: 2,
      external: false,
      token: wallet(3),
    },
  ]
  for (const command of assets) await engine.sequencer.submit(command)
  await engine.sequencer.submit({
    type: 'create_market',
    symbol: 'BLDG-USD',
    base: 1,
    quote: 0,
    base_decimals: 4,
    quote_decimals: 6,
    tick_size: '0.01',
    lot_size: '0.001',
    maker_fee_bps: 5,
    taker_fee_bps: 10,
    market_collar_bps: 500,
  } as { type: string })
  await chain.mine([
    ...[16, 17].map((account) =>
      event('AccountRegistered', { account, wallet: wallet(account), class: 1, expiresAt: 0 }),
    ),
    ...[16, 17].flatMap((account) =>
      [0, 1].map((asset) => event('Deposited', { account, asset, amount: 1_000_000_000n })),
    ),
  ])
  await chain.finalize()
}

/** A log as the watcher would publish it. */
export function event(name: string, args: Record<string, unknown>): ModelEvent {
  const texts = Object.entries(args).map(([key, value]) => [key, String(value)])
  return { name, args: Object.fromEntries(texts), tx_hash: TX }
}

export function wallet(number: number): string {
  return `0x${number.toString(16).padStart(40, '0')}`
}

async function untilArrived({ database }: Engine): Promise<void> {
  database.wakes.wake('chain.events')
  await vi.waitUntil(
    async () => {
      const rows = await database.query(
        `SELECT 1 FROM platform.stream_head h JOIN platform.consumer_position p USING (stream, seq)
         WHERE h.stream = 'chain.events' AND p.consumer_group = 'engine'`,
      )
      return rows.length === 1
    },
    { timeout: 60_000, interval: 10 },
  )
}
