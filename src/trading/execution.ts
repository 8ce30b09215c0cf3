import { journalUuid } from '#kernel/id.ts'
import { FEE_ACCOUNT, userAccount } from '#ledger/account-code.ts'
import type { Books } from '#ledger/books.ts'
import { notionalOf, type Market } from './market.ts'
import type { Match } from './matching.ts'
import { feeIncrease, holdOf, remainingLots, type Liquidity, type Order } from './order.ts'
import type { Trade } from './trade.ts'

export interface Execution {
  readonly taker: Order
  readonly maker: Order
  readonly trade: Trade
}

/**
 * Carries out one match: both holds shrink to what the remainders need, then four transfers move
 * base, quote and the fees (to chain account 1). The hold of a buy always covers what is paid.
 */
export function executeMatch(
  books: Books,
  market: Market,
  taker: Order,
  { maker, lots }: Match,
  index: number,
): Execution {
  const notional = notionalOf(market, maker.limitTicks, lots)
  const trade = makeTrade(books, market, taker, { maker, lots }, notional, index)
  const nextTaker = fill(taker, lots, notional, 'taker')
  const nextMaker = fill(maker, lots, notional, 'maker')
  books.setHold(taker.id, holdOf(market, nextTaker))
  books.setHold(maker.id, holdOf(market, nextMaker))
  move(books, market, trade)
  books.emit({
    type: 'trading.trade_executed.v1',
    id: trade.id,
    market: trade.market,
    ticks: trade.ticks.toString(),
    lots: lots.toString(),
    maker_order: maker.id,
    taker_order: taker.id,
    taker_side: taker.side,
    maker_status: nextMaker.status,
  })
  return { taker: nextTaker, maker: nextMaker, trade }
}

function makeTrade(
  books: Books,
  market: Market,
  taker: Order,
  { maker, lots }: Match,
  notional: bigint,
  index: number,
): Trade {
  const [buyer, seller] = taker.side === 'buy' ? [taker, maker] : [maker, taker]
  return {
    id: journalUuid(books.at, books.sequence, index),
    market: market.symbol,
    sequence: books.sequence,
    index,
    ticks: maker.limitTicks,
    lots,
    notional,
    makerOrder: maker.id,
    takerOrder: taker.id,
    takerSide: taker.side,
    buyer: buyer.account,
    seller: seller.account,
    makerFee: feeIncrease(market, maker, notional, 'maker'),
    takerFee: feeIncrease(market, taker, notional, 'taker'),
    at: books.at,
  }
}

function fill(order: Order, lots: bigint, notional: bigint, liquidity: Liquidity): Order {
  const filledLots = order.filledLots + lots
  return {
    ...order,
    filledLots,
    makerNotional: order.makerNotional + (liquidity === 'maker' ? notional : 0n),
    takerNotional: order.takerNotional + (liquidity === 'taker' ? notional : 0n),
    status: remainingLots(order) === lots ? 'filled' : 'partially_filled',
  }
}

function move(books: Books, market: Market, trade: Trade): void {
  const buyer = userAccount(trade.buyer)
  const seller = userAccount(trade.seller)
  const { base, quote, lotAtoms } = market
  books.transfer(seller, buyer, base, trade.lots * lotAtoms, 'trade_base', trade.id)
  books.transfer(buyer, seller, quote, trade.notional, 'trade_quote', trade.id)
  const taker = trade.takerSide === 'buy' ? buyer : seller
  const maker = trade.takerSide === 'buy' ? seller : buyer
  for (const [payer, fee] of [
    [taker, trade.takerFee],
    [maker, trade.makerFee],
  ] as const)
    if (fee > 0n && payer !== FEE_ACCOUNT)
      books.transfer(payer, FEE_ACCOUNT, quote, fee, 'fee', trade.id)
}
