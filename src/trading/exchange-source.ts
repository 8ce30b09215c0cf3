import { claimOfClientOrder } from '#ledger/claim.ts'
import type { ReducerSource, Tables } from '#ledger/reducer.ts'
import { Exchange } from './exchange.ts'
import { OrderDesk } from './order-desk.ts'
import { readMarkets, readOpenOrders, readRecentClientIds } from './store.ts'

/** Brings the exchange into the ledger core. */
export const exchangeSource: ReducerSource = {
  load: async (tables: Tables) => [
    new Exchange(new OrderDesk(await readMarkets(tables), await readOpenOrders(tables))),
  ],
  recentClaims: async (tables: Tables) =>
    (await readRecentClientIds(tables)).map(({ account, clientOrderId }) =>
      claimOfClientOrder(account, clientOrderId),
    ),
  fresh: () => [new Exchange()],
}
