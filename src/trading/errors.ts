import { defineErrors } from '#kernel/errors.ts'

/** Refusals of markets and orders; the core's refusals travel as their codes. */
export const tradingErrors = defineErrors('trading', {
  market_not_found: { kind: 'not_found', title: 'No such market' },
  market_exists: { kind: 'conflict', title: 'A market of this symbol exists with other terms' },
  market_closed: { kind: 'conflict', title: 'The market is closed' },
  market_tick_size: { kind: 'invalid', title: 'The tick size is not a positive decimal' },
  market_lot_size: { kind: 'invalid', title: 'The lot size is finer than the base asset' },
  market_inexact: {
    kind: 'invalid',
    title: 'One lot at one tick is not a whole number of quote atoms',
  },
  market_fees: { kind: 'invalid', title: 'The maker fee is above the taker fee' },
  market_pair: { kind: 'invalid', title: 'Base and quote are the same asset' },
  order_not_found: { kind: 'not_found', title: 'No such order' },
  order_terminal: { kind: 'conflict', title: 'The order is not open' },
  order_exists: { kind: 'conflict', title: 'An order with this id exists' },
  trade_not_found: { kind: 'not_found', title: 'No such trade' },
  tick_size: { kind: 'invalid', title: 'The price is not a multiple of the tick size' },
  lot_size: { kind: 'invalid', title: 'The quantity is not a multiple of the lot size' },
  price_required: { kind: 'invalid', title: 'A limit order needs a price' },
  price_not_allowed: { kind: 'invalid', title: 'A market order has no price' },
  time_in_force: { kind: 'invalid', title: 'A market order is always immediate-or-cancel' },
  too_many_decimals: { kind: 'invalid', title: 'The number has too many decimals' },
  notional_out_of_range: {
    kind: 'invalid',
    title: 'Price times quantity leaves the safe range',
  },
  balance_out_of_range: { kind: 'invalid', title: 'A balance would leave the safe range' },
  account_not_registered: {
    kind: 'conflict',
    title: 'The registration of the account is not final, or has expired',
  },
  asset_class_not_allowed: {
    kind: 'conflict',
    title: 'The asset does not allow the class of the account',
  },
})
