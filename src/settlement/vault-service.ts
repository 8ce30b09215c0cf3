import { present } from '#kernel/assert.ts'
import {
  decodeAmount,
  decodeCap,
  encodeThreshold,
  encodeTurnoverOf,
} from '#chain/contracts/clearing-house.ts'
import type { ChainService } from '#chain/service.ts'
import type { LedgerService } from '#ledger/service.ts'
import { settlementErrors } from './errors.ts'

export interface VaultServiceOptions {
  readonly ledger: Pick<LedgerService, 'listAssets'>
  readonly chain: Pick<ChainService, 'call' | 'callMany' | 'deployment'>
}

/** What the vault demands of a batch and this node does not do. */
export interface VaultDemands {
  /** Attestations that each batch needs. */
  readonly threshold: number
  /** Assets whose turnover is capped, by their number on chain. */
  readonly capped: readonly number[]
}

/** Reads what would make a batch revert whatever it holds, or because of what it holds. */
export class VaultService {
  readonly #options: VaultServiceOptions

  constructor(options: VaultServiceOptions) {
    this.#options = options
  }

  /** Throws `settlement.attestation_required`, and `platform.unavailable` while the chain is away. */
  async requireUnattested(): Promise<void> {
    const threshold = await this.#readThreshold()
    if (threshold > 0) throw settlementErrors.attestation_required(describeThreshold(threshold))
  }

  /** As of the newest block; throws `platform.unavailable` while the chain is away. */
  async readDemands(): Promise<VaultDemands> {
    const { chain, ledger } = this.#options
    const threshold = await this.#readThreshold()
    const listed = (await ledger.listAssets()).filter(({ token }) => token !== null)
    const to = this.#vault()
    const calls = listed.map(({ asset }) => ({ to, data: encodeTurnoverOf(asset) }))
    const answers = await chain.callMany(calls, 'latest')
    const capped = listed.filter((_one, place) => decodeCap(present(answers[place], 'cap')) > 0n)
    return { threshold, capped: capped.map(({ asset }) => asset) }
  }

  async #readThreshold(): Promise<number> {
    const answer = await this.#options.chain.call(this.#vault(), encodeThreshold(), 'latest')
    return Number(decodeAmount(answer))
  }

  #vault() {
    return present(this.#options.chain.deployment().contracts['ClearingHouse'], 'ClearingHouse')
  }
}

/** Why the node cannot settle. */
export function describeThreshold(threshold: number): string {
  return (
    `the vault wants ${threshold} attestations on each batch and this node sends none: ` +
    'ATTESTOR_ADMIN can call ClearingHouse.setAttestors([], 0)'
  )
}

/** What an operator should know of before it stops settlement. */
export function describeCaps(capped: readonly number[]): string {
  return (
    `the vault caps the turnover of assets ${capped.join(', ')} and this node nets without looking: ` +
    'a batch above a cap reverts and halts settlement'
  )
}
