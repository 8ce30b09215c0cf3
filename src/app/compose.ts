import { accountsModule, type AccountsModule } from '#accounts/module.ts'
import { assetsModule, type AssetsModule } from '#assets/module.ts'
import { BREAKER_LIMITS } from '#chain/breaker.ts'
import { chainModule, type ChainModule, type SignerKey } from '#chain/module.ts'
import type { Deployment } from '#chain/deployment.ts'
import type { Finality } from '#chain/finality.ts'
import { present } from '#kernel/assert.ts'
import { complianceModule, type ComplianceModule } from '#compliance/module.ts'
import { issuanceModule } from '#issuance/module.ts'
import { commandEntrance, engineState } from '#ledger/command-entrance.ts'
import { CommandForwarder, COMMANDS_PATH, ENGINE_PATH } from '#ledger/forward-adapter.ts'
import { ledgerModule, type LedgerModule } from '#ledger/module.ts'
import { paymentsModule } from '#payments/module.ts'
import { SystemClock } from '#platform/clock.ts'
import type { Config, NodeRole } from '#platform/config.ts'
import { IdempotencyKeeper } from '#platform/db/idempotency-keeper.ts'
import { Database } from '#platform/db/pool.ts'
import { KafkaLog } from '#platform/events/kafka-log.ts'
import { KafkaProducer } from '#platform/events/kafka-producer.ts'
import type { EventLog } from '#platform/events/log.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { OutboxKeeper } from '#platform/events/outbox-keeper.ts'
import { Relay } from '#platform/events/relay.ts'
import { readAllowances } from '#platform/http/limits.ts'
import { buildOpenApi, type OpenApiDocument } from '#platform/http/openapi.ts'
import type { Route } from '#platform/http/route.ts'
import { InternalServer } from '#platform/http/internal-server.ts'
import { HttpServer } from '#platform/http/server.ts'
import { systemRoutes } from '#platform/http/system-routes.ts'
import { Leadership, type LeaderRole } from '#platform/leader.ts'
import { Registry, type Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import { Metrics } from '#platform/metrics.ts'
import { Operations } from '#platform/operation.ts'
import { WhileLeading } from '#platform/while-leading.ts'
import { settlementModule, type SettlementModule } from '#settlement/module.ts'
import { supplyModule } from '#supply/module.ts'
import { exchangeSource } from '#trading/exchange-source.ts'
import { tradingModule } from '#trading/module.ts'
import { AccountOpener } from './account-opener.ts'
import { CashLister, type Cash } from './cash-lister.ts'
import { lonelyStandby } from './roles.ts'
import { RpcConnections } from './rpc-connections.ts'
import { siteOf } from './site.ts'
import { STREAMS, topicSettings } from './streams.ts'

export interface NodeSettings {
  readonly config: Config
  readonly log: Log
  readonly databaseUrl: string
  readonly rpcUrls: readonly string[]
  readonly deployment: Deployment
  readonly finality: Finality
  /** The signers' are for the process that plays `txm`. */
  readonly keys: {
    readonly settler?: SignerKey | undefined
    readonly registrar?: SignerKey | undefined
    readonly jwt: string
  }
  readonly version: string
}

/** A node put together and not yet started. */
export interface Node {
  readonly registry: Registry
  readonly database: Database
  readonly http: HttpServer
  /** For other processes and for probes; undefined where the API serves both. */
  readonly internal: InternalServer | undefined
  readonly routes: readonly Route[]
  readonly openapi: () => OpenApiDocument
  readonly events: EventLog
  readonly metrics: Metrics
  readonly accounts: AccountsModule['service']
  readonly assets: AssetsModule['service']
  readonly ledger: LedgerModule
  readonly chain: ChainModule['service']
}

const GWEI = 1_000_000_000n
/** A little more than a server that is well gives any statement. */
const ANSWER_TIMEOUT_MS = 35_000
const LEADER_ROLES: readonly LeaderRole[] = ['engine', 'settler', 'watcher', 'txm', 'relay']
/** Roles that send commands. */
const SENDERS: readonly NodeRole[] = ['api', 'settler']
/** Probes ask these of every process, also of one without the API. */
const PROBES: ReadonlySet<string> = new Set(['/livez', '/readyz', '/metrics'])

/** Puts every context together by hand, in the order of their ranks. */
export function composeNode(settings: NodeSettings): Node {
  return new Composition(settings).node()
}

class Composition {
  readonly #settings: NodeSettings
  readonly #clock = new SystemClock()
  readonly #metrics = new Metrics({ processMetrics: true })
  readonly #database: Database
  readonly #registry: Registry
  readonly #events: EventLog
  readonly #internal: InternalServer | undefined
  readonly #forwarder: CommandForwarder | undefined
  readonly #leaderships = new Map<LeaderRole, Leadership>()

  constructor(settings: NodeSettings) {
    const { log, databaseUrl, config } = settings
    this.#settings = settings
    this.#database = new Database({
      url: databaseUrl,
      log,
      poolSize: config.databasePoolSize,
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
    })
    this.#registry = new Registry({ log }).add(this.#database)
    this.#events = this.#makeEvents()
    this.#internal = this.#makeInternal()
    this.#forwarder = this.#makeForwarder()
    for (const role of LEADER_ROLES) this.#campaign(role)
  }

  node(): Node {
    const base = this.#base()
    const ledger: LedgerModule = ledgerModule({
      ...base,
      accounts: {
        getAccountToRead: async (reader, id) => await accounts.service.getAccountToRead(reader, id),
      },
      leadership: this.#leadership('engine'),
      reducers: exchangeSource,
      forwarder: this.#forwarder,
      standbyTrouble: lonelyStandby(this.#settings.config),
    })
    const chain = this.#chain(async () => await settlement.service.findMismatch())
    const accounts = this.#accounts(ledger)
    const shared = {
      ...base,
      accounts: accounts.service,
      chain: chain.service,
      ledger: ledger.service,
    }
    const compliance = complianceModule(shared)
    const assets = assetsModule(shared)
    const payments = paymentsModule(shared)
    const supply = supplyModule(shared)
    const operations = new Operations(base)
    const settlement: SettlementModule = settlementModule({
      ...shared,
      supply: supply.service,
      findSymbol: async (asset) => (await assets.service.findByNumber(asset))?.symbol,
    })
    const trading = tradingModule({
      ...shared,
      sink: ledger.sink,
      settlement: settlement.service,
    })
    const issuance = issuanceModule({
      ...shared,
      operations,
      assets: assets.service,
      supply: supply.service,
    })
    this.#addWorkers({ ledger, accounts, assets, compliance, payments, settlement, issuance })
    const high = [trading, payments, settlement, issuance, chain]
    const own = [accounts, compliance, assets, ledger, ...high].flatMap((module) => module.routes)
    const routes: readonly Route[] = [
      ...own,
      ...this.#systemRoutes(() => routes, this.#publicMetricsHost()),
    ]
    const http = this.#http(routes, accounts.authenticator)
    this.#openInternal(ledger, routes)
    return {
      registry: this.#registry,
      database: this.#database,
      http,
      internal: this.#internal,
      routes,
      openapi: () => this.#openapi(routes),
      events: this.#events,
      metrics: this.#metrics,
      accounts: accounts.service,
      assets: assets.service,
      ledger,
      chain: chain.service,
    }
  }

  #addWorkers(contexts: {
    readonly ledger: LedgerModule
    readonly accounts: AccountsModule
    readonly assets: AssetsModule
    readonly compliance: ComplianceModule
    readonly payments: ReturnType<typeof paymentsModule>
    readonly settlement: SettlementModule
    readonly issuance: ReturnType<typeof issuanceModule>
  }): void {
    const { ledger, accounts, assets, compliance, payments, settlement, issuance } = contexts
    const { log, config } = this.#settings
    this.#addFor('engine', ledger.workers)
    this.#addFor('engine', [
      this.#whileEngine('chain-events', () =>
        settlement.makeConsumer({
          events: this.#events,
          engine: ledger.sequencer,
          leadership: this.#leadership('engine'),
          payments: payments.service,
        }),
      ),
      this.#whileEngine(
        'account-opener',
        () => new AccountOpener({ accounts: accounts.service, log }),
      ),
      new CashLister({ ledger, assets: assets.service, cash: this.#cash(), log }),
    ])
    const keepHours = config.idempotencyKeepHours
    const idempotencyKeeper = new IdempotencyKeeper({ ...this.#base(), keepHours })
    this.#addFor('jobs', [this.#outboxKeeper(), idempotencyKeeper])
    this.#addFor('txm', [compliance.makeFollower(this.#leadership('txm'))])
    this.#addFor('settler', [
      settlement.makeSettler({
        leadership: this.#leadership('settler'),
        payments: payments.service,
        settlementIntervalMs: config.settlementIntervalMs,
      }),
      issuance.makeTokenizer({ leadership: this.#leadership('settler') }),
    ])
  }

  #base() {
    const { log } = this.#settings
    return { database: this.#database, clock: this.#clock, log, metrics: this.#metrics }
  }

  /** Kafka where brokers are configured, else the outbox itself; never both. */
  #makeEvents(): EventLog {
    const { config, log } = this.#settings
    const base = { database: this.#database, log, metrics: this.#metrics }
    if (config.kafkaBrokers.length === 0) return new PgLog(base)
    return new KafkaLog({ ...base, brokers: config.kafkaBrokers })
  }

  #outboxKeeper(): OutboxKeeper {
    const { outboxKeepHours: keepHours, kafkaBrokers } = this.#settings.config
    return new OutboxKeeper({ ...this.#base(), keepHours, isRelayed: kafkaBrokers.length > 0 })
  }

  /** Events whose effect is a balance are for the leading engine alone. */
  #whileEngine(name: string, make: () => Service): WhileLeading {
    const { log } = this.#settings
    return new WhileLeading({ name, leadership: this.#leadership('engine'), make, log })
  }

  #cash(): Cash {
    const { config, deployment } = this.#settings
    const token = present(deployment.contracts['CashToken'], 'address of CashToken')
    return { symbol: config.cashSymbol, decimals: config.cashDecimals, token }
  }

  /** A process with the API and without a token needs none: it answers probes itself. */
  #makeInternal(): InternalServer | undefined {
    const { config, log } = this.#settings
    const { internalToken: token } = config
    if (config.roles.includes('api') && token === undefined) return undefined
    const internal = new InternalServer({
      host: config.internalHost,
      port: config.internalPort,
      advertisedHost: config.advertisedHost,
      token,
      log,
    })
    this.#registry.add(internal)
    return internal
  }

  #openInternal(ledger: LedgerModule, routes: readonly Route[]): void {
    if (this.#internal === undefined) return
    const system = this.#systemRoutes(() => routes, this.#settings.config.metricsHost)
    this.#internal.serve(system.filter(({ path }) => PROBES.has(path)))
    if (!this.#settings.config.roles.includes('engine')) return
    this.#internal.handle('POST', COMMANDS_PATH, commandEntrance(ledger.sequencer))
    this.#internal.handle('GET', ENGINE_PATH, engineState(ledger.sequencer))
  }

  /** Whoever may have to do with an engine of another process. */
  #makeForwarder(): CommandForwarder | undefined {
    const { config, log } = this.#settings
    if (config.internalToken === undefined) return undefined
    if (!SENDERS.some((role) => config.roles.includes(role))) return undefined
    const token = config.internalToken
    const forwarder = new CommandForwarder({ database: this.#database, log, token })
    this.#registry.add(forwarder, { after: [this.#database] })
    return forwarder
  }

  #campaign(role: LeaderRole): void {
    const { config, log } = this.#settings
    const isIdle = role === 'relay' && config.kafkaBrokers.length === 0
    if (!config.roles.includes(role) || isIdle) return
    const internal = this.#internal
    const leadership = new Leadership({
      role,
      database: this.#database,
      log,
      ...(internal !== undefined && { address: () => internal.address }),
    })
    this.#leaderships.set(role, leadership)
    const after = internal === undefined ? [this.#database] : [this.#database, internal]
    this.#registry.add(leadership, { after })
    if (role === 'relay') this.#registry.add(this.#relay(leadership), { after: [leadership] })
  }

  /** Of a role that this process may not play: it never leads, since nothing starts it. */
  #leadership(role: LeaderRole): Leadership {
    const { log } = this.#settings
    return this.#leaderships.get(role) ?? new Leadership({ role, database: this.#database, log })
  }

  #relay(leadership: Leadership): Relay {
    const { config, log } = this.#settings
    const producer = new KafkaProducer({
      brokers: config.kafkaBrokers,
      log,
      ...(config.kafkaCreateTopics && { createTopics: topicSettings(config) }),
    })
    return new Relay({ ...this.#base(), leadership, producer, streams: STREAMS, log })
  }

  #chain(findMismatch: () => Promise<string | undefined>): ChainModule {
    const { config, rpcUrls, deployment, finality, keys } = this.#settings
    const chain = chainModule({
      ...this.#base(),
      rpcUrls,
      deployment,
      finality,
      keys,
      feeCeilingWei: GWEI * BigInt(config.feeCeilingGwei),
      bumpBlocks: config.feeBumpBlocks,
      limits: { ...BREAKER_LIMITS, minBalanceWei: GWEI * BigInt(config.signerMinBalanceGwei) },
      findMismatch,
      pollIntervalMs: deployment.chainId === 31_337 ? 50 : 1000,
      leaderships: { watcher: this.#leadership('watcher'), txm: this.#leadership('txm') },
    })
    this.#registry.add(new RpcConnections(chain.rpc))
    this.#addFor('watcher', [chain.watcher])
    this.#addFor('txm', chain.txManager === undefined ? [] : [chain.txManager])
    return chain
  }

  #accounts(ledger: LedgerModule): AccountsModule {
    const { keys, deployment } = this.#settings
    return accountsModule({
      ...this.#base(),
      jwtPrivateKey: keys.jwt,
      site: () => siteOf(this.#settings.config, deployment.chainId),
      openAccount: async (chainAccount) => await ledger.service.openAccount(chainAccount),
    })
  }

  /** With a listener of its own for the other processes, figures are not for the public one. */
  #publicMetricsHost(): string | undefined {
    return this.#internal === undefined ? this.#settings.config.metricsHost : undefined
  }

  #systemRoutes(routes: () => readonly Route[], metricsHost: string | undefined): readonly Route[] {
    return systemRoutes({
      metrics: this.#metrics,
      metricsHost,
      registryHealth: () => this.#registry.health(),
      openapi: () => this.#openapi(routes()),
    })
  }

  #openapi(routes: readonly Route[]): OpenApiDocument {
    const { config, version } = this.#settings
    const { idempotencyKeepHours } = config
    return buildOpenApi(routes, { title: 'Mooring', version, idempotencyKeepHours })
  }

  #http(routes: readonly Route[], authenticator: AccountsModule['authenticator']): HttpServer {
    const { config } = this.#settings
    const http = new HttpServer({
      ...this.#base(),
      routes,
      authenticator,
      port: config.httpPort,
      host: config.httpHost,
      allowances: readAllowances(config.rateLimits),
    })
    this.#addFor('api', [http])
    return http
  }

  #addFor(role: NodeRole, services: readonly Service[]): void {
    if (!this.#settings.config.roles.includes(role)) return
    for (const service of services) this.#registry.add(service, { after: [this.#database] })
  }
}
