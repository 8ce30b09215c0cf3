import { LocalSigner } from '#chain/signer-adapter.ts'
import type { LeaderRole } from '#platform/leader.ts'
import { SimulatedBroker } from './broker.ts'
import { SimulatedChain } from './chain.ts'
import { VAULT } from './clearing-house.ts'
import { Endpoints } from './endpoints.ts'
import { Hands } from './hands.ts'
import { differencesAtRest, Invariants } from './invariants.ts'
import { Forwarding, KEYS, LEADER_ROLES, NodeProcess, type Surroundings } from './node.ts'
import { Operators } from './operators.ts'
import { RealPostgres } from './real-postgres.ts'
import { simulatedDatabase, SimulatedPostgres } from './postgres.ts'
import { Requester } from './requester.ts'
import { checkAcknowledged, countDeeds, unrest } from './rest.ts'
import { BREAKERS, CHAIN_STATEMENTS } from './statements-chain.ts'
import { LEDGER_STATEMENTS } from './statements-ledger.ts'
import { SETTLEMENT_STATEMENTS } from './statements-settlement.ts'
import { TransactionChecks, wrongEnds } from './transaction-checks.ts'
import { Troubles } from './troubles.ts'
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
  /** Transactions that operators took back. */
  readonly cancels: number
  readonly halts: number
  /** Of those held for a nonce that was used by hand. */
  readonly holds: number
  readonly reverts: number
  readonly byHand: number
  /** Made by hand and mined, then torn off by a reorg. */
  readonly tornOff: number
  /** Of a halted settlement. */
  readonly resumes: number
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
const HEALED_WITHIN_MS = 40_000
const BLOCK_MS = 70

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
  readonly #operators: Operators
  readonly #hands: Hands
  readonly #troubles: Troubles
  readonly #depth: number
  readonly #nodes: NodeProcess[] = []
  readonly #usesBroker: boolean
  #isHealed = false
  #crashes = 0
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
    const { settler, registrar } = signers
    // Who calls back a transaction pays nothing to itself.
    this.#chain.signerOf = (to) =>
      to === VAULT || to === settler.address ? settler.address : registrar.address
    const requester = new Requester({ world, anyNode: () => this.#anyNode() })
    this.#operators = new Operators({ world, requester })
    this.#hands = new Hands({
      world,
      chain: this.#chain,
      server: this.#server,
      depth: this.#depth,
      key: settler.address,
      stopSender: () => this.#stop('txm'),
      isOver: () => this.#isHealed,
    })
    const deeds = () => ({ ...this.#hands.deeds(), cancelled: this.#operators.cancelled })
    const invariants = new Invariants(
      world,
      this.#server,
      this.#chain,
      this.#depth,
      this.#real === undefined,
      new TransactionChecks(world, this.#server, this.#chain, deeds),
    )
    this.#workload = new Workload({ world, chain: this.#chain, invariants, requester })
    this.#troubles = new Troubles({
      world,
      server: this.#server,
      chain: this.#chain,
      broker: this.#broker,
      endpoints: this.#endpoints,
      operators: this.#operators,
      hands: this.#hands,
      depth: this.#depth,
      anyProcess: () => this.#anyNode()?.process,
      closeAll: (process) => this.#closeAll(process),
    })
    world.died = (process) => this.#kill(process)
  }

  async run(): Promise<RunResult> {
    const world = this.#world
    if (this.#real === undefined) this.#seedTables()
    for (const roles of this.#drawTopology()) this.#launch(roles)
    this.#mineOnAndOn()
    this.#workload.start()
    this.#operators.beginDuty()
    const troubleMs = world.between(1200, 3500)
    world.later(world.between(0, 600), () => this.#troubles.begin())
    world.later(troubleMs, () => this.#heal())
    const lastMs = troubleMs + HEALED_WITHIN_MS
    const isAtRest = await world.run(() => this.#isAtRest(), lastMs)
    if (!isAtRest)
      world.violate('everything comes to rest after healing', this.#unrest().join('; '))
    const left = differencesAtRest(this.#server, this.#chain.head)
    world.check(left.length === 0, 'ledger and chain agree at rest', () => left.join('; '))
    const ends = wrongEnds(this.#server, this.#chain)
    world.check(ends.length === 0, 'a transaction ended as the node says', () => ends.join('; '))
    checkAcknowledged(world, this.#server, this.#workload)
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

  #stop(role: LeaderRole): void {
    const node = this.#nodes.find(({ leaderships }) => leaderships.get(role)?.isLeading() === true)
    if (node !== undefined) this.#kill(node.process)
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
  }

  #heal(): void {
    this.#world.trace('heal', () => '')
    this.#isHealed = true
    this.#troubles.end()
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
    const notes: string[] = []
    if (!this.#workload.isDone) notes.push('somebody waits for an answer')
    if (this.#real?.isCopied === false) notes.push('the tables were not read since')
    return [...notes, ...unrest(this.#server, this.#chain, this.#depth)]
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
      reorgs: this.#troubles.reorgs,
      ...countDeeds(server),
      ...this.#hands.count(),
      steps: this.#world.steps,
      virtualMs: Math.round(this.#world.nowMs),
    }
  }
}
