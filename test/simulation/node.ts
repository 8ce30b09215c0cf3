import { chainModule, type ChainModule } from '#chain/module.ts'
import { TransactionService } from '#chain/tx-service.ts'
import { LedgerService } from '#ledger/service.ts'
import { Sequencer } from '#ledger/sequencer.ts'
import type { CommandResult, CommandSink } from '#ledger/submission.ts'
import { PaymentsService } from '#payments/service.ts'
import type { Database } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import type { EventLog, EventProducer } from '#platform/events/log.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { Relay } from '#platform/events/relay.ts'
import { Leadership, type LeaderRole } from '#platform/leader.ts'
import type { Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { Metrics } from '#platform/metrics.ts'
import { WhileLeading } from '#platform/while-leading.ts'
import { settlementModule, type SettlementModule } from '#settlement/module.ts'
import { SupplyService } from '#supply/service.ts'
import { exchangeSource } from '#trading/exchange-source.ts'
import { TradingService } from '#trading/service.ts'
import { CHAIN_ID, INVESTORS, REGISTRY, SUPPLY, VAULT } from './clearing-house.ts'
import type { Process, World } from './world.ts'

export const KEYS = {
  settler: `0x${'11'.repeat(32)}`,
  registrar: `0x${'22'.repeat(32)}`,
} as const

/** What every process of the node finds around it. */
export interface Surroundings {
  readonly world: World
  /** A client of the database for the process that asks. */
  readonly connectDatabase: () => Database
  readonly rpcUrls: readonly string[]
  readonly finalityDepth: number
  /** Undefined reads the outbox itself. */
  readonly broker: { producer(): EventProducer; log(database: Database): EventLog } | undefined
  /** Where commands go that are not for this process. */
  readonly forward: (node: NodeProcess) => CommandSink
}

const quiet = { inc: () => undefined, set: () => undefined, observe: () => undefined }

/** Figures that nobody reads. */
const metrics = {
  counter: () => quiet,
  gauge: () => quiet,
  histogram: () => quiet,
} as unknown as Metrics

/** One process of the node, put together from product code; it dies by never being run again. */
export class NodeProcess {
  readonly process: Process
  readonly roles: readonly LeaderRole[]
  readonly database: Database
  readonly leaderships: ReadonlyMap<LeaderRole, Leadership>
  readonly ledger: LedgerService
  readonly sequencer: Sequencer
  readonly chain: ChainModule
  readonly transactions: TransactionService
  readonly payments: PaymentsService
  readonly supply: SupplyService
  readonly settlement: SettlementModule
  readonly trading: TradingService
  readonly #services: Service[] = []

  constructor(process: Process, roles: readonly LeaderRole[], around: Surroundings) {
    const { world } = around
    const log = traceLog(world, process.name)
    const database = around.connectDatabase()
    this.process = process
    this.roles = roles
    this.database = database
    const base = { database, clock: world.clock, log, metrics }
    const leadership = (role: LeaderRole) => new Leadership({ role, database, log })
    this.leaderships = new Map(LEADER_ROLES.map((role) => [role, leadership(role)]))
    this.sequencer = new Sequencer({
      ...base,
      leadership: this.leadership('engine'),
      reducers: exchangeSource,
    })
    const sink = around.forward(this)
    this.ledger = new LedgerService({ database, reducers: exchangeSource, sink })
    this.chain = chainModule({
      ...base,
      rpcUrls: around.rpcUrls,
      deployment: {
        chainId: CHAIN_ID,
        deployedAt: 1,
        contracts: {
          ClearingHouse: VAULT,
          AssetRegistry: REGISTRY,
          InvestorRegistry: INVESTORS,
          SupplyController: SUPPLY,
        },
      },
      finality: { rule: { depth: around.finalityDepth } },
      keys: roles.includes('txm') ? KEYS : {},
      pollIntervalMs: 80,
      leaderships: { watcher: this.leadership('watcher'), txm: this.leadership('txm') },
    })
    this.transactions = new TransactionService({ database, rpc: this.chain.rpc, log })
    const shared = { ...base, ledger: this.ledger, chain: this.chain.service }
    this.payments = new PaymentsService(shared)
    this.supply = new SupplyService(shared)
    this.settlement = settlementModule({
      ...shared,
      supply: this.supply,
      accounts: { listUsersByChainAccount: () => Promise.resolve([]) },
      findSymbol: () => Promise.resolve(undefined),
    })
    this.trading = new TradingService({ ...shared, sink })
    this.#addWorkers(around, base)
  }

  leadership(role: LeaderRole): Leadership {
    const found = this.leaderships.get(role)
    if (found === undefined) throw new TypeError(role)
    return found
  }

  async start(): Promise<void> {
    const never = new AbortController().signal
    for (const service of this.#services) await service.start(never)
  }

  #addWorkers(
    around: Surroundings,
    base: { readonly database: Database; readonly log: Log; readonly metrics: Metrics },
  ): void {
    const { broker } = around
    const plays = (role: LeaderRole): boolean => this.roles.includes(role)
    for (const role of this.roles) this.#services.push(this.leadership(role))
    if (plays('watcher')) this.#services.push(this.chain.watcher)
    if (plays('txm') && this.chain.txManager !== undefined)
      this.#services.push(this.chain.txManager)
    if (plays('engine')) {
      const events = broker?.log(base.database) ?? new PgLog(base)
      const leadership = this.leadership('engine')
      const engine = this.sequencer
      const make = (): Service =>
        this.settlement.makeConsumer({
          events,
          engine,
          leadership,
          payments: this.payments,
          // Few enough that a backlog comes in parts, of which one is read while another commits.
          eventsPerTurn: 3,
        })
      const { log } = base
      this.#services.push(engine, new WhileLeading({ name: 'settlement', leadership, make, log }))
    }
    if (plays('settler')) {
      this.#services.push(
        this.settlement.makeSettler({
          leadership: this.leadership('settler'),
          payments: this.payments,
          settlementIntervalMs: SETTLEMENT_INTERVAL_MS,
        }),
      )
    }
    if (plays('relay') && broker !== undefined) {
      const streams = ['chain.events', 'ledger.events']
      const leadership = this.leadership('relay')
      const producer = broker.producer()
      const resendRestMs = RESEND_REST_MS
      this.#services.push(new Relay({ ...base, leadership, producer, streams, resendRestMs }))
    }
  }
}

