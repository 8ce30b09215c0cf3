import { JsonRpcProvider, Wallet, ZeroHash, hexlify, keccak256 } from 'ethers'
import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '#kernel/assert.ts'
import { isJsonObject } from '#kernel/json.ts'
import { encodeRecords } from '#settlement/records.ts'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { interfaceOf } from '../../deploy/contracts/plan.ts'
import { startAnvil } from './chain.ts'
import type { Interface } from 'ethers'
import type { AccountDelta } from '#settlement/netting.ts'
import type { Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { ContractName } from '../../deploy/contracts/artifact.ts'
import type { TestChain } from './chain.ts'

// Two test accounts of every anvil: the deployer, and one who holds every office.
const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const OFFICER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'
const GAS_LIMIT = 16_000_000
const FEES = {
  type: 2,
  gasLimit: GAS_LIMIT,
  maxFeePerGas: 10n ** 10n,
  maxPriorityFeePerGas: 1n,
} as const
const LOOKS = 5000

/** A throwaway chain with the whole suite on it, where one wallet holds every office without a delay. */
export class SuiteChain {
  readonly chain: TestChain
  readonly provider: JsonRpcProvider
  readonly officer: Wallet
  readonly suite: Deployment

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

  /** `args` are further options of anvil. */
  static async start(args: readonly string[] = []): Promise<SuiteChain> {
    const chain = await startAnvil({ args })
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
    return new SuiteChain(chain, provider, officer, suite)
  }

  async stop(): Promise<void> {
    this.provider.destroy()
    await this.chain.stop()
  }

  interface(name: ContractName): Interface {
    return interfaceOf(readArtifact(name).abi)
  }

  /** What a view returns; calls are made by the officer. */
  async read(name: ContractName, method: string, ...values: unknown[]): Promise<unknown> {
    const [to, abi] = [this.suite.contracts[name], this.interface(name)]
    const data = abi.encodeFunctionData(method, values)
    const call = { from: this.officer.address, to, data }
    const answer = await this.chain.rpc('eth_call', [call, 'latest'])
    const [first, ...rest]: unknown[] = abi.decodeFunctionResult(method, String(answer))
    return rest.length === 0 ? first : [first, ...rest]
  }

  /** Receipt gas of a call by the officer, which must succeed. */
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
    const nonce = Number(
      await this.chain.rpc('eth_getTransactionCount', [wallet.address, 'pending']),
    )
    const { chainId } = this.chain
    const raw = await wallet.signTransaction({ ...FEES, chainId, nonce, to, data })
    const hash = await this.chain.rpc('eth_sendRawTransaction', [raw])
    const receipt = await this.#receiptOf(hash)
    assert(receipt['status'] === '0x1', `${method} on ${name}`)
    return Number(receipt['gasUsed'])
  }

  /** Each transaction has a block of its own, a moment after it was sent. */
  async #receiptOf(hash: unknown): Promise<Readonly<Record<string, unknown>>> {
    for (let look = 0; look < LOOKS; look += 1) {
      const receipt = await this.chain.rpc('eth_getTransactionReceipt', [hash])
      if (isJsonObject(receipt)) return receipt
      await sleep(1)
    }
    throw new TypeError(`no receipt of ${String(hash)}`)
  }

  /** Settles a batch without attestations; with `supply` a supply batch of [asset, change]. */
  async settle(deltas: readonly AccountDelta[], supply?: readonly [number, bigint]): Promise<void> {
    const records = hexlify(encodeRecords(deltas))
    const header = {
      prevHead: await this.read('ClearingHouse', 'head'),
      sequence: BigInt(String(await this.read('ClearingHouse', 'sequence'))) + 1n,
      kind: supply === undefined ? 1 : 2,
      closeTime: 1,
      supplyAsset: supply?.[0] ?? 0,
      supplyChange: supply?.[1] ?? 0n,
      recordsHash: keccak256(records),
      tradesRoot: ZeroHash,
      liabilitiesRoot: ZeroHash,
      journalHash: ZeroHash,
    }
    await this.send('ClearingHouse', 'settle', header, records, [])
  }
}
