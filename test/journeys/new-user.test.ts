import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, rows, text } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import { reconciled } from './market-story.ts'

const PERSON = {
  email: 'newcomer@example.com',
  password: 'correct horse battery',
  name: 'Newcomer',
}

describe('a new user', () => {
  let sandbox: Sandbox

  beforeAll(async () => {
    sandbox = await Sandbox.start()
  })

  afterAll(async () => sandbox?.dispose())

  it('registers, links a wallet, is approved, deposits, trades and withdraws', async () => {
    const visitor = sandbox.client()
    const registered = await visitor.call('POST', '/v1/users', { body: PERSON })
    expect(registered.status).toBe(201)
    expect(registered.body).toMatchObject({ email: PERSON.email, roles: ['investor'] })
    expect(await visitor.refusal('POST', '/v1/users', { body: PERSON })).toMatch(/^409 accounts\./)
    const { email, password } = PERSON
    expect(
      await visitor.refusal('POST', '/v1/sessions', { body: { email, password: `${password}!` } }),
    ).toMatch(/^401 /)
    const session = await visitor.post('/v1/sessions', { email, password })
    const user = visitor.as(text(session, 'access_token'))

    const key = Wallet.createRandom().privateKey
    const wallet = await ChainWallet.open(sandbox, key)
    const challenge = await user.post('/v1/wallets/challenge', { address: wallet.address })
    const signature = await wallet.signMessage(text(challenge, 'message'))
    const linked = await user.post('/v1/wallets', { address: wallet.address, signature })
    expect(linked).toMatchObject({ address: wallet.address, status: 'pending_approval' })
    expect(
      await user.refusal('POST', '/v1/wallets', { body: { address: wallet.address, signature } }),
    ).toMatch(/^4(09|22|01) /)

    const early = {
      market: sandbox.market,
      side: 'buy',
      type: 'limit',
      quantity: '1',
      price: '100',
    }
    expect(await user.refusal('POST', '/v1/orders', { body: early, key: 'early' })).toMatch(
      /^409 (trading|ledger)\.account_not_registered$/,
    )

    const officer = sandbox.client('compliance')
    const accountId = text(registered.body, 'account_id')
    const queue = await officer.get('/v1/registrations?status=pending_approval')
    expect(rows(queue, 'data').map((row) => row['account_id'])).toContain(accountId)
    const approval = await officer.call('POST', `/v1/registrations/${accountId}/approve`, {
      body: { investor_class: 1 },
      key: 'approve-newcomer',
    })
    expect(approval.status).toBe(202)
    await until(
      'the registration',
      async () => at(await user.get('/v1/me'), 'registration', 'status') === 'registered',
    )

    const units = 2_000_000_000n
    await wallet.mintCash(units)
    await wallet.send('ClearingHouse', 'deposit', 0, units)
    await until('the deposit', async () => {
      const [usd] = await user.data('/v1/balances')
      return usd?.['available'] === '2000.000000'
    })

    const sale = {
      market: sandbox.market,
      side: 'sell',
      type: 'limit',
      quantity: '5.00',
      price: '100.00',
    }
    await sandbox.client('investor', 1).post('/v1/orders', sale, 'sale-to-newcomer')
    const bought = await user.post('/v1/orders', { ...sale, side: 'buy' }, 'first-trade')
    expect(bought['status']).toBe('filled')
    await settleAll(sandbox)

    const withdrawal = await user.post(
      '/v1/withdrawals',
      { asset: 'HARBOR', amount: '5.00' },
      'take-it',
    )
    await until('the withdrawal', async () => {
      const { body } = await user.call('GET', `/v1/withdrawals/${text(withdrawal, 'id')}`)
      return body['status'] === 'final'
    })
    const harbor = (await user.all('/v1/assets')).find((asset) => asset['symbol'] === 'HARBOR')
    const token = String(await wallet.read('AssetRegistry', 'tokenOf', at(harbor, 'chain_asset')))
    expect(token.toLowerCase()).toBe(text(harbor, 'token').toLowerCase())
    expect(
      await wallet.read(
        'ClearingHouse',
        'balanceOf',
        at(await user.get('/v1/me'), 'chain_account'),
        1,
      ),
    ).toBe(0n)
    wallet.close()
    await reconciled(sandbox)
  })
})
