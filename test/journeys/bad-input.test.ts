import { spawnSync } from 'node:child_process'
import { createPrivateKey, randomUUID, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { text, type Body } from '../../scripts/body.ts'
import { freePort } from '../../scripts/free-port.ts'
import { Sandbox } from '../support/sandbox.ts'

const ORDER = { market: 'HARBOR-USD', side: 'buy', type: 'limit', quantity: '1.00', price: '99.00' }

const REFUSED_ORDERS: readonly (readonly [string, object, string])[] = [
  ['an unknown field', { ...ORDER, hidden: true }, '422 platform.invalid_request'],
  [
    'a number where a decimal string belongs',
    { ...ORDER, quantity: 1 },
    '422 platform.invalid_request',
  ],
  ['a price as a number', { ...ORDER, price: 99.5 }, '422 platform.invalid_request'],
  ['an exponent', { ...ORDER, quantity: '1e2' }, '422 platform.invalid_request'],
  ['a negative quantity', { ...ORDER, quantity: '-1.00' }, '422 platform.invalid_request'],
  ['a negative price', { ...ORDER, price: '-99.00' }, '422 platform.invalid_request'],
  ['a missing field', { ...ORDER, side: undefined }, '422 platform.invalid_request'],
  ['an unknown type', { ...ORDER, type: 'stop' }, '422 platform.invalid_request'],
  ['no price of a limit order', { ...ORDER, price: undefined }, '422 trading.price_required'],
  ['a price of a market order', { ...ORDER, type: 'market' }, '422 trading.price_not_allowed'],
  ['a wrong tick', { ...ORDER, price: '99.005' }, '422 trading.tick_size'],
  [
    'a quantity of too many decimals',
    { ...ORDER, quantity: '1.005' },
    '422 trading.too_many_decimals',
  ],
  ['an unknown market', { ...ORDER, market: 'NOWHERE-USD' }, '404 trading.market_not_found'],
  ['more than there is', { ...ORDER, quantity: '10000000.00' }, '422 ledger.insufficient_funds'],
]

const UNSAFE_ORDERS: readonly (readonly [string, object])[] = [
  ['zero', { ...ORDER, quantity: '0.00' }],
  ['a price of zero', { ...ORDER, price: '0.00' }],
  ['a quantity outside of the safe range', { ...ORDER, quantity: '99999999999999999.00' }],
  [
    'a notional outside of the safe range',
    { ...ORDER, quantity: '80000000000.00', price: '9999999999.00' },
  ],
  ['far too many decimals', { ...ORDER, quantity: '1.0000000000000001' }],
]

describe('bad input', () => {
  let sandbox: Sandbox

  beforeAll(async () => {
    sandbox = await Sandbox.start()
  })

  afterAll(async () => sandbox?.dispose())

  async function state(): Promise<readonly (readonly Body[])[]> {
    const investor = sandbox.client('investor')
    return [
      await investor.data('/v1/balances'),
      await investor.all('/v1/orders'),
      await investor.all('/v1/withdrawals'),
      await investor.all('/v1/trades'),
    ]
  }

  /** The refusal, after which everything that the caller owns is as it was. */
  async function refuseOrder(body: object): Promise<string> {
    const before = await state()
    const refusal = await sandbox
      .client('investor')
      .refusal('POST', '/v1/orders', { body, key: randomUUID() })
    expect(await state()).toEqual(before)
    return refusal
  }

  it.each(REFUSED_ORDERS)('refuses an order with %s', async (_, body, expected) => {
    expect(await refuseOrder(body)).toBe(expected)
  })

  it.each(UNSAFE_ORDERS)('refuses an order of %s as invalid', async (_, body) => {
    expect(await refuseOrder(body)).toMatch(/^422 (platform|trading|ledger)\./)
  })

  it('refuses an order on a closed market, where resting ones stay and may be cancelled', async () => {
    const [investor, operator] = [sandbox.client('investor'), sandbox.client('operator')]
    const market = `/v1/markets/${ORDER.market}`
    const resting = await investor.post('/v1/orders', { ...ORDER, price: '60.00' }, randomUUID())
    expect(await investor.refusal('POST', `${market}/close`)).toBe('403 platform.forbidden')
    try {
      expect((await operator.post(`${market}/close`))['status']).toBe('closed')
      expect((await operator.post(`${market}/close`))['status']).toBe('closed')
      expect(await refuseOrder(ORDER)).toBe('409 trading.market_closed')
      const path = `/v1/orders/${text(resting, 'id')}`
      expect((await investor.get(path))['status']).toBe('open')
      expect((await investor.delete(path))['status']).toBe('cancelled')
    } finally {
      expect((await operator.post(`${market}/open`))['status']).toBe('open')
    }
    const placed = await investor.post('/v1/orders', { ...ORDER, price: '60.00' }, randomUUID())
    expect(placed['status']).toBe('open')
    await investor.delete(`/v1/orders/${text(placed, 'id')}`)
  })

  it('shows an auditor what belongs to others, account by account', async () => {
    const [order] = await sandbox.client('investor').all('/v1/orders')
    const auditor = sandbox.client('auditor')
    expect(await auditor.get(`/v1/orders/${text(order, 'id')}`)).toEqual(order)
    for (const path of ['/v1/orders', '/v1/trades', '/v1/withdrawals', '/v1/deposits']) {
      const query = `${path}?account_id=${sandbox.user('investor').accountId}`
      expect(await auditor.all(query)).toEqual(await sandbox.client('investor').all(path))
      expect(await sandbox.client('investor', 1).refusal('GET', query)).toBe(
        '403 platform.forbidden',
      )
    }
  })

  it('names the field that is wrong', async () => {
    const { body } = await sandbox
      .client('investor')
      .call('POST', '/v1/orders', { body: { ...ORDER, quantity: 1 }, key: randomUUID() })
    expect(text(body, 'errors', 0, 'pointer')).toBe('/quantity')
  })

  it('wants a key for what moves value, and one body for each', async () => {
    const investor = sandbox.client('investor')
    expect(await investor.refusal('POST', '/v1/orders', { body: ORDER })).toBe(
      '422 platform.idempotency_key_required',
    )
    const keyed = { ...ORDER, price: '50.00', client_order_id: 'bad-input-1' }
    const placed = await investor.post('/v1/orders', keyed)
    const again = await investor.call('POST', '/v1/orders', { body: keyed })
    expect([again.status, again.body['id']]).toEqual([200, placed['id']])
    const before = await state()
    expect(
      await investor.refusal('POST', '/v1/orders', { body: { ...keyed, price: '51.00' } }),
    ).toBe('422 platform.idempotency_mismatch')
    expect(await state()).toEqual(before)
  })

  it('hides what belongs to somebody else', async () => {
    const [order] = await sandbox.client('investor').all('/v1/orders')
    const path = `/v1/orders/${text(order, 'id')}`
    const other = sandbox.client('investor', 1)
    expect(await other.refusal('GET', path)).toBe('404 trading.order_not_found')
    expect(await other.refusal('DELETE', path)).toBe('404 trading.order_not_found')
    expect((await sandbox.client('investor').get(path))['status']).toBe('open')
  })

  it('lets nobody in without a valid credential', async () => {
    const nobody = sandbox.client()
    expect(await nobody.refusal('GET', '/v1/balances')).toBe('401 platform.unauthenticated')
    expect(await nobody.as('mk_wrong').refusal('GET', '/v1/balances')).toBe(
      '401 platform.unauthenticated',
    )
    const { email, password } = sandbox.user('investor')
    const token = text(await nobody.post('/v1/sessions', { email, password }), 'access_token')
    expect((await nobody.as(token).get('/v1/me'))['account_id']).toBe(
      sandbox.user('investor').accountId,
    )
    expect(await nobody.as(expired(token)).refusal('GET', '/v1/balances')).toBe(
      '401 platform.token_expired',
    )
    const forged = `${token.slice(0, -6)}AAAAAA`
    expect(await nobody.as(forged).refusal('GET', '/v1/balances')).toBe(
      '401 platform.unauthenticated',
    )
  })

  it('gives each role its own calls and no others', async () => {
    const investor = sandbox.client('investor')
    expect(await investor.refusal('GET', '/v1/journal/head')).toBe('403 platform.forbidden')
    expect(await investor.refusal('POST', '/v1/settlements', { body: {} })).toBe(
      '403 platform.forbidden',
    )
    expect(await investor.refusal('GET', '/v1/registrations')).toBe('403 platform.forbidden')
  })

  it('answers what is no request by its own code', async () => {
    const investor = sandbox.client('investor')
    expect(await investor.refusal('GET', '/v1/nothing')).toBe('404 platform.route_not_found')
    expect(await investor.refusal('PUT', '/v1/balances')).toBe('405 platform.method_not_allowed')
    const options = { raw: '{"market": ', key: randomUUID() }
    expect(await investor.refusal('POST', '/v1/orders', options)).toBe(
      '400 platform.malformed_json',
    )
    const large = { raw: JSON.stringify({ market: 'x'.repeat(1_100_000) }), key: randomUUID() }
    expect(await investor.refusal('POST', '/v1/orders', large)).toBe('413 platform.too_large')
    expect(await investor.refusal('GET', '/v1/orders/ord_nonsense')).toMatch(/^(404|422) /)
  })

  /** A token of the node's own key whose time is over. */
  function expired(token: string): string {
    const [head = '', claims = ''] = token.split('.')
    const secrets: unknown = JSON.parse(readFileSync(join(sandbox.home, 'secrets.json'), 'utf8'))
    const old: Body = JSON.parse(Buffer.from(claims, 'base64url').toString())
    const late = { ...old, iat: Number(old['iat']) - 7200, exp: Number(old['exp']) - 7200 }
    const payload = `${head}.${Buffer.from(JSON.stringify(late)).toString('base64url')}`
    const key = createPrivateKey(text(secrets, 'keys', 'jwt'))
    return `${payload}.${sign(null, Buffer.from(payload), key).toString('base64url')}`
  }
})

describe('a wrong configuration', () => {
  function run(env: Readonly<Record<string, string>>): { code: number | null; said: string } {
    const home = mkdtempSync(join(tmpdir(), 'mooring-'))
    const child = spawnSync(process.execPath, ['src/main.ts', 'sandbox'], {
      env: { ...process.env, NO_COLOR: '1', MOORING_HOME: home, ...env },
      encoding: 'utf8',
      timeout: 240_000,
    })
    spawnSync(process.execPath, ['src/main.ts', 'reset'], {
      env: { ...process.env, MOORING_HOME: home },
    })
    rmSync(home, { recursive: true, force: true })
    return { code: child.status, said: child.stderr.trim() }
  }

  it.each([
    ['HTTP_PORT', 'eighty'],
    ['SETTLEMENT_INTERVAL_MS', '-1'],
    ['LOG_LEVEL', 'loud'],
    ['ROLES', 'api,captain'],
    ['RPC_URLS', 'ftp://chain'],
  ])('is one clear line: %s=%s', (name, value) => {
    const { code, said } = run({ [name]: value })
    expect(code).toBe(1)
    expect(said.split('\n')).toHaveLength(1)
    expect(said).toContain(name)
  })

  it('says which port is taken and how to change it', async () => {
    const server = createServer()
    const port = await freePort()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    try {
      const { code, said } = run({
        HTTP_PORT: String(port),
        CHAIN_RPC_PORT: String(await freePort()),
        LOG_LEVEL: 'silent',
      })
      expect(code).toBe(1)
      expect(said).toContain(String(port))
      expect(said).toContain('HTTP_PORT')
    } finally {
      server.close()
    }
  })
})
