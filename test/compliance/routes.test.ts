import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { complianceModule, type ComplianceModule } from '#compliance/module.ts'
import { LedgerService } from '#ledger/service.ts'
import { platformErrors } from '#platform/errors.ts'
import { Leadership } from '#platform/leader.ts'
import { exchangeSource } from '#trading/exchange-source.ts'
import { startAccounts, newWallet, type AccountsFixture, type Person } from '../support/accounts.ts'
import { ChainRequests } from '../support/chain-requests.ts'
import { silentLog } from '../support/database.ts'
import { TestApi, type Call } from '../support/http.ts'

let accounts: AccountsFixture
let api: TestApi
let officer: Person
let compliance: ComplianceModule
const chain = new ChainRequests()
const NO_ENGINE = { submit: () => Promise.reject(platformErrors.unavailable()) }

beforeAll(async () => {
  accounts = await startAccounts()
  const { database, clock, service } = accounts
  const ledger = new LedgerService({ database, sink: NO_ENGINE, reducers: exchangeSource })
  const shared = { database, clock, log: silentLog, chain, ledger }
  compliance = complianceModule({ ...shared, accounts: service })
  api = new TestApi([...accounts.routes, ...compliance.routes], accounts.authenticator)
  await api.server.start()
  officer = await accounts.person('officer', 'compliance')
})
afterAll(async () => {
  await api.server.stop()
  await accounts.stop()
})

type TestWallet = ReturnType<typeof newWallet>

async function challenge({ bearer }: Person, address: string): Promise<string> {
  const answer = await api.call('POST', '/v1/wallets/challenge', { bearer, body: { address } })
  return String(answer.body['message'])
}

/** What the person sends to link the wallet. */
async function proof(person: Person, wallet: TestWallet = newWallet()): Promise<Call> {
  const { address } = wallet
  const signature = await wallet.signMessage(await challenge(person, address))
  return { bearer: person.bearer, body: { address, signature } }
}

/** A person with a linked wallet. */
async function applicant(name: string, wallet: TestWallet = newWallet()): Promise<Person> {
  const person = await accounts.person(name)
  const { status } = await api.call('POST', '/v1/wallets', await proof(person, wallet))
  expect(status).toBe(201)
  return person
}

const placeOf = ({ user }: Person, step: string) => `/v1/registrations/${user.accountId}/${step}`
const decide = (person: Person, step: string, body: unknown, call: Call = {}) =>
  api.call('POST', placeOf(person, step), { bearer: officer.bearer, body, ...call })
const refusal = (person: Person, step: string, body: unknown, call: Call = {}) =>
  api.refusal('POST', placeOf(person, step), { bearer: officer.bearer, body, ...call })
const me = async ({ bearer }: Person) => (await api.call('GET', '/v1/me', { bearer })).body

/** What the ledger's commit does once the registration is final on the chain. */
async function registerOnChain({ user }: Person, wallet: string): Promise<void> {
  const effect = { type: 'registered', account: user.chainAccount, wallet, class: 7 }
  await accounts.database.query('SELECT compliance.apply($1)', [
    JSON.stringify([{ ...effect, expires_at: 1_800_000_000 }]),
  ])
}

