import { z } from 'zod'
import {
  accountQuery,
  decimalString,
  hashString,
  id,
  instantString,
  counter,
  marketString,
  pageOf,
  pageQueryOf,
  symbolString,
} from '#platform/http/schema-parts.ts'

const side = z.enum(['buy', 'sell'])
const liquidity = z.enum(['maker', 'taker'])
const feeBps = z.int().min(0).max(10_000)

export const marketBody = z.strictObject({
  symbol: marketString,
  base: symbolString,
  quote: symbolString,
  tick_size: decimalString,
  lot_size: decimalString,
  maker_fee_bps: feeBps,
  taker_fee_bps: feeBps,
  market_collar_bps: feeBps.default(500),
})

export const marketReply = z.strictObject({
  ...marketBody.shape,
  market_collar_bps: feeBps,
  status: z.enum(['open', 'closed']),
})

export const marketsReply = z.strictObject({ data: z.array(marketReply) })
export const marketParams = z.strictObject({ symbol: marketString })

export const bookQuery = z.strictObject({
  depth: z.coerce.number<string>().int().min(1).max(500).default(50),
})

const level = z.tuple([decimalString, decimalString, z.int()])

export const bookReply = z.strictObject({
  market: marketString,
  sequence: counter,
  bids: z.array(level),
  asks: z.array(level),
})

export const orderBody = z.strictObject({
  market: marketString,
  side,
  type: z.enum(['limit', 'market']),
  quantity: decimalString,
  price: decimalString.optional(),
  time_in_force: z.enum(['gtc', 'ioc']).optional(),
  client_order_id: z
    .string()
    .regex(/^[\w.:-]{1,64}$/, 'must be 1 to 64 letters, digits or _ . : -')
    .optional(),
})

const fill = z.strictObject({
  trade_id: id('trade'),
  price: decimalString,
  quantity: decimalString,
  fee: decimalString,
  liquidity,
  created_at: instantString,
})

const orderFields = {
  id: id('order'),
  client_order_id: z.string().nullable(),
  market: marketString,
  side,
  type: z.enum(['limit', 'market']),
  time_in_force: z.enum(['gtc', 'ioc']),
  price: decimalString.nullable(),
  quantity: decimalString,
  filled_quantity: decimalString,
  remaining_quantity: decimalString,
  average_price: decimalString.nullable(),
  sequence: counter,
  fills: z.array(fill),
  created_at: instantString,
}

const liveStatus = z.enum(['open', 'partially_filled', 'filled'])
const endedStatus = z.enum(['cancelled', 'rejected', 'expired'])

/** An order that ended otherwise than by its fills says why. */
export const orderReply = z.union([
  z.strictObject({ ...orderFields, status: liveStatus }),
  z.strictObject({
    ...orderFields,
    status: endedStatus,
    reason: z.enum([
      'immediate_or_cancel',
      'self_trade',
      'no_liquidity',
      'requested',
      'class_not_allowed',
      'registration_expired',
      'account_frozen',
      'exit_requested',
      'exit_mode',
      'funds_withdrawn',
    ]),
  }),
])

export const orderPage = pageOf(orderReply)
export const ordersReply = z.strictObject({ data: z.array(orderReply) })
export const orderParams = z.strictObject({ id: id('order') })

export const ordersQuery = z.strictObject({
  ...pageQueryOf(/^\d{1,18}$/),
  ...accountQuery,
  status: z.enum([...liveStatus.options, ...endedStatus.options]).optional(),
  market: marketString.optional(),
})

export const cancelQuery = z.strictObject({ market: marketString.optional() })

/** Cursors of trades hold `<sequence>:<index>`. */
export const tradesQuery = z.strictObject(pageQueryOf(/^\d{1,18}:\d{1,7}$/))
export const accountTradesQuery = tradesQuery.extend(accountQuery)
export const tradeParams = z.strictObject({ id: id('trade') })

export const publicTradePage = pageOf(
  z.strictObject({
    id: id('trade'),
    market: marketString,
    price: decimalString,
    quantity: decimalString,
    taker_side: side,
    sequence: counter,
    created_at: instantString,
  }),
)

const tradeReply = z.strictObject({
  id: id('trade'),
  market: marketString,
  order_id: id('order'),
  side,
  liquidity,
  price: decimalString,
  quantity: decimalString,
  fee: decimalString,
  sequence: counter,
  created_at: instantString,
  settlement: z.strictObject({
    id: id('batch').nullable(),
    status: z.enum(['unsettled', 'netted', 'submitted', 'mined', 'final']),
    tx_hash: hashString.nullable(),
  }),
})

export const tradePage = pageOf(tradeReply)

export const tradeDetail = z.strictObject({
  ...tradeReply.shape,
  transfers: z.array(
    z.strictObject({
      sequence: counter,
      index: z.int(),
      debit: z.string(),
      credit: z.string(),
      asset: symbolString,
      amount: decimalString,
      code: z.string(),
    }),
  ),
})
