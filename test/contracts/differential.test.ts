import {
  Contract,
  JsonRpcProvider,
  Wallet,
  ZeroHash,
  hexlify,
  id,
  keccak256,
  toBeHex,
} from 'ethers'
import fc from 'fast-check'
import { delta } from '#kernel/money.ts'
import { net, type AccountDelta } from '#settlement/netting.ts'
import { encodeRecords } from '#settlement/records.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { interfaceOf } from '../../deploy/contracts/plan.ts'
import { startAnvil } from '../support/chain.ts'
import type { ContractName } from '../../deploy/contracts/artifact.ts'
import type { Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { TestChain } from '../support/chain.ts'

// Two test accounts of every anvil: the deployer, and one who holds every office.
const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const OFFICER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'

const ACCOUNTS = Array.from({ length: 12 }, (_, index) => 16 + index)
const ASSETS = [1, 2, 3, 4, 5, 6, 7]
const START = 1_000n

let chain: TestChain
let provider: JsonRpcProvider
let officer: Wallet
let suite: Deployment
/** Atoms by `account:asset`, changed by each transfer alone. */
const model = new Map<string, bigint>()

beforeAll(async () => {
  chain = await startAnvil()
  provider = new JsonRpcProvider(chain.url, chain.chainId, {
    staticNetwork: true,
    cacheTimeout: -1,
  })
  provider.pollingInterval = 10
  officer = new Wallet(OFFICER_KEY, provider)
  const { address } = officer
  const offices = { admin: address, settler: address, registrar: address, pauser: address }
  suite = await deployMooring({
    signer: new Wallet(DEPLOYER_KEY, provider),
    artifacts: readArtifact,
    settings: { ...offices, adminDelaySeconds: 0, cash: { scale: 1n }, deployCash: true },
  })
  for (const account of ACCOUNTS) {
    const wallet = toBeHex(BigInt(id(`wallet ${account}`)) >> 96n, 20)
    await send('InvestorRegistry', 'register', account, wallet, 1, 0, id('file'))
  }
  for (const asset of ASSETS) {
    const terms = [`A${asset}`, `Asset ${asset}`, 6, 2n, false, 10n ** 15n]
    await send('AssetRegistry', 'createAsset', asset, ...terms)
    const deltas = ACCOUNTS.map((account) => ({ account, asset, amount: delta(START) }))
    await settle(deltas, [asset, START * BigInt(ACCOUNTS.length)])
    for (const account of ACCOUNTS) model.set(`${account}:${asset}`, START)
  }
}, 120_000)

afterAll(async () => {
  provider.destroy()
  await chain.stop()
})

function contract(name: ContractName): Contract {
  return new Contract(suite.contracts[name], interfaceOf(readArtifact(name).abi), officer)
}

async function read(method: string, ...values: unknown[]): Promise<unknown> {
  const result: unknown = await contract('ClearingHouse').getFunction(method)(...values)
  return result
}

async function send(name: ContractName, method: string, ...values: unknown[]): Promise<void> {
  const data = contract(name).interface.encodeFunctionData(method, values)
  const to = suite.contracts[name]
  const response = await officer.sendTransaction({ to, data, gasLimit: 16_000_000 })
  const receipt = await response.wait()
  expect(receipt?.status, `${method} on ${name}`).toBe(1)
}

async function settle(deltas: readonly AccountDelta[], supply?: [number, bigint]): Promise<void> {
  const records = hexlify(encodeRecords(deltas))
  const header = {
    prevHead: await read('head'),
    sequence: BigInt(String(await read('sequence'))) + 1n,
    kind: supply === undefined ? 1 : 2,
    closeTime: 1,
    supplyAsset: supply?.[0] ?? 0,
    supplyChange: supply?.[1] ?? 0n,
    recordsHash: keccak256(records),
    tradesRoot: ZeroHash,
    liabilitiesRoot: ZeroHash,
    journalHash: ZeroHash,
  }
  await send('ClearingHouse', 'settle', header, records, [])
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
      await settle(net(draws.flatMap((item, index) => transfer(index, item))).deltas())
      const accounts = pairs.map(([account]) => account)
      const assets = pairs.map(([, asset]) => asset)
      const expected = pairs.map(([account, asset]) => model.get(`${account}:${asset}`) ?? 0n)
      expect(Object.values(await lanes(accounts, assets))).toEqual(expected)
    }),
    { numRuns: 40, endOnFailure: true },
  )
  for (const asset of ASSETS) {
    const holders = ACCOUNTS.filter((account) => (model.get(`${account}:${asset}`) ?? 0n) > 0n)
    expect(await read('holdersOf', asset)).toBe(BigInt(holders.length))
  }
}, 120_000)

async function lanes(accounts: readonly number[], assets: readonly number[]): Promise<object> {
  const result = await read('balancesOf', accounts, assets)
  if (typeof result !== 'object' || result === null) throw new TypeError('balances are a list')
  return result
}
