import type { Asset } from '#assets/asset.ts'
import type { AssetsService } from '#assets/service.ts'
import { present } from '#kernel/assert.ts'
import { idFromUuid, uuidOf } from '#kernel/id.ts'
import { parseDecimal } from '#kernel/money.ts'
import type { Clock } from '#kernel/time.ts'
import type { LedgerService } from '#ledger/service.ts'
import { newUuid } from '#platform/crypto.ts'
import { runCommand } from '#platform/db/command.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { platformErrors } from '#platform/errors.ts'
import type { Principal } from '#platform/http/principal.ts'
import type { Operation, Operations } from '#platform/operation.ts'
import type { SupplyService } from '#supply/service.ts'
import { issuanceErrors } from './errors.ts'
import * as store from './store.ts'
import { TOKENIZATION_STEPS, tokenizationRef } from './tokenization.ts'

export interface IssuanceServiceOptions {
  readonly database: Database
  readonly clock: Clock
  readonly operations: Operations
  readonly assets: AssetsService
  readonly ledger: LedgerService
  readonly supply: SupplyService
}

export interface TokenizeRequest {
  /** `ast_…` */
  readonly assetId: string
  /** Decimal string in asset units. */
  readonly supply: string
  readonly principal: Principal
  readonly key: string
}

/** Brings approved assets on the chain, as operations that a worker carries on. */
export class IssuanceService {
  readonly #options: IssuanceServiceOptions

  constructor(options: IssuanceServiceOptions) {
    this.#options = options
  }

  /**
   * Starts a tokenization: the whole supply is minted into the issuer's clearing balance. Throws
   * `assets.asset_not_found`, `assets.not_issuer`, `assets.wrong_status`, `issuance.supply_invalid`,
   * `issuance.issuer_not_registered` or what the supply guards refuse.
   */
  async tokenize(request: TokenizeRequest): Promise<{ result: Operation; replayed: boolean }> {
    const { database, operations } = this.#options
    const { assetId, supply, principal, key } = request
    const { result, replayed } = await runCommand(database, {
      scope: principal.accountId,
      operation: 'POST /v1/assets/tokenize',
      key,
      input: { asset: assetId, supply },
      work: async (tx) => {
        const operation = await this.#start(tx, request)
        return { result: operation, resource: operation }
      },
      replay: (operation) => Promise.resolve(operation),
    })
    return { result: await operations.get(result), replayed }
  }

  /** Throws `platform.operation_not_found`, for another's operation too. */
  async getOperation(id: string, principal: Principal): Promise<Operation> {
    const operation = await this.#options.operations.get(id)
    const mayRead = operation.owner === principal.userId || principal.permissions.has('audit:read')
    if (!mayRead) throw platformErrors.operation_not_found()
    return operation
  }

  async #start(tx: Tx, { assetId, supply: text, principal }: TokenizeRequest): Promise<string> {
    const { assets, operations, supply } = this.#options
    const asset = await assets.beginTokenization(tx, principal, assetId)
    const supplyAtoms = readSupply(text, asset.decimals)
    await this.#requireHolder(asset, principal)
    const id = newUuid()
    const chainAsset = present(asset.chainAsset, 'number of an approved asset')
    const { chainAccount: beneficiary } = principal
    await supply.requireAllowed(tx, {
      ref: tokenizationRef(id),
      asset: { ...asset, chainAsset },
      // The gate answers for tokens that exist; the worker asks it before it proposes.
      reserveAtoms: null,
      changeAtoms: supplyAtoms,
      beneficiary,
    })
    const row = { id, asset: uuidOf('asset', asset.id), chainAsset, beneficiary, supplyAtoms }
    await store.insertTokenization(tx, row)
    return await operations.create(tx, {
      id: idFromUuid('operation', id),
      kind: 'tokenization',
      owner: principal.userId,
      steps: TOKENIZATION_STEPS,
      resource: asset.id,
    })
  }

  /** The chain credits only a registered account of a class that the asset allows. */
  async #requireHolder(asset: Asset, { chainAccount }: Principal): Promise<void> {
    const { ledger, clock } = this.#options
    const account = await ledger.findAccount(chainAccount)
    const isRegistered = await ledger.isRegistered(chainAccount, clock.now())
    if (!isRegistered || !asset.allowedClasses.includes(account?.class ?? 0)) {
      throw issuanceErrors.issuer_not_registered()
    }
  }
}

function readSupply(text: string, decimals: number): bigint {
  const atoms = parseDecimal(text, decimals)
  if (typeof atoms === 'string') throw issuanceErrors.supply_invalid(atoms)
  if (atoms === 0n) throw issuanceErrors.supply_invalid('the supply is zero')
  return atoms
}
