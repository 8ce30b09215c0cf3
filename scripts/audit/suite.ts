import { Interface, type LogDescription } from 'ethers'
import { text } from '../body.ts'
import { topicsOf, type Chain } from './chain.ts'

const REGISTRY = new Interface([
  'event Frozen(uint32 indexed account, bytes32 documentHash)',
  'event Unfrozen(uint32 indexed account, bytes32 documentHash)',
])
const SUPPLY = new Interface([
  'event SupplyApplied(uint16 indexed asset, int64 change, uint256 totalSupply)',
  'event RedemptionSettled(uint256 indexed id, uint16 indexed asset, uint32 indexed account, uint256 amount, uint256 cash, uint256 totalSupply, bytes32 documentHash)',
])
const VAULT = new Interface(['function isFrozen(uint32 account) view returns (bool)'])
const ASSETS = new Interface(['function tokenOf(uint16 asset) view returns (address)'])
const TOKEN = new Interface(['function totalSupply() view returns (uint256)'])

/** What of a chain it takes. */
type Reader = Pick<Chain, 'logs' | 'view'>

/** Where the contracts are. */
export interface Addresses {
  readonly vault: string
  readonly investors: string
  readonly assets: string
  readonly supply: string
}

export interface SuiteHistory {
  /** Chain accounts that a freeze stops. */
  readonly frozen: readonly number[]
  /** Atoms by asset of our own. */
  readonly supplies: ReadonlyMap<number, bigint>
  readonly redemptions: number
  readonly faults: readonly string[]
}

/** Freezes and supplies as events tell them, which no batch carries. */
export class Suite {
  readonly #chain: Reader
  readonly #addresses: Addresses
  readonly #block: number
  readonly #frozen = new Map<number, boolean>()
  readonly #supplies = new Map<number, bigint>()
  readonly #faults: string[] = []
  #redemptions = 0

  constructor(chain: Reader, addresses: Addresses, block: number) {
    this.#chain = chain
    this.#addresses = addresses
    this.#block = block
  }

  async read(): Promise<SuiteHistory> {
    for (const { name, args } of await this.#events(REGISTRY, this.#addresses.investors))
      this.#frozen.set(Number(args['account']), name === 'Frozen')
    for (const event of await this.#events(SUPPLY, this.#addresses.supply)) this.#change(event)
    await this.#compareFreezes()
    await this.#compareSupplies()
    const frozen = [...this.#frozen].filter(([, isFrozen]) => isFrozen).map(([account]) => account)
    const [supplies, redemptions] = [this.#supplies, this.#redemptions]
    return { frozen, supplies, redemptions, faults: this.#faults }
  }

  async #events(abi: Interface, address: string): Promise<readonly LogDescription[]> {
    const logs = await this.#chain.logs(address, this.#block)
    return logs.flatMap((log) => {
      const event = abi.parseLog({ topics: topicsOf(log), data: text(log, 'data') })
      return event === null ? [] : [event]
    })
  }

  /** A supply batch mints or burns in the vault; a redemption burns what wallets had given back. */
  #change({ name, args }: LogDescription): void {
    const isBatch = name === 'SupplyApplied'
    if (!isBatch) this.#redemptions += 1
    const asset = Number(args['asset'])
    const change = isBatch ? BigInt(args['change']) : -BigInt(args['amount'])
    const after = (this.#supplies.get(asset) ?? 0n) + change
    this.#supplies.set(asset, after)
    const told = BigInt(args['totalSupply'])
    this.#expect(told === after, `asset ${asset}: ${name} tells a supply of ${told}, not ${after}`)
  }

  async #compareFreezes(): Promise<void> {
    const place = { abi: VAULT, address: this.#addresses.vault, block: this.#block }
    for (const [account, isFrozen] of this.#frozen) {
      const served = await this.#chain.view(place, 'isFrozen', account)
      this.#expect(served === isFrozen, `account ${account}: isFrozen() is ${String(served)}`)
    }
  }

  async #compareSupplies(): Promise<void> {
    const { assets } = this.#addresses
    for (const [asset, supply] of this.#supplies) {
      const place = { abi: ASSETS, address: assets, block: this.#block }
      const token = String(await this.#chain.view(place, 'tokenOf', asset))
      const served = await this.#chain.view({ ...place, abi: TOKEN, address: token }, 'totalSupply')
      this.#expect(
        served === supply,
        `asset ${asset}: totalSupply() is ${String(served)}, events give ${supply}`,
      )
    }
  }

  #expect(holds: boolean, fault: string): void {
    if (!holds) this.#faults.push(fault)
  }
}
