import { ContractFactory, MaxUint256, id } from 'ethers'
import { readFileSync } from 'node:fs'
import { assert, present } from '#kernel/assert.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { interfaceOf } from '../../deploy/contracts/plan.ts'
import { GasStage, START_SECONDS } from './gas-stage.ts'
import type { Wallet } from 'ethers'
import type { Row } from './gas-stage.ts'

export interface GasFigure {
  readonly name: string
  readonly gas: number
  /** What the design allows. */
  readonly budget?: number
  /** Published or measured elsewhere; see the page. */
  readonly peers?: string
}

const ACCOUNTS = 100
const FIRST = 16
const ASSETS = [1, 2, 3, 4, 5, 6, 7, 8]
const ATTESTED = 9
const TRADES = 1_000
/** What every account has of every asset, atoms. */
const STOCK = 5n * 10n ** 12n
/** Twelve digits, and none of its five bytes is zero. */
const WIDE = 555_555_555_555n
const FOREVER = 4_000_000_000
const CLASS_1 = 2n

/** Receipts of the whole suite in one run on a fresh chain; the same numbers every time. */
export async function measureGas(): Promise<readonly GasFigure[]> {
  const stage = await GasStage.open()
  try {
    const first = await prepare(stage)
    const second = await stage.enroll(6_000)
    return [
      ...(await batches(stage)),
      ...(await money(stage, first, second)),
      ...(await tokens(stage, first, second)),
      ...(await supplies(stage)),
      ...(await exits(stage, first)),
    ]
  } finally {
    await stage.close()
  }
}

/** A hundred accounts with every lane in use, and one wallet with money. */
async function prepare(stage: GasStage): Promise<Wallet> {
  for (const asset of ASSETS) {
    const terms = [`A${asset}`, `Asset ${asset}`, 6, CLASS_1, false, 10n ** 15n]
    await stage.send('AssetRegistry', 'createAsset', asset, ...terms)
  }
  for (let index = 0; index < ACCOUNTS; index += 1) await stage.enroll(FIRST + index)
  for (const asset of ASSETS) {
    const rows = Array.from({ length: ACCOUNTS }, (_, index): Row => {
      const legs: [bigint, bigint, bigint] = [0n, 0n, 0n]
      legs[asset % 3] = STOCK
      return { account: FIRST + index, place: 0, legs }
    })
    const supply = [asset, STOCK * BigInt(ACCOUNTS)] as const
    await stage.settle({ kind: 2, groups: [Math.floor(asset / 3)], rows, supply })
  }
  const payer = await stage.enroll(5_000)
  await stage.send('CashToken', 'mint', payer.address, 10n ** 9n)
  const house = stage.suite.contracts.ClearingHouse
  await stage.sendFrom(
    payer,
    'CashToken',
    stage.suite.contracts.CashToken,
    'approve',
    house,
    10n ** 8n,
  )
  return payer
}

async function batches(stage: GasStage): Promise<readonly GasFigure[]> {
  await fundCash(stage)
  await stage.attest()
  await setCaps(stage, 10n ** 18n)
  const of = async (rows: readonly Row[]): Promise<number> => {
    await stage.settle({ kind: 1, groups: [0, 1, 2], rows })
    return stage.settle({ kind: 1, groups: [0, 1, 2], rows })
  }
  const [hundred, eighty, sixtySeven] = [
    await of(rowsOver(100)),
    await of(rowsOver(80)),
    await of(rowsOver(67)),
  ]
  const short = await of(withLegs(rowsOver(100), 5n))
  const wide = await of(withLegs(rowsOver(100), WIDE))
  const words = await of(rowsOver(100).slice(0, 96))
  const heartbeat = await stage.settle({ kind: 3, groups: [], rows: [] })
  const cashless = await of(rowsOver(100).filter(({ place }) => place !== 0))
  await setCaps(stage, 0n)
  const uncapped = await of(rowsOver(100))
  const perTrade = 'CoW 60,000–76,000, 0x RFQ 87,000–171,000, Loopring 450 (with a prover)'
  return [
    { name: 'settle 200 deltas over 100 words', gas: hundred, budget: 685_000 },
    { name: 'settle 200 deltas over 80 words', gas: eighty, budget: 570_000 },
    { name: 'settle 200 deltas over 67 words', gas: sixtySeven, budget: 495_000 },
    {
      name: '… a trade of 1,000, over 100 words',
      gas: hundred / TRADES,
      budget: 685,
      peers: perTrade,
    },
    { name: '… a trade of 1,000, over 80 words', gas: eighty / TRADES, budget: 570 },
    { name: '… a trade of 1,000, over 67 words', gas: sixtySeven / TRADES, budget: 495 },
    { name: 'settle over 100 words without a turnover cap', gas: uncapped },
    { name: 'settle 100 deltas over 50 words, no account with cash', gas: cashless },
    {
      name: 'one delta of one byte more in a loaded word',
      gas: (short - hundred) / 100,
      budget: 60,
    },
    { name: '… one of twelve digits (five bytes)', gas: (wide - hundred) / 100, budget: 60 },
    { name: 'one word more, with two deltas', gas: (hundred - words) / 4, budget: 5_850 },
    { name: 'heartbeat', gas: heartbeat },
  ]
}

