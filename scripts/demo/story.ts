import { at, integer, rows, text, type Body } from '../body.ts'
import { userOf, type SandboxAccess } from '../sandbox-access.ts'
import { short } from '../table.ts'
import { Api, waitFor } from './api.ts'
import { OwnWallet } from './chain.ts'
import type { Teller } from './teller.ts'

const CASH = 250_000n
const CASH_UNIT = 1_000_000n
const SUPPLY = '10000.00'
const ASSET_UNIT = 100n

export interface Ending {
  /** Each trade of this run, with its orders, legs and settlement. */
  readonly trades: readonly ToldTrade[]
  readonly reconciliation: Body
}

export interface ToldTrade {
  readonly trade: Body
  readonly buyOrder: string
  readonly sellOrder: string
}

interface Newcomer {
  readonly api: Api
  readonly email: string
  readonly accountId: string
}

/** The whole story of one asset, told over HTTP and signed wallet transactions only. */
export class Story {
  readonly #sandbox: SandboxAccess
  readonly #teller: Teller
  readonly #run: string
  readonly #symbol: string
  readonly #market: string

  /** `run` makes names unique: 4 capital letters or digits. */
  constructor(sandbox: SandboxAccess, teller: Teller, run: string) {
    this.#sandbox = sandbox
    this.#teller = teller
    this.#run = run
    this.#symbol = `PIER${run}`
    this.#market = `${this.#symbol}-USD`
  }

  async tell(): Promise<Ending> {
    const wallet = new OwnWallet(
      this.#sandbox.rpc,
      await new Api(this.#sandbox.api).get('/v1/contracts'),
    )
    try {
      const newcomer = await this.#join(wallet)
      await this.#payIn(newcomer, wallet)
      const asset = await this.#issue()
      await this.#openMarket()
      await this.#trade(newcomer)
      await this.#settle(newcomer)
      await this.#takeOut(newcomer, wallet, asset)
      return await this.#end(newcomer)
    } finally {
      wallet.close()
    }
  }

  async #join(wallet: OwnWallet): Promise<Newcomer> {
    const teller = this.#teller
    teller.chapter('Somebody new joins')
    const email = `ada-${this.#run.toLowerCase()}@example.com`
    const credentials = { email, password: `a long password ${this.#run}` }
    const visitor = new Api(this.#sandbox.api)
    const user = await teller.step(
      'registers',
      async () => visitor.post('/v1/users', { ...credentials, name: 'Ada' }),
      () => email,
    )
    const session = await teller.step('logs in', async () =>
      visitor.post('/v1/sessions', credentials),
    )
    const api = new Api(this.#sandbox.api, text(session, 'access_token'))
    await teller.step(
      'links a wallet by a signature',
      async () => {
        const { address } = wallet
        const challenge = await api.post('/v1/wallets/challenge', { address })
        return api.post('/v1/wallets', {
          address,
          signature: await wallet.sign(text(challenge, 'message')),
        })
      },
      () => wallet.address,
    )
    const newcomer = { api, email, accountId: text(user, 'account_id') }
    await this.#approve(newcomer)
    return newcomer
  }

  async #approve({ api, accountId }: Newcomer): Promise<void> {
    await this.#teller.step(
      'a compliance officer approves; the node registers the wallet on chain',
      async () => {
        const path = `/v1/registrations/${accountId}/approve`
        await this.#as('compliance').post(path, { investor_class: 1 })
        return waitFor('the registration', async () => {
          const me = await api.get('/v1/me')
          return at(me, 'registration', 'status') === 'registered' ? me : undefined
        })
      },
      (me) => `chain account ${String(me['chain_account'])}`,
    )
  }

