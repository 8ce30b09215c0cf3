import { setTimeout as sleep } from 'node:timers/promises'
import { isJsonObject } from '#kernel/json.ts'
import { appErrors } from '../errors.ts'
import { ApiClient, type ApiBody } from './api-client.ts'
import { DEMO_ALLOTMENT, DEMO_ASSET, DEMO_DEPOSIT, DEMO_MARKET, DEMO_SUPPLY } from './demo-data.ts'
import { DemoWallet, type WalletSettings } from './demo-wallet.ts'
import type { Identity } from './secrets-file.ts'

export interface SeedSettings {
  readonly api: string
  readonly wallet: Omit<WalletSettings, 'privateKey'>
  readonly identities: readonly Identity[]
}

const CASH_DECIMALS = 6
const INVESTOR_CLASS = 1
const PATIENCE_MS = 60_000
const POLL_MS = 50

/**
 * Makes the demo data through the API and signed wallet transactions only. Every step looks first
 * whether it was done, so a seed that was killed goes on where it stopped.
 */
export class Seed {
  readonly #settings: SeedSettings

  constructor(settings: SeedSettings) {
    this.#settings = settings
  }

  async run(): Promise<void> {
    const holders = this.#settings.identities.filter(
      (identity) => identity.privateKey !== undefined,
    )
    for (const holder of holders) await this.#linkWallet(holder)
    await Promise.all(holders.map(async (holder) => await this.#awaitRegistration(holder)))
    await this.#issueAsset()
    await this.#openMarket()
    const investors = holders.filter((holder) => holder.role === 'investor')
    for (const investor of investors) await this.#depositCash(investor)
    await this.#allot()
  }

  async #linkWallet(identity: Identity): Promise<void> {
    const client = this.#client(identity)
    if ((await client.get('/v1/me'))['wallet'] === null) {
      const wallet = this.#wallet(identity)
      const { message } = await client.post('/v1/wallets/challenge', { address: wallet.address })
      const signature = await wallet.sign(String(message))
      await client.post('/v1/wallets', { address: wallet.address, signature })
      wallet.close()
    }
    await this.#approveWallet(identity)
  }

  async #approveWallet(identity: Identity): Promise<void> {
    const me = await this.#client(identity).get('/v1/me')
    if (statusOf(me['registration']) !== 'pending_approval') return
    await this.#as('compliance').post(
      `/v1/registrations/${String(me['account_id'])}/approve`,
      { investor_class: INVESTOR_CLASS },
      `seed-approve-${identity.email}`,
    )
  }

  async #awaitRegistration(identity: Identity): Promise<void> {
    await until(`the registration of ${identity.email}`, async () => {
      const me = await this.#client(identity).get('/v1/me')
      return statusOf(me['registration']) === 'registered'
    })
  }

  async #issueAsset(): Promise<void> {
    const issuer = this.#as('issuer')
    const created = await issuer.post('/v1/assets', { ...DEMO_ASSET }, 'seed-asset')
    const path = `/v1/assets/${String(created['id'])}`
    if (created['status'] === 'draft') await issuer.post(`${path}/submit`, {}, 'seed-submit')
    const submitted = await issuer.get(path)
    if (submitted['status'] === 'submitted') {
      await this.#as('issuer', 1).post(`${path}/approve`, {}, 'seed-approve')
    }
    await issuer.post(`${path}/tokenize`, { supply: DEMO_SUPPLY }, 'seed-tokenize')
    await until('the tokenization', async () => (await issuer.get(path))['status'] === 'active')
  }

  async #openMarket(): Promise<void> {
    await this.#as('operator').post('/v1/markets', { ...DEMO_MARKET }, 'seed-market')
  }

  async #depositCash(investor: Identity): Promise<void> {
    const client = this.#client(investor)
    const deposits = await client.get('/v1/deposits')
    if (rowsOf(deposits).length === 0) {
      const wallet = this.#wallet(investor)
      await wallet.mintAndDeposit(BigInt(DEMO_DEPOSIT) * 10n ** BigInt(CASH_DECIMALS))
      wallet.close()
    }
    await until(`the deposit of ${investor.email}`, async () =>
      rowsOf(await client.get('/v1/deposits')).some((deposit) => deposit['status'] === 'final'),
    )
  }

  /** One trade, settled, so that investor two holds the asset and the chain has seen a batch. */
  async #allot(): Promise<void> {
    const order = { market: DEMO_MARKET.symbol, type: 'limit', ...DEMO_ALLOTMENT }
    const sale = { ...order, side: 'sell', client_order_id: 'seed-allot-sell' }
    const purchase = { ...order, side: 'buy', client_order_id: 'seed-allot-buy' }
    await this.#as('issuer').post('/v1/orders', sale)
    const bought = await this.#as('investor', 1).post('/v1/orders', purchase)
    for (const fill of rowsIn(bought['fills'])) await this.#settle(String(fill['trade_id']))
  }

  async #settle(tradeId: string): Promise<void> {
    const operator = this.#as('operator')
    const investor = this.#as('investor', 1)
    await until('the first settlement', async () => {
      const { settlement } = await investor.get(`/v1/trades/${tradeId}`)
      const status = isJsonObject(settlement) ? settlement['status'] : undefined
      if (status === 'unsettled') await operator.post('/v1/settlements', {}).catch(waitForTurn)
      return status === 'final'
    })
  }

  #client(identity: Identity): ApiClient {
    return new ApiClient(this.#settings.api, identity.apiKey)
  }

  #wallet(identity: Identity): DemoWallet {
    if (identity.privateKey === undefined)
      throw appErrors.seed_failed(`${identity.email} has no wallet`)
    return new DemoWallet({ ...this.#settings.wallet, privateKey: identity.privateKey })
  }

  #as(role: Identity['role'], place = 0): ApiClient {
    const identity = this.#settings.identities.filter((candidate) => candidate.role === role)[place]
    if (identity === undefined) throw appErrors.seed_failed(`no demo user ${place} of role ${role}`)
    return this.#client(identity)
  }
}

/** The settler may be at work already; the next look tells. */
async function waitForTurn(): Promise<void> {
  await sleep(POLL_MS)
}

function statusOf(registration: unknown): unknown {
  return isJsonObject(registration) ? registration['status'] : undefined
}

function rowsOf(page: ApiBody): readonly ApiBody[] {
  return rowsIn(page['data'])
}

function rowsIn(rows: unknown): readonly ApiBody[] {
  return Array.isArray(rows) ? rows.filter(isJsonObject) : []
}

async function until(what: string, isDone: () => Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += POLL_MS) {
    if (await isDone()) return
    await sleep(POLL_MS)
  }
  throw appErrors.seed_failed(`waited ${PATIENCE_MS / 1000} s for ${what}`)
}
