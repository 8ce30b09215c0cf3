import { Contract, JsonRpcProvider, ZeroHash, getAddress, hexlify, keccak256 } from 'ethers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { delta } from '#kernel/money.ts'
import { encodeRecords } from '#settlement/records.ts'
import { drillExit } from '../../deploy/operations/exit-drill.ts'
import { contractOf, readView } from '../../deploy/operations/operation.ts'
import { readEach } from '../../deploy/operations/parallel-reads.ts'
import { exitLines } from '../../scripts/operations/exit-lines.ts'
import { OperatorChain, REGISTRAR, SETTLER } from '../support/operator-chain.ts'
import type { TransactionRequest } from 'ethers'
import type { Operation } from '../../deploy/operations/operation.ts'

const [CASH, GOLD] = [0, 1]
const [FIRST, LAST] = [16, 160]

let suite: OperatorChain

/** Counts calls, and as of which blocks they are. */
class CountingProvider extends JsonRpcProvider {
  calls = 0
  readonly blocks = new Set<unknown>()

  override async call(request: TransactionRequest): Promise<string> {
    this.calls += 1
    this.blocks.add(request.blockTag)
    return await super.call(request)
  }
}

const operation = (changes: Partial<Operation> = {}): Operation => suite.operation('6', changes)

/** Accounts 16 to 160, all at once: the first is of wallet 5, the last of wallet 6, the others of nobody in particular. */
async function registerMany(): Promise<void> {
  const { interface: abi } = contractOf(operation(), 'InvestorRegistry')
  const registry = new Contract(
    suite.deployment.contracts.InvestorRegistry,
    abi,
    suite.wallet(REGISTRAR),
  )
  const nonce = await suite.wallet(REGISTRAR).getNonce()
  const wallets = new Map([
    [FIRST, suite.wallet('5').address],
    [LAST, suite.wallet('6').address],
  ])
  const sent = []
  for (let account = FIRST; account <= LAST; account += 1) {
    const other = getAddress(`0x${(account + 0x1000).toString(16).padStart(40, '0')}`)
    const terms = [account, wallets.get(account) ?? other, 1, 0, ZeroHash]
    const options = { nonce: nonce + account - FIRST, gasLimit: 500_000 }
    sent.push(await registry.getFunction('register').send(...terms, options))
  }
  await Promise.all(sent.map(async (one) => await one.wait()))
}

async function deposit(digit: string, amount: bigint): Promise<void> {
  const { ClearingHouse } = suite.deployment.contracts
  await suite.send(digit, 'CashToken', 'mint', suite.wallet(digit).address, amount)
  await suite.send(digit, 'CashToken', 'approve', ClearingHouse, amount)
  await suite.send(digit, 'ClearingHouse', 'deposit', CASH, amount)
}

/** A supply batch that gives an account some of the asset. */
async function issue(account: number, amount: bigint): Promise<void> {
  const vault = contractOf(operation(), 'ClearingHouse')
  const records = hexlify(encodeRecords([{ account, asset: GOLD, amount: delta(amount) }]))
  const header = {
    prevHead: await readView(vault, 'head'),
    sequence: 1,
    kind: 2,
    closeTime: 1,
    supplyAsset: GOLD,
    supplyChange: amount,
    recordsHash: keccak256(records),
    tradesRoot: ZeroHash,
    liabilitiesRoot: ZeroHash,
    journalHash: ZeroHash,
  }
  await suite.send(SETTLER, 'ClearingHouse', 'settle', header, records, [])
}

beforeAll(async () => {
  suite = await OperatorChain.start(3_600)
})

beforeEach(() => {
  suite.lines = []
})

afterAll(async () => {
  await suite.stop()
})

it('reads a few things at once, and keeps their order', async () => {
  let [open, most] = [0, 0]
  const items = Array.from({ length: 40 }, (_, place) => place)
  const answers = await readEach(items, async (item) => {
    open += 1
    most = Math.max(most, open)
    await sleep(item % 3)
    open -= 1
    return -item
  })
  expect(answers).toEqual(items.map((item) => -item))
  expect(most).toBe(16)
})

