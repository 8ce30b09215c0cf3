import type { Clock } from '#kernel/time.ts'
import type { Database } from '#platform/db/pool.ts'
import type { Route } from '#platform/http/route.ts'
import type { Leadership } from '#platform/leader.ts'
import type { Log } from '#platform/log.ts'
import type { Metrics } from '#platform/metrics.ts'
import { normalizeDeployment, type Deployment } from './deployment.ts'
import type { Finality } from './finality.ts'
import { chainRoutes } from './routes.ts'
import { RpcClient } from './rpc-adapter.ts'
import { ChainService } from './service.ts'
import { LocalSigner } from './signer-adapter.ts'
import { TxManager } from './tx-manager.ts'
import { Watcher } from './watcher.ts'

export interface ChainModuleOptions {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Endpoints of the chain, the preferred one first. */
  readonly rpcUrls: readonly string[]
  readonly deployment: Deployment
  readonly finality: Finality
  /** Private keys, `0x` and 64 digits; nothing else may send with them. */
  readonly keys: { readonly settler: string; readonly registrar: string }
  readonly leaderships: { readonly watcher: Leadership; readonly txm: Leadership }
  /** Rest between two looks at the chain. */
  readonly pollIntervalMs?: number
}

export interface ChainModule {
  readonly service: ChainService
  readonly rpc: RpcClient
  readonly routes: readonly Route[]
  /** For the process that plays `watcher`. */
  readonly watcher: Watcher
  /** For the process that plays `txm`. */
  readonly txManager: TxManager
}

/** Puts the chain context together. */
export function chainModule(options: ChainModuleOptions): ChainModule {
  const { database, clock, log, metrics, rpcUrls, finality, keys, leaderships } = options
  const deployment = normalizeDeployment(options.deployment)
  const rpc = new RpcClient({ urls: rpcUrls, log })
  const service = new ChainService({ database, rpc, deployment })
  const pollMs = options.pollIntervalMs
  const shared = {
    database,
    rpc,
    deployment,
    log,
    metrics,
    ...(pollMs !== undefined && { pollMs }),
  }
  return {
    service,
    rpc,
    routes: chainRoutes(service),
    watcher: new Watcher({ ...shared, clock, finality, leadership: leaderships.watcher }),
    txManager: new TxManager({
      ...shared,
      leadership: leaderships.txm,
      signers: {
        settler: new LocalSigner(keys.settler),
        registrar: new LocalSigner(keys.registrar),
      },
    }),
  }
}
