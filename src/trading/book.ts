import { assert, present } from '#kernel/assert.ts'
import { remainingLots, type Order, type Side } from './order.ts'

export interface Level {
  readonly ticks: bigint
  readonly lots: bigint
  readonly orders: number
}

/** A level as the committed tables have it. */
export interface DepthRow extends Level {
  readonly side: Side
}

/** Resting orders of one market, best price first and oldest first within a price. */
export class Book {
  readonly #sides: Readonly<Record<Side, Order[]>> = { buy: [], sell: [] }

  /** Orders of one side in the order in which they would be met. */
  side(side: Side): readonly Order[] {
    return this.#sides[side]
  }

  insert(order: Order): void {
    const orders = this.#sides[order.side]
    orders.splice(placeOf(orders, order), 0, order)
  }

  /** Puts a later version of an order into its place. */
  replace(order: Order): void {
    const orders = this.#sides[order.side]
    orders[this.#find(order)] = order
  }

  remove(order: Order): void {
    this.#sides[order.side].splice(this.#find(order), 1)
  }

  levels(side: Side): readonly Level[] {
    const levels: Level[] = []
    for (const order of this.#sides[side]) {
      const last = levels.at(-1)
      const lots = remainingLots(order)
      if (last?.ticks === order.limitTicks)
        levels[levels.length - 1] = {
          ticks: last.ticks,
          lots: last.lots + lots,
          orders: last.orders + 1,
        }
      else levels.push({ ticks: order.limitTicks, lots, orders: 1 })
    }
    return levels
  }

  #find(order: Order): number {
    const orders = this.#sides[order.side]
    const place = placeOf(orders, order)
    assert(orders[place]?.id === order.id, `order ${order.id} is not in the book`)
    return place
  }
}

/** Negative when `a` is met before `b`. */
function compare(a: Order, b: Order): number {
  if (a.limitTicks !== b.limitTicks) {
    const lower = a.limitTicks < b.limitTicks ? -1 : 1
    return a.side === 'sell' ? lower : -lower
  }
  if (a.sequence === b.sequence) return 0
  return a.sequence < b.sequence ? -1 : 1
}

/** Where the order is, or would be. */
function placeOf(orders: readonly Order[], order: Order): number {
  let low = 0
  let high = orders.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(present(orders[middle], 'order'), order) < 0) low = middle + 1
    else high = middle
  }
  return low
}