describe('linking a wallet', () => {
  it('puts it into the queue, and /v1/me shows how far it is', async () => {
    const wallet = newWallet()
    const person = await accounts.person('ann')
    expect(await me(person)).toMatchObject({ wallet: null, registration: null })
    const { status, body } = await api.call('POST', '/v1/wallets', await proof(person, wallet))
    expect([status, body]).toEqual([201, { address: wallet.address, status: 'pending_approval' }])
    expect(await me(person)).toMatchObject({
      account_id: person.user.accountId,
      chain_account: person.user.chainAccount,
      roles: ['investor'],
      wallet: wallet.address,
      registration: { status: 'pending_approval', investor_class: null, expires_at: null },
    })
  })

  it('needs the signature of that very wallet', async () => {
    const person = await accounts.person('bea')
    const mine = newWallet()
    const call = await proof(person, mine)
    const other = await newWallet().signMessage(await challenge(person, mine.address))
    const link = (body: unknown) => api.refusal('POST', '/v1/wallets', { ...call, body })
    const body = { address: mine.address, signature: other }
    expect(await link(body)).toBe('422 accounts.signature_wrong')
    const foreign = { address: newWallet().address, signature: other }
    expect(await link(foreign)).toBe('422 accounts.challenge_not_found')
    const short = { address: mine.address, signature: '0x12' }
    expect(await link(short)).toBe('422 platform.invalid_request /signature')
  })

  it('takes a challenge once, in its time, from its own user', async () => {
    const [carl, dana] = [await accounts.person('carl'), await accounts.person('dana')]
    const wallet = newWallet()
    const call = await proof(carl, wallet)
    const stolen = await api.refusal('POST', '/v1/wallets', { ...call, bearer: dana.bearer })
    expect(stolen).toBe('422 accounts.challenge_not_found')
    accounts.clock.pass(600_000)
    const late = await api.refusal('POST', '/v1/wallets', call)
    expect(late).toBe('422 accounts.challenge_not_found')
    const fresh = await proof(carl, wallet)
    expect((await api.call('POST', '/v1/wallets', fresh)).status).toBe(201)
    await decide(carl, 'refuse', { reason: 'no' })
    const again = await api.refusal('POST', '/v1/wallets', fresh)
    expect(again).toBe('422 accounts.challenge_not_found')
  })

  it('is refused for a second wallet and for the wallet of another account', async () => {
    const wallet = newWallet()
    const first = await applicant('ella', wallet)
    const second = await api.refusal('POST', '/v1/wallets', await proof(first))
    expect(second).toBe('409 compliance.wallet_linked')
    const thief = await accounts.person('fred')
    const taken = await api.refusal('POST', '/v1/wallets', await proof(thief, wallet))
    expect(taken).toBe('409 compliance.wallet_taken')
  })

  it('gives a wallet to one of two accounts that link it at the same moment', async () => {
    const wallet = newWallet()
    const people = [await accounts.person('gus'), await accounts.person('hal')]
    const proofs = await Promise.all(people.map((person) => proof(person, wallet)))
    const answers = await Promise.all(proofs.map((call) => api.call('POST', '/v1/wallets', call)))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409])
  })
})

describe('the queue', () => {
  it('is for officers and auditors alone', async () => {
    const [investor, auditor] = [
      await accounts.person('ida'),
      await accounts.person('joe', 'auditor'),
    ]
    const list = (bearer: string) => api.refusal('GET', '/v1/registrations', { bearer })
    expect(await list(investor.bearer)).toBe('403 platform.forbidden')
    const { bearer } = auditor
    expect((await api.call('GET', '/v1/registrations', { bearer })).status).toBe(200)
    const body = { investor_class: 1 }
    const approve = await refusal(investor, 'approve', body, { bearer })
    expect(approve).toBe('403 platform.forbidden')
  })

  it('is paged, oldest first, and filtered by status', async () => {
    const people = [await applicant('kai'), await applicant('lou'), await applicant('max')]
    const { bearer } = officer
    const seen: unknown[] = []
    let cursor = ''
    do {
      const path = `/v1/registrations?status=pending_approval&limit=2${cursor}`
      const { body } = await api.call('GET', path, { bearer })
      seen.push(...(Array.isArray(body['data']) ? body['data'] : []))
      cursor = body['has_more'] === true ? `&cursor=${String(body['next_cursor'])}` : ''
    } while (cursor !== '')
    const ids = seen.map((row) => (row as { account_id: string }).account_id)
    const own = people.map(({ user }) => user.accountId)
    expect(ids.filter((id) => own.includes(id))).toEqual(own)
    expect(new Set(ids).size).toBe(ids.length)
    expect(seen.at(-1)).toMatchObject({ name: 'max', email: 'max@example.com' })
    const wrong = await api.refusal('GET', '/v1/registrations?status=lost', { bearer })
    expect(wrong).toBe('422 platform.invalid_request /status')
  })
})

