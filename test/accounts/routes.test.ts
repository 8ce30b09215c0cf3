import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { route, reply } from '#platform/http/route.ts'
import { platformErrors } from '#platform/errors.ts'
import { z } from 'zod'
import { SessionTokens } from '#accounts/jose-adapter.ts'
import {
  PASSWORD,
  newJwtKey,
  newWallet,
  startAccounts,
  type AccountsFixture,
} from '../support/accounts.ts'
import { TestApi } from '../support/http.ts'

let accounts: AccountsFixture
let api: TestApi

/** Shows who the server takes a bearer for. */
const whoami = route({
  method: 'GET',
  path: '/v1/whoami',
  id: 'whoami',
  summary: 'A test',
  tags: ['test'],
  permission: 'orders:read',
  responses: { 200: z.strictObject({ user: z.string(), roles: z.array(z.string()) }) },
  errors: [],
  handle: ({ principal }) => reply(200, { user: principal.userId, roles: principal.roles }),
})

beforeAll(async () => {
  accounts = await startAccounts()
  api = new TestApi([...accounts.routes, whoami], accounts.authenticator)
  await api.server.start()
})
afterAll(async () => {
  await api.server.stop()
  await accounts.stop()
})

const register = (email: string, password = PASSWORD) =>
  api.call('POST', '/v1/users', { body: { email, password, name: 'Ann' } })
const logIn = (email: string, password = PASSWORD) =>
  api.call('POST', '/v1/sessions', { body: { email, password } })

async function tokenOf(email: string): Promise<string> {
  return String((await logIn(email)).body['access_token'])
}

describe('a new user', () => {
  it('is an investor with an account, whose ledger account is opened', async () => {
    const { status, body } = await register('  Ann@Example.com ')
    expect(status).toBe(201)
    expect(body).toMatchObject({ email: 'ann@example.com', name: 'Ann', roles: ['investor'] })
    const user = await accounts.service.getUser(String(body['id']))
    expect(user.chainAccount).toBeGreaterThanOrEqual(16)
    expect(accounts.opened).toContain(user.chainAccount)
  })

  it('needs an email that nobody has, whatever its case', async () => {
    await register('bob@example.com')
    const body = { email: 'BOB@example.com', password: PASSWORD, name: 'B' }
    const refusal = await api.refusal('POST', '/v1/users', { body })
    expect(refusal).toBe('409 accounts.email_taken')
  })

  it.each([
    [{ password: 'elevenchars' }, '/password'],
    [{ password: 'x'.repeat(257) }, '/password'],
    [{ email: 'nobody' }, '/email'],
    [{ email: 7 }, '/email'],
    [{ name: '  ' }, '/name'],
    [{ name: 'a\u0000b' }, '/name'],
    [{ roles: ['admin'] }, '/roles'],
  ])('is refused with %o', async (wrong, pointer) => {
    const body = { email: 'new@example.com', password: PASSWORD, name: 'N', ...wrong }
    const refusal = await api.refusal('POST', '/v1/users', { body })
    expect(refusal).toBe(`422 platform.invalid_request ${pointer}`)
  })

  it('registers while the ledger is away, and is opened at the next login', async () => {
    accounts.ledger.failure = platformErrors.unavailable()
    const { body } = await register('early@example.com')
    const { chainAccount } = await accounts.service.getUser(String(body['id']))
    expect(accounts.opened).not.toContain(chainAccount)
    accounts.ledger.failure = undefined
    await logIn('early@example.com')
    expect(accounts.opened.filter((each) => each === chainAccount)).toHaveLength(1)
    await logIn('early@example.com')
    expect(accounts.opened.filter((each) => each === chainAccount)).toHaveLength(1)
  })

  it('gets another account number than everybody else, also at the same moment', async () => {
    const names = Array.from({ length: 8 }, (_, place) => `many${place}@example.com`)
    await Promise.all(names.map((name) => register(name)))
    const users = await Promise.all(names.map((name) => accounts.service.findUserByEmail(name)))
    expect(new Set(users.map((user) => user?.chainAccount)).size).toBe(names.length)
  })
})

describe('a session', () => {
  it('proves its user for ten minutes', async () => {
    await register('carol@example.com')
    const { status, body } = await logIn('Carol@example.com')
    expect([status, body['expires_in']]).toEqual([201, 600])
    const bearer = String(body['access_token'])
    const { body: me } = await api.call('GET', '/v1/whoami', { bearer })
    expect(me['roles']).toEqual(['investor'])
    accounts.clock.pass(599_000)
    expect((await api.call('GET', '/v1/whoami', { bearer })).status).toBe(200)
    accounts.clock.pass(2000)
    expect(await api.refusal('GET', '/v1/whoami', { bearer })).toBe('401 platform.token_expired')
  })

  it('is refused alike for an unknown email and a wrong password', async () => {
    await register('dora@example.com')
    const refusal = (email: string) =>
      api.refusal('POST', '/v1/sessions', { body: { email, password: 'not the password' } })
    expect(await refusal('dora@example.com')).toBe('401 accounts.wrong_credentials')
    expect(await refusal('nobody@example.com')).toBe('401 accounts.wrong_credentials')
  })

  it('is refused for a while after ten wrong passwords, the right one too', async () => {
    await register('eve@example.com')
    const wrong = { email: 'eve@example.com', password: 'not the password' }
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await api.refusal('POST', '/v1/sessions', { body: wrong })
    }
    const { status, headers, body } = await logIn('eve@example.com')
    expect([status, body['code']]).toEqual([429, 'platform.rate_limited'])
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  })

  it('of another key, of no algorithm, or changed is refused', async () => {
    const { user } = await accounts.person('frank')
    const { clock } = accounts
    const foreign = await new SessionTokens({ privateKeyPem: newJwtKey(), clock }).sign(user)
    const own = await tokenOf('frank@example.com')
    const [header, payload, signature] = own.split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    const admin = Buffer.from(String(payload), 'base64url').toString().replace('investor', 'admin')
    const changed = Buffer.from(admin).toString('base64url')
    for (const bearer of [
      foreign,
      `${none}.${payload}.`,
      `${header}.${changed}.${signature}`,
      'x.y.z',
    ]) {
      const refusal = await api.refusal('GET', '/v1/whoami', { bearer })
      expect(refusal).toBe('401 platform.unauthenticated')
    }
  })

  it('has the roles that were granted before it', async () => {
    await register('gina@example.com')
    await accounts.service.grantRole('gina@example.com', 'operator')
    const bearer = await tokenOf('gina@example.com')
    const { body } = await api.call('GET', '/v1/whoami', { bearer })
    expect(body['roles']).toEqual(['investor', 'operator'])
  })
})

