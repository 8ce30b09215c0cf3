import { addressOf } from '#chain/hex.ts'
import { LocalSigner } from '#chain/signer-adapter.ts'
import type { LeaderRole } from '#platform/leader.ts'
import { SimulatedBroker } from './broker.ts'
import { SimulatedChain, VAULT } from './chain.ts'
import { Endpoints, type Mood } from './endpoints.ts'
import { differencesAtRest, Invariants } from './invariants.ts'
import { Forwarding, KEYS, LEADER_ROLES, NodeProcess, type Surroundings } from './node.ts'
import { RealPostgres } from './real-postgres.ts'
import { simulatedDatabase, SimulatedPostgres, type Row } from './postgres.ts'
import { BREAKERS, CHAIN_STATEMENTS } from './statements-chain.ts'
import { LEDGER_STATEMENTS } from './statements-ledger.ts'
import { SETTLEMENT_STATEMENTS } from './statements-settlement.ts'
import { Workload } from './workload.ts'
import { Process, World } from './world.ts'

export interface RunResult {
  readonly seed: number
  readonly orders: number
  readonly trades: number
  readonly batches: number
  readonly withdrawals: number
  readonly crashes: number
  readonly reorgs: number
  readonly steps: number
  readonly virtualMs: number
}

export interface RunOptions {
  /** A migrated database of its own; without it the database is simulated too. */
  readonly databaseUrl?: string | undefined
  readonly trace?: (line: string) => void
}

const signers = {
  settler: new LocalSigner(KEYS.settler),
  registrar: new LocalSigner(KEYS.registrar),
}
const STATEMENTS = [...LEDGER_STATEMENTS, ...CHAIN_STATEMENTS, ...SETTLEMENT_STATEMENTS]
const DEPTHS = [2, 2, 3, 3, 4, 4, 5, 6, 8, 13, 33] as const
const MOODS: readonly Mood[] = [
  'lagging',
  'lagging',
  'lagging',
  'stuck',
  'down',
  'busy',
  'forgetful',
  'confused',
]
const LIES: ReadonlySet<Mood> = new Set(['forgetful', 'confused'])
const HEALED_WITHIN_MS = 40_000
const BLOCK_MS = 70
const IDLE_IN_TRANSACTION_MS = 5000

/** One seed from the first command to rest; throws the violation that it meets. */
export async function simulate(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const world = new World(seed)
  world.traced = options.trace
  const restore = world.install()
  try {
    return await new Simulation(world, options.databaseUrl).run()
  } finally {
    restore()
  }
}

/** The whole node in one seeded run: which faults come, and when, is drawn from the seed. */
class Simulation {
  readonly #world: World
  readonly #server: SimulatedPostgres
  /** Real tables, of which `server` is then a copy for the checks at rest. */
  readonly #real: RealPostgres | undefined
  readonly #chain: SimulatedChain
  readonly #endpoints: Endpoints
  readonly #broker: SimulatedBroker
  readonly #workload: Workload
  readonly #depth: number
  readonly #nodes: NodeProcess[] = []
  readonly #usesBroker: boolean
  #isHealed = false
  #crashes = 0
  #reorgs = 0
  #started = 0