describe('an approval', () => {
  it('sends the wallet to the registry, and the chain completes it', async () => {
    const wallet = newWallet()
    const person = await applicant('nat', wallet)
    const body = { investor_class: 7, expires_at: '2027-01-15T08:00:00Z' }
    const { status, body: decided } = await decide(person, 'approve', body)
    expect(status).toBe(202)
    expect(decided).toMatchObject({ status: 'submitted', investor_class: 7 })
    expect(decided['expires_at']).toBe('2027-01-15T08:00:00.000Z')
    const { chainAccount } = person.user
    expect(chain.requests.at(-1)).toMatchObject({
      signer: 'registrar',
      key: `register:${chainAccount}:1`,
      to: '0x1111111111111111111111111111111111111111',
    })
    const call = chain.lastCall('InvestorRegistry')
    expect(call.slice(0, 5)).toEqual([
      'register',
      BigInt(chainAccount),
      wallet.address,
      7n,
      1_800_000_000n,
    ])
    expect(call[5]).not.toContain(person.user.id.slice(4, 12))
    await registerOnChain(person, wallet.address.toLowerCase())
    expect(await me(person)).toMatchObject({
      wallet: wallet.address,
      registration: { status: 'registered', expires_at: '2027-01-15T08:00:00.000Z' },
    })
  })

  it('happens once, and a repetition with its key is answered with the present state', async () => {
    const person = await applicant('oda')
    const body = { investor_class: 1 }
    const before = chain.requests.length
    await decide(person, 'approve', body, { key: 'approve-oda' })
    const again = await decide(person, 'approve', body, { key: 'approve-oda' })
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    expect(chain.requests.length).toBe(before + 1)
    const other = await refusal(person, 'approve', { investor_class: 2 }, { key: 'approve-oda' })
    expect(other).toBe('422 platform.idempotency_mismatch')
    const second = await refusal(person, 'approve', body)
    expect(second).toBe('409 compliance.registration_decided')
    const late = await refusal(person, 'refuse', { reason: 'late' })
    expect(late).toBe('409 compliance.registration_decided')
  })

  it.each([
    [{ investor_class: 0 }, '422 platform.invalid_request /investor_class'],
    [{ investor_class: 84 }, '422 platform.invalid_request /investor_class'],
    [{ investor_class: '1' }, '422 platform.invalid_request /investor_class'],
    [{}, '422 platform.invalid_request /investor_class'],
    [{ investor_class: 1, level: 2 }, '422 platform.invalid_request /level'],
    [{ investor_class: 1, expires_at: 'soon' }, '422 platform.invalid_request /expires_at'],
    [{ investor_class: 1, expires_at: '2020-01-01T00:00:00Z' }, '422 compliance.expiry_past'],
  ])('with %j is refused and changes nothing', async (body, code) => {
    const person = await applicant(`applicant${counter()}`)
    const before = chain.requests.length
    expect(await refusal(person, 'approve', body)).toBe(code)
    expect(chain.requests.length).toBe(before)
    expect(await me(person)).toMatchObject({ registration: { status: 'pending_approval' } })
  })

  it('is not for oneself, nor for nobody', async () => {
    await api.call('POST', '/v1/wallets', await proof(officer))
    const own = await refusal(officer, 'approve', { investor_class: 1 })
    expect(own).toBe('403 compliance.own_registration')
    const stranger = await accounts.person('pia')
    const absent = await refusal(stranger, 'approve', { investor_class: 1 })
    expect(absent).toBe('404 compliance.registration_not_found')
    const { bearer } = officer
    const path = '/v1/registrations/acc_1/approve'
    const odd = await api.refusal('POST', path, { bearer, body: { investor_class: 1 } })
    expect(odd).toBe('404 compliance.registration_not_found')
  })
})

