import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assetsModule, type AssetsModule } from '#assets/module.ts'
import { emptyBalance } from '#ledger/balance.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { startAccounts, type AccountsFixture, type Person } from '../support/accounts.ts'
import { ChainRequests } from '../support/chain-requests.ts'
import { TestApi, type Call } from '../support/http.ts'

let accounts: AccountsFixture
let assets: AssetsModule
let api: TestApi
let issuer: Person
let second: Person
let operator: Person
let investor: Person
let auditor: Person
const chain = new ChainRequests()
/** Supply in atoms that the ledger knows, by chain asset. */
const supply = new Map<number, bigint>()

beforeAll(async () => {
  accounts = await startAccounts()
  const { database, clock } = accounts
  const ledger = {
    getBalance: async (account: bigint, asset: number) => {
      const balance = emptyBalance(account, asset)
      return Promise.resolve({ ...balance, posted: -(supply.get(asset) ?? 0n) })
    },
  }
  assets = assetsModule({ database, clock, chain, ledger })
  api = new TestApi(assets.routes, accounts.authenticator)
  await api.server.start()
  issuer = await accounts.person('issuer', 'issuer')
  second = await accounts.person('second', 'issuer')
  operator = await accounts.person('operator', 'operator')
  investor = await accounts.person('investor')
  auditor = await accounts.person('auditor', 'auditor')
})
afterAll(async () => {
  await api.server.stop()
  await accounts.stop()
})

const terms = {
  symbol: 'HARBOR',
  name: 'Harbor Warehouse I',
  class: 'real_estate',
  decimals: 2,
  reserve: 'none',
}
const byText = (a: string, b: string) => a.localeCompare(b)
const create = (body: object, call: Call = {}) =>
  api.call('POST', '/v1/assets', { bearer: issuer.bearer, body: { ...terms, ...body }, ...call })
const act = (person: Person, id: string, step: string) =>
  api.call('POST', `/v1/assets/${id}/${step}`, { bearer: person.bearer, body: {} })
const refusal = (person: Person, id: string, step: string) =>
  api.refusal('POST', `/v1/assets/${id}/${step}`, { bearer: person.bearer, body: {} })
const look = async (person: Person, id: string) =>
  (await api.call('GET', `/v1/assets/${id}`, { bearer: person.bearer })).status

async function draft(symbol: string): Promise<string> {
  return String((await create({ symbol })).body['id'])
}

async function approved(symbol: string): Promise<string> {
  const id = await draft(symbol)
  await act(issuer, id, 'submit')
  await act(second, id, 'approve')
  return id
}

