import { Contract, JsonRpcProvider, Wallet } from 'ethers'
import { readArtifact } from '../../deploy/contracts/artifact.ts'
import { deployMooring } from '../../deploy/contracts/deployment.ts'
import { contractOf } from '../../deploy/operations/operation.ts'
import { startAnvil } from './chain.ts'
import type { Deployment } from '../../deploy/contracts/addresses-file.ts'
import type { ContractName } from '../../deploy/contracts/artifact.ts'
import type { Operation } from '../../deploy/operations/operation.ts'
import type { TestChain } from './chain.ts'

// The first test account of every anvil.
const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const FUNDS = '0x3635c9adc5dea00000'
const ALL = '123456'

/** Who holds the offices; 5 to 7 are free. */
export const [ADMIN, SETTLER, REGISTRAR, PAUSER] = ['1', '2', '3', '4'] as const

export const keyOf = (digit: string): string => `0x${digit.repeat(64)}`

export function providerOf(url: string, chainId: number): JsonRpcProvider {
  const options = { staticNetwork: true, cacheTimeout: -1, pollingInterval: 20 }
  return new JsonRpcProvider(url, chainId, options)
}

/** A throwaway chain with the whole suite, whose offices differ and whose admin waits, and what operators say of it. */
export class OperatorChain {
  readonly chain: TestChain
  readonly provider: JsonRpcProvider
  readonly deployment: Deployment
  /** What operations reported. */
  lines: string[] = []

  private constructor(chain: TestChain, provider: JsonRpcProvider, deployment: Deployment) {
    this.chain = chain
    this.provider = provider
    this.deployment = deployment
  }

  static async start(delaySeconds: number): Promise<OperatorChain> {
    const chain = await startAnvil()
    const provider = providerOf(chain.url, chain.chainId)
    const addressOf = (digit: string): string => new Wallet(keyOf(digit)).address
    for (const digit of ALL) await chain.rpc('anvil_setBalance', [addressOf(digit), FUNDS])
    const deployment = await deployMooring({
      signer: new Wallet(DEPLOYER_KEY, provider),
      artifacts: readArtifact,
      settings: {
        admin: addressOf(ADMIN),
        settler: addressOf(SETTLER),
        registrar: addressOf(REGISTRAR),
        pauser: addressOf(PAUSER),
        adminDelaySeconds: delaySeconds,
        cash: { scale: 1n },
        deployCash: true,
      },
    })
    return new OperatorChain(chain, provider, deployment)
  }

  async stop(): Promise<void> {
    this.provider.destroy()
    await this.chain.stop()
  }

  wallet(digit: string): Wallet {
    return new Wallet(keyOf(digit), this.provider)
  }

  /** An operation of a wallet, by way of another provider where one is given. */
  operation(digit: string, changes: Partial<Operation> = {}): Operation {
    return {
      signer: this.wallet(digit),
      provider: this.provider,
      deployment: this.deployment,
      isDryRun: false,
      report: (line) => void this.lines.push(line),
      ...changes,
    }
  }

  async pass(seconds: number): Promise<void> {
    await this.chain.rpc('evm_increaseTime', [seconds])
    await this.chain.rpc('anvil_mine', ['0x1'])
  }

  /** A transaction of a wallet, which must succeed. */
  async send(digit: string, name: ContractName, method: string, ...values: unknown[]) {
    const { interface: abi } = contractOf(this.operation(digit), name)
    const contract = new Contract(this.deployment.contracts[name], abi, this.wallet(digit))
    const sent = await contract.getFunction(method).send(...values)
    await sent.wait()
  }

  /** An asset of two decimals that class 1 may hold. */
  async createAsset(asset: number, symbol: string): Promise<void> {
    const terms = [asset, symbol, symbol, 2, 2n, false, 9_000n]
    await this.send(REGISTRAR, 'AssetRegistry', 'createAsset', ...terms)
  }
}