describe('a registration that the chain did not take', () => {
  const lastKey = () => chain.requests.at(-1)?.key ?? ''
  const fail = (state: 'rejected' | 'reverted') =>
    chain.outcomes.set(lastKey(), { state, error: 'WalletTaken()' })
  const NO_FENCE = () => Promise.resolve()
  const lost = async ({ user }: Person) =>
    (await compliance.service.returnLostRegistrations(NO_FENCE)).filter(
      ({ accountId }) => accountId === user.accountId,
    )

  it.each(['rejected', 'reverted'] as const)(
    'since it was %s is back in the queue with the reason, and may be approved again',
    async (state) => {
      const person = await applicant(`lost${counter()}`)
      await decide(person, 'approve', { investor_class: 7 })
      expect(await lost(person)).toEqual([])
      expect(await me(person)).toMatchObject({ registration: { status: 'submitted' } })
      fail(state)
      expect(await lost(person)).toHaveLength(1)
      expect(await lost(person)).toEqual([])
      const { bearer } = officer
      const queue = '/v1/registrations?status=pending_approval&limit=200'
      const { data } = (await api.call('GET', queue, { bearer })).body
      expect(data).toContainEqual(
        expect.objectContaining({
          account_id: person.user.accountId,
          investor_class: null,
          reason: expect.stringContaining('WalletTaken()'),
        }),
      )
      const again = await decide(person, 'approve', { investor_class: 8 })
      expect([again.status, again.body['status'], again.body['reason']]).toEqual([
        202,
        'submitted',
        null,
      ])
      expect(lastKey()).toBe(`register:${person.user.chainAccount}:2`)
      expect(chain.lastCall('InvestorRegistry')[3]).toBe(8n)
      expect(await lost(person)).toEqual([])
    },
  )

  it('may be refused instead, and keeps its count for the next wallet', async () => {
    const person = await applicant('tom')
    await decide(person, 'approve', { investor_class: 7 })
    fail('rejected')
    await lost(person)
    const refused = await decide(person, 'refuse', { reason: 'Taken' })
    expect(refused.body).toMatchObject({ status: 'refused', reason: 'Taken' })
    await api.call('POST', '/v1/wallets', await proof(person))
    await decide(person, 'approve', { investor_class: 7 })
    expect(lastKey()).toBe(`register:${person.user.chainAccount}:2`)
  })

  it('stays registered when the chain registered it all the same', async () => {
    const wallet = newWallet()
    const person = await applicant('uli', wallet)
    await decide(person, 'approve', { investor_class: 7 })
    fail('reverted')
    await registerOnChain(person, wallet.address)
    expect(await lost(person)).toEqual([])
    expect(await me(person)).toMatchObject({ registration: { status: 'registered' } })
  })

  it('is given back by the worker, by itself', async () => {
    const person = await applicant('vic')
    await decide(person, 'approve', { investor_class: 7 })
    fail('reverted')
    const { database } = accounts
    const leadership = new Leadership({ role: 'txm', database, log: silentLog })
    const worker = compliance.makeFollower(leadership)
    await worker.start(new AbortController().signal)
    try {
      await leadership.start()
      await expect
        .poll(() => me(person))
        .toMatchObject({ registration: { status: 'pending_approval' } })
    } finally {
      await worker.stop()
      await leadership.stop()
    }
  })

  it('is not given back by one that leads no more', async () => {
    const person = await applicant('wim')
    await decide(person, 'approve', { investor_class: 7 })
    fail('reverted')
    const { database } = accounts
    const leadership = new Leadership({ role: 'txm', database, log: silentLog })
    await leadership.start()
    await leadership.whenLeading()
    const guard = leadership.guard()
    await leadership.renew()
    await expect(compliance.service.returnLostRegistrations(guard)).rejects.toMatchObject({
      code: 'platform.fenced',
    })
    expect(await me(person)).toMatchObject({ registration: { status: 'submitted' } })
    await leadership.stop()
    expect(() => leadership.guard()).toThrow()
  })
})

describe('a refusal', () => {
  it('tells why, and lets the user link another wallet, or the wallet another user', async () => {
    const wallet = newWallet()
    const person = await applicant('quin', wallet)
    const { status, body } = await decide(person, 'refuse', { reason: 'Unreadable document' })
    expect([status, body['status'], body['reason']]).toEqual([
      200,
      'refused',
      'Unreadable document',
    ])
    const heir = await accounts.person('rob')
    expect((await api.call('POST', '/v1/wallets', await proof(heir, wallet))).status).toBe(201)
    expect((await api.call('POST', '/v1/wallets', await proof(person))).status).toBe(201)
    expect(await me(person)).toMatchObject({
      registration: { status: 'pending_approval', reason: null },
    })
  })

  it('needs a reason', async () => {
    const person = await applicant('sue')
    const empty = await refusal(person, 'refuse', { reason: ' ' })
    expect(empty).toBe('422 platform.invalid_request /reason')
  })
})

let count = 0
function counter(): number {
  count += 1
  return count
}