  async #payIn({ api }: Newcomer, wallet: OwnWallet): Promise<void> {
    const teller = this.#teller
    teller.chapter('Her wallet pays in')
    const units = CASH * CASH_UNIT
    await teller.step(
      `mints ${CASH} of test cash and approves the clearing house`,
      async () => {
        await wallet.send('CashToken', 'mint', wallet.address, units)
        return wallet.send('CashToken', 'approve', wallet.addressOf('ClearingHouse'), units)
      },
      short,
    )
    await teller.step(
      'deposits it',
      async () => wallet.send('ClearingHouse', 'deposit', 0, units),
      short,
    )
    await teller.step(
      'waits until the deposit is final; only then can it be traded',
      async () =>
        waitFor('the deposit', async () => {
          const [deposit] = await api.rows('/v1/deposits')
          return deposit?.['status'] === 'final' ? deposit : undefined
        }),
      (deposit) => `${text(deposit, 'amount')} USD`,
    )
  }

  async #issue(): Promise<Body> {
    const teller = this.#teller
    teller.chapter('An issuer brings a real-world asset')
    const issuer = this.#as('issuer')
    const asset = await teller.step(
      'registers it as a draft and submits it',
      async () => {
        const draft = await issuer.post('/v1/assets', {
          symbol: this.#symbol,
          name: `Pier ${this.#run}`,
          class: 'real_estate',
          decimals: 2,
          reserve: 'none',
        })
        return issuer.post(`/v1/assets/${text(draft, 'id')}/submit`)
      },
      () => this.#symbol,
    )
    const path = `/v1/assets/${text(asset, 'id')}`
    await teller.step('is refused when approving it herself', async () => {
      const refusal = await issuer.tryPost(`${path}/approve`)
      if (refusal === undefined) throw new TypeError('an issuer approved her own asset')
    })
    await teller.step('another issuer approves', async () =>
      this.#as('issuer', 1).post(`${path}/approve`),
    )
    return teller.step(
      `tokenizes ${SUPPLY}: a token is created, listed, and minted by a supply batch`,
      async () => {
        await issuer.post(`${path}/tokenize`, { supply: SUPPLY })
        return waitFor('the tokenization', async () => {
          const now = await issuer.get(path)
          return now['status'] === 'active' ? now : undefined
        })
      },
      (now) => `token ${short(text(now, 'token'), 4)}`,
    )
  }

  async #openMarket(): Promise<void> {
    await this.#teller.step(
      'an operator opens a market',
      async () =>
        this.#as('operator').post('/v1/markets', {
          symbol: this.#market,
          base: this.#symbol,
          quote: 'USD',
          tick_size: '0.01',
          lot_size: '0.01',
          maker_fee_bps: 5,
          taker_fee_bps: 10,
        }),
      () => this.#market,
    )
  }

  async #trade({ api }: Newcomer): Promise<void> {
    const teller = this.#teller
    teller.chapter('They trade; every answer is durable before it is given')
    const issuer = this.#as('issuer')
    const investor = this.#as('investor')
    const tell = (order: Body): string => {
      const filled = text(order, 'filled_quantity')
      const price = at(order, 'average_price')
      return `${text(order, 'status')}, ${filled} filled${typeof price === 'string' ? ` at ${price}` : ''}`
    }
    const order = async (who: Api, line: string, body: Body): Promise<Body> =>
      teller.step(line, async () => who.post('/v1/orders', { market: this.#market, ...body }), tell)
    const limit = { type: 'limit' }
    const ask = { ...limit, side: 'sell' }
    const bid = { ...limit, side: 'buy' }
    await order(issuer, 'the issuer offers 100.00 at 50.00', {
      ...ask,
      quantity: '100.00',
      price: '50.00',
    })
    await order(issuer, 'the issuer offers 200.00 at 50.25', {
      ...ask,
      quantity: '200.00',
      price: '50.25',
    })
    await order(api, 'Ada buys 40.00, limit 50.00', { ...bid, quantity: '40.00', price: '50.00' })
    await order(investor, 'an investor buys 90.00 at 50.25 or better, now or never', {
      ...bid,
      quantity: '90.00',
      price: '50.25',
      time_in_force: 'ioc',
    })
    await order(api, 'Ada buys 20.00 at the market', {
      type: 'market',
      side: 'buy',
      quantity: '20.00',
    })
    const low = await order(investor, 'an investor bids 30.00 at 49.00 and waits', {
      ...bid,
      quantity: '30.00',
      price: '49.00',
    })
    await order(api, 'Ada sells 10.00 into the bid', { ...ask, quantity: '10.00', price: '49.00' })
    await teller.step(
      'the investor cancels what is left',
      async () => investor.delete(`/v1/orders/${text(low, 'id')}`),
      tell,
    )
  }

  async #settle(newcomer: Newcomer): Promise<void> {
    const teller = this.#teller
    teller.chapter('The trades settle on chain, netted')
    const operator = this.#as('operator')
    await teller.step('an operator settles now instead of at the next interval', async () => {
      await operator.tryPost('/v1/settlements')
    })
    await teller.step(
      'every trade is final',
      async () =>
        waitFor('the settlement of every trade', async () => {
          const statuses = await this.#settlementsOf(newcomer)
          if (statuses.includes('unsettled')) await operator.tryPost('/v1/settlements')
          return statuses.every((status) => status === 'final') ? statuses : undefined
        }),
      (statuses) => `${statuses.length} trades`,
    )
  }

  async #settlementsOf(newcomer: Newcomer): Promise<readonly string[]> {
    return (await this.#trades(newcomer)).map(({ trade }) => text(trade, 'settlement', 'status'))
  }

  async #takeOut({ api }: Newcomer, wallet: OwnWallet, asset: Body): Promise<void> {
    const teller = this.#teller
    teller.chapter('She takes tokens home')
    const requested = await teller.step(
      'asks for 25.00 to her wallet',
      async () => api.post('/v1/withdrawals', { asset: this.#symbol, amount: '25.00' }),
      (withdrawal) => text(withdrawal, 'status'),
    )
    await teller.step(
      'the clearing house pays, once, and the payment becomes final',
      async () =>
        waitFor('the withdrawal', async () => {
          const now = await api.get(`/v1/withdrawals/${text(requested, 'id')}`)
          return now['status'] === 'final' ? now : undefined
        }),
      (now) => short(text(now, 'tx_hash')),
    )
    await teller.step('her wallet holds them', async () => {
      const units = await wallet.holds(text(asset, 'token'))
      if (units !== 25n * ASSET_UNIT) throw new TypeError(`the wallet holds ${units} units`)
    })
  }

  async #end(newcomer: Newcomer): Promise<Ending> {
    const trades = await this.#trades(newcomer)
    const reconciliation = await this.#as('operator').get('/v1/reconciliation')
    return { trades, reconciliation }
  }

  /** The trades of this market as the three who made them see them. */
  async #trades(newcomer: Newcomer): Promise<readonly ToldTrade[]> {
    const orders = new Map<string, { buy?: string; sell?: string; owner: Api }>()
    for (const owner of [newcomer.api, this.#as('investor'), this.#as('issuer')]) {
      for (const row of await owner.rows('/v1/trades?limit=50')) {
        if (row['market'] !== this.#market) continue
        const id = text(row, 'id')
        const known = orders.get(id) ?? { owner }
        orders.set(id, {
          ...known,
          [row['side'] === 'buy' ? 'buy' : 'sell']: text(row, 'order_id'),
        })
      }
    }
    const told = [...orders].map(async ([id, { owner, buy, sell }]) => ({
      trade: await owner.get(`/v1/trades/${id}`),
      buyOrder: buy ?? '',
      sellOrder: sell ?? '',
    }))
    return (await Promise.all(told)).toSorted(
      (a, b) =>
        Number(integer(a.trade, 'sequence') - integer(b.trade, 'sequence')) || legOf(a) - legOf(b),
    )
  }

  #as(role: string, place = 0): Api {
    return new Api(this.#sandbox.api, text(userOf(this.#sandbox, role, place), 'api_key'))
  }
}

/** Trades of one command stand in the order of their first ledger leg. */
function legOf({ trade }: ToldTrade): number {
  return Number(at(rows(trade, 'transfers')[0], 'index'))
}
