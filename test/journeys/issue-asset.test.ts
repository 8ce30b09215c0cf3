import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, rows, text } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { Sandbox } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import { balanceOf, reconciled } from './market-story.ts'

const ASSET = {
  symbol: 'QUAY7',
  name: 'Quay Seven',
  class: 'real_estate',
  decimals: 3,
  reserve: 'none',
  allowed_classes: [1, 2],
}

describe('issuing an asset', () => {
  let sandbox: Sandbox

  beforeAll(async () => {
    sandbox = await Sandbox.start()
  })

  afterAll(async () => sandbox?.dispose())

  it('goes from a draft, through another person, to tokens in the issuer’s balance', async () => {
    const issuer = sandbox.client('issuer')
    const other = sandbox.client('issuer', 1)
    const asset = await issuer.post('/v1/assets', ASSET, 'quay-create')
    const path = `/v1/assets/${text(asset, 'id')}`
    expect(asset).toMatchObject({ symbol: 'QUAY7', decimals: 3, status: 'draft', token: null })

    const replay = await issuer.call('POST', '/v1/assets', { body: ASSET, key: 'quay-create' })
    expect([replay.status, replay.body['id']]).toEqual([200, asset['id']])
    expect(
      await issuer.refusal('POST', `${path}/tokenize`, {
        body: { supply: '10.000' },
        key: 'early',
      }),
    ).toMatch(/^409 /)

    await issuer.post(`${path}/submit`, {}, 'quay-submit')
    expect(await issuer.refusal('POST', `${path}/approve`, { body: {}, key: 'own' })).toMatch(
      /^403 /,
    )
    expect(
      await sandbox.client('investor').refusal('POST', `${path}/approve`, { body: {}, key: 'no' }),
    ).toMatch(/^40[34] /)
    const approved = await other.post(`${path}/approve`, {}, 'quay-approve')
    expect(approved['status']).toBe('approved')

    const begun = await issuer.call('POST', `${path}/tokenize`, {
      body: { supply: '2500000.125' },
      key: 'quay-tokenize',
    })
    expect(begun.status).toBe(202)
    const operation = begun.headers.get('location') ?? ''
    expect(operation).toMatch(/^\/v1\/operations\/opn_/)
    await until(
      'the operation',
      async () => (await issuer.get(operation))['status'] === 'succeeded',
    )
    expect(
      rows(await issuer.get(operation), 'steps').every((step) => step['status'] === 'succeeded'),
    ).toBe(true)

    const active = await issuer.get(path)
    expect(active).toMatchObject({ status: 'active', total_supply: '2500000.125' })
    const balance = await balanceOf(sandbox, 'QUAY7', 'issuer')
    expect(balance).toMatchObject({
      total: '2500000.125',
      available: '2500000.125',
      settled: '2500000.125',
      unsettled: '0.000',
      pending: '0.000',
    })
  })

  it('leaves the same supply and lane on chain, by anybody’s reading', async () => {
    const holder = sandbox.user('issuer')
    const wallet = await ChainWallet.open(sandbox, holder.wallet?.privateKey ?? '')
    const asset = (await sandbox.client('issuer').all('/v1/assets')).find(
      (row) => row['symbol'] === 'QUAY7',
    )
    const chainAsset = at(asset, 'chain_asset')
    const token = String(await wallet.read('AssetRegistry', 'tokenOf', chainAsset))
    expect(token.toLowerCase()).toBe(text(asset, 'token').toLowerCase())
    const lane = await wallet.read('ClearingHouse', 'balanceOf', holder.chainAccount, chainAsset)
    expect(lane).toBe(2_500_000_125n)
    wallet.close()
    await reconciled(sandbox)
  })

  it('lets the asset trade, on a market with its own tick and lot', async () => {
    const terms = {
      symbol: 'QUAY7-USD',
      base: 'QUAY7',
      quote: 'USD',
      tick_size: '0.001',
      lot_size: '0.010',
      maker_fee_bps: 0,
      taker_fee_bps: 25,
    }
    expect(
      await sandbox.client('investor').refusal('POST', '/v1/markets', { body: terms, key: 'm' }),
    ).toBe('403 platform.forbidden')
    const market = await sandbox.client('operator').post('/v1/markets', terms, 'quay-market')
    expect(market).toMatchObject({ ...terms, status: 'open', market_collar_bps: 500 })

    const sale = {
      market: 'QUAY7-USD',
      side: 'sell',
      type: 'limit',
      price: '3.333',
      quantity: '1.010',
    }
    await sandbox.client('issuer').post('/v1/orders', sale, 'quay-sale')
    const askedFor = { ...sale, side: 'buy', quantity: '1.005' }
    expect(
      await sandbox
        .client('investor')
        .refusal('POST', '/v1/orders', { body: askedFor, key: 'lot' }),
    ).toBe('422 trading.lot_size')
    const bought = await sandbox
      .client('investor')
      .post(
        '/v1/orders',
        { ...sale, side: 'buy', price: '4.000', time_in_force: 'ioc' },
        'quay-buy',
      )
    // 1.010 × 3.333 = 3.36633; 25 bps of it, rounded up to the atom, is 0.008416.
    expect(bought).toMatchObject({ status: 'filled', average_price: '3.3330000' })
    expect(rows(bought, 'fills')[0]).toMatchObject({
      price: '3.333',
      fee: '0.008416',
      liquidity: 'taker',
    })
  })
})