const SETTLEMENT_INTERVAL_MS = 700
const RESEND_REST_MS = 2000
export const LEADER_ROLES: readonly LeaderRole[] = ['engine', 'settler', 'watcher', 'txm', 'relay']

/** The engine that leads, asked over a network that may lose the answer. */
export class Forwarding implements CommandSink {
  readonly #world: World
  readonly #own: NodeProcess
  readonly #find: () => NodeProcess | undefined

  constructor(world: World, own: NodeProcess, find: () => NodeProcess | undefined) {
    this.#world = world
    this.#own = own
    this.#find = find
  }

  submit(...[command, options]: Parameters<CommandSink['submit']>): Promise<CommandResult> {
    const world = this.#world
    if (this.#own.sequencer.isReady()) return this.#own.sequencer.submit(command, options)
    const from = world.process()
    const { promise, resolve, reject } = Promise.withResolvers<CommandResult>()
    if (!world.survives(from)) return promise
    const lost = (): void => reject(platformErrors.unavailable('the engine does not answer'))
    const node = this.#find()
    if (node === undefined) {
      world.schedule(5, lost)
      return promise
    }
    const cancel = world.schedule(1500, lost)
    world.schedule(
      world.between(0.2, 2),
      () => {
        void node.sequencer.submit(command, options).then(
          (result) => world.schedule(0.5, () => (cancel(), resolve(result)), from),
          (error: unknown) => world.schedule(0.5, () => (cancel(), reject(error)), from),
        )
      },
      node.process,
    )
    return promise
  }
}

/** Writes what the node logs into the trace. */
function traceLog(world: World, name: string): Log {
  const note =
    (level: string) =>
    (fields: unknown): void =>
      world.trace(level, () => `${name} ${describeFields(fields)}`)
  const log = {
    debug: () => undefined,
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    child: () => log,
  }
  return log as unknown as Log
}

function describeFields(fields: unknown): string {
  if (typeof fields !== 'object' || fields === null) return String(fields)
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${value instanceof Error ? value.message : String(value)}`)
    .join(' ')
}
