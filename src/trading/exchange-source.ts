import type { ReducerSource, Tables } from '#ledger/reducer.ts'
import { Exchange } from './exchange.ts'
import { OrderDesk } from './order-desk.ts'
import { readMarkets, readOpenOrders } from './store.ts'

/** Brings the exchange into the ledger core. */
export const exchangeSource: ReducerSource = {
  load: async (tables: Tables) => [
    new Exchange(new OrderDesk(await readMarkets(tables), await readOpenOrders(tables))),
  ],
  fresh: () => [new Exchange()],
}
