import { Client } from 'pg'
import type { Clock } from '#kernel/time.ts'
import { createLog } from '#platform/log.ts'
import { Database } from '#platform/db/pool.ts'
import { migrate } from '#platform/db/migrate.ts'
import { Leadership } from '#platform/leader.ts'
import { Metrics } from '#platform/metrics.ts'
import { SystemClock } from '#platform/clock.ts'
import { LedgerService } from '#ledger/service.ts'
import { Sequencer } from '#ledger/sequencer.ts'
import { exchangeSource } from '#trading/exchange-source.ts'
import { createDatabase, type TestDatabase } from './postgres.ts'

/** Contexts that take no effects here: theirs are kept for the tests to read. */
const RECORDED = ['compliance', 'assets', 'payments', 'settlement']

export interface Engine {
  readonly url: string
  readonly database: Database
  readonly leadership: Leadership
  readonly sequencer: Sequencer
  readonly ledger: LedgerService
  readonly metrics: Metrics
  stop(): Promise<void>
}

/** An engine on a database of its own: ledger and trading, everything above only recorded. */
export async function createEngineDatabase(): Promise<TestDatabase> {
  return createDatabase({ migrate: migrateEngine, template: 'mooring_engine_template' })
}

async function migrateEngine(url: string): Promise<void> {
  await migrate({ url })
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('CREATE TABLE public.effect (id bigserial, context text, effect jsonb)')
  await client.query('GRANT ALL ON public.effect, public.effect_id_seq TO mooring_node')
  for (const context of RECORDED) {
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${context}`)
    await client.query(`GRANT USAGE ON SCHEMA ${context} TO mooring_node`)
    await client.query(`CREATE OR REPLACE FUNCTION ${context}.apply(effects jsonb) RETURNS void
      LANGUAGE sql AS $$ INSERT INTO public.effect (context, effect)
      SELECT '${context}', e FROM jsonb_array_elements(effects) e $$`)
    await client.query(
      `INSERT INTO ledger.effect_handler VALUES ('${context}') ON CONFLICT DO NOTHING`,
    )
  }
  await client.end()
}

export interface EngineOptions {
  readonly clock?: Clock
  readonly batchSize?: number
  readonly ringSize?: number
  /** Another engine leads; do not wait to take over. */
  readonly standby?: boolean
  readonly standbyTrouble?: string
}

export async function startEngine(url: string, options: EngineOptions = {}): Promise<Engine> {
  const log = createLog({ level: 'silent' })
  const metrics = new Metrics()
  const database = new Database({ url, log })
  await database.start(new AbortController().signal)
  const leadership = new Leadership({ role: 'engine', database, log })
  await leadership.start()
  const { clock = new SystemClock(), standby = false, ...sizes } = options
  const sequencer = new Sequencer({
    database,
    leadership,
    clock,
    log,
    metrics,
    reducers: exchangeSource,
    ...sizes,
  })
  await sequencer.start()
  if (!standby) await sequencer.whenReady()
  const ledger = new LedgerService({ database, sink: sequencer, reducers: exchangeSource })
  const stop = async (): Promise<void> => {
    await sequencer.stop()
    await leadership.stop()
    await database.stop()
  }
  return { url, database, leadership, sequencer, ledger, metrics, stop }
}
