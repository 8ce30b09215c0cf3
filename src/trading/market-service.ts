import type { LedgerService } from '#ledger/service.ts'
import type { CommandSink } from '#ledger/submission.ts'
import type { Database } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import type { CloseMarket, OpenMarket } from './command.ts'
import { tradingErrors } from './errors.ts'
import type { MarketChanged } from './exchange.ts'
import type { Market, MarketRules, MarketTerms } from './market.ts'
import * as store from './store.ts'
import { requireAccepted } from './verdict.ts'

export interface MarketServiceOptions {
  readonly database: Database
  readonly ledger: LedgerService
  readonly sink: CommandSink
}

export interface MarketRequest extends MarketTerms {
  /** Symbols. */
  readonly base: string
  readonly quote: string
}

/** Markets. Their rules are read once and kept; their status is never kept, since it changes. */
export class MarketService {
  readonly #database: Database
  readonly #ledger: LedgerService
  readonly #sink: CommandSink
  readonly #rules = new Map<string, MarketRules>()

  constructor({ database, ledger, sink }: MarketServiceOptions) {
    this.#database = database
    this.#ledger = ledger
    this.#sink = sink
  }

  async listMarkets(): Promise<readonly Market[]> {
    return store.readMarkets(this.#database)
  }

  /** Throws `trading.market_not_found`. */
  async getRules(symbol: string): Promise<MarketRules> {
    const known = this.#rules.get(symbol)
    if (known !== undefined) return known
    const { status: _, ...rules } = await this.#getMarket(symbol)
    this.#rules.set(symbol, rules)
    return rules
  }

  /** Opens a market; the same terms again give the one that exists. */
  async createMarket(request: MarketRequest): Promise<{ market: Market; replayed: boolean }> {
    const base = await this.#ledger.getAssetBySymbol(request.base)
    const quote = await this.#ledger.getAssetBySymbol(request.quote)
    if (base.asset === quote.asset) throw tradingErrors.market_pair()
    const found = await store.findMarket(this.#database, request.symbol)
    if (found !== undefined) {
      if (!hasTerms(found, request, base.asset, quote.asset)) throw tradingErrors.market_exists()
      return { market: found, replayed: true }
    }
    const result = await this.#sink.submit({
      ...request,
      type: 'create_market',
      base: base.asset,
      quote: quote.asset,
      base_decimals: base.decimals,
      quote_decimals: quote.decimals,
    })
    // Another request opened it in the meantime; its terms are in the tables by now.
    if (!result.ok && result.error.code === tradingErrors.market_exists.code)
      return this.createMarket(request)
    requireAccepted(result)
    return { market: await this.#getMarket(request.symbol), replayed: false }
  }

  /** No new orders from here on; those that rest stay. Throws `trading.market_not_found`. */
  async closeMarket(symbol: string): Promise<Market> {
    return this.#change({ type: 'close_market', symbol })
  }

  /** Throws `trading.market_not_found`. */
  async openMarket(symbol: string): Promise<Market> {
    return this.#change({ type: 'open_market', symbol })
  }

  async #change(command: CloseMarket | OpenMarket): Promise<Market> {
    // A symbol that nobody knows needs no place in the journal.
    await this.getRules(command.symbol)
    return marketOf(requireAccepted(await this.#sink.submit(command)))
  }

  async #getMarket(symbol: string): Promise<Market> {
    const found = await store.findMarket(this.#database, symbol)
    if (found === undefined) throw tradingErrors.market_not_found(symbol)
    return found
  }
}

function hasTerms(market: Market, request: MarketRequest, base: number, quote: number): boolean {
  return (
    market.base === base &&
    market.quote === quote &&
    market.tickSize === request.tick_size &&
    market.lotSize === request.lot_size &&
    market.makerFeeBps === request.maker_fee_bps &&
    market.takerFeeBps === request.taker_fee_bps &&
    market.collarBps === request.market_collar_bps
  )
}

function marketOf(value: object): Market {
  if (isMarketChanged(value)) return value.market
  throw platformErrors.internal('a change of a market answered something else')
}

function isMarketChanged(value: object): value is MarketChanged {
  return 'market' in value
}