  constructor(world: World, databaseUrl: string | undefined) {
    this.#world = world
    this.#server = new SimulatedPostgres(world, STATEMENTS)
    this.#real =
      databaseUrl === undefined ? undefined : new RealPostgres(world, databaseUrl, this.#server)
    this.#chain = new SimulatedChain(world)
    this.#endpoints = new Endpoints(world, this.#chain, 1 + world.rng.below(3))
    this.#broker = new SimulatedBroker(world)
    this.#depth = world.pick(DEPTHS)
    this.#usesBroker = world.chance(1, 2)
    const invariants = new Invariants(
      world,
      this.#server,
      this.#chain,
      this.#depth,
      this.#real === undefined,
    )
    this.#workload = new Workload({
      world,
      chain: this.#chain,
      invariants,
      anyNode: () => this.#anyNode(),
    })
    this.#chain.signerOf = (to) =>
      to === VAULT ? signers.settler.address : addressOf(signers.registrar.address, 'registrar')
    world.died = (process) => this.#kill(process)
  }

  async run(): Promise<RunResult> {
    const world = this.#world
    if (this.#real === undefined) this.#seedTables()
    for (const roles of this.#drawTopology()) this.#launch(roles)
    this.#mineOnAndOn()
    this.#workload.start()
    const troubleMs = world.between(1200, 3500)
    world.later(world.between(0, 600), () => this.#beginTroubles())
    world.later(troubleMs, () => this.#heal())
    const lastMs = troubleMs + HEALED_WITHIN_MS
    const isAtRest = await world.run(() => this.#isAtRest(), lastMs)
    if (!isAtRest)
      world.violate('everything comes to rest after healing', this.#unrest().join('; '))
    const left = differencesAtRest(this.#server, this.#chain.head)
    world.check(left.length === 0, 'ledger and chain agree at rest', () => left.join('; '))
    this.#checkAcknowledged()
    await this.#verify()
    return this.#result()
  }

  #seedTables(): void {
    const server = this.#server
    server.seed('platform.instance', 'row', { id: this.#world.uuid(), log_epoch: 1n })
    for (const role of LEADER_ROLES) server.seed('platform.fence', role, { role, epoch: 0n })
    for (const [name, scope] of BREAKERS)
      server.seed('chain.breaker', `${name}/${scope}`, {
        name,
        scope,
        is_open: false,
        reason: null,
        since_ms: BigInt(this.#world.epochMs()),
      })
    server.seed('settlement.state', 'row', {
      status: 'running',
      reason: null,
      covered_seq: 0n,
      changed_at: new Date(this.#world.epochMs()),
      is_ended: false,
    })
  }

  /** One process, two, or one per role; sometimes with standbys. */
  #drawTopology(): readonly (readonly LeaderRole[])[] {
    const world = this.#world
    const shape = world.rng.below(4)
    const base: (readonly LeaderRole[])[] =
      shape === 0
        ? [LEADER_ROLES]
        : shape === 1
          ? [['engine'], ['settler', 'watcher', 'txm', 'relay']]
          : LEADER_ROLES.map((role) => [role])
    if (world.chance(1, 2))
      base.push(world.chance(1, 2) ? LEADER_ROLES : [world.pick(LEADER_ROLES)])
    return base
  }

  #launch(roles: readonly LeaderRole[]): void {
    this.#started += 1
    const process = new Process(`${roles.length === 5 ? 'node' : roles.join('+')}#${this.#started}`)
    const around: Surroundings = {
      world: this.#world,
      connectDatabase: () => this.#real?.connect() ?? simulatedDatabase(this.#server),
      rpcUrls: this.#endpoints.all.map(({ url }) => url),
      finalityDepth: this.#depth,
      broker: this.#usesBroker ? this.#broker : undefined,
      forward: (own) => new Forwarding(this.#world, own, () => this.#leadingEngine()),
    }
    this.#world.schedule(
      0,
      () => {
        const node = new NodeProcess(process, roles, around)
        this.#nodes.push(node)
        this.#world.trace('start', () => process.name)
        node.start().catch((error: unknown) => {
          this.#world.trace('start', () => `${process.name} fails: ${String(error)}`)
          this.#kill(process)
        })
      },
      process,
    )
  }

  #kill(process: Process): void {
    if (!process.isAlive) return
    process.isAlive = false
    this.#crashes += 1
    this.#world.trace('crash', () => process.name)
    const place = this.#nodes.findIndex((node) => node.process === process)
    const [node] = place < 0 ? [] : this.#nodes.splice(place, 1)
    this.#world.later(this.#world.between(0, 60), () => this.#closeAll(process))
    if (node !== undefined)
      this.#world.later(this.#world.between(50, 600), () => this.#launch(node.roles))
  }

  #closeAll(process: Process): void {
    this.#server.closeAll(process)
    this.#real?.closeAll(process)
  }

  #anyNode(): NodeProcess | undefined {
    const fit = this.#nodes.filter(({ process }) => process.isAlive)
    return fit[this.#world.rng.below(Math.max(1, fit.length))]
  }

  #leadingEngine(): NodeProcess | undefined {
    return this.#nodes.find(({ process, sequencer }) => process.isAlive && sequencer.isReady())
  }

  #mineOnAndOn(): void {
    this.#chain.mine()
    const again = (): void => {
      this.#mineOne()
      this.#world.later(this.#world.between(BLOCK_MS * 0.3, BLOCK_MS * 1.7), again)
    }
    again()
  }

  #mineOne(): void {
    const world = this.#world
    this.#chain.mine(this.#isHealed ? 1 : world.rng.next())
    for (const tap of this.#pulses) tap()
  }

  // Troubles

  readonly #pulses: (() => void)[] = []

  /** Each kind comes in about half of the runs, so that each is also met alone. */
  #beginTroubles(): void {
    const world = this.#world
    const some = (most: number): number => (world.chance(1, 2) ? world.between(0, most) : 0)
    this.#server.troubles = {
      failedCommits: some(0.04),
      unknownCommits: some(0.05),
      lostStatements: some(0.002),
      slowStatements: some(0.02),
    }
    this.#broker.troubles = {
      duplicates: some(0.3),
      rebalances: some(0.1),
      delays: some(0.2),
      failures: some(0.1),
    }
    const crashGapMs = world.chance(2, 3) ? world.between(300, 3000) : 0
    if (crashGapMs > 0) this.#repeat(crashGapMs, () => this.#armCrash())
    if (world.chance(1, 3)) this.#repeat(1500, () => this.#pause())
    if (world.chance(2, 3)) this.#repeat(world.between(200, 1500), () => this.#reorgSome())
    if (world.chance(1, 2)) this.#repeat(world.between(200, 1500), () => this.#dropSome())
    if (world.chance(2, 3)) this.#repeat(world.between(200, 1500), () => this.#disturbEndpoint())
    if (world.chance(1, 3)) this.#repeat(2500, () => this.#server.restart(world.between(0, 300)))
    if (world.chance(1, 3)) this.#repeat(2500, () => this.#spikeFees())
    if (world.chance(1, 3)) this.#repeat(2500, () => this.#stopBroker())
    if (world.chance(1, 2)) this.#repeat(400, () => this.#loseMessages())
  }

  #repeat(meanMs: number, trouble: () => void): void {
    const again = (): void => {
      if (this.#isHealed) return
      trouble()
      this.#world.later(this.#world.between(0, 2 * meanMs), again)
    }
    this.#world.later(this.#world.between(0, meanMs), again)
  }

  /** The process dies in the middle of one of its next calls to the outside. */
  #armCrash(): void {
    const node = this.#anyNode()
    if (node !== undefined) node.process.callsToLive = 1 + this.#world.rng.below(60)
  }

  /** SIGSTOP; now and then the server drops its connections meanwhile. */
  #pause(): void {
    const { process } = this.#anyNode() ?? {}
    if (process === undefined) return
    const longMs = this.#world.chance(1, 4)
      ? this.#world.between(5000, 9000)
      : this.#world.between(50, 2500)
    process.pausedUntilMs = this.#world.nowMs + longMs
    this.#world.trace('pause', () => `${process.name} for ${longMs.toFixed(0)} ms`)
    if (this.#world.chance(1, 3)) this.#closeAll(process)
    this.#world.later(IDLE_IN_TRANSACTION_MS, () => {
      if (process.pausedUntilMs > this.#world.nowMs) this.#server.endIdle(process)
    })
  }

  #reorgSome(): void {
    const most = Math.min(this.#depth - 1, 32, this.#chain.head.number - 1)
    if (most < 1) return
    const depth = 1 + this.#world.rng.below(most)
    this.#reorgs += 1
    const longer = this.#world.rng.below(2)
    this.#chain.reorg(depth, depth + longer, this.#world.between(0, 0.3))
  }

  #dropSome(): void {
    for (const { hash } of this.#chain.pool) if (this.#world.chance(1, 3)) this.#chain.drop(hash)
  }

  /** One liar at a time, and only among honest ones: nobody can tell when all lie alike. */
  #disturbEndpoint(): void {
    const { all } = this.#endpoints
    const endpoint = this.#world.pick(all)
    const mood = this.#world.pick(MOODS)
    const others = all.filter((one) => one !== endpoint)
    if (others.some((one) => LIES.has(one.mood))) return
    if (LIES.has(mood) && (others.length === 0 || others.some((one) => one.mood !== 'honest')))
      return
    this.#endpoints.disturb(endpoint, mood)
    this.#world.later(this.#world.between(50, 1500), () => {
      endpoint.mood = 'honest'
      endpoint.lagMs = 0
      endpoint.stuckAt = undefined
    })
  }

  #spikeFees(): void {
    this.#chain.baseFee = BigInt(Math.floor(this.#world.between(1, 400))) * 1_000_000_000n
    this.#world.later(this.#world.between(100, 1500), () => {
      this.#chain.baseFee = 7n
    })
  }

  #stopBroker(): void {
    this.#broker.awayUntilMs = this.#world.nowMs + this.#world.between(50, 1500)
  }

  #loseMessages(): void {
    this.#world.trace('forget', () => 'the broker forgets its messages')
    this.#broker.forget()
  }

  #heal(): void {
    this.#world.trace('heal', () => '')
    this.#isHealed = true
    this.#server.calm()
    this.#broker.calm()
    this.#endpoints.calm()
    this.#chain.baseFee = 7n
    for (const { process } of this.#nodes) {
      process.callsToLive = Infinity
      process.pausedUntilMs = 0
    }
    this.#workload.stop()
    this.#real?.copyNowAndThen(() => this.#workload.isDone)
  }

  // Rest

  #isAtRest(): boolean {
    if (!this.#isHealed || !this.#workload.isDone) return false
    if (this.#real?.isCopied === false) return false
    // Looking costs time, so not in every step.
    if (this.#world.steps % 128 !== 0) return false
    return this.#unrest().length === 0
  }

  #unrest(): readonly string[] {
    const server = this.#server
    const notes: string[] = []
    const note = (isFine: boolean, what: () => string): void => {
      if (!isFine) notes.push(what())
    }
    const count = (rows: readonly Row[]): string =>
      rows
        .map((row) => `${String(row['key'] ?? row['id'])} ${String(row['state'] ?? row['status'])}`)
        .join(', ')
    note(this.#workload.isDone, () => 'somebody waits for an answer')
    note(this.#real?.isCopied !== false, () => 'the tables were not read since')
    const open = server.all('chain.tx_request').filter((row) => row['state'] !== 'final')
    note(open.length === 0, () => `transactions ${count(open)}`)
    const batches = server.all('settlement.batch').filter((row) => row['status'] !== 'final')
    note(batches.length === 0, () => `batches ${count(batches)}`)
    const payments = server.all('payments.withdrawal').filter((row) => row['status'] !== 'final')
    note(payments.length === 0, () => `withdrawals ${count(payments)}`)
    const supplies = server.all('supply.request').filter((row) => row['status'] !== 'final')
    note(supplies.length === 0, () => `supply ${count(supplies)}`)
    const head = server.committed('platform.stream_head').get('chain.events')?.['seq']
    const position = server.committed('platform.consumer_position').get('engine chain.events')?.[
      'seq'
    ]
    note(
      head !== undefined && head === position,
      () => `position ${String(position)} of ${String(head)}`,
    )
    const cursor = server.committed('chain.cursor').get('row')
    const goal = this.#chain.head.number - this.#depth - 25
    note(
      Number(cursor?.['final_number'] ?? -1) >= goal,
      () => `final block ${String(cursor?.['final_number'])} of ${goal}`,
    )
    if (notes.length === 0) {
      const left = differencesAtRest(server, this.#chain.head)
      note(left.length === 0, () => left.join(', '))
    }
    return notes
  }

  #checkAcknowledged(): void {
    const orders = this.#server.committed('trading.order')
    const clients = new Map<string, number>()
    for (const row of orders.values()) {
      const key = String(row['client_order_id'])
      clients.set(key, (clients.get(key) ?? 0) + 1)
    }
    for (const { id, key, sequence } of this.#workload.acknowledged) {
      const row = orders.get(id)
      this.#world.check(
        row?.['seq'] === sequence,
        'acknowledged orders are kept',
        () => `${key} ${id}`,
      )
      this.#world.check(clients.get(key) === 1, 'no order is placed twice', () => key)
    }
    const { withdrawals, doubtfulWithdrawals } = this.#workload
    const payments = this.#server.committed('payments.withdrawal')
    for (const id of withdrawals)
      this.#world.check(payments.has(id), 'acknowledged withdrawals are kept', () => id)
    const surplus = payments.size - withdrawals.size
    this.#world.check(
      surplus <= doubtfulWithdrawals,
      'no withdrawal is made twice',
      () => `${payments.size} stored, ${withdrawals.size} acknowledged`,
    )
  }

  /** The journal replayed from its first command gives the state of the tables (I2). */
  async #verify(): Promise<void> {
    const world = this.#world
    const node = this.#nodes[0]
    if (node === undefined) return
    let isDone = false
    world.schedule(
      0,
      () => {
        node.ledger.verifyJournal().then(
          ({ equal }) => {
            isDone = true
            world.check(equal, 'I2 one-writer', () => 'replay gives another state')
          },
          (error: unknown) => world.violate('I2 one-writer', String(error)),
        )
      },
      node.process,
    )
    await world.run(() => isDone, world.nowMs + 10_000)
    await this.#real?.close()
  }

  #result(): RunResult {
    const server = this.#server
    return {
      seed: this.#world.seed,
      orders: this.#workload.acknowledged.length,
      trades: server.all('trading.trade').length,
      batches: server.all('settlement.batch').length,
      withdrawals: server.all('payments.withdrawal').length,
      crashes: this.#crashes,
      reorgs: this.#reorgs,
      steps: this.#world.steps,
      virtualMs: Math.round(this.#world.nowMs),
    }
  }
}
