import { JsonRpcProvider, Wallet, concat, id, keccak256, toBeHex } from 'ethers'
import { assert, present } from '#kernel/assert.ts'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { interfaceOf } from '../../deploy/contracts/plan.ts'
import { startAnvil } from '../../test/support/chain.ts'
import type { Interface } from 'ethers'
import type { ContractName } from '../../deploy/contracts/artifact.ts'
import type { Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { TestChain } from '../../test/support/chain.ts'

// Two test accounts of every anvil: the deployer, and one who holds every office.
export const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
export const OFFICER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'
const START_SECONDS = 1_800_000_000
const GAS_LIMIT = 16_000_000

/** Fields of a batch header in the order in which they are signed. */
export const BATCH_TYPE = {
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

/** One record: signed atoms of the lanes 0, 1, 2 of a group. */
export interface Row {
  readonly account: number
  readonly place: number
  readonly legs: readonly [bigint, bigint, bigint]
}

export interface BatchInput {
  readonly kind: 1 | 2 | 3
  readonly groups: readonly number[]
  readonly rows: readonly Row[]
  readonly supply?: readonly [asset: number, change: bigint]
  /** Unix seconds. */
  readonly closeTime?: number
}

function leg(amount: bigint): string {
  const size = amount < 0n ? -amount : amount
  return concat([amount > 0n ? '0x01' : '0x00', toBeHex(size, 8)])
}

function recordsOf({ groups, rows }: BatchInput): string {
  return concat([
    toBeHex(groups.length, 1),
    ...groups.map((group) => toBeHex(group, 2)),
    ...rows.map(({ account, place, legs: [low, middle, high] }) =>
      concat([toBeHex(account, 4), toBeHex(place, 1), leg(high), leg(middle), leg(low)]),
    ),
  ])
}

function ascending(wallets: readonly Wallet[]): readonly Wallet[] {
  return wallets.toSorted((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1))
}

/** The whole suite on a chain of its own, where every number is the same each time. */
export class GasStage {
  readonly chain: TestChain
  readonly provider: JsonRpcProvider
  readonly officer: Wallet
  readonly suite: Deployment
  readonly attestors = ascending([1, 2, 3].map((seed) => new Wallet(id(`attestor ${seed}`))))
  #isAttested = false

  private constructor(
    chain: TestChain,
    provider: JsonRpcProvider,
    officer: Wallet,
    suite: Deployment,
  ) {
    this.chain = chain
    this.provider = provider
    this.officer = officer
    this.suite = suite
  }

  static async open(): Promise<GasStage> {
    const chain = await startAnvil({ args: ['--timestamp', String(START_SECONDS)] })
    const options = { staticNetwork: true, cacheTimeout: -1 }
    const provider = new JsonRpcProvider(chain.url, chain.chainId, options)
    provider.pollingInterval = 10
    const officer = new Wallet(OFFICER_KEY, provider)
    const { address } = officer
    const offices = { admin: address, settler: address, registrar: address, pauser: address }
    const suite = await deployMooring({
      signer: new Wallet(DEPLOYER_KEY, provider),
      artifacts: readArtifact,
      settings: { ...offices, adminDelaySeconds: 0, cash: { scale: 1n }, deployCash: true },
    })
    return new GasStage(chain, provider, officer, suite)
  }

  async close(): Promise<void> {
    this.provider.destroy()
    await this.chain.stop()
  }

  interface(name: ContractName): Interface {
    return interfaceOf(readArtifact(name).abi)
  }

  /** The only value that a view returns. */
  async read(name: ContractName, method: string, ...values: unknown[]): Promise<unknown> {
    const contract = this.interface(name)
    const data = contract.encodeFunctionData(method, values)
    const answer = await this.provider.call({ to: this.suite.contracts[name], data })
    const result: unknown = contract.decodeFunctionResult(method, answer).at(0)
    return result
  }

  /** Receipt gas of a call by the officer. */
  send(name: ContractName, method: string, ...values: unknown[]): Promise<number> {
    return this.sendFrom(this.officer, name, this.suite.contracts[name], method, ...values)
  }

  /** Receipt gas of a call by anybody, to a contract with the ABI of `name`. */
  async sendFrom(
    wallet: Wallet,
    name: ContractName,
    to: string,
    method: string,
    ...values: unknown[]
  ): Promise<number> {
    const data = this.interface(name).encodeFunctionData(method, values)
    const response = await wallet.sendTransaction({ to, data, gasLimit: GAS_LIMIT })
    const receipt = await response.wait()
    assert(receipt?.status === 1, `${method} on ${name}`)
    return Number(receipt.gasUsed)
  }

  /** A registered wallet with gas coin. */
  async enroll(account: number, class_ = 1): Promise<Wallet> {
    const wallet = new Wallet(id(`wallet ${account}`), this.provider)
    await this.chain.rpc('anvil_setBalance', [wallet.address, toBeHex(10n ** 20n)])
    await this.send('InvestorRegistry', 'register', account, wallet.address, class_, 0, id('file'))
    return wallet
  }

  /** From here on a batch needs two of three attestations. */
  async attest(): Promise<void> {
    const addresses = this.attestors.map(({ address }) => address)
    await this.send('ClearingHouse', 'setAttestors', addresses, 2)
    this.#isAttested = true
  }

  /** Receipt gas of a batch. */
  async settle(batch: BatchInput): Promise<number> {
    const records = recordsOf(batch)
    const header = {
      prevHead: String(await this.read('ClearingHouse', 'head')),
      sequence: BigInt(String(await this.read('ClearingHouse', 'sequence'))) + 1n,
      kind: batch.kind,
      closeTime: batch.closeTime ?? START_SECONDS + 1,
      supplyAsset: batch.supply?.[0] ?? 0,
      supplyChange: batch.supply?.[1] ?? 0n,
      recordsHash: keccak256(records),
      tradesRoot: id('trades'),
      liabilitiesRoot: id('liabilities'),
      journalHash: id('journal'),
    }
    const signers = this.#isAttested ? this.attestors.slice(0, 2) : []
    const domain = this.domain('ClearingHouse')
    const signatures = await Promise.all(
      signers.map((signer) => signer.signTypedData(domain, BATCH_TYPE, header)),
    )
    return this.send('ClearingHouse', 'settle', header, records, signatures)
  }

  domain(name: ContractName) {
    const verifyingContract = present(this.suite.contracts[name], name)
    return { name: 'Mooring', version: '1', chainId: this.suite.chainId, verifyingContract }
  }

  /** The next block is at this time, Unix seconds after the start. */
  async wait(seconds: number): Promise<void> {
    const time = START_SECONDS + seconds
    await this.chain.rpc('evm_setNextBlockTimestamp', [time])
    await this.chain.rpc('evm_mine')
  }
}

export { START_SECONDS }
