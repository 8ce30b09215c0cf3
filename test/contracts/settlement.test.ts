import {
  AbiCoder,
  Contract,
  JsonRpcProvider,
  TypedDataEncoder,
  Wallet,
  concat,
  id,
  keccak256,
  toBeHex,
} from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { ROLES } from '../../deploy/contracts/permission.ts'
import { interfaceOf } from '../../deploy/contracts/plan.ts'
import { startAnvil } from '../support/chain.ts'
import type { ContractName } from '../../deploy/contracts/artifact.ts'
import type { Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { TestChain } from '../support/chain.ts'

// Two test accounts of every anvil: the deployer, and one who holds every office.
const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const OFFICER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'

const BATCH_TYPE = {
  BatchHeader: [
    { name: 'prevHead', type: 'bytes32' },
    { name: 'sequence', type: 'uint64' },
    { name: 'kind', type: 'uint8' },
    { name: 'closeTime', type: 'uint64' },
    { name: 'supplyAsset', type: 'uint16' },
    { name: 'supplyChange', type: 'int64' },
    { name: 'recordsHash', type: 'bytes32' },
    { name: 'tradesRoot', type: 'bytes32' },
    { name: 'liabilitiesRoot', type: 'bytes32' },
    { name: 'journalHash', type: 'bytes32' },
  ],
}

interface Header {
  readonly prevHead: string
  readonly sequence: bigint
  readonly kind: number
  readonly closeTime: number
  readonly supplyAsset: number
  readonly supplyChange: bigint
  readonly recordsHash: string
  readonly tradesRoot: string
  readonly liabilitiesRoot: string
  readonly journalHash: string
}

interface Row {
  readonly account: number
  readonly place: number
  /** Signed atoms of the lanes 0, 1, 2. */
  readonly legs: readonly [bigint, bigint, bigint]
}

const ACCOUNTS = 100
const FIRST_ACCOUNT = 16
const ASSETS = [1, 2, 3, 4, 5, 6, 7, 8]

let chain: TestChain
let provider: JsonRpcProvider
let officer: Wallet
let suite: Deployment

beforeAll(async () => {
  chain = await startAnvil()
  provider = new JsonRpcProvider(chain.url, chain.chainId, {
    staticNetwork: true,
    cacheTimeout: -1,
  })
  provider.pollingInterval = 10
  officer = new Wallet(OFFICER_KEY, provider)
  const { address } = officer
  suite = await deployMooring({
    signer: new Wallet(DEPLOYER_KEY, provider),
    artifacts: readArtifact,
    settings: {
      admin: address,
      settler: address,
      registrar: address,
      pauser: address,
      adminDelaySeconds: 0,
      cash: { scale: 1n },
      deployCash: true,
    },
  })
})

afterAll(async () => {
  provider.destroy()
  await chain.stop()
})

function contract(name: ContractName): Contract {
  return new Contract(suite.contracts[name], interfaceOf(readArtifact(name).abi), officer)
}

async function read(name: ContractName, method: string, ...values: unknown[]): Promise<unknown> {
  const result: unknown = await contract(name).getFunction(method)(...values)
  return result
}

async function send(name: ContractName, method: string, ...values: unknown[]): Promise<bigint> {
  const data = contract(name).interface.encodeFunctionData(method, values)
  const response = await officer.sendTransaction({
    to: suite.contracts[name],
    data,
    gasLimit: 16_000_000,
  })
  const receipt = await response.wait()
  expect(receipt?.status, `${method} on ${name}`).toBe(1)
  return receipt?.gasUsed ?? 0n
}

function leg(amount: bigint): string {
  const size = amount < 0n ? -amount : amount
  return concat([amount > 0n ? '0x01' : '0x00', toBeHex(size, 8)])
}

function encodeRecords(groups: readonly number[], rows: readonly Row[]): string {
  return concat([
    toBeHex(groups.length, 1),
    ...groups.map((group) => toBeHex(group, 2)),
    ...rows.map(({ account, place, legs: [low, middle, high] }) =>
      concat([toBeHex(account, 4), toBeHex(place, 1), leg(high), leg(middle), leg(low)]),
    ),
  ])
}

async function headerOf(kind: number, records: string, supply?: [number, bigint]): Promise<Header> {
  const [prevHead, sequence] = [
    await read('ClearingHouse', 'head'),
    await read('ClearingHouse', 'sequence'),
  ]
  return {
    prevHead: String(prevHead),
    sequence: BigInt(String(sequence)) + 1n,
    kind,
    closeTime: 1_800_000_000,
    supplyAsset: supply?.[0] ?? 0,
    supplyChange: supply?.[1] ?? 0n,
    recordsHash: keccak256(records),
    tradesRoot: id('trades'),
    liabilitiesRoot: id('liabilities'),
    journalHash: id('journal'),
  }
}

function domain(): { name: string; version: string; chainId: number; verifyingContract: string } {
  const verifyingContract = suite.contracts.ClearingHouse
  return { name: 'Mooring', version: '1', chainId: suite.chainId, verifyingContract }
}

async function settle(
  header: Header,
  records: string,
  signers: readonly Wallet[],
): Promise<bigint> {
  const ascending = signers.toSorted((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1))
  const signatures = await Promise.all(
    ascending.map((signer) => signer.signTypedData(domain(), BATCH_TYPE, header)),
  )
  return send('ClearingHouse', 'settle', header, records, signatures)
}

test('the head of a batch is the EIP-712 hash that ethers computes from its header', async () => {
  const genesis = AbiCoder.defaultAbiCoder().encode(
    ['string', 'uint256', 'address'],
    ['mooring.head.v1', suite.chainId, suite.contracts.ClearingHouse],
  )
  const header = await headerOf(3, '0x00')
  expect(header.prevHead).toBe(keccak256(genesis))
  await settle(header, '0x00', [])
  const expected = TypedDataEncoder.from(BATCH_TYPE).hashStruct('BatchHeader', header)
  expect(await read('ClearingHouse', 'head')).toBe(expected)
})

test('a batch of 200 deltas over 100 words with two attestations costs no more gas than it did', async () => {
  for (const asset of ASSETS) {
    const terms = [`A${asset}`, `Asset ${asset}`, 6, 2n, false, 10n ** 15n]
    await send('AssetRegistry', 'createAsset', asset, ...terms)
  }
  for (let index = 0; index < ACCOUNTS; index += 1) {
    const wallet = toBeHex(BigInt(id(`wallet ${index}`)) >> 96n, 20)
    await send('InvestorRegistry', 'register', FIRST_ACCOUNT + index, wallet, 1, 0, id('file'))
  }
  for (const asset of ASSETS) await fund(asset)
  const attestors = [1, 2, 3].map((seed) => new Wallet(id(`attestor ${seed}`)))
  const addresses = attestors.map(({ address }) => address)
  const ascending = addresses.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1))
  await send('ClearingHouse', 'setAttestors', ascending, 2)
  expect(await read('Authority', 'hasRole', ROLES.SETTLER, officer.address)).toEqual([true, 0n])

  // Half of the accounts, each with a group-0 word and another; neighbours pay each other.
  const groups = [0, 1, 2]
  const rows = Array.from({ length: ACCOUNTS }, (_, index): Row => {
    const account = Math.floor(index / 2)
    const amount = account % 2 === 0 ? 5n : -5n
    const place = index % 2 === 0 ? 0 : 1 + (Math.floor(account / 2) % 2)
    return { account: FIRST_ACCOUNT + account, place, legs: [0n, amount, -amount] }
  })
  const records = encodeRecords(groups, rows)
  await settle(await headerOf(1, records), records, attestors.slice(0, 2))
  const gas = await settle(await headerOf(1, records), records, attestors.slice(0, 2))
  expect(gas).toBeLessThanOrEqual(705_000n)
  expect(await read('ClearingHouse', 'balanceOf', FIRST_ACCOUNT, 1)).toBe(1_010n)
})

