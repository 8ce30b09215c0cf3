/**
 * An exchange as one would explain it: one list of orders, searched from end to end each time, and
 * balances recounted from a list of movements. Slow on purpose; it shares no code with the product.
 */
export interface NaiveOrder {
  readonly id: string
  readonly account: number
  readonly side: 'buy' | 'sell'
  readonly limit: bigint
  readonly lots: bigint
  readonly place: number
  left: bigint
  makerNotional: bigint
  takerNotional: bigint
  status: string
}

export interface NaiveTrade {
  readonly maker: string
  readonly taker: string
  readonly ticks: bigint
  readonly lots: bigint
}

export interface NaiveTerms {
  readonly factor: bigint
  readonly lotAtoms: bigint
  readonly makerBps: bigint
  readonly takerBps: bigint
  readonly collarBps: bigint
}

export interface NaiveRequest {
  readonly id: string
  readonly account: number
  readonly side: 'buy' | 'sell'
  readonly price: bigint | undefined
  readonly lots: bigint
  readonly ioc: boolean
}

export class NaiveExchange {
  readonly orders: NaiveOrder[] = []
  readonly trades: NaiveTrade[] = []
  readonly #moves: [account: number, asset: 'base' | 'quote', amount: bigint][] = []
  readonly #terms: NaiveTerms
  #places = 0

  constructor(terms: NaiveTerms) {
    this.#terms = terms
  }

  deposit(account: number, asset: 'base' | 'quote', amount: bigint): void {
    this.#moves.push([account, asset, amount])
  }

  posted(account: number, asset: 'base' | 'quote'): bigint {
    return this.#moves
      .filter(([owner, what]) => owner === account && what === asset)
      .reduce((sum, [, , amount]) => sum + amount, 0n)
  }

  held(account: number, asset: 'base' | 'quote'): bigint {
    return this.orders
      .filter((order) => order.account === account && isLive(order))
      .filter((order) => (order.side === 'sell') === (asset === 'base'))
      .reduce((sum, order) => sum + this.#holdOf(order), 0n)
  }

  /** What becomes of the order: its status, or a refusal. */
  place(request: NaiveRequest): string {
    const best = this.#facing(request.side)[0]
    if (request.price === undefined && best === undefined) return 'rejected'
    const limit = request.price ?? this.#collar(request.side, best?.limit ?? 0n)
    const order: NaiveOrder = {
      ...request,
      limit,
      place: this.#places++,
      left: request.lots,
      makerNotional: 0n,
      takerNotional: 0n,
      status: 'open',
    }
    const asset = request.side === 'sell' ? 'base' : 'quote'
    const free = this.posted(request.account, asset) - this.held(request.account, asset)
    if (this.#holdOf(order) > free) return 'refused'
    this.orders.push(order)
    this.#match(order)
    if (isLive(order) && (request.ioc || request.price === undefined)) order.status = 'cancelled'
    return order.status
  }

  cancel(id: string, account: number): boolean {
    const order = this.orders.find((each) => each.id === id && each.account === account)
    if (order === undefined || !isLive(order)) return false
    order.status = 'cancelled'
    return true
  }

  live(): readonly NaiveOrder[] {
    return this.orders.filter(isLive)
  }

  #match(taker: NaiveOrder): void {
    while (taker.left > 0n) {
      const maker = this.#facing(taker.side)[0]
      if (maker === undefined) return
      const meets = taker.side === 'buy' ? maker.limit <= taker.limit : maker.limit >= taker.limit
      if (!meets) return
      if (maker.account === taker.account) {
        taker.status = 'cancelled'
        return
      }
      this.#trade(maker, taker, maker.left < taker.left ? maker.left : taker.left)
    }
  }

  #trade(maker: NaiveOrder, taker: NaiveOrder, lots: bigint): void {
    const notional = maker.limit * lots * this.#terms.factor
    const before = [this.#fee(maker), this.#fee(taker)] as const
    maker.makerNotional += notional
    taker.takerNotional += notional
    const [buyer, seller] = taker.side === 'buy' ? [taker, maker] : [maker, taker]
    const base = lots * this.#terms.lotAtoms
    this.#moves.push([seller.account, 'base', -base], [buyer.account, 'base', base])
    this.#moves.push([buyer.account, 'quote', -notional], [seller.account, 'quote', notional])
    for (const [order, paid] of [
      [maker, before[0]],
      [taker, before[1]],
    ] as const) {
      const fee = this.#fee(order) - paid
      this.#moves.push([order.account, 'quote', -fee], [1, 'quote', fee])
    }
    for (const order of [maker, taker]) {
      order.left -= lots
      order.status = order.left === 0n ? 'filled' : 'partially_filled'
    }
    this.trades.push({ maker: maker.id, taker: taker.id, ticks: maker.limit, lots })
  }

  /** Live orders of the other side, best price first, then the oldest. */
  #facing(side: 'buy' | 'sell'): readonly NaiveOrder[] {
    const direction = side === 'buy' ? 1 : -1
    return this.live()
      .filter((order) => order.side !== side && order.left > 0n)
      .toSorted((a, b) => Number(a.limit - b.limit) * direction || a.place - b.place)
  }

  #collar(side: 'buy' | 'sell', best: bigint): bigint {
    if (side === 'buy') return (best * (10_000n + this.#terms.collarBps)) / 10_000n
    const scaled = best * (10_000n - this.#terms.collarBps)
    const up = scaled % 10_000n === 0n ? scaled / 10_000n : scaled / 10_000n + 1n
    return up > 0n ? up : 1n
  }

  #fee({ makerNotional, takerNotional }: NaiveOrder): bigint {
    const weighted = makerNotional * this.#terms.makerBps + takerNotional * this.#terms.takerBps
    return weighted % 10_000n === 0n ? weighted / 10_000n : weighted / 10_000n + 1n
  }

  #holdOf(order: NaiveOrder): bigint {
    if (order.side === 'sell') return order.left * this.#terms.lotAtoms
    const worst = order.limit * order.left * this.#terms.factor
    const all = { ...order, takerNotional: order.takerNotional + worst }
    return worst + this.#fee(all) - this.#fee(order)
  }
}

function isLive(order: NaiveOrder): boolean {
  return order.status === 'open' || order.status === 'partially_filled'
}