describe('an API key', () => {
  it('works until it is revoked', async () => {
    const { user, bearer } = await accounts.person('hugo')
    expect((await api.call('GET', '/v1/whoami', { bearer })).body['user']).toBe(user.id)
    await accounts.database.query('UPDATE accounts.api_key SET revoked_at = clock_timestamp()')
    accounts.clock.pass(5000)
    const refusal = await api.refusal('GET', '/v1/whoami', { bearer })
    expect(refusal).toBe('401 platform.unauthenticated')
  })

  it('may do less than its user and never more', async () => {
    await accounts.person('ivan')
    const email = 'ivan@example.com'
    const { key } = await accounts.service.createApiKey({
      email,
      name: 'narrow',
      scopes: ['balances:read'],
    })
    const refusal = await api.refusal('GET', '/v1/whoami', { bearer: key })
    expect(refusal).toBe('403 platform.forbidden')
    const wider = { email, name: 'wide', scopes: ['settlements:write'] }
    await expect(accounts.service.createApiKey(wider)).rejects.toMatchObject({
      code: 'accounts.unknown_scope',
    })
  })

  it('may be given, twice as well, but not to two users', async () => {
    const key = `mk_${'k'.repeat(40)}`
    await accounts.person('jane')
    await accounts.person('kurt')
    const first = await accounts.service.createApiKey({ email: 'jane@example.com', name: 'a', key })
    const again = await accounts.service.createApiKey({ email: 'jane@example.com', name: 'a', key })
    expect(again).toEqual(first)
    const foreign = accounts.service.createApiKey({ email: 'kurt@example.com', name: 'a', key })
    await expect(foreign).rejects.toMatchObject({ code: 'accounts.invalid_key' })
  })

  it('is kept as a hash, as passwords are', async () => {
    const { bearer } = await accounts.person('lena')
    const rows = await accounts.database.query(
      `SELECT to_jsonb(u)::text || coalesce((SELECT string_agg(to_jsonb(k)::text, '')
         FROM accounts.api_key k), '') AS text FROM accounts.users u`,
    )
    const text = JSON.stringify(rows)
    expect(text).not.toContain(bearer)
    expect(text).not.toContain(PASSWORD)
  })
})

describe('a wallet challenge', () => {
  it('is a text with the account, the chain and ten minutes of life', async () => {
    const { user, bearer } = await accounts.person('mia')
    const { address } = newWallet()
    const body = { address: address.toLowerCase() }
    const { status, body: challenge } = await api.call('POST', '/v1/wallets/challenge', {
      bearer,
      body,
    })
    expect(status).toBe(200)
    expect(challenge['message']).toContain(address)
    expect(challenge['message']).toContain(user.accountId)
    expect(challenge['message']).toContain('Chain ID: 31337')
    const expiry = Date.parse(String(challenge['expires_at']))
    expect(expiry - accounts.clock.now()).toBe(600_000)
  })

  it('needs an address with a right checksum or none', async () => {
    const { bearer } = await accounts.person('nora')
    const wrong = '0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'
    const path = '/v1/wallets/challenge'
    expect(await api.refusal('POST', path, { bearer, body: { address: wrong } })).toBe(
      '422 accounts.address_invalid',
    )
    expect(await api.refusal('POST', path, { bearer, body: { address: '0x1' } })).toBe(
      '422 platform.invalid_request /address',
    )
  })
})

describe('without its database', () => {
  it('the node refuses with 503 what it cannot look up or keep', async () => {
    const alone = await startAccounts()
    const lame = new TestApi([...alone.routes, whoami], alone.authenticator)
    await lame.server.start()
    const { bearer } = await alone.person('zoe')
    await alone.stop()
    const body = { email: 'zoe@example.com', password: PASSWORD }
    const login = await lame.call('POST', '/v1/sessions', { body })
    expect([login.status, login.body['code']]).toEqual([503, 'platform.unavailable'])
    expect(login.headers.get('retry-after')).toBe('1')
    const registration = { ...body, email: 'new@example.com', name: 'N' }
    const refusal = await lame.refusal('POST', '/v1/users', { body: registration })
    expect(refusal).toBe('503 platform.unavailable')
    expect(await lame.refusal('GET', '/v1/whoami', { bearer })).toBe('503 platform.unavailable')
    await lame.server.stop()
  })
})
