import { idFromUuid } from '#kernel/id.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import type { SimulatedChain } from './chain.ts'
import type { Invariants } from './invariants.ts'
import type { Requester } from './requester.ts'
import type { World } from './world.ts'

export const ACCOUNTS = [16, 17, 18, 19] as const
export const CASH = 0
const BASE = 1
const GOLD = 3
const MARKET = 'BLDG-USD'
export interface WorkloadOptions {
  readonly world: World
  readonly chain: SimulatedChain
  readonly invariants: Invariants
  readonly requester: Requester
}

interface Acknowledged {
  readonly key: string
  readonly account: number
  /** Bare UUID. */
  readonly id: string
  readonly sequence: bigint
}

const wallet = (account: number): string => `0x${account.toString(16).padStart(40, '0')}`

/** People and officers: they ask, wait, and ask again with the same key until they know. */
export class Workload {
  readonly #options: WorkloadOptions
  readonly acknowledged: Acknowledged[] = []
  readonly withdrawals = new Set<string>()
  /** Withdrawals that were refused although an earlier attempt may still be on its way. */
  doubtfulWithdrawals = 0
  #isOver = false
  #working = 0
  #keys = 0

  constructor(options: WorkloadOptions) {
    this.#options = options
  }

  /** Everybody has got an answer to everything. */
  get isDone(): boolean {
    return this.#isOver && this.#working === 0
  }

  stop(): void {
    this.#isOver = true
  }

  /** Registrations and first deposits on chain, assets and a market in the node; then orders. */
  start(): void {
    const { chain } = this.#options
    for (const account of ACCOUNTS) {
      chain.sendCall({ type: 'register', account, wallet: wallet(account), class: 1 })
      for (const asset of [CASH, BASE])
        chain.sendCall({ type: 'deposit', account, asset, amount: 1_000_000_000_000n })
    }
    this.#work(async () => {
      await this.#openDoors()
      for (const account of ACCOUNTS) this.#work(() => this.#person(account))
    })
  }

  #work(task: () => Promise<void>): void {
    this.#working += 1
    this.#options.requester.run(task, () => {
      this.#working -= 1
    })
  }

  async #openDoors(): Promise<void> {
    const listed = [
      { asset: CASH, symbol: 'USD', decimals: 6, external: true },
      { asset: BASE, symbol: 'BLDG', decimals: 4, external: true },
      { asset: GOLD, symbol: 'GOLD', decimals: 2, external: false },
    ]
    const list = listed.map((one) => ({
      ...one,
      type: 'list_asset' as const,
      token: `0x${one.asset.toString(16).padStart(40, '0')}`,
    }))
    for (const command of list)
      await this.#options.requester.insist((node) => node.ledger.submit(command))
    const market = {
      type: 'create_market',
      symbol: MARKET,
      base: BASE,
      quote: CASH,
      base_decimals: 4,
      quote_decimals: 6,
      tick_size: '0.01',
      lot_size: '0.001',
      maker_fee_bps: 5,
      taker_fee_bps: 10,
      market_collar_bps: 500,
    }
    await this.#options.requester.insist((node) => node.ledger.submit(market as never))
  }

  async #person(account: number): Promise<void> {
    const { world } = this.#options
    while (!this.#isOver) {
      await this.#options.requester.rest(world.between(10, 220))
      const dice = world.rng.below(100)
      if (dice < 62) await this.#order(account)
      else if (dice < 74) await this.#cancel(account)
      else if (dice < 84) this.#deposit(account)
      else if (dice < 94) await this.#withdraw(account)
      else await this.#mint(account)
    }
  }

  async #order(account: number): Promise<void> {
    const { world, invariants } = this.#options
    const isMarket = world.chance(1, 6)
    const key = this.#key()
    const request = {
      market: MARKET,
      side: world.chance(1, 2) ? ('buy' as const) : ('sell' as const),
      type: isMarket ? ('market' as const) : ('limit' as const),
      quantity: `0.${String(1 + world.rng.below(9)).padStart(3, '0')}`,
      ...(isMarket ? {} : { price: `${(100 + world.rng.below(9) - 4) / 100}0`.slice(0, 4) }),
      ...(!isMarket && world.chance(1, 5) && { time_in_force: 'ioc' as const }),
      client_order_id: key,
    }
    const trader = { accountId: `acc_${account}`, chainAccount: account }
    const answer = await this.#options.requester.insist(
      async (node) => {
        const placed = await node.trading.placeOrder(
          trader,
          request,
          world.seed % 2 === 0 ? key : undefined,
        )
        return { id: placed.result.order.id, sequence: placed.result.order.sequence }
      },
      ({ id, sequence }) => invariants.acknowledged(id, sequence),
    )
    if ('value' in answer) this.acknowledged.push({ ...answer.value, key, account })
  }

  async #cancel(account: number): Promise<void> {
    const own = this.acknowledged.filter((order) => order.account === account)
    const order = own[this.#options.world.rng.below(Math.max(1, own.length))]
    if (order === undefined) return
    const trader = { accountId: `acc_${account}`, chainAccount: account }
    await this.#options.requester.insist((node) =>
      node.trading.cancelOrder(trader, idFromUuid('order', order.id)),
    )
  }

  #deposit(account: number): void {
    const { world, chain } = this.#options
    const asset = world.chance(1, 2) ? CASH : BASE
    chain.sendCall({
      type: 'deposit',
      account,
      asset,
      amount: BigInt(1 + world.rng.below(5_000_000)),
    })
  }

  async #withdraw(account: number): Promise<void> {
    const { world } = this.#options
    const request = {
      accountId: `acc_${account}`,
      chainAccount: account,
      asset: world.pick(['USD', 'BLDG']),
      amount: `${1 + world.rng.below(40)}`,
      key: this.#key(),
    }
    const answer = await this.#options.requester.insist(
      async (node) => (await node.payments.requestWithdrawal(request)).result.id,
    )
    if ('value' in answer) this.withdrawals.add(answer.value)
    else if (answer.isDoubtful) this.doubtfulWithdrawals += 1
  }

  async #mint(account: number): Promise<void> {
    const { world } = this.#options
    const proposal = {
      ref: this.#key(),
      asset: { chainAsset: GOLD, ceilingAtoms: null },
      reserveAtoms: null,
      changeAtoms: BigInt(1 + world.rng.below(1000)),
      beneficiary: account,
    }
    await this.#options.requester.insist((node) =>
      inTransaction(node.database, (tx) => node.supply.propose(tx, proposal)),
    )
  }

  #key(): string {
    this.#keys += 1
    return `key-${this.#keys}`
  }
}
