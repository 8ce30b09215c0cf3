import { Contract, id, Interface, JsonRpcProvider } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { at, rows, text, type Body } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { passTime } from '../support/chain-time.ts'
import { Sandbox, settleAll, type SandboxUser } from '../support/sandbox.ts'
import { ChainWallet } from '../support/wallet.ts'
import { deal, orderKey } from './market-story.ts'

const EIGHT_DAYS_SECONDS = 8 * 86_400
const FEES = 1

interface Holder {
  readonly user: SandboxUser
  readonly wallet: ChainWallet
}

describe('the operator vanishes for good', () => {
  let sandbox: Sandbox
  let contracts: Body
  let assets: readonly number[]
  let users: readonly SandboxUser[]
  let provider: JsonRpcProvider
  const wallets: ChainWallet[] = []

  beforeAll(async () => {
    sandbox = await Sandbox.start()
    await deal(sandbox, { quantity: '4.00', price: '100.00' })
    await settleAll(sandbox)
    users = sandbox.users.filter(({ wallet, role }) => wallet !== undefined && role !== 'admin')
    contracts = await sandbox.client().get('/v1/contracts')
    const listed = await sandbox.client('investor').data('/v1/assets')
    assets = listed.map((asset) => Number(at(asset, 'chain_asset')))
    provider = new JsonRpcProvider(sandbox.rpc, undefined, { cacheTimeout: -1 })
  })

  afterAll(async () => {
    for (const wallet of wallets) wallet.close()
    provider?.destroy()
    await sandbox?.dispose()
  })

  function walletOf(user: SandboxUser): ChainWallet {
    const wallet = new ChainWallet(sandbox.rpc, user.wallet?.privateKey ?? '', contracts)
    wallets.push(wallet)
    return wallet
  }

  async function read(name: string, method: string, ...args: readonly unknown[]) {
    return await readAt(text(contracts, 'contracts', name, 'address'), name, method, args)
  }

  /** A view of any contract of the suite, by the ABI that the node published while it lived. */
  async function readAt(
    address: string,
    name: string,
    method: string,
    args: readonly unknown[],
  ): Promise<unknown> {
    const abi = new Interface(JSON.stringify(at(contracts, 'contracts', name, 'abi')))
    const result: unknown = await new Contract(address, abi, provider)
      .getFunction(method)
      .staticCall(...args)
    return result
  }

  async function lane(account: number, asset: number): Promise<bigint> {
    return BigInt(String(await read('ClearingHouse', 'balanceOf', account, asset)))
  }

  /** Tokens of an owner, in token units, and the units of an atom. */
  async function tokens(owner: string, asset: number): Promise<{ held: bigint; scale: bigint }> {
    const listing = await read('ClearingHouse', 'listingOf', asset)
    const [token, scale] = Array.isArray(listing) ? listing.map(String) : []
    const held = await readAt(String(token), 'AssetToken', 'balanceOf', [owner])
    return { held: BigInt(String(held)), scale: BigInt(scale ?? 0) }
  }

  it('leaves trades unsettled, a withdrawal unpaid and an account frozen', async () => {
    await deal(sandbox, { quantity: '2.00', price: '101.00' })
    const investor = sandbox.client('investor')
    await investor.post('/v1/withdrawals', { asset: 'USD', amount: '10' }, orderKey())
    const frozen = sandbox.user('investor', 1)
    const admin = new ChainWallet(sandbox.rpc, sandbox.adminKey(), contracts)
    wallets.push(admin)
    await admin.send('InvestorRegistry', 'freeze', frozen.chainAccount, id('court order'))
    await until(
      'the stop',
      async () => (await sandbox.client('investor', 1).get('/v1/me'))['stop'] === 'account_frozen',
    )
    const balances = await investor.data('/v1/balances')
    expect(balances.some((row) => Number(row['unsettled']) !== 0)).toBe(true)
    expect(rows(await investor.get('/v1/withdrawals'), 'data')[0]?.['status']).toBe('requested')
    await sandbox.kill9()
  })

  it('keeps everybody in as long as settlement may still come', async () => {
    const wallet = walletOf(sandbox.user('investor'))
    await expect(wallet.send('ClearingHouse', 'enterExitMode')).rejects.toThrow()
    await expect(wallet.send('ClearingHouse', 'executeExit', assets)).rejects.toThrow()
  })

  it('lets each wallet take its settled balances out with plain calls', async () => {
    await passTime(sandbox.rpc, EIGHT_DAYS_SECONDS)
    const frozen = sandbox.user('investor', 1).chainAccount
    const holders: Holder[] = users
      .filter(({ chainAccount }) => chainAccount !== frozen)
      .map((user) => ({ user, wallet: walletOf(user) }))
    await holders[0]?.wallet.send('ClearingHouse', 'enterExitMode')
    let paid = 0
    for (const { user, wallet } of holders) {
      const before = new Map<number, readonly [lane: bigint, held: bigint]>()
      for (const asset of assets) {
        const { held } = await tokens(wallet.address, asset)
        before.set(asset, [await lane(user.chainAccount, asset), held])
      }
      await wallet.send('ClearingHouse', 'executeExit', assets)
      for (const [asset, [settled, had]] of before) {
        const { held, scale } = await tokens(wallet.address, asset)
        expect(held - had).toBe(settled * scale)
        if (settled > 0n) paid += 1
        expect(await lane(user.chainAccount, asset)).toBe(0n)
      }
    }
    expect(paid).toBeGreaterThan(1)
  })

  it('keeps a frozen account in', async () => {
    const wallet = walletOf(sandbox.user('investor', 1))
    await expect(wallet.send('ClearingHouse', 'executeExit', assets)).rejects.toThrow()
  })

  it('ends with exactly the frozen and the fee lanes in the vault', async () => {
    const vault = text(contracts, 'contracts', 'ClearingHouse', 'address')
    const frozen = sandbox.user('investor', 1).chainAccount
    let fees = 0n
    for (const asset of assets) {
      const left = (await lane(frozen, asset)) + (await lane(FEES, asset))
      const { held, scale } = await tokens(vault, asset)
      expect(held).toBe(left * scale)
      expect(await read('ClearingHouse', 'totalOf', asset)).toBe(left)
      fees += await lane(FEES, asset)
    }
    expect(fees).toBeGreaterThan(0n)
  })
})