describe('a draft', () => {
  it('has the terms that it was registered with', async () => {
    const body = { ceiling: '1000.5', allowed_classes: [5, 1, 5], reserve: 'attested' }
    const { status, body: asset } = await create(body)
    expect(status).toBe(201)
    expect(asset).toMatchObject({
      ...terms,
      reserve: 'attested',
      ceiling: '1000.50',
      allowed_classes: [1, 5],
      status: 'draft',
      chain_asset: null,
      token: null,
      total_supply: '0.00',
      documents: [],
    })
  })

  it.each([
    [{ symbol: 'harbor' }, '422 platform.invalid_request /symbol'],
    [{ symbol: 'H' }, '422 platform.invalid_request /symbol'],
    [{ symbol: 'ABCDEFGHIJKLM' }, '422 platform.invalid_request /symbol'],
    [{ symbol: '1AB' }, '422 platform.invalid_request /symbol'],
    [{ decimals: 9 }, '422 platform.invalid_request /decimals'],
    [{ decimals: -1 }, '422 platform.invalid_request /decimals'],
    [{ decimals: 1.5 }, '422 platform.invalid_request /decimals'],
    [{ decimals: '2' }, '422 platform.invalid_request /decimals'],
    [{ class: 'art' }, '422 platform.invalid_request /class'],
    [{ reserve: 'gold' }, '422 platform.invalid_request /reserve'],
    [{ name: '' }, '422 platform.invalid_request /name'],
    [{ allowed_classes: [] }, '422 platform.invalid_request /allowed_classes'],
    [{ allowed_classes: [0] }, '422 platform.invalid_request /allowed_classes/0'],
    [{ allowed_classes: [84] }, '422 platform.invalid_request /allowed_classes/0'],
    [{ status: 'active' }, '422 platform.invalid_request /status'],
    [{ ceiling: 1000 }, '422 platform.invalid_request /ceiling'],
    [{ ceiling: '-1' }, '422 platform.invalid_request /ceiling'],
    [{ ceiling: '1.001' }, '422 assets.ceiling_invalid'],
    [{ ceiling: '0.00' }, '422 assets.ceiling_invalid'],
    [{ ceiling: '92233720368547758.08' }, '422 assets.ceiling_invalid'],
  ])('with %j is refused', async (wrong, code) => {
    const body = { ...terms, symbol: 'WRONG', ...wrong }
    const call = { bearer: issuer.bearer, body }
    expect(await api.refusal('POST', '/v1/assets', call)).toBe(code)
    expect(await assets.service.findBySymbol('WRONG')).toBeUndefined()
  })

  it('has a symbol of its own, at the same moment too', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => create({ symbol: 'RACE' })))
    const codes = answers.map(({ status, body }) => body['code'] ?? status)
    expect(codes.map(String).toSorted(byText)).toEqual([
      '201',
      'assets.symbol_taken',
      'assets.symbol_taken',
    ])
  })

  it('is made once for one key', async () => {
    const first = await create({ symbol: 'ONCE' }, { key: 'once' })
    const again = await create({ symbol: 'ONCE' }, { key: 'once' })
    expect([first.status, again.status]).toEqual([201, 200])
    expect(again.body).toEqual(first.body)
    const other = await create({ symbol: 'TWICE' }, { key: 'once' })
    expect(other.body['code']).toBe('platform.idempotency_mismatch')
    const foreign = await create({ symbol: 'FOREIGN' }, { key: 'once', bearer: second.bearer })
    expect(foreign.status).toBe(201)
  })

  it('is made by issuers alone', async () => {
    const call = { bearer: investor.bearer, body: { ...terms, symbol: 'NOPE' } }
    expect(await api.refusal('POST', '/v1/assets', call)).toBe('403 platform.forbidden')
  })
})

describe('an asset on its way', () => {
  it('is submitted by its issuer and approved by another person, who gives it a number', async () => {
    const id = await draft('WAY')
    expect(await refusal(issuer, id, 'approve')).toBe('403 assets.own_asset')
    expect(await refusal(second, id, 'approve')).toBe('404 assets.asset_not_found')
    expect(await refusal(second, id, 'submit')).toBe('404 assets.asset_not_found')
    const { status, body } = await act(issuer, id, 'submit')
    expect([status, body['status'], body['chain_asset']]).toEqual([200, 'submitted', null])
    expect(await refusal(issuer, id, 'submit')).toBe('409 assets.wrong_status')
    expect(await refusal(second, id, 'submit')).toBe('403 assets.not_issuer')
    expect(await refusal(issuer, id, 'approve')).toBe('403 assets.own_asset')
    expect(await refusal(investor, id, 'approve')).toBe('403 platform.forbidden')
    const approval = await act(operator, id, 'approve')
    expect(approval.body['status']).toBe('approved')
    expect(approval.body['chain_asset']).toBeGreaterThanOrEqual(1)
    expect(await refusal(second, id, 'approve')).toBe('409 assets.wrong_status')
  })

  it('is seen by those whom it concerns', async () => {
    const id = await draft('SEEN')
    const seen = async () =>
      Promise.all([issuer, second, operator, investor, auditor].map((who) => look(who, id)))
    expect(await seen()).toEqual([200, 404, 404, 404, 200])
    await act(issuer, id, 'submit')
    expect(await seen()).toEqual([200, 200, 200, 404, 200])
    await act(second, id, 'approve')
    expect(await seen()).toEqual([200, 200, 200, 200, 200])
  })

  it('is listed to those who see it, page by page', async () => {
    const secret = await draft('SECRET')
    const listed = async ({ bearer }: Person) => {
      const ids: unknown[] = []
      for (let cursor = ''; ;) {
        const { body } = await api.call('GET', `/v1/assets?limit=3${cursor}`, { bearer })
        const data = body['data'] as readonly { id: string }[]
        ids.push(...data.map(({ id }) => id))
        if (body['has_more'] !== true) return ids
        cursor = `&cursor=${String(body['next_cursor'])}`
      }
    }
    const [own, foreign] = [await listed(issuer), await listed(investor)]
    expect(own).toContain(secret)
    expect(foreign).not.toContain(secret)
    expect(new Set(own).size).toBe(own.length)
  })

  it('gets one number though two approve it at the same moment', async () => {
    const id = await draft('BOTH')
    await act(issuer, id, 'submit')
    const answers = await Promise.all([act(second, id, 'approve'), act(operator, id, 'approve')])
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409])
  })

  it.each(['ast_1', 'ast_01890000-0000-7000-8000-000000000000'])('is absent: %s', async (id) => {
    expect(await refusal(issuer, id, 'submit')).toBe('404 assets.asset_not_found')
    expect(await look(issuer, id)).toBe(404)
  })
})