/** The hourly turnover cap of every asset of the batches; 0 = none. */
async function setCaps(stage: GasStage, cap: bigint): Promise<void> {
  for (const asset of [0, ...ASSETS])
    await stage.send('ClearingHouse', 'setTurnoverCap', asset, cap)
}

async function fundCash(stage: GasStage): Promise<void> {
  const amount = STOCK * BigInt(ACCOUNTS)
  const { CashToken: cash, ClearingHouse: house } = stage.suite.contracts
  await stage.send('InvestorRegistry', 'register', 7_000, stage.officer.address, 1, 0, id('file'))
  await stage.send('CashToken', 'mint', stage.officer.address, amount)
  await stage.sendFrom(stage.officer, 'CashToken', cash, 'approve', house, MaxUint256)
  await stage.send('ClearingHouse', 'deposit', 0, amount)
  const rows = Array.from({ length: ACCOUNTS }, (_, index): Row => {
    return { account: FIRST + index, place: 0, legs: [STOCK, 0n, 0n] }
  })
  const payer: Row = { account: 7_000, place: 0, legs: [-amount, 0n, 0n] }
  await stage.settle({ kind: 1, groups: [0], rows: [...rows, payer] })
}

/** Pairs of accounts pay each other in cash's group and in another; 100, 80 or 67 words make 200 deltas. */
function rowsOver(words: 100 | 80 | 67): readonly Row[] {
  const pairs = Math.floor(words / 4)
  const rows = Array.from({ length: pairs * 4 }, (_, index): Row => {
    const account = Math.floor(index / 2)
    const place = index % 2 === 0 ? 0 : 1 + (Math.floor(account / 2) % 2)
    const amount = account % 2 === 0 ? 5n : -5n
    const isFull = words === 67 || (words === 80 && place === 0)
    return { account: FIRST + account, place, legs: [isFull ? amount : 0n, amount, -amount] }
  })
  if (words !== 67) return rows
  const last: readonly Row['legs'][] = [
    [10n, 10n, 5n],
    [-5n, -5n, -5n],
    [-5n, -5n, 0n],
  ]
  return [...rows, ...last.map((legs, index) => ({ account: FIRST + 32 + index, place: 0, legs }))]
}

/** The same words with all three lanes in use; what is new moves `amount`. */
function withLegs(rows: readonly Row[], amount: bigint): readonly Row[] {
  return rows.map(({ account, place, legs: [, middle, high] }) => {
    return { account, place, legs: [middle > 0n ? amount : -amount, middle, high] }
  })
}

/** Into the vault and out of it, and between wallets against payment. */
async function money(
  stage: GasStage,
  first: Wallet,
  second: Wallet,
): Promise<readonly GasFigure[]> {
  const { ClearingHouse: house, CashToken: cash } = stage.suite.contracts
  const deposit = (asset: number) =>
    stage.sendFrom(first, 'ClearingHouse', house, 'deposit', asset, 100_000n)
  // The same cash once more, in a group of which nobody has a word.
  await stage.send('AssetRegistry', 'listExternal', 12, cash, 1, CLASS_1)
  await deposit(0)
  const [used, fresh] = [await deposit(0), await deposit(12)]
  const withdraw = (seed: string) =>
    stage.send('ClearingHouse', 'withdraw', id(seed), 5_000, 0, 1_000n)
  await withdraw('first')
  const plain = () => stage.sendFrom(first, 'CashToken', cash, 'transfer', second.address, 1_000n)
  await plain()
  return [
    { name: 'deposit into a new word', gas: fresh, budget: 82_000 },
    { name: 'deposit into a used word', gas: used, budget: 65_000 },
    { name: 'depositWithPermit into a used word', gas: await permitted(stage, first) },
    { name: 'withdraw', gas: await withdraw('second') },
    {
      name: 'plain OpenZeppelin ERC-20 transfer',
      gas: await plain(),
      peers: '34,089 in another run',
    },
    { name: 'dvp', gas: await swap(stage, first, second) },
  ]
}

