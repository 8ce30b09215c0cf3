import type { Command } from '#ledger/command.ts'
import type { PlaceOrder } from '#trading/command.ts'
import { newUuid } from '#platform/crypto.ts'

export const MARKET = 'BLDG-USD'
export const BASE = 1
export const QUOTE = 0

/** What each funded account gets, in atoms of either asset. */
const FUNDS = 1_000_000_000_000_000n

/** Assets, one market (a tick is 0.01, a lot 0.001) and registered accounts with money, as blocks. */
export function funded(accounts: readonly number[]): readonly Command[] {
  const registered = [...accounts].map((account) => ({
    type: 'registered',
    account,
    wallet: `0x${account.toString(16).padStart(40, '0')}`,
    class: 1,
    expires_at: null,
  }))
  const deposits = accounts.flatMap((account) =>
    [BASE, QUOTE].map((asset) => ({
      type: 'deposit',
      id: `0x${account}:${asset}`,
      account,
      asset,
      amount: FUNDS.toString(),
    })),
  )
  const block = {
    type: 'apply_block',
    number: 1,
    hash: '0x1',
    time: 1_700_000_000,
    events: [...registered, ...deposits],
  }
  const final = { type: 'finalize_block', number: 1, hash: '0x1' }
  const market = {
    type: 'create_market',
    symbol: MARKET,
    base: BASE,
    quote: QUOTE,
    base_decimals: 4,
    quote_decimals: 6,
    tick_size: '0.01',
    lot_size: '0.001',
    maker_fee_bps: 5,
    taker_fee_bps: 10,
    market_collar_bps: 500,
  }
  return [
    { type: 'list_asset', asset: QUOTE, symbol: 'USD', decimals: 6, external: true } as Command,
    { type: 'list_asset', asset: BASE, symbol: 'BLDG', decimals: 4, external: false } as Command,
    market,
    block,
    final,
  ]
}

export interface OrderSketch {
  readonly account: number
  readonly side: 'buy' | 'sell'
  /** Ticks; absent makes a market order. */
  readonly price?: number
  /** Lots. */
  readonly quantity: number
  readonly ioc?: boolean
}

export function order(sketch: OrderSketch): PlaceOrder {
  const { account, side, price, quantity, ioc = false } = sketch
  return {
    type: 'place_order',
    id: newUuid(),
    account,
    market: MARKET,
    side,
    order_type: price === undefined ? 'market' : 'limit',
    ...(price !== undefined && { price: String(price) }),
    quantity: String(quantity),
    time_in_force: ioc || price === undefined ? 'ioc' : 'gtc',
    request_hash: 'test',
  }
}
