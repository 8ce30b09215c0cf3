import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, rows, text } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import { balanceOf, deal, orderKey, reconciled } from './market-story.ts'

describe('depositing and withdrawing', () => {
  let sandbox: Sandbox

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
  })

  afterAll(async () => sandbox?.dispose())

  it('credits a deposit once it is final, to the atom', async () => {
    const before = await balanceOf(sandbox, 'USD', 'investor')
    const wallet = await ChainWallet.open(
      sandbox,
      sandbox.user('investor').wallet?.privateKey ?? '',
    )
    await wallet.mintCash(1_234_567n)
    const { hash } = await wallet.send('ClearingHouse', 'deposit', 0, 1_234_567n)
    wallet.close()
    const deposit = await until('the deposit', async () => {
      const deposits = await sandbox.client('investor').all('/v1/deposits')
      return deposits.find((row) => row['tx_hash'] === hash && row['status'] === 'final')
    })
    expect(deposit).toMatchObject({ asset: 'USD', amount: '1.234567' })
    const after = await balanceOf(sandbox, 'USD', 'investor')
    expect(atoms(after['total']) - atoms(before['total'])).toBe(1_234_567n)
    expect(after['pending']).toBe('0.000000')
  })

  it('pays a withdrawal to the registered wallet and to nobody else', async () => {
    const wallet = await ChainWallet.open(
      sandbox,
      sandbox.user('investor').wallet?.privateKey ?? '',
    )
    const paidBefore = await wallet.read('CashToken', 'balanceOf', wallet.address)
    const investor = sandbox.client('investor')
    const requested = await investor.call('POST', '/v1/withdrawals', {
      body: { asset: 'USD', amount: '250.5' },
      key: 'journey-withdrawal',
    })
    expect(requested.status).toBe(202)
    expect(requested.body).toMatchObject({
      asset: 'USD',
      amount: '250.500000',
      status: 'requested',
    })
    const again = await investor.call('POST', '/v1/withdrawals', {
      body: { asset: 'USD', amount: '250.5' },
      key: 'journey-withdrawal',
    })
    expect(again.body['id']).toBe(requested.body['id'])
    const paid = await until('the withdrawal', async () => {
      const found = await investor.get(`/v1/withdrawals/${text(requested.body, 'id')}`)
      return found['status'] === 'final' ? found : undefined
    })
    expect(text(paid, 'tx_hash')).toMatch(/^0x/)
    const paidAfter = await wallet.read('CashToken', 'balanceOf', wallet.address)
    expect(BigInt(String(paidAfter)) - BigInt(String(paidBefore))).toBe(250_500_000n)
    wallet.close()
    expect((await balanceOf(sandbox, 'USD', 'investor'))['held']).toBe('0.000000')
  })

  it('waits with a withdrawal until the trades before it are settled', async () => {
    await deal(sandbox, { quantity: '3.00', price: '100.00' })
    const buyer = sandbox.client('investor', 0)
    const body = { asset: 'HARBOR', amount: '3.00' }
    const { id } = (await buyer.post('/v1/withdrawals', body, orderKey())) as { id: string }
    const held = await balanceOf(sandbox, 'HARBOR', 'investor', 0)
    expect(held['held']).toBe('3.00')
    expect((await buyer.get(`/v1/withdrawals/${id}`))['status']).toBe('requested')
    await settleAll(sandbox)
    await until(
      'the withdrawal',
      async () => (await buyer.get(`/v1/withdrawals/${id}`))['status'] === 'final',
    )
    await reconciled(sandbox)
  })

  it('refuses what is not there, and holds what is asked for', async () => {
    const investor = sandbox.client('investor')
    const before = await balanceOf(sandbox, 'USD', 'investor')
    expect(
      await investor.refusal('POST', '/v1/withdrawals', {
        body: { asset: 'USD', amount: '99999999999' },
        key: orderKey(),
      }),
    ).toBe('422 ledger.insufficient_funds')
    expect(
      await investor.refusal('POST', '/v1/withdrawals', { body: { asset: 'USD', amount: '1' } }),
    ).toBe('422 platform.idempotency_key_required')
    expect(await balanceOf(sandbox, 'USD', 'investor')).toEqual(before)
    const page = await investor.get('/v1/withdrawals')
    expect(rows(page, 'data').length).toBeGreaterThan(1)
    expect(
      await sandbox
        .client('investor', 1)
        .refusal('GET', `/v1/withdrawals/${text(page, 'data', 0, 'id')}`),
    ).toBe('404 payments.withdrawal_not_found')
    expect(at(page, 'has_more')).toBe(false)
  })
})

function atoms(amount: unknown): bigint {
  return BigInt(String(amount).replace('.', ''))
}