async function permitted(stage: GasStage, wallet: Wallet): Promise<number> {
  const { ClearingHouse: spender, CashToken: verifyingContract } = stage.suite.contracts
  const value = 5_000n
  const domain = {
    name: 'Test Cash',
    version: '1',
    chainId: stage.suite.chainId,
    verifyingContract,
  }
  const types = {
    Permit: [
      { name: 'owner', type: 'address' },
      { name: 'spender', type: 'address' },
      { name: 'value', type: 'uint256' },
      { name: 'nonce', type: 'uint256' },
      { name: 'deadline', type: 'uint256' },
    ],
  }
  const permit = { owner: wallet.address, spender, value, nonce: 0, deadline: FOREVER }
  const signature = await wallet.signTypedData(domain, types, permit)
  const r = signature.slice(0, 66)
  const s = `0x${signature.slice(66, 130)}`
  const v = Number.parseInt(signature.slice(130), 16)
  return stage.sendFrom(
    wallet,
    'ClearingHouse',
    spender,
    'depositWithPermit',
    0,
    value,
    FOREVER,
    v,
    r,
    s,
  )
}

/** Tokens of asset 1 against cash; the second of two swaps, when every word is in use. */
async function swap(stage: GasStage, first: Wallet, second: Wallet): Promise<number> {
  const { ClearingHouse: house, CashToken: cash } = stage.suite.contracts
  const token = String(await stage.read('AssetRegistry', 'tokenOf', 1))
  const rows: readonly Row[] = [{ account: 5_000, place: 0, legs: [0n, 50_000n, 0n] }]
  await stage.settle({ kind: 2, groups: [0], rows, supply: [1, 50_000n] })
  await stage.send('ClearingHouse', 'withdraw', id('token'), 5_000, 1, 40_000n)
  await stage.sendFrom(first, 'AssetToken', token, 'approve', house, MaxUint256)
  await stage.sendFrom(second, 'CashToken', cash, 'approve', house, MaxUint256)
  await stage.send('CashToken', 'mint', second.address, 10_000n)
  const fields = [
    ['signer', 'address'],
    ['counterparty', 'address'],
    ['sellAsset', 'uint16'],
    ['sellAmount', 'uint256'],
    ['buyAsset', 'uint16'],
    ['buyAmount', 'uint256'],
    ['nonce', 'uint256'],
    ['deadline', 'uint64'],
  ] as const
  const types = { DvpOrder: fields.map(([name, type]) => ({ name, type })) }
  const verifyingContract = String(await stage.read('ClearingHouse', 'DVP_ORDERS'))
  const domain = { ...stage.domain('ClearingHouse'), verifyingContract }
  let gas = 0
  for (const nonce of [1, 2]) {
    const common = { nonce, deadline: FOREVER }
    const sale = { sellAsset: 1, sellAmount: 100n, buyAsset: 0, buyAmount: 200n }
    const sell = { signer: first.address, counterparty: second.address, ...sale, ...common }
    const bid = { sellAsset: 0, sellAmount: 200n, buyAsset: 1, buyAmount: 100n }
    const buy = { signer: second.address, counterparty: first.address, ...bid, ...common }
    const signatures = [
      await first.signTypedData(domain, types, sell),
      await second.signTypedData(domain, types, buy),
    ]
    gas = await stage.send('ClearingHouse', 'dvp', sell, buy, ...signatures)
  }
  return gas
}

/** Transfers between wallets, with one rule after the other. */
async function tokens(
  stage: GasStage,
  first: Wallet,
  second: Wallet,
): Promise<readonly GasFigure[]> {
  const token = String(await stage.read('AssetRegistry', 'tokenOf', 1))
  const transfer = () => stage.sendFrom(first, 'AssetToken', token, 'transfer', second.address, 10n)
  await transfer()
  const bare = await transfer()
  await addModule(stage, 'MaxBalance', 'setLimit', 10n ** 12n)
  const one = await transfer()
  await addModule(stage, 'LockUp', 'setLock', 5_000, 10n, FOREVER)
  const two = await transfer()
  const trex = 'T-REX 4.1.6 214,389, Ondo 111,445, Centrifuge 81,017'
  return [
    { name: 'token transfer with class mask, no module', gas: bare, budget: 60_000, peers: trex },
    { name: '… the first module more (MaxBalance)', gas: one - bare, budget: 8_000 },
    { name: '… the second module more (LockUp)', gas: two - one, budget: 8_000 },
    {
      name: 'token transfer with two modules',
      gas: two,
      peers: 'T-REX 4.1.6 with two modules 307,378',
    },
  ]
}

