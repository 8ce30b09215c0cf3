import { Contract, Interface, JsonRpcProvider, Wallet, type TransactionReceipt } from 'ethers'
import { minedReceipt } from '#app/sandbox/receipt.ts'
import { at, text, type Body } from '../../scripts/body.ts'
import type { Sandbox } from './sandbox.ts'

/** Somebody's own wallet on the chain of a sandbox, with the contracts that the node publishes. */
export class ChainWallet {
  readonly #provider: JsonRpcProvider
  readonly #wallet: Wallet
  readonly #contracts: Body

  /** `contracts` is what `GET /v1/contracts` answers. */
  constructor(rpcUrl: string, privateKey: string, contracts: Body) {
    const options = { staticNetwork: true, cacheTimeout: -1 }
    this.#provider = new JsonRpcProvider(rpcUrl, Number(at(contracts, 'chain_id')), options)
    this.#wallet = new Wallet(privateKey, this.#provider)
    this.#contracts = contracts
  }

  static async open(sandbox: Sandbox, privateKey: string): Promise<ChainWallet> {
    return new ChainWallet(sandbox.rpc, privateKey, await sandbox.client().get('/v1/contracts'))
  }

  get address(): string {
    return this.#wallet.address
  }

  async signMessage(message: string): Promise<string> {
    return this.#wallet.signMessage(message)
  }

  /**
   * Sends one call and waits until it is mined; throws when it reverts, when the chain goes away and
   * when the wallet is closed meanwhile.
   */
  async send(
    name: string,
    method: string,
    ...args: readonly unknown[]
  ): Promise<TransactionReceipt> {
    const response = await this.#contract(name)
      .getFunction(method)
      .send(...args)
    const receipt = await minedReceipt(this.#provider, response.hash)
    if (receipt.status !== 1) throw new TypeError(`${name}.${method} was reverted`)
    return receipt
  }

  /** Sends one call and waits for nothing; answers its hash. */
  async submit(name: string, method: string, ...args: readonly unknown[]): Promise<string> {
    const response = await this.#contract(name)
      .getFunction(method)
      .send(...args, { gasLimit: 300_000n })
    return response.hash
  }

  async read(name: string, method: string, ...args: readonly unknown[]): Promise<unknown> {
    const result: unknown = await this.#contract(name)
      .getFunction(method)
      .staticCall(...args)
    return result
  }

  /** Mints test cash to this wallet and lets the clearing house take it; token units. Answers the last receipt. */
  async mintCash(units: bigint): Promise<TransactionReceipt> {
    await this.send('CashToken', 'mint', this.address, units)
    return await this.send('CashToken', 'approve', this.contractAddress('ClearingHouse'), units)
  }

  /** A signed transaction that moves nothing, for a nonce that another one wants. */
  async signNothing(nonce: number): Promise<string> {
    const { chainId } = await this.#provider.getNetwork()
    const fee = 10n ** 11n
    return this.#wallet.signTransaction({
      to: this.address,
      value: 0n,
      nonce,
      chainId,
      gasLimit: 21_000n,
      type: 2,
      maxFeePerGas: fee,
      maxPriorityFeePerGas: 10n ** 9n,
    })
  }

  /** Time of the newest block, Unix seconds. */
  async blockTime(): Promise<number> {
    const block = await this.#provider.getBlock('latest')
    if (block === null) throw new TypeError('no block')
    return block.timestamp
  }

  contractAddress(name: string): string {
    return text(this.#contracts, 'contracts', name, 'address')
  }

  close(): void {
    this.#provider.destroy()
  }

  #contract(name: string): Contract {
    const abi = new Interface(JSON.stringify(at(this.#contracts, 'contracts', name, 'abi')))
    return new Contract(this.contractAddress(name), abi, this.#wallet)
  }
}
