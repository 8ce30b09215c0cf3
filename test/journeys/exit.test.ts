import { id, Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, rows, text } from '../../scripts/body.ts'
import { runAudit } from '../support/audit.ts'
import { until } from '../support/client.ts'
import { passTime } from '../support/chain-time.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import { balanceOf, deal, orderKey, reconciled } from './market-story.ts'

const DAY_SECONDS = 86_400
const CASH = 0
const ISSUER = 12n

/** The id of the role of one asset's issuers (`Roles.ofAsset`). */
function issuerRole(asset: number): bigint {
  return ((BigInt(asset) + 1n) << 16n) | ISSUER
}

describe('leaving while the node lives', () => {
  let sandbox: Sandbox
  let wallet: ChainWallet
  let recovered: ChainWallet | undefined

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await settleAll(sandbox)
    wallet = await ChainWallet.open(sandbox, sandbox.user('investor').wallet?.privateKey ?? '')
  })

  afterAll(async () => {
    wallet?.close()
    recovered?.close()
    await sandbox?.dispose()
  })

  const buy = (quantity: string) => ({
    market: sandbox.market,
    side: 'buy',
    type: 'limit',
    quantity,
    price: '50.00',
    client_order_id: orderKey(),
  })
  const supplyOf = async (symbol: string) => {
    const report = await reconciled(sandbox)
    const row = rows(report, 'assets').find(({ asset }) => asset === symbol)
    return [row?.['supply_ledger'], row?.['supply_chain']].map((supply) => String(Number(supply)))
  }
  const stop = async (role = 'investor', place = 0) =>
    (await sandbox.client(role, place).get('/v1/me'))['stop']

  it('cancels the orders of whoever asks to leave, takes no new ones, and settles the rest', async () => {
    const investor = sandbox.client('investor')
    await deal(sandbox, { quantity: '2.00', price: '100.00' })
    const resting = await investor.post('/v1/orders', buy('1.00'))
    await wallet.send('ClearingHouse', 'requestExit')
    const cancelled = await until('the cancellation', async () => {
      const order = await investor.get(`/v1/orders/${text(resting, 'id')}`)
      return order['status'] === 'cancelled' ? order : undefined
    })
    expect(cancelled['reason']).toBe('exit_requested')
    expect(await stop()).toBe('exit_requested')
    expect(await investor.refusal('POST', '/v1/orders', { body: buy('1.00') })).toBe(
      '409 ledger.exit_requested',
    )
    const body = { asset: 'USD', amount: '1' }
    expect(await investor.refusal('POST', '/v1/withdrawals', { body, key: orderKey() })).toBe(
      '409 ledger.exit_requested',
    )
    const account = sandbox.user('investor').chainAccount
    await until('a batch that closed after the request', async () => {
      const exit = await wallet.read('ClearingHouse', 'exitOf', account)
      return Array.isArray(exit) && exit[2] === true
    })
    const balances = await investor.data('/v1/balances')
    await until('the settlement of every trade', async () =>
      (await investor.data('/v1/balances')).every((row) => Number(row['unsettled']) === 0),
    )
    expect(balances.length).toBeGreaterThan(1)
  })

  it('pays the whole balance after the delay, and ledger and chain stay equal', async () => {
    const investor = sandbox.client('investor')
    const assets = await sandbox.client('investor').data('/v1/assets')
    const held = assets.map((asset) => Number(at(asset, 'chain_asset')))
    const before = await wallet.read('CashToken', 'balanceOf', wallet.address)
    const account = sandbox.user('investor').chainAccount
    const lane = await wallet.read('ClearingHouse', 'balanceOf', account, CASH)
    await passTime(sandbox.rpc, DAY_SECONDS)
    await wallet.send('ClearingHouse', 'executeExit', held)
    await until('an empty account', async () =>
      (await investor.data('/v1/balances')).every((row) => Number(row['total']) === 0),
    )
    const after = await wallet.read('CashToken', 'balanceOf', wallet.address)
    expect(BigInt(String(after)) - BigInt(String(before))).toBe(BigInt(String(lane)))
    for (const row of await investor.data('/v1/balances'))
      expect(row).toMatchObject({ held: row['total'], settled: row['total'] })
    await reconciled(sandbox)
  })

  it('counts the tokens of the wallet out of the supply when their issuer redeems them', async () => {
    const harbor = (await sandbox.client('investor').data('/v1/assets')).find(
      ({ symbol }) => symbol === 'HARBOR',
    )
    const asset = Number(at(harbor, 'chain_asset'))
    const contracts = await sandbox.client().get('/v1/contracts')
    const abi = at(contracts, 'contracts', 'AssetToken', 'abi')
    const token = { address: text(harbor ?? {}, 'token'), abi }
    const withToken = { ...contracts, contracts: { ...Object(contracts['contracts']), token } }
    const holder = new ChainWallet(
      sandbox.rpc,
      sandbox.user('investor').wallet?.privateKey ?? '',
      withToken,
    )
    const issuer = await ChainWallet.open(sandbox, sandbox.adminKey())
    const controller = issuer.contractAddress('SupplyController')
    await issuer.send('Authority', 'grantRole', issuerRole(asset), issuer.address, 0)
    await issuer.send('CashToken', 'mint', issuer.address, 150_000_000n)
    await issuer.send('CashToken', 'approve', controller, 150_000_000n)
    await holder.send('token', 'approve', controller, 150n)
    await holder.send('SupplyController', 'requestRedeem', asset, 150n, 150_000_000n)
    const before = await supplyOf('HARBOR')
    await issuer.send('SupplyController', 'settleRedeem', 1n, 150n, 150_000_000n, id('price list'))
    await until('the smaller supply', async () => {
      const [ledger, chain] = await supplyOf('HARBOR')
      return ledger === chain && ledger === String(Number(before[0]) - 1.5)
    })
    await reconciled(sandbox)
    holder.close()
    issuer.close()
  })

  it('lets the account come back when it cancels its exit', async () => {
    await wallet.send('ClearingHouse', 'cancelExit')
    await until('the account', async () => (await stop()) === null)
    await wallet.mintCash(500_000_000n)
    await wallet.send('ClearingHouse', 'deposit', CASH, 500_000_000n)
    await until('the deposit', async () => {
      const { available } = await balanceOf(sandbox, 'USD', 'investor')
      return available === '500.000000'
    })
    const placed = await sandbox.client('investor').post('/v1/orders', buy('1.00'))
    expect(placed['status']).toBe('open')
    await reconciled(sandbox)
  })

  it('stops a frozen account at once, until the freeze ends', async () => {
    const admin = await ChainWallet.open(sandbox, sandbox.adminKey())
    const investor = sandbox.client('investor')
    const account = sandbox.user('investor').chainAccount
    await admin.send('InvestorRegistry', 'freeze', account, id('order to freeze'))
    await until('the stop', async () => (await stop()) === 'account_frozen')
    const open = await investor.all('/v1/orders?status=open')
    expect(open).toEqual([])
    expect(await investor.refusal('POST', '/v1/orders', { body: buy('1.00') })).toBe(
      '409 ledger.account_frozen',
    )
    await expect(wallet.send('ClearingHouse', 'deposit', CASH, 1n)).rejects.toThrow()
    await admin.send('InvestorRegistry', 'unfreeze', account, id('order to unfreeze'))
    await until('the end of the stop', async () => (await stop()) === null)
    expect((await investor.post('/v1/orders', buy('1.00')))['status']).toBe('open')
    admin.close()
  })

  it('pays another wallet once a recovery replaced the lost one', async () => {
    const admin = await ChainWallet.open(sandbox, sandbox.adminKey())
    const investor = sandbox.client('investor')
    const account = sandbox.user('investor').chainAccount
    const { address: found, privateKey } = Wallet.createRandom()
    recovered = await ChainWallet.open(sandbox, privateKey)
    await admin.send('InvestorRegistry', 'proposeRecovery', account, found, id('affidavit'))
    await passTime(sandbox.rpc, 3 * DAY_SECONDS)
    await admin.send('InvestorRegistry', 'executeRecovery', account)
    await until('the new wallet', async () => {
      const me = await investor.get('/v1/me')
      return text(me, 'wallet') === found
    })
    expect(at(await investor.get('/v1/me'), 'registration', 'status')).toBe('registered')
    const body = { asset: 'USD', amount: '1' }
    const asked = await investor.post('/v1/withdrawals', body, orderKey())
    await until('the payment', async () => {
      const { status } = await investor.get(`/v1/withdrawals/${text(asked, 'id')}`)
      return status === 'final'
    })
    expect(await wallet.read('CashToken', 'balanceOf', found)).toBe(1_000_000n)
    admin.close()
  })

  it('takes back what no batch settled when settlement ends for good, and stays ended', async () => {
    const investor = sandbox.client('investor')
    await deal(sandbox, { quantity: '1.00', price: '60.00' })
    const admin = await ChainWallet.open(sandbox, sandbox.adminKey())
    const { chainAccount } = sandbox.user('investor', 1)
    await admin.send('InvestorRegistry', 'freeze', chainAccount, id('another order'))
    admin.close()
    await passTime(sandbox.rpc, 8 * DAY_SECONDS)
    await recovered?.send('ClearingHouse', 'enterExitMode')
    const assets = await investor.data('/v1/assets')
    await recovered?.send(
      'ClearingHouse',
      'executeExit',
      assets.map((asset) => Number(at(asset, 'chain_asset'))),
    )
    await until('an empty account', async () =>
      (await investor.data('/v1/balances')).every((row) => Number(row['total']) === 0),
    )
    for (const row of await sandbox.client('investor', 1).data('/v1/balances'))
      expect(Number(row['unsettled'])).toBe(0)
    expect(await stop()).toBe('exit_mode')
    const report = await reconciled(sandbox)
    expect(text(report, 'settlement', 'reason')).toContain('settlement has ended')
    const resumed = { body: { reason: 'please' } }
    const path = '/v1/settlements/resume'
    expect(await sandbox.client('operator').refusal('POST', path, resumed)).toBe(
      '409 settlement.ended',
    )
  })

  it('hides nothing from a stranger, who finds every lane and freeze in the events', async () => {
    expect(rows(await reconciled(sandbox), 'differences')).toEqual([])
    const { code, output } = await runAudit(sandbox)
    expect([code, code === 0 ? '' : output]).toEqual([0, ''])
    expect(output).toMatch(/[1-9]\d* lanes taken by exits/)
    expect(output).toContain(`frozen     accounts ${sandbox.user('investor', 1).chainAccount}\n`)
    expect(output).toContain('settlement ended for good')
    expect(output).toMatch(/\b1 redemptions\b/)
  })
})
