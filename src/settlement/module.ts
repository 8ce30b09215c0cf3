import type { CommandSink } from '#ledger/submission.ts'
import type { EventLog } from '#platform/events/log.ts'
import type { Route } from '#platform/http/route.ts'
import type { Leadership } from '#platform/leader.ts'
import { ChainEventConsumer, type ChainEventConsumerOptions } from './consumers.ts'
import { MirrorService } from './mirror-service.ts'
import { RangeService } from './range-service.ts'
import { settlementRoutes, type SettlementRouteDeps } from './routes.ts'
import { SettlementService, type SettlementServiceOptions } from './service.ts'
import { Settler, type SettlerOptions } from './settler.ts'
import { VaultService, type VaultServiceOptions } from './vault-service.ts'

type Own = 'settlement' | 'mirror' | 'ranges' | 'vault'

export type SettlementModuleOptions = Omit<SettlementServiceOptions, Own> &
  VaultServiceOptions &
  Pick<SettlementRouteDeps, 'accounts'> &
  Pick<ChainEventConsumerOptions, 'metrics' | 'findSymbol'>

export interface SettlementModule {
  readonly service: SettlementService
  readonly mirror: MirrorService
  readonly routes: readonly Route[]
  /** For the process that plays `settler`. */
  makeSettler(
    options: Pick<SettlerOptions, 'leadership' | 'payments' | 'settlementIntervalMs'>,
  ): Settler
  /** For the process that plays `engine`. */
  makeConsumer(options: {
    readonly events: EventLog
    readonly engine: CommandSink
    /** Of the role `engine`. */
    readonly leadership: Leadership
    readonly payments: ChainEventConsumerOptions['payments']
    readonly eventsPerTurn?: number
  }): ChainEventConsumer
}

/** Puts the settlement context together. */
export function settlementModule(options: SettlementModuleOptions): SettlementModule {
  const mirror = new MirrorService(options)
  const ranges = new RangeService(options.ledger)
  const vault = new VaultService(options)
  const service = new SettlementService({ ...options, mirror, ranges, vault })
  const isListed = async (chainAsset: number): Promise<boolean> => {
    const asset = await options.ledger.findAsset(chainAsset)
    return asset !== undefined && asset.token !== null
  }
  return {
    service,
    mirror,
    routes: settlementRoutes({ ...options, settlement: service, mirror }),
    makeSettler: (own) =>
      new Settler({ ...options, ...own, settlement: service, mirror, ranges, vault, isListed }),
    makeConsumer: (own) => new ChainEventConsumer({ ...options, ...own }),
  }
}
