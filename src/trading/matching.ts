import { crosses, remainingLots, type Order, type Side } from './order.ts'

export interface Match {
  readonly maker: Order
  readonly lots: bigint
}

export interface MatchPlan {
  readonly matches: readonly Match[]
  /** It met an order of its own account: what is left must not go on. */
  readonly selfTrade: boolean
}

export interface Incoming {
  readonly account: number
  readonly side: Side
  readonly limitTicks: bigint
  readonly lots: bigint
}

/**
 * Whom an incoming order meets, in price-time order, at the makers' prices; one match per maker.
 * Pure: the plan is carried out elsewhere.
 */
export function planMatches(opposite: Iterable<Order>, incoming: Incoming): MatchPlan {
  const matches: Match[] = []
  let left = incoming.lots
  for (const maker of opposite) {
    if (left === 0n || !crosses(incoming.side, incoming.limitTicks, maker.limitTicks)) break
    if (maker.account === incoming.account) return { matches, selfTrade: true }
    const available = remainingLots(maker)
    const lots = left < available ? left : available
    matches.push({ maker, lots })
    left -= lots
  }
  return { matches, selfTrade: false }
}
