import { Contract, HDNodeWallet, JsonRpcProvider, Mnemonic, Wallet, ZeroHash } from 'ethers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { encodeSettle } from '#chain/contracts/clearing-house.ts'
import { delta } from '#kernel/money.ts'
import { newUuid } from '#platform/crypto.ts'
import { KIND_NUMBERS, ZERO_HASH, type Hex } from '#settlement/batch.ts'
import { tradeLeaves } from '#settlement/trade-leaf.ts'
import {
  composeHeartbeat,
  composeSupply,
  composeTrades,
  type Composed,
  type Place,
} from '#settlement/composer.ts'
import { genesisHead, headOf, keccakOf } from '#settlement/keccak-adapter.ts'
import { liabilitiesRoot, tradesRoot } from '#settlement/merkle-adapter.ts'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { interfaceOf } from '../../deploy/contracts/plan.ts'
import { startAnvil, type TestChain } from '../support/chain.ts'

const HASHING = { keccak: keccakOf, head: headOf }
const PHRASE = Mnemonic.fromPhrase('test test test test test test test test test test test junk')
const GOLD = 3

let chain: TestChain
let provider: JsonRpcProvider
let settler: Wallet
let vault: Contract
let place: Place

function account(index: number): Wallet {
  const path = `m/44'/60'/0'/0/${index}`
  return new Wallet(HDNodeWallet.fromMnemonic(PHRASE, path).privateKey, provider)
}

beforeAll(async () => {
  chain = await startAnvil()
  const options = { staticNetwork: true, cacheTimeout: -1 }
  provider = new JsonRpcProvider(chain.url, chain.chainId, options)
  settler = account(1)
  const registrar = account(2)
  const suite = await deployMooring({
    signer: account(0),
    artifacts: readArtifact,
    settings: {
      admin: account(3).address,
      settler: settler.address,
      registrar: registrar.address,
      pauser: account(4).address,
      adminDelaySeconds: 172_800,
      cash: { scale: 1n },
      deployCash: true,
    },
  })
  const open = (name: 'ClearingHouse' | 'InvestorRegistry' | 'AssetRegistry') =>
    new Contract(suite.contracts[name], interfaceOf(readArtifact(name).abi), registrar)
  vault = open('ClearingHouse')
  const send = async (target: Contract, name: string, ...values: unknown[]) => {
    const sent = await target.getFunction(name)(...values)
    await sent.wait()
  }
  const investors = open('InvestorRegistry')
  for (const id of [16, 17])
    await send(investors, 'register', id, account(id).address, 1, 0, ZeroHash)
  await send(open('AssetRegistry'), 'createAsset', GOLD, 'GOLD', 'Gold', 2, 2n, false, 10_000n)
  place = {
    prevHead: genesisHead(chain.chainId, suite.contracts.ClearingHouse),
    sequence: 1n,
    closeTime: 0n,
    journalHash: `0x${'77'.repeat(32)}`,
    liabilitiesRoot: ZERO_HASH,
  }
})

afterAll(async () => {
  provider.destroy()
  await chain.stop()
})

/** Sends a batch as the transaction manager would and moves on to the next place. */
async function settle({ batch }: Composed): Promise<void> {
  const { kind, ...header } = batch.header
  const records: Hex = `0x${batch.records.toString('hex')}`
  const data = encodeSettle({ ...header, kind: KIND_NUMBERS[kind] }, records, [])
  const sent = await settler.sendTransaction({ to: await vault.getAddress(), data })
  expect((await sent.wait())?.status).toBe(1)
  expect(await vault.getFunction('head')()).toBe(batch.head)
  place = { ...place, prevHead: batch.head, sequence: place.sequence + 1n }
}

async function lanes(...accounts: number[]): Promise<readonly bigint[]> {
  const found: unknown = await vault.getFunction('balancesOf')(
    accounts,
    accounts.map(() => GOLD),
  )
  return Array.isArray(found) ? found.map(BigInt) : []
}

it('the contract takes supply, trade and heartbeat batches and agrees on every head and lane', async () => {
  const supply = { request: newUuid(), asset: GOLD, change: 900n, beneficiary: 16 }
  const minted = { account: 16, asset: GOLD, amount: delta(900n) }
  await settle(composeSupply(newUuid(), place, supply, minted, HASHING))
  expect(await lanes(16, 17, 1)).toEqual([900n, 0n, 0n])

  const leg = { sequence: 5n, debit: 16n, credit: 17n, asset: GOLD, amount: 200n, ref: newUuid() }
  const transfers = [
    { ...leg, index: 0, code: 'trade_base' },
    { ...leg, index: 1, code: 'fee', debit: 17n, credit: 1n, amount: 3n },
  ]
  const range = { firstSequence: 1n, lastSequence: 9n, transfers }
  await settle(
    composeTrades(
      newUuid(),
      place,
      { ...range, tradesRoot: await tradesRoot(tradeLeaves(range.transfers)) },
      HASHING,
    ),
  )
  expect(await lanes(16, 17, 1)).toEqual([700n, 197n, 3n])

  await settle(
    composeTrades(newUuid(), place, { ...range, transfers: [], tradesRoot: ZERO_HASH }, HASHING),
  )
  const owed = { ...place, liabilitiesRoot: await liabilitiesRoot([['16', '3', '700']]) }
  await settle(composeHeartbeat(newUuid(), owed, HASHING))
  expect(await vault.getFunction('sequence')()).toBe(4n)
  expect(await vault.getFunction('totalOf')(GOLD)).toBe(900n)
})
