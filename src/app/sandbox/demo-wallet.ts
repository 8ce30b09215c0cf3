import { Contract, JsonRpcProvider, Wallet, type InterfaceAbi } from 'ethers'
import { assert } from '#kernel/assert.ts'
import { minedReceipt } from './receipt.ts'

export interface WalletSettings {
  readonly rpcUrl: string
  readonly privateKey: string
  readonly cash: { readonly address: string; readonly abi: InterfaceAbi }
  readonly clearingHouse: { readonly address: string; readonly abi: InterfaceAbi }
}

const CASH_ASSET = 0

/** A demo user's own wallet: it signs for itself, as any wallet outside would. */
export class DemoWallet {
  readonly #provider: JsonRpcProvider
  readonly #wallet: Wallet
  readonly #cash: Contract
  readonly #clearingHouse: Contract

  constructor(settings: WalletSettings) {
    this.#provider = new JsonRpcProvider(settings.rpcUrl, undefined, { cacheTimeout: -1 })
    this.#wallet = new Wallet(settings.privateKey, this.#provider)
    this.#cash = new Contract(settings.cash.address, settings.cash.abi, this.#wallet)
    this.#clearingHouse = new Contract(
      settings.clearingHouse.address,
      settings.clearingHouse.abi,
      this.#wallet,
    )
  }

  get address(): string {
    return this.#wallet.address
  }

  async sign(message: string): Promise<string> {
    return await this.#wallet.signMessage(message)
  }

  /** Mints test cash to this wallet and deposits it; `units` are token units. */
  async mintAndDeposit(units: bigint): Promise<void> {
    await this.#send(this.#cash, 'mint', [this.address, units])
    await this.#send(this.#cash, 'approve', [await this.#clearingHouse.getAddress(), units])
    await this.#send(this.#clearingHouse, 'deposit', [CASH_ASSET, units])
  }

  close(): void {
    this.#provider.destroy()
  }

  async #send(contract: Contract, method: string, args: readonly unknown[]): Promise<void> {
    const response = await contract.getFunction(method).send(...args)
    const receipt = await minedReceipt(this.#provider, response.hash)
    assert(receipt.status === 1, `${method} of a demo wallet is mined`)
  }
}