async function addModule(
  stage: GasStage,
  name: string,
  method: string,
  ...values: unknown[]
): Promise<void> {
  const path = `../../artifacts/contracts/compliance/modules/${name}.sol/${name}.json`
  const json = parseJson(readFileSync(new URL(path, import.meta.url), 'utf8'))
  assert(isJsonObject(json) && Array.isArray(json['abi']), `${name} has an ABI`)
  const abi = interfaceOf(json['abi'])
  const factory = new ContractFactory(abi, String(json['bytecode']), stage.officer)
  const { Authority, PolicyEngine } = stage.suite.contracts
  const module = await factory.deploy(Authority, PolicyEngine)
  await module.waitForDeployment()
  const to = await module.getAddress()
  const response = await stage.officer.sendTransaction({
    to,
    data: abi.encodeFunctionData(method, [1, ...values]),
  })
  await response.wait()
  await stage.send('PolicyEngine', 'addModule', 1, to)
}

/** A supply batch of one record, without and with an attested reserve. */
async function supplies(stage: GasStage): Promise<readonly GasFigure[]> {
  const mint = (asset: number, groups: readonly number[], legs: Row['legs']) =>
    stage.settle({
      kind: 2,
      groups,
      rows: [{ account: FIRST, place: 0, legs }],
      supply: [asset, 5n],
    })
  const free = await mint(2, [0], [0n, 0n, 5n])
  const terms = [`A${ATTESTED}`, `Asset ${ATTESTED}`, 6, CLASS_1, true, 10n ** 15n]
  await stage.send('AssetRegistry', 'createAsset', ATTESTED, ...terms)
  await stage.send(
    'ReserveGate',
    'setAttestors',
    stage.attestors.map(({ address }) => address),
    2,
  )
  await stage.send('ReserveGate', 'setRule', ATTESTED, 6, 86_400)
  const attested = [await attestReserve(stage, 1), await attestReserve(stage, 2)]
  await mint(ATTESTED, [3], [5n, 0n, 0n])
  const gated = await mint(ATTESTED, [3], [5n, 0n, 0n])
  return [
    { name: 'supply batch of one record', gas: free },
    { name: 'supply batch of one record with reserve gate', gas: gated },
    { name: 'reserve statement with two of three attestations', gas: present(attested[1], 'gas') },
  ]
}

function attestReserve(stage: GasStage, nonce: number): Promise<number> {
  const reserve = {
    asset: ATTESTED,
    nonce,
    asOf: START_SECONDS,
    decimals: 6,
    amount: 10n ** 9n,
    documentHash: id('report'),
  }
  const types = {
    Reserve: [
      { name: 'asset', type: 'uint16' },
      { name: 'nonce', type: 'uint64' },
      { name: 'asOf', type: 'uint64' },
      { name: 'decimals', type: 'uint8' },
      { name: 'amount', type: 'int256' },
      { name: 'documentHash', type: 'bytes32' },
    ],
  }
  const signers = stage.attestors.slice(0, 2)
  const domain = stage.domain('ReserveGate')
  return Promise.all(signers.map((signer) => signer.signTypedData(domain, types, reserve))).then(
    (signatures) => stage.send('ReserveGate', 'attest', reserve, signatures),
  )
}

async function exits(stage: GasStage, wallet: Wallet): Promise<readonly GasFigure[]> {
  const { ClearingHouse: house } = stage.suite.contracts
  const request = await stage.sendFrom(wallet, 'ClearingHouse', house, 'requestExit')
  await stage.wait(200_000)
  await stage.settle({ kind: 3, groups: [], rows: [], closeTime: START_SECONDS + 150_000 })
  return [
    { name: 'requestExit', gas: request },
    {
      name: 'executeExit of one asset',
      gas: await stage.sendFrom(wallet, 'ClearingHouse', house, 'executeExit', [0]),
    },
    {
      name: 'executeExit of a token with two modules',
      gas: await stage.sendFrom(wallet, 'ClearingHouse', house, 'executeExit', [1]),
    },
  ]
}
