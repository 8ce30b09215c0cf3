import { isJsonObject } from '#kernel/json.ts'
import type { Database } from '#platform/db/pool.ts'
import { Consumer } from '#platform/events/consumer.ts'
import type { Envelope } from '#platform/events/event.ts'
import type { EventLog } from '#platform/events/log.ts'
import type { Metrics } from '#platform/metrics.ts'
import type { SandboxChain } from './chain.ts'

const TOP_UP_WEI = 10n ** 20n

/** Tops every wallet that an account gets up with gas coin; real chains have no such thing. */
export function gasStation(options: {
  readonly events: EventLog
  readonly database: Database
  readonly metrics: Metrics
  readonly chain: SandboxChain
}): Consumer {
  const { events, database, metrics, chain } = options
  return new Consumer({
    log: events,
    database,
    metrics,
    group: 'gas-station',
    stream: 'chain.events',
    apply: async (_tx, envelope) => {
      for (const wallet of registeredWallets(envelope)) await chain.setBalance(wallet, TOP_UP_WEI)
    },
  })
}

function registeredWallets({ type, data }: Envelope): readonly string[] {
  const events = data['events']
  if (type !== 'chain.block_applied.v1' || !Array.isArray(events)) return []
  return events.filter(isJsonObject).flatMap(({ name, args }) => {
    const isNew = name === 'AccountRegistered' || name === 'PrimaryWalletChanged'
    const wallet = isNew && isJsonObject(args) ? args['wallet'] : undefined
    return typeof wallet === 'string' ? [wallet] : []
  })
}
