import { Contract, JsonRpcProvider, Wallet } from 'ethers'
import { minedReceipt } from '#app/sandbox/receipt.ts'
import { at, text, type Body } from '../body.ts'
import { ScriptFailure } from '../sandbox-access.ts'

/** A wallet of one's own: it knows the chain's RPC and what `GET /v1/contracts` publishes. */
export class OwnWallet {
  readonly #provider: JsonRpcProvider
  readonly #wallet: Wallet
  readonly #contracts: Body

  constructor(rpc: string, contracts: Body) {
    this.#provider = new JsonRpcProvider(rpc, undefined, { cacheTimeout: -1 })
    this.#wallet = new Wallet(Wallet.createRandom().privateKey, this.#provider)
    this.#contracts = contracts
  }

  get address(): string {
    return this.#wallet.address
  }

  async sign(message: string): Promise<string> {
    return this.#wallet.signMessage(message)
  }

  /** Signs and sends one call; answers the hash of the mined transaction. */
  async send(name: string, method: string, ...args: readonly unknown[]): Promise<string> {
    const response = await this.#contract(name)
      .getFunction(method)
      .send(...args)
    const receipt = await minedReceipt(this.#provider, response.hash)
    if (receipt.status !== 1) throw new ScriptFailure(`${name}.${method} was reverted`)
    return receipt.hash
  }

  /** Token units that this wallet holds. */
  async holds(token: string): Promise<bigint> {
    const erc20 = ['function balanceOf(address) view returns (uint256)']
    const amount: unknown = await new Contract(token, erc20, this.#provider)
      .getFunction('balanceOf')
      .staticCall(this.address)
    return BigInt(String(amount))
  }

  addressOf(name: string): string {
    return text(this.#contracts, 'contracts', name, 'address')
  }

  close(): void {
    this.#provider.destroy()
  }

  #contract(name: string): Contract {
    const abi = JSON.stringify(at(this.#contracts, 'contracts', name, 'abi'))
    return new Contract(this.addressOf(name), abi, this.#wallet)
  }
}
