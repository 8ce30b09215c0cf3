import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, isBody, rows, text, type Body } from '../../scripts/body.ts'
import { ApiContract, ContractBreach } from '../support/api-contract.ts'
import { until } from '../support/client.ts'
import { generateClient, type GeneratedClient } from '../support/generated-client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { spoiledReplies } from '../support/spoiled-replies.ts'

interface Reply {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly type: string
  readonly body: unknown
}

/** The contracts of a node are named by its data, not by the document. */
const isMap = (pointer: string): boolean => pointer === '/contracts'

describe('a client generated from the OpenAPI document', () => {
  const replies: Reply[] = []
  let sandbox: Sandbox
  let client: GeneratedClient
  let contract: ApiContract

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
    const document: unknown = await (await fetch(`${sandbox.api}/v1/openapi.json`)).json()
    if (!isBody(document)) throw new TypeError('no OpenAPI document')
    contract = new ApiContract(document)
    client = await generateClient(document)
    client.defaults.baseUrl = sandbox.api
    client.defaults.fetch = recordingFetch
  }, 180_000)

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
    return found(...parameters)
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
  }, 120_000)

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
    expect(judged.size).toBeGreaterThan(300)
  }, 120_000)

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
