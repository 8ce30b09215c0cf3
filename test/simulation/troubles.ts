import type { SimulatedBroker } from './broker.ts'
import type { SimulatedChain } from './chain.ts'
import type { Endpoints, Mood } from './endpoints.ts'
import type { Hands } from './hands.ts'
import type { Operators } from './operators.ts'
import type { SimulatedPostgres } from './postgres.ts'
import type { Process, World } from './world.ts'

export interface TroublesOptions {
  readonly world: World
  readonly server: SimulatedPostgres
  readonly chain: SimulatedChain
  readonly broker: SimulatedBroker
  readonly endpoints: Endpoints
  readonly operators: Operators
  readonly hands: Hands
  /** Blocks until one is final. */
  readonly depth: number
  readonly anyProcess: () => Process | undefined
  /** Every connection of a process breaks. */
  readonly closeAll: (process: Process) => void
}

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
const IDLE_IN_TRANSACTION_MS = 5000
const USUAL_FEE = 7n

/** What befalls the node until it is healed; which, and when, is drawn from the seed. */
export class Troubles {
  readonly #options: TroublesOptions
  readonly #world: World
  #isOver = false
  reorgs = 0

  constructor(options: TroublesOptions) {
    this.#options = options
    this.#world = options.world
  }

  /** Each kind comes in about half of the runs, so that each is also met alone. */
  begin(): void {
    const world = this.#world
    const { server, broker, operators, hands } = this.#options
    const some = (most: number): number => (world.chance(1, 2) ? world.between(0, most) : 0)
    server.troubles = {
      failedCommits: some(0.04),
      unknownCommits: some(0.05),
      lostStatements: some(0.002),
      slowStatements: some(0.02),
    }
    broker.troubles = {
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
    if (world.chance(1, 3)) this.#repeat(2500, () => server.restart(world.between(0, 300)))
    if (world.chance(1, 3)) this.#repeat(2500, () => this.#spikeFees())
    if (world.chance(1, 3)) this.#repeat(2500, () => this.#stopBroker())
    if (world.chance(1, 2)) this.#repeat(400, () => this.#loseMessages())
    if (world.chance(1, 2)) this.#repeat(world.between(100, 700), () => operators.meddle())
    if (world.chance(1, 3)) this.#repeat(900, () => hands.useKey())
    if (world.chance(1, 4)) this.#repeat(1200, () => hands.pause())
  }

  /** Nothing goes wrong any more. */
  end(): void {
    const { server, broker, endpoints, chain } = this.#options
    this.#isOver = true
    this.#options.hands.rest()
    server.calm()
    broker.calm()
    endpoints.calm()
    chain.baseFee = USUAL_FEE
  }

  #repeat(meanMs: number, trouble: () => void): void {
    const again = (): void => {
      if (this.#isOver) return
      trouble()
      this.#world.later(this.#world.between(0, 2 * meanMs), again)
    }
    this.#world.later(this.#world.between(0, meanMs), again)
  }

  /** The process dies in the middle of one of its next calls to the outside. */
  #armCrash(): void {
    const process = this.#options.anyProcess()
    if (process !== undefined) process.callsToLive = 1 + this.#world.rng.below(60)
  }

  /** SIGSTOP; now and then the server drops its connections meanwhile. */
  #pause(): void {
    const process = this.#options.anyProcess()
    if (process === undefined) return
    const longMs = this.#world.chance(1, 4)
      ? this.#world.between(5000, 9000)
      : this.#world.between(50, 2500)
    process.pausedUntilMs = this.#world.nowMs + longMs
    this.#world.trace('pause', () => `${process.name} for ${longMs.toFixed(0)} ms`)
    if (this.#world.chance(1, 3)) this.#options.closeAll(process)
    this.#world.later(IDLE_IN_TRANSACTION_MS, () => {
      if (process.pausedUntilMs > this.#world.nowMs) this.#options.server.endIdle(process)
    })
  }

  #reorgSome(): void {
    const { chain, depth: finalDepth } = this.#options
    const most = Math.min(finalDepth - 1, 32, chain.head.number - 1)
    if (most < 1) return
    const depth = 1 + this.#world.rng.below(most)
    this.reorgs += 1
    const longer = this.#world.rng.below(2)
    const lossShare = this.#world.between(0, 0.3)
    chain.reorg(depth, depth + longer, () => this.#world.chance(lossShare))
  }

  #dropSome(): void {
    const { chain } = this.#options
    for (const { hash } of chain.pool) if (this.#world.chance(1, 3)) chain.drop(hash)
  }

  /** One liar at a time, and only among honest ones: nobody can tell when all lie alike. */
  #disturbEndpoint(): void {
    const { endpoints } = this.#options
    const endpoint = this.#world.pick(endpoints.all)
    const mood = this.#world.pick(MOODS)
    const others = endpoints.all.filter((one) => one !== endpoint)
    if (others.some((one) => LIES.has(one.mood))) return
    if (LIES.has(mood) && (others.length === 0 || others.some((one) => one.mood !== 'honest')))
      return
    endpoints.disturb(endpoint, mood)
    this.#world.later(this.#world.between(50, 1500), () => {
      endpoint.mood = 'honest'
      endpoint.lagMs = 0
      endpoint.stuckAt = undefined
    })
  }

  #spikeFees(): void {
    const { chain } = this.#options
    chain.baseFee = BigInt(Math.floor(this.#world.between(1, 400))) * 1_000_000_000n
    this.#world.later(this.#world.between(100, 1500), () => {
      chain.baseFee = USUAL_FEE
    })
  }

  #stopBroker(): void {
    this.#options.broker.awayUntilMs = this.#world.nowMs + this.#world.between(50, 1500)
  }

  #loseMessages(): void {
    this.#world.trace('forget', () => 'the broker forgets its messages')
    this.#options.broker.forget()
  }
}