it('says what is missing where there is nothing to take out', async () => {
  const nobody = await drillExit(operation())
  expect(nobody).toMatchObject({ accounts: 0, exits: [], uncovered: [] })
  expect(nobody.covers.map(({ asset }) => asset)).toEqual([CASH])
  expect(exitLines(nobody)).toContain('no account is registered: nobody has anything to take out')
  await suite.createAsset(GOLD, 'GOLD')
  await registerMany()
  const poor = await drillExit(operation())
  expect(poor).toMatchObject({ accounts: 145, exits: [] })
  expect(exitLines(poor)).toContain(
    'none of 145 accounts has a balance: nobody has anything to take out',
  )
  const bare = { ...nobody, covers: [] }
  expect(exitLines(bare)).toContain('no asset is listed')
  expect(exitLines(bare)).toHaveLength(2)
})

it('finds every balance with few questions about one block', async () => {
  await deposit('5', 500n)
  await deposit('6', 70n)
  await issue(LAST, 9n)
  const options = { staticNetwork: true, cacheTimeout: -1 }
  const provider = new CountingProvider(suite.chain.url, suite.chain.chainId, options)
  const drill = await drillExit(operation({ provider }))
  provider.destroy()
  expect(drill).toMatchObject({ accounts: 145, uncovered: [] })
  expect(drill.exitModeRefusal).toMatch(/^SettlementAlive\(/)
  expect(drill.exits).toEqual([
    {
      account: FIRST,
      wallet: suite.wallet('5').address,
      lanes: [{ asset: CASH, amountAtoms: 500n }],
      refusal: `NoExitOpen(${FIRST})`,
    },
    {
      account: LAST,
      wallet: suite.wallet('6').address,
      lanes: [
        { asset: CASH, amountAtoms: 70n },
        { asset: GOLD, amountAtoms: 9n },
      ],
      refusal: `NoExitOpen(${LAST})`,
    },
  ])
  // Exit mode, two pages of 145 × 2 balances, wallet and exit of two accounts, four questions for each of two assets.
  expect(provider.calls).toBe(1 + 2 + 2 * 2 + 4 * 2)
  expect(provider.blocks.size).toBe(1)
  expect(provider.blocks.has(undefined)).toBe(false)
})

it('shows a table of what each takes and one of totals', async () => {
  const lines = exitLines(await drillExit(operation()))
  const cells = lines.map((line) => line.split(/ {2,}/).filter((cell) => cell !== ''))
  expect(cells).toContainEqual(['account', 'wallet', 'asset', 'atoms', 'executeExit'])
  const last = suite.wallet('6').address
  expect(cells).toContainEqual([`${LAST}`, last, '0', '70', `not now: NoExitOpen(${LAST})`])
  expect(cells).toContainEqual([`${LAST}`, last, '1', '9', `not now: NoExitOpen(${LAST})`])
  expect(cells).toContainEqual([
    'asset',
    'of wallets',
    'others',
    'all atoms',
    'scale',
    'vault units',
    'covered',
  ])
  expect(cells).toContainEqual(['0', '570', '0', '570', '1', '570', 'yes'])
  expect(lines.at(-1)).toBe('2 of 145 accounts have a balance, every asset is covered by the vault')
})

it('names the assets that the vault does not cover', async () => {
  const { ClearingHouse: vault, CashToken } = suite.deployment.contracts
  await suite.chain.rpc('anvil_impersonateAccount', [vault])
  await suite.chain.rpc('anvil_setBalance', [vault, '0x3635c9adc5dea00000'])
  const cash = contractOf(operation(), 'CashToken')
  const data = cash.interface.encodeFunctionData('transfer', [suite.wallet('6').address, 1n])
  await suite.chain.rpc('eth_sendTransaction', [{ from: vault, to: CashToken, data }])
  await suite.chain.rpc('anvil_stopImpersonatingAccount', [vault])
  const drill = await drillExit(operation())
  expect(drill.uncovered).toEqual([CASH])
  const lines = exitLines(drill)
  expect(lines.find((line) => /^ +0 /.test(line))).toMatch(/ 570 +1 +569 +NO$/)
  expect(lines.at(-1)).toBe('2 of 145 accounts have a balance, NOT COVERED by the vault: assets 0')
})
