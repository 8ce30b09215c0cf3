import { AbiCoder, TypedDataEncoder, Wallet, concat, id, keccak256, toBeHex } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROLES } from '../../deploy/contracts/permission.ts'
import { BATCH_TYPE } from '../../scripts/contracts/gas-stage.ts'
import type { ContractName } from '../../deploy/contracts/artifact.ts'
import { SuiteChain } from '../support/suite-chain.ts'

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

let chain: SuiteChain

beforeAll(async () => {
  chain = await SuiteChain.start()
})

afterAll(() => chain.stop())

function read(name: ContractName, method: string, ...values: unknown[]): Promise<unknown> {
  return chain.read(name, method, ...values)
}

async function send(name: ContractName, method: string, ...values: unknown[]): Promise<bigint> {
  return BigInt(await chain.send(name, method, ...values))
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
    closeTime: (await chain.provider.getBlock('latest'))?.timestamp ?? 0,
    supplyAsset: supply?.[0] ?? 0,
    supplyChange: supply?.[1] ?? 0n,
    recordsHash: keccak256(records),
    tradesRoot: id('trades'),
    liabilitiesRoot: id('liabilities'),
    journalHash: id('journal'),
  }
}

function domain(): { name: string; version: string; chainId: number; verifyingContract: string } {
  const verifyingContract = chain.suite.contracts.ClearingHouse
  return { name: 'Mooring', version: '1', chainId: chain.suite.chainId, verifyingContract }
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
    ['mooring.head.v1', chain.suite.chainId, chain.suite.contracts.ClearingHouse],
  )
  const header = await headerOf(3, '0x00')
  expect(header.prevHead).toBe(keccak256(genesis))
  await settle(header, '0x00', [])
  const expected = TypedDataEncoder.from(BATCH_TYPE).hashStruct('BatchHeader', header)
  expect(await read('ClearingHouse', 'head')).toBe(expected)
})

/** Receipt gas that a batch of 200 deltas may cost by the number of its words. */
const BUDGETS = new Map([
  [100, 685_000n],
  [80, 570_000n],
  [67, 495_000n],
])

describe('200 deltas with two attestations and every check on', () => {
  const attestors = [1, 2, 3].map((seed) => new Wallet(id(`attestor ${seed}`)))

  beforeAll(async () => {
    for (const asset of ASSETS) {
      const terms = [`A${asset}`, `Asset ${asset}`, 6, 2n, false, 10n ** 15n]
      await send('AssetRegistry', 'createAsset', asset, ...terms)
    }
    for (let index = 0; index < ACCOUNTS; index += 1) {
      const wallet = toBeHex(BigInt(id(`wallet ${index}`)) >> 96n, 20)
      await send('InvestorRegistry', 'register', FIRST_ACCOUNT + index, wallet, 1, 0, id('file'))
    }
    for (const asset of ASSETS) await fund(asset)
    await fundCash()
    const addresses = attestors.map(({ address }) => address)
    const ascending = addresses.toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1))
    await send('ClearingHouse', 'setAttestors', ascending, 2)
    await setCaps(10n ** 15n)
    expect(await read('Authority', 'hasRole', ROLES.SETTLER, chain.officer.address)).toEqual([
      true,
      0n,
    ])
  })

  test.each([...BUDGETS])('over %i words cost at most %i gas', async (words, budget) => {
    const rows = rowsOver(words)
    const deltas = rows.flatMap(({ legs }) => legs).filter((leg) => leg !== 0n)
    expect([rows.length, deltas.length]).toEqual([words, 200])
    const records = encodeRecords([0, 1, 2], rows)
    await settle(await headerOf(1, records), records, attestors.slice(0, 2))
    const gas = await settle(await headerOf(1, records), records, attestors.slice(0, 2))
    expect(gas, `over ${words} words`).toBeLessThanOrEqual(budget)
  })

  /** Each group costs the write of a word that is read anyway, and what there is to compute. */
  test('hourly turnover caps on every asset cost at most 4,500 gas a group', async () => {
    const records = encodeRecords([0, 1, 2], rowsOver(100))
    await settle(await headerOf(1, records), records, attestors.slice(0, 2))
    const gas = await settle(await headerOf(1, records), records, attestors.slice(0, 2))
    await setCaps(0n)
    const without = await settle(await headerOf(1, records), records, attestors.slice(0, 2))
    expect(gas - without).toBeLessThanOrEqual(3n * 4_500n)
  })
})

async function setCaps(cap: bigint): Promise<void> {
  for (const asset of [0, ...ASSETS]) await send('ClearingHouse', 'setTurnoverCap', asset, cap)
}

/** Pairs of accounts pay each other in cash's group and in another; 100, 80 or 67 words make 200 deltas. */
function rowsOver(words: number): readonly Row[] {
  const pairs = Math.floor(words / 4)
  const rows = Array.from({ length: pairs * 4 }, (_, index): Row => {
    const account = Math.floor(index / 2)
    const place = index % 2 === 0 ? 0 : 1 + (Math.floor(account / 2) % 2)
    const amount = account % 2 === 0 ? 5n : -5n
    const isFull = words === 67 || (words === 80 && place === 0)
    return {
      account: FIRST_ACCOUNT + account,
      place,
      legs: [isFull ? amount : 0n, amount, -amount],
    }
  })
  if (words !== 67) return rows
  const last: readonly Row['legs'][] = [
    [10n, 10n, 5n],
    [-5n, -5n, -5n],
    [-5n, -5n, 0n],
  ]
  const odd = last.map((legs, index) => ({ account: FIRST_ACCOUNT + 32 + index, place: 0, legs }))
  return [...rows, ...odd]
}

test('the first deposit of cash costs an account at most 82,000 gas, the next one 65,000', async () => {
  const wallet = new Wallet(id('depositor'), chain.provider)
  await chain.officer.sendTransaction({ to: wallet.address, value: 10n ** 18n })
  await send('InvestorRegistry', 'register', 5_000, wallet.address, 1, 0, id('file'))
  await send('CashToken', 'mint', wallet.address, 1_000n)
  const { CashToken: cash, ClearingHouse: house } = chain.suite.contracts
  await chain.sendFrom(wallet, 'CashToken', cash, 'approve', house, 1_000n)
  const deposit = () => chain.sendFrom(wallet, 'ClearingHouse', house, 'deposit', 0, 100n)
  expect(await deposit()).toBeLessThanOrEqual(82_000)
  expect(await deposit()).toBeLessThanOrEqual(65_000)
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

/** Everybody's cash, paid in by the officer's own account. */
async function fundCash(): Promise<void> {
  const [payer, amount] = [FIRST_ACCOUNT + ACCOUNTS, 1_000n * BigInt(ACCOUNTS)]
  await send('InvestorRegistry', 'register', payer, chain.officer.address, 1, 0, id('file'))
  await send('CashToken', 'mint', chain.officer.address, amount)
  await send('CashToken', 'approve', chain.suite.contracts.ClearingHouse, amount)
  await send('ClearingHouse', 'deposit', 0, amount)
  const rows = Array.from({ length: ACCOUNTS }, (_, index): Row => {
    return { account: FIRST_ACCOUNT + index, place: 0, legs: [1_000n, 0n, 0n] }
  })
  const records = encodeRecords(
    [0],
    [...rows, { account: payer, place: 0, legs: [-amount, 0n, 0n] }],
  )
  await settle(await headerOf(1, records), records, [])
}
