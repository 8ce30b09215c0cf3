import type { Clock } from '#kernel/time.ts'
import type { Database } from '#platform/db/pool.ts'
import type { Route } from '#platform/http/route.ts'
import type { Leadership } from '#platform/leader.ts'
import type { Log } from '#platform/log.ts'
import type { Metrics } from '#platform/metrics.ts'
import type { BreakerLimits } from './breaker.ts'
import { normalizeDeployment, type Deployment } from './deployment.ts'
import type { Finality } from './finality.ts'
import { RemoteSigner } from './remote-signer-adapter.ts'
import { chainRoutes } from './routes.ts'
import { RpcClient } from './rpc-adapter.ts'
import { ChainService } from './service.ts'
import { LocalSigner } from './signer-adapter.ts'
import type { Signer } from './signer.ts'
import { TxManager, type TxManagerOptions } from './tx-manager.ts'
import { transactionRoutes } from './tx-routes.ts'
import { TransactionService } from './tx-service.ts'
import { Watcher } from './watcher.ts'

/** A private key, `0x` and 64 digits, or where a key is that signs over `eth_signTransaction`. */
export type SignerKey = string | { readonly url: string; readonly address: string }

export interface ChainModuleOptions {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Endpoints of the chain, the preferred one first. */
  readonly rpcUrls: readonly string[]
  readonly deployment: Deployment
  readonly finality: Finality
  /** For the process that plays `txm`; nothing else may send with them. */
  readonly keys: {
    readonly settler?: SignerKey | undefined
    readonly registrar?: SignerKey | undefined
  }
  readonly leaderships: { readonly watcher: Leadership; readonly txm: Leadership }
  /** Rest between two looks at the chain. */
  readonly pollIntervalMs?: number
  /** Most that a unit of gas may cost, in wei. */
  readonly feeCeilingWei?: bigint
  /** What is not mined after so many blocks pays more. */
  readonly bumpBlocks?: number
  readonly limits?: BreakerLimits
  /** Why ledger and chain do not agree; undefined while they do. */
  readonly findMismatch?: () => Promise<string | undefined>
}

export interface ChainModule {
  readonly service: ChainService
  readonly rpc: RpcClient
  readonly routes: readonly Route[]
  /** For the process that plays `watcher`. */
  readonly watcher: Watcher
  /** For the process that plays `txm`; undefined without both keys. */
  readonly txManager: TxManager | undefined
}

/** Puts the chain context together. */
export function chainModule(options: ChainModuleOptions): ChainModule {
  const { database, clock, log, metrics, rpcUrls, finality, leaderships } = options
  const deployment = normalizeDeployment(options.deployment)
  const rpc = new RpcClient({ urls: rpcUrls, log, chainId: deployment.chainId })
  const service = new ChainService({ database, rpc, deployment })
  const transactions = new TransactionService({ database, rpc, log })
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
    routes: [...chainRoutes(service), ...transactionRoutes(transactions)],
    watcher: new Watcher({ ...shared, clock, finality, leadership: leaderships.watcher }),
    txManager: makeTxManager(options, shared),
  }
}

function makeTxManager(
  { keys, leaderships, feeCeilingWei, bumpBlocks, limits, findMismatch }: ChainModuleOptions,
  shared: Omit<TxManagerOptions, 'leadership' | 'signers'>,
): TxManager | undefined {
  const { settler, registrar } = keys
  if (settler === undefined || registrar === undefined) return undefined
  return new TxManager({
    ...shared,
    leadership: leaderships.txm,
    signers: { settler: signerOf(settler), registrar: signerOf(registrar) },
    ...(feeCeilingWei !== undefined && { feeCeilingWei }),
    ...(bumpBlocks !== undefined && { bumpBlocks }),
    ...(limits !== undefined && { limits }),
    ...(findMismatch !== undefined && { findMismatch }),
  })
}

function signerOf(key: SignerKey): Signer {
  return typeof key === 'string' ? new LocalSigner(key) : new RemoteSigner(key)
}