describe('a document', () => {
  const sha256 = 'ab'.repeat(32)
  const add = (person: Person, id: string, body: object) =>
    api.call('POST', `/v1/assets/${id}/documents`, {
      bearer: person.bearer,
      body: { name: 'Prospectus', uri: 'https://example.com/p.pdf', sha256, ...body },
    })

  it('is named with its hash, once, by the issuer', async () => {
    const id = await approved('PAPER')
    const { status, body } = await add(issuer, id, {})
    const document = { name: 'Prospectus', uri: 'https://example.com/p.pdf', sha256 }
    expect([status, body['documents']]).toEqual([201, [document]])
    expect((await add(issuer, id, { name: 'Same' })).body['code']).toBe('assets.document_exists')
    expect((await add(second, id, { sha256: 'cd'.repeat(32) })).body['code']).toBe(
      'assets.not_issuer',
    )
  })

  it.each([{ sha256: 'AB' }, { uri: 'javascript:alert(1)' }, { uri: 'paper' }, { name: '' }])(
    'is refused with %j',
    async (wrong) => {
      const id = await draft(`DOC${randomInt(10_000)}`)
      expect((await add(issuer, id, wrong)).status).toBe(422)
    },
  )
})

describe('what other contexts ask', () => {
  it('makes cash known as asset 0, once', async () => {
    const cash = {
      symbol: 'USD',
      name: 'US dollar',
      decimals: 6,
      token: '0x3333333333333333333333333333333333333333',
    }
    const [first, again] = await Promise.all([
      assets.service.ensureCash(cash),
      assets.service.ensureCash(cash),
    ])
    expect(again).toEqual(first)
    const { body } = await api.call('GET', `/v1/assets/${first.id}`, { bearer: investor.bearer })
    expect(body).toMatchObject({ chain_asset: 0, status: 'active', total_supply: null })
    expect(await refusal(issuer, first.id, 'submit')).toBe('403 assets.not_issuer')
  })

  it('takes an approved asset through its tokenization', async () => {
    const id = await approved('TOKEN')
    const { service } = assets
    const principal = await accounts.authenticator.authenticate(issuer.bearer)
    const asset = await inTransaction(accounts.database, async (tx) => {
      const begun = await service.beginTokenization(tx, principal, id)
      await service.requestOnChain(tx, begun, 'first')
      return begun
    })
    expect(asset.status).toBe('tokenizing')
    expect(chain.requests.at(-1)).toMatchObject({
      signer: 'registrar',
      key: `asset:${asset.chainAsset}:first`,
    })
    expect(chain.lastCall('AssetRegistry')).toEqual([
      'createAsset',
      BigInt(asset.chainAsset ?? 0),
      'TOKEN',
      'Harbor Warehouse I',
      2n,
      2n ** 84n - 2n,
      false,
      2n ** 63n - 1n,
    ])
    const token = '0x4444444444444444444444444444444444444444'
    await accounts.database.query('SELECT assets.apply($1)', [
      JSON.stringify([{ type: 'listed', asset: asset.chainAsset, token }]),
    ])
    await inTransaction(accounts.database, (tx) => service.activate(tx, id))
    await inTransaction(accounts.database, (tx) => service.activate(tx, id))
    supply.set(asset.chainAsset ?? -1, 10_000_000n)
    const { body } = await api.call('GET', `/v1/assets/${id}`, { bearer: investor.bearer })
    expect(body).toMatchObject({ status: 'active', token, total_supply: '100000.00' })
    const twice = inTransaction(accounts.database, (tx) =>
      service.beginTokenization(tx, principal, id),
    )
    await expect(twice).rejects.toMatchObject({ code: 'assets.wrong_status' })
  })
})
