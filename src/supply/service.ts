import { decodeReserve, encodeReserveOf } from '#chain/contracts/reserve-gate.ts'
import type { ChainService } from '#chain/service.ts'
import { systemAccount } from '#ledger/account-code.ts'
import type { LedgerService } from '#ledger/service.ts'
import { newUuid } from '#platform/crypto.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { supplyErrors } from './errors.ts'
import * as store from './store.ts'
import { guardSupply, type SupplyRequest } from './supply-request.ts'

export interface SupplyServiceOptions {
  readonly database: Database
  readonly ledger: LedgerService
  readonly chain: Pick<ChainService, 'call' | 'deployment'>
}

const PROPOSED_LIMIT = 20

/** A supply change that somebody asks for. */
export interface SupplyProposal {
  /** What it is for; asking twice for the same is one request. */
  readonly ref: string
  readonly asset: {
    readonly chainAsset: number
    readonly ceilingAtoms: bigint | null
  }
  /** What `readReserve` gave; null where the reserve is nobody's concern. */
  readonly reserveAtoms: bigint | null
  /** Positive mints. */
  readonly changeAtoms: bigint
  /** Chain account. */
  readonly beneficiary: number
}

/** Guards every change of a supply and keeps the queue that settlement sends. */
export class SupplyService {
  readonly #options: SupplyServiceOptions

  constructor(options: SupplyServiceOptions) {
    this.#options = options
  }

  /**
   * Throws `supply.reserve_unattested`, `supply.reserve_exceeded`, `supply.ceiling_exceeded` or
   * `supply.supply_exceeded` unless the change may be made; settlement checks nothing further, the
   * chain checks again.
   */
  async requireAllowed(tx: Tx, proposal: SupplyProposal): Promise<void> {
    const { chainAsset, ceilingAtoms } = proposal.asset
    await store.lockAsset(tx, chainAsset)
    const refusal = guardSupply(
      {
        reserveAtoms: proposal.reserveAtoms,
        ceilingAtoms,
        supplyAtoms: await this.#supplyOf(chainAsset),
        // A burn that may still fail makes no room for a mint, nor the other way round.
        pendingAtoms: await store.sumPending(tx, chainAsset, proposal.changeAtoms),
      },
      proposal.changeAtoms,
    )
    if (refusal !== undefined) throw supplyErrors[refusal]()
  }

  /**
   * Atoms of an asset that attestors vouch for now, by the gate on the chain: zero when unset, stale
   * or unsound. Throws `platform.unavailable` while the chain is away.
   */
  async readReserve(chainAsset: number): Promise<bigint> {
    const { chain } = this.#options
    const gate = chain.deployment().contracts['ReserveGate']
    if (gate === undefined) return 0n
    return decodeReserve(await chain.call(gate, encodeReserveOf(chainAsset), 'latest'))
  }

  /** Queues a change after its guards; the same `ref` gives the request that exists. */
  async propose(tx: Tx, proposal: SupplyProposal): Promise<void> {
    await store.lockAsset(tx, proposal.asset.chainAsset)
    if ((await store.findRequestByRef(tx, proposal.ref)) !== undefined) return
    await this.requireAllowed(tx, proposal)
    const { ref, changeAtoms, beneficiary, asset } = proposal
    await store.insertRequest(tx, {
      id: newUuid(),
      ref,
      asset: asset.chainAsset,
      changeAtoms,
      beneficiary,
    })
  }

  async findByRef(ref: string): Promise<SupplyRequest | undefined> {
    return await store.findRequestByRef(this.#options.database, ref)
  }

  /** Proposed changes, oldest first. */
  async listProposed(): Promise<readonly SupplyRequest[]> {
    return await store.listProposed(this.#options.database, PROPOSED_LIMIT)
  }

  /** Changes whose batch is not final yet. */
  async listBatched(): Promise<readonly SupplyRequest[]> {
    return await store.listBatched(this.#options.database)
  }

  /** False when somebody else took the request. */
  async markBatched(tx: Tx, id: string, batch: string): Promise<boolean> {
    return await store.setStatus(tx, id, 'proposed', { status: 'batched', batch })
  }

  async markFinal(tx: Tx, id: string): Promise<void> {
    await store.setStatus(tx, id, 'batched', { status: 'final' })
  }

  async markFailed(tx: Tx, id: string, error: string): Promise<void> {
    await store.setStatus(tx, id, 'batched', { status: 'failed', error })
  }

  /** Gives up everything that is in no batch yet; returns how many. */
  async failProposed(tx: Tx, error: string): Promise<number> {
    return await store.failProposed(tx, error)
  }

  /** Atoms that exist: what issuance owes. */
  async #supplyOf(chainAsset: number): Promise<bigint> {
    const issuance = systemAccount('issuance', chainAsset)
    return -(await this.#options.ledger.getBalance(issuance, chainAsset)).posted
  }
}
