import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, isBody, rows, text, type Body } from '../../scripts/body.ts'
import { ApiContract, ContractBreach } from '../support/api-contract.ts'
import { until } from '../support/client.ts'
import { generateClient, type GeneratedClient } from '../support/generated-client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { spoiledReplies } from '../support/spoiled-replies.ts'
import { ChainWallet } from '../support/wallet.ts'

interface Reply {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly type: string
  readonly body: unknown
}

/** Contracts and services of a node are named by its data, not by the document. */
const isMap = (pointer: string): boolean => ['/contracts', '/services'].includes(pointer)

/** What nothing here answers with success, and why. Every other operation has to. */
const UNSEEN: Readonly<Record<string, string>> = {
  getDocs: 'is a page for people',
  getMetrics: 'is text for Prometheus',
  getOpenApi: 'describes itself; test/house/routes.test.ts holds it against OpenAPI 3.1',
  resumeSettlement: 'needs a halt: halt-and-resume.test.ts',
  resetBreaker: 'needs a breaker that a person has to close: test/chain/tx-routes.test.ts',
  cancelTransaction: 'needs a transaction that stays unmined: test/chain/tx-routes.test.ts',
  resumeTransaction: 'needs a transaction that is held: test/chain/tx-routes.test.ts',
}

describe('a client generated from the OpenAPI document', () => {
  const replies: Reply[] = []
  const answered = new Set<string>()
  let operations: readonly string[] = []
  let sandbox: Sandbox
  let client: GeneratedClient
  let contract: ApiContract

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
    const document: unknown = await (await fetch(`${sandbox.api}/v1/openapi.json`)).json()
    if (!isBody(document)) throw new TypeError('no OpenAPI document')
    contract = new ApiContract(document)
    operations = operationsOf(document)
    client = await generateClient(document)
    client.defaults.baseUrl = sandbox.api
    client.defaults.fetch = recordingFetch
  })

  afterAll(async () => sandbox?.dispose())

  async function recordingFetch(
    input: Parameters<typeof fetch>[0],
    init?: RequestInit,
  ): Promise<Response> {
    const response = await fetch(input, init)
    const type = response.headers.get('content-type') ?? ''
    const address = input instanceof Request ? input.url : String(input)
    const reply = {
      method: init?.method ?? 'GET',
      path: new URL(address).pathname,
      status: response.status,
      type,
      body: type.includes('json') ? await response.clone().json() : undefined,
    }
    contract.check(reply)
    replies.push(reply)
    return response
  }

  /** Calls an operation by its id, as the bearer or as nobody. */
  async function call(
    bearer: string | undefined,
    operation: string,
    ...parameters: unknown[]
  ): Promise<{ status: number; data: Body }> {
    client.defaults.headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
    const found = client.operations[operation]
    if (found === undefined) throw new TypeError(`no operation ${operation}`)
    const reply = await found(...parameters)
    if (reply.status < 300) answered.add(operation)
    return reply
  }

  async function signIn(role: string, place = 0): Promise<string> {
    const { email, password } = sandbox.user(role, place)
    return text((await call(undefined, 'logIn', { email, password })).data, 'access_token')
  }

  it('runs the story of a trade from sign-in to a final settlement', async () => {
    const email = `generated-${process.pid}@example.com`
    const person = { email, password: 'correct horse battery', name: 'A new user' }
    expect((await call(undefined, 'registerUser', person)).status).toBe(201)

    const buyer = await signIn('investor', 0)
    const seller = await signIn('investor', 1)
    const operator = await signIn('operator')
    const { market } = sandbox
    const limit = { market, type: 'limit', quantity: '2.00', price: '100.00' }
    const sale = await call(
      seller,
      'placeOrder',
      { ...limit, side: 'sell' },
      { idempotencyKey: 'sale' },
    )
    expect([sale.status, sale.data['status']]).toEqual([201, 'open'])
    const book = await call(undefined, 'getBook', market)
    expect(at(book.data, 'asks', 0)).toEqual(['100.00', '2.00', 1])
    const purchase = await call(buyer, 'placeOrder', {
      ...limit,
      side: 'buy',
      client_order_id: 'purchase',
    })
    expect([purchase.status, purchase.data['status']]).toEqual([201, 'filled'])
    const again = await call(
      seller,
      'placeOrder',
      { ...limit, side: 'sell' },
      { idempotencyKey: 'sale' },
    )
    expect([again.status, again.data['status']]).toEqual([200, 'filled'])

    const resting = await call(buyer, 'placeOrder', {
      ...limit,
      side: 'buy',
      price: '90.00',
      client_order_id: 'resting',
    })
    const restingId = text(resting.data, 'id')
    expect((await call(buyer, 'cancelOrder', restingId)).data['reason']).toBe('requested')
    expect((await call(buyer, 'cancelOrder', restingId)).status).toBe(409)
    expect((await call(undefined, 'placeOrder', { ...limit, side: 'buy' })).status).toBe(401)
    const bare = await call(buyer, 'placeOrder', { ...limit, side: 'buy' })
    expect([bare.status, bare.data['code']]).toEqual([422, 'platform.idempotency_key_required'])

    const settlement = await call(operator, 'settle')
    expect(settlement.status).toBe(201)
    await until('a final settlement', async () => {
      const found = await call(operator, 'getSettlement', text(settlement.data, 'id'))
      return found.data['status'] === 'final'
    })
    const [trade] = rows((await call(buyer, 'listTrades')).data, 'data')
    const found = await call(buyer, 'getTrade', text(trade, 'id'))
    expect(at(found.data, 'settlement', 'status')).toBe('final')
    expect((await call(operator, 'getReconciliation')).data['status']).toBe('clean')
    for (const [bearer, operation] of [
      [buyer, 'listBalances'],
      [buyer, 'getMe'],
      [buyer, 'listOrders'],
      [undefined, 'listMarkets'],
      [buyer, 'listAssets'],
      [undefined, 'getContracts'],
      [operator, 'listSettlements'],
    ] as const)
      expect([operation, (await call(bearer, operation)).status]).toEqual([operation, 200])
  })

  it('issues an asset, admits an investor, and pays out', async () => {
    const issuer = await signIn('issuer')
    const officer = await signIn('compliance')
    const newcomer = await admit(officer)
    const draft = { symbol: 'PIER9', name: 'Pier Nine', class: 'real_estate', decimals: 2 }
    const asset = text((await call(issuer, 'createAsset', draft)).data, 'id')
    await call(issuer, 'addAssetDocument', asset, {
      name: 'Prospectus',
      uri: 'https://example.com/prospectus.pdf',
      sha256: 'ab'.repeat(32),
    })
    await call(issuer, 'submitAsset', asset)
    await call(await signIn('issuer', 1), 'approveAsset', asset)
    const begun = await call(issuer, 'tokenizeAsset', asset, 'pier-tokenize', { supply: '100.00' })
    expect(begun.status).toBe(202)
    await until('the operation', async () => {
      const { data } = await call(issuer, 'getOperation', text(begun.data, 'id'))
      return data['status'] === 'succeeded'
    })
    await call(issuer, 'getAsset', asset)
    const { data } = await call(newcomer, 'requestWithdrawal', 'pier-cash', {
      asset: 'USD',
      amount: '5',
    })
    await until('the withdrawal', async () => {
      const found = await call(newcomer, 'getWithdrawal', text(data, 'id'))
      return found.data['status'] === 'final'
    })
  })

  /** Two who link a wallet: one is refused, the other is let in and deposits. */
  async function admit(officer: string): Promise<string> {
    const password = 'correct horse battery'
    const link = async (email: string): Promise<{ bearer: string; wallet: ChainWallet }> => {
      await call(undefined, 'registerUser', { email, password, name: 'A new user' })
      const bearer = text(
        (await call(undefined, 'logIn', { email, password })).data,
        'access_token',
      )
      const wallet = await ChainWallet.open(sandbox, Wallet.createRandom().privateKey)
      const { address } = wallet
      const challenge = await call(bearer, 'createWalletChallenge', { address })
      const signature = await wallet.signMessage(text(challenge.data, 'message'))
      expect((await call(bearer, 'linkWallet', { address, signature })).status).toBe(201)
      return { bearer, wallet }
    }
    const unwanted = await link('unwanted@example.com')
    const wanted = await link('wanted@example.com')
    const accountOf = async (bearer: string): Promise<string> =>
      text((await call(bearer, 'getMe')).data, 'account_id')
    await call(officer, 'listRegistrations')
    await call(officer, 'refuseRegistration', await accountOf(unwanted.bearer), { reason: 'test' })
    await call(officer, 'approveRegistration', await accountOf(wanted.bearer), {
      investor_class: 1,
    })
    await until('the registration', async () => {
      const { data } = await call(wanted.bearer, 'getMe')
      return at(data, 'registration', 'status') === 'registered'
    })
    await wanted.wallet.mintCash(10_000_000n)
    await wanted.wallet.send('ClearingHouse', 'deposit', 0, 10_000_000n)
    await until('the deposit', async () => {
      const { data } = await call(wanted.bearer, 'listDeposits')
      return at(data, 'data', 0, 'status') === 'final'
    })
    unwanted.wallet.close()
    wanted.wallet.close()
    return wanted.bearer
  }

  it('asks what is left', async () => {
    const [investor, operator] = [await signIn('investor'), await signIn('operator')]
    const auditor = await signIn('auditor')
    const { market } = sandbox
    const order = { market, side: 'buy', type: 'limit', quantity: '1.00', price: '1.00' }
    const { data } = await call(investor, 'placeOrder', order, { idempotencyKey: 'left' })
    await call(investor, 'getOrder', text(data, 'id'))
    await call(investor, 'cancelOrders')
    await call(operator, 'createMarket', {
      symbol: 'PIER9-USD',
      base: 'PIER9',
      quote: 'USD',
      tick_size: '0.01',
      lot_size: '0.01',
      maker_fee_bps: 0,
      taker_fee_bps: 10,
    })
    await call(operator, 'closeMarket', market)
    await call(operator, 'openMarket', market)
    await call(undefined, 'listMarketTrades', market)
    const transactions = await call(operator, 'listTransactions')
    await call(operator, 'getTransaction', text(transactions.data, 'data', 0, 'id'))
    await call(investor, 'listWithdrawals')
    await call(operator, 'listBreakers')
    await call(auditor, 'listJournal')
    await call(auditor, 'getJournalHead')
    await call(undefined, 'getLiveness')
    await call(undefined, 'getReadiness')
  })

  it('got an answer of every operation but those that need what is not here', () => {
    const unseen = operations.filter((operation) => !answered.has(operation))
    expect(new Set(unseen)).toEqual(new Set(Object.keys(UNSEEN)))
  })

  it('got replies of which no field can be removed or retyped unnoticed', () => {
    const judged = new Set<string>()
    const unnoticed = new Set<string>()
    const latest = new Map(
      replies.map((reply) => [`${reply.method} ${reply.path} ${reply.status}`, reply]),
    )
    for (const reply of latest.values()) {
      if (!reply.type.includes('json')) continue
      for (const { where, body } of spoiledReplies(reply.body, isMap)) {
        judged.add(where)
        if (!isRefused({ ...reply, body })) unnoticed.add(`${reply.method} ${reply.path} ${where}`)
      }
    }
    expect([...unnoticed]).toEqual([])
    expect(judged.size).toBeGreaterThan(1000)
  })

  function isRefused(reply: Reply): boolean {
    try {
      contract.check(reply)
      return false
    } catch (error) {
      if (error instanceof ContractBreach) return true
      throw error
    }
  }
})

function operationsOf(document: Body): readonly string[] {
  const paths = document['paths']
  return Object.values(isBody(paths) ? paths : {}).flatMap((item) =>
    Object.values(isBody(item) ? item : {}).map((operation) => text(operation, 'operationId')),
  )
}
