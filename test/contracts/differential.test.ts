import { id, toBeHex } from 'ethers'
import fc from 'fast-check'
import { delta } from '#kernel/money.ts'
import { net } from '#settlement/netting.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SuiteChain } from '../support/suite-chain.ts'

const ACCOUNTS = Array.from({ length: 12 }, (_, index) => 16 + index)
const ASSETS = [1, 2, 3, 4, 5, 6, 7]
const START = 1_000n
/** As many as of the fuzz tests in Solidity. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 1000)

let chain: SuiteChain
/** Atoms by `account:asset`, changed by each transfer alone. */
const model = new Map<string, bigint>()

beforeAll(async () => {
  chain = await SuiteChain.start()
  for (const account of ACCOUNTS) {
    const wallet = toBeHex(BigInt(id(`wallet ${account}`)) >> 96n, 20)
    await chain.send('InvestorRegistry', 'register', account, wallet, 1, 0, id('file'))
  }
  for (const asset of ASSETS) {
    const terms = [`A${asset}`, `Asset ${asset}`, 6, 2n, false, 10n ** 15n]
    await chain.send('AssetRegistry', 'createAsset', asset, ...terms)
    const deltas = ACCOUNTS.map((account) => ({ account, asset, amount: delta(START) }))
    await chain.settle(deltas, [asset, START * BigInt(ACCOUNTS.length)])
    for (const account of ACCOUNTS) model.set(`${account}:${asset}`, START)
  }
}, 120_000)

afterAll(() => chain.stop())

function read(method: string, ...values: unknown[]): Promise<unknown> {
  return chain.read('ClearingHouse', method, ...values)
}

interface Draw {
  readonly from: number
  readonly to: number
  readonly asset: number
  /** Quarters of what the payer has. */
  readonly share: bigint
}

const draw: fc.Arbitrary<Draw> = fc.record({
  from: fc.constantFrom(...ACCOUNTS),
  to: fc.constantFrom(...ACCOUNTS),
  asset: fc.constantFrom(...ASSETS),
  share: fc.bigInt({ min: 1n, max: 4n }),
})

/** A transfer of a quarter to all of what the payer has; none when that is nothing. */
function transfer(index: number, { from, to, asset, share }: Draw) {
  const held = model.get(`${from}:${asset}`) ?? 0n
  const amount = (held * share) / 4n
  if (amount === 0n) return []
  model.set(`${from}:${asset}`, held - amount)
  model.set(`${to}:${asset}`, (model.get(`${to}:${asset}`) ?? 0n) + amount)
  return [{ sequence: 1n, index, debit: BigInt(from), credit: BigInt(to), asset, amount }]
}

test('netted by the node and settled by the vault, random transfers leave what they move one by one', async () => {
  const batch = fc.array(draw, { minLength: 1, maxLength: 60 })
  const pairs = ACCOUNTS.flatMap((account) => ASSETS.map((asset) => [account, asset] as const))
  await fc.assert(
    fc.asyncProperty(batch, async (draws) => {
      await chain.settle(net(draws.flatMap((item, index) => transfer(index, item))).deltas())
      const accounts = pairs.map(([account]) => account)
      const assets = pairs.map(([, asset]) => asset)
      const expected = pairs.map(([account, asset]) => model.get(`${account}:${asset}`) ?? 0n)
      expect(Object.values(await lanes(accounts, assets))).toEqual(expected)
    }),
    { numRuns: RUNS, endOnFailure: true },
  )
  for (const asset of ASSETS) {
    const holders = ACCOUNTS.filter((account) => (model.get(`${account}:${asset}`) ?? 0n) > 0n)
    expect(await read('holdersOf', asset)).toBe(BigInt(holders.length))
  }
}, 600_000)

async function lanes(accounts: readonly number[], assets: readonly number[]): Promise<object> {
  const result = await read('balancesOf', accounts, assets)
  if (typeof result !== 'object' || result === null) throw new TypeError('balances are a list')
  return result
}