test('a deposit into a used word costs no more gas than it did', async () => {
  const wallet = new Wallet(id('depositor'), provider)
  await officer.sendTransaction({ to: wallet.address, value: 10n ** 18n })
  await send('InvestorRegistry', 'register', 5_000, wallet.address, 1, 0, id('file'))
  await send('CashToken', 'mint', wallet.address, 1_000n)
  const gas: bigint[] = []
  for (const method of ['approve', 'deposit', 'deposit'] as const) {
    const name = method === 'approve' ? 'CashToken' : 'ClearingHouse'
    const values = method === 'approve' ? [suite.contracts.ClearingHouse, 1_000n] : [0, 100n]
    const data = contract(name).interface.encodeFunctionData(method, values)
    const { hash } = await wallet.sendTransaction({ to: suite.contracts[name], data })
    const receipt = await provider.waitForTransaction(hash)
    expect(receipt?.status).toBe(1)
    gas.push(receipt?.gasUsed ?? 0n)
  }
  expect(gas[2]).toBeLessThanOrEqual(70_000n)
  expect(await read('ClearingHouse', 'balanceOf', 5_000, 0)).toBe(200n)
})

async function fund(asset: number): Promise<void> {
  const rows = Array.from({ length: ACCOUNTS }, (_, index): Row => {
    const legs: [bigint, bigint, bigint] = [0n, 0n, 0n]
    legs[asset % 3] = 1_000n
    return { account: FIRST_ACCOUNT + index, place: 0, legs }
  })
  const records = encodeRecords([Math.floor(asset / 3)], rows)
  await settle(await headerOf(2, records, [asset, 1_000n * BigInt(ACCOUNTS)]), records, [])
}
