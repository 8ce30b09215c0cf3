import { present } from '#kernel/assert.ts'
import { parseDecimal } from '#kernel/money.ts'
import type { PageRequest } from '#kernel/page.ts'
import type { Clock } from '#kernel/time.ts'
import { encodeCreateAsset } from '#chain/contracts/asset-registry.ts'
import type { ChainService } from '#chain/service.ts'
import { systemAccount } from '#ledger/account-code.ts'
import type { LedgerService } from '#ledger/service.ts'
import { newId, newUuid } from '#platform/crypto.ts'
import { runCommand } from '#platform/db/command.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import type { Principal } from '#platform/http/principal.ts'
import {
  ALL_CLASSES,
  CASH,
  ceilingOf,
  classMask,
  creationTxKey,
  isVisible,
  statusAfter,
  type Asset,
  type AssetClass,
  type AssetDocument,
  type AssetStep,
  type Reserve,
  type Viewer,
} from './asset.ts'
import { assetsErrors } from './errors.ts'
import * as store from './store.ts'

export interface AssetsOptions {
  readonly database: Database
  readonly clock: Clock
  readonly chain: Pick<ChainService, 'deployment' | 'requestTransaction'>
  readonly ledger: Pick<LedgerService, 'getBalance'>
}

export interface NewAsset {
  readonly symbol: string
  readonly name: string
  readonly class: AssetClass
  readonly decimals: number
  readonly reserve: Reserve
  readonly allowedClasses?: readonly number[] | undefined
  /** Decimal string in asset units. */
  readonly ceiling?: string | undefined
}

/** An asset with what other tables know of it. */
export interface AssetView {
  readonly asset: Asset
  /** null for external tokens, whose supply is not ours to count. */
  readonly supplyAtoms: bigint | null
  readonly documents: readonly AssetDocument[]
}

type Outcome = { readonly result: AssetView; readonly replayed: boolean }

export class AssetsService {
  readonly #options: AssetsOptions

  constructor(options: AssetsOptions) {
    this.#options = options
  }

  /** Throws `assets.symbol_taken`, `assets.ceiling_invalid`. */
  async createAsset(principal: Principal, terms: NewAsset, key?: string): Promise<Outcome> {
    const asset = this.#draft(principal, terms)
    return this.#run(principal, 'POST /v1/assets', key, terms, async (tx) => {
      const created = await store.insertAsset(tx, asset)
      if (created === undefined) throw assetsErrors.symbol_taken()
      return created
    })
  }

  /** Throws `assets.asset_not_found`, `assets.not_issuer`, `assets.wrong_status`. */
  async submitAsset(principal: Principal, id: string, key?: string): Promise<Outcome> {
    return this.#run(principal, `POST /v1/assets/${id}/submit`, key, {}, async (tx) => {
      const asset = await this.#lockOwn(tx, principal, id)
      return store.setStatus(tx, id, requireStep(asset, 'submit'))
    })
  }

  /** Throws `assets.asset_not_found`, `assets.own_asset`, `assets.wrong_status`. */
  async approveAsset(principal: Principal, id: string, key?: string): Promise<Outcome> {
    return this.#run(principal, `POST /v1/assets/${id}/approve`, key, {}, async (tx) => {
      const asset = await this.#lockVisible(tx, principal, id)
      if (asset.issuer === principal.chainAccount) throw assetsErrors.own_asset()
      requireStep(asset, 'approve')
      const chainAsset = await store.takeNumber(tx)
      if (chainAsset === undefined) throw assetsErrors.ids_exhausted()
      return store.setApproved(tx, id, { chainAsset, approvedBy: principal.chainAccount })
    })
  }

  /** Throws `assets.asset_not_found`, `assets.not_issuer`, `assets.document_exists`. */
  async addDocument(
    principal: Principal,
    id: string,
    document: AssetDocument,
    key?: string,
  ): Promise<Outcome> {
    const operation = `POST /v1/assets/${id}/documents`
    return this.#run(principal, operation, key, document, async (tx) => {
      const asset = await this.#lockOwn(tx, principal, id)
      const createdAt = this.#options.clock.now()
      const row = { ...document, id: newUuid(), assetId: id, createdAt }
      if (!(await store.insertDocument(tx, row))) throw assetsErrors.document_exists()
      return asset
    })
  }

  /** Throws `assets.asset_not_found`, for an asset that the principal may not see too. */
  async viewAsset(principal: Principal, id: string): Promise<AssetView> {
    const asset = await store.findAsset(this.#options.database, id)
    return this.#view(requireVisible(asset, principal))
  }

  /** What the principal may see, oldest first; one more than the page holds. */
  async listAssets(principal: Principal, page: PageRequest): Promise<readonly AssetView[]> {
    const assets = await store.listAssets(this.#options.database, viewerOf(principal), page)
    return this.#viewAll(assets)
  }

  /** For other contexts. Throws `assets.asset_not_found`. */
  async getAsset(id: string): Promise<Asset> {
    const asset = await store.findAsset(this.#options.database, id)
    if (asset === undefined) throw assetsErrors.asset_not_found()
    return asset
  }

  async findBySymbol(symbol: string): Promise<Asset | undefined> {
    return store.findAssetBySymbol(this.#options.database, symbol)
  }

  async findByNumber(chainAsset: number): Promise<Asset | undefined> {
    return store.findAssetByNumber(this.#options.database, chainAsset)
  }

  /** Makes cash known as asset 0; the second time it keeps what is there. */
  async ensureCash(cash: {
    readonly symbol: string
    readonly name: string
    readonly decimals: number
    readonly token: string
  }): Promise<Asset> {
    const { database, clock } = this.#options
    return inTransaction(database, async (tx) => {
      const known = await store.findAssetByNumber(tx, CASH)
      if (known !== undefined) return known
      const made = await store.insertAsset(tx, {
        ...cash,
        id: newId('asset'),
        chainAsset: CASH,
        class: 'cash',
        reserve: 'none',
        allowedClasses: ALL_CLASSES,
        ceilingAtoms: null,
        status: 'active',
        external: true,
        issuer: null,
        approvedBy: null,
        createdAt: clock.now(),
      })
      return present(made ?? (await store.findAssetByNumber(tx, CASH)), 'asset 0')
    })
  }

  /**
   * Locks an asset for its issuer's tokenization and marks it so. Throws
   * `assets.asset_not_found`, `assets.not_issuer`, `assets.wrong_status`.
   */
  async beginTokenization(tx: Tx, principal: Principal, id: string): Promise<Asset> {
    const asset = await this.#lockOwn(tx, principal, id)
    return store.setStatus(tx, id, requireStep(asset, 'tokenize'))
  }

  /** Asks the registrar to make the token, once per attempt; returns the key of the transaction. */
  async requestOnChain(tx: Tx, asset: Asset, attempt: string): Promise<string> {
    const { chain } = this.#options
    const number = present(asset.chainAsset, 'number of an approved asset')
    const key = creationTxKey(number, attempt)
    await chain.requestTransaction(tx, {
      signer: 'registrar',
      key,
      to: present(chain.deployment().contracts['AssetRegistry'], 'AssetRegistry'),
      data: encodeCreateAsset({
        id: number,
        symbol: asset.symbol,
        name: asset.name,
        decimals: asset.decimals,
        allowedClasses: classMask(asset.allowedClasses),
        reserveAttested: asset.reserve === 'attested',
        ceiling: ceilingOf(asset),
      }),
    })
    return key
  }

  /** Ends a tokenization; an asset that is active stays so. */
  async activate(tx: Tx, id: string): Promise<Asset> {
    const asset = requireAsset(await store.lockAsset(tx, id))
    if (asset.status === 'active') return asset
    return store.setStatus(tx, id, requireStep(asset, 'activate'))
  }

  /** Gives an asset back after a tokenization that failed, so that another may begin. */
  async releaseTokenization(tx: Tx, id: string): Promise<Asset> {
    const asset = requireAsset(await store.lockAsset(tx, id))
    return store.setStatus(tx, id, requireStep(asset, 'release'))
  }

  #draft(principal: Principal, terms: NewAsset): Asset {
    const { symbol, name, class: kind, decimals, reserve, allowedClasses = ALL_CLASSES } = terms
    return {
      symbol,
      name,
      class: kind,
      decimals,
      reserve,
      id: newId('asset'),
      chainAsset: null,
      allowedClasses: [...new Set(allowedClasses)].toSorted((a, b) => a - b),
      ceilingAtoms: terms.ceiling === undefined ? null : parseCeiling(terms.ceiling, decimals),
      status: 'draft',
      external: false,
      token: null,
      issuer: principal.chainAccount,
      approvedBy: null,
      createdAt: this.#options.clock.now(),
    }
  }

  async #run(
    principal: Principal,
    operation: string,
    key: string | undefined,
    input: object,
    work: (tx: Tx) => Promise<Asset>,
  ): Promise<Outcome> {
    const { result, replayed } = await runCommand(this.#options.database, {
      scope: principal.userId,
      operation,
      key,
      input,
      work: async (tx) => {
        const asset = await work(tx)
        return { result: asset, resource: asset.id }
      },
      replay: async (id) => this.getAsset(id),
    })
    return { result: await this.#view(result), replayed }
  }

  async #lockVisible(tx: Tx, principal: Principal, id: string): Promise<Asset> {
    return requireVisible(await store.lockAsset(tx, id), principal)
  }

  async #lockOwn(tx: Tx, principal: Principal, id: string): Promise<Asset> {
    const asset = await this.#lockVisible(tx, principal, id)
    if (asset.issuer !== principal.chainAccount) throw assetsErrors.not_issuer()
    return asset
  }

  async #view(asset: Asset): Promise<AssetView> {
    const [view] = await this.#viewAll([asset])
    return present(view, 'view of an asset')
  }

  async #viewAll(assets: readonly Asset[]): Promise<readonly AssetView[]> {
    const ids = assets.map(({ id }) => id)
    const documents = await store.listDocuments(this.#options.database, ids)
    return Promise.all(
      assets.map(async (asset) => ({
        asset,
        supplyAtoms: await this.#supplyOf(asset),
        documents: documents.get(asset.id) ?? [],
      })),
    )
  }

  async #supplyOf({ external, chainAsset }: Asset): Promise<bigint | null> {
    if (external) return null
    if (chainAsset === null) return 0n
    const account = systemAccount('issuance', chainAsset)
    return -(await this.#options.ledger.getBalance(account, chainAsset)).posted
  }
}

function viewerOf({ chainAccount, permissions }: Principal): Viewer {
  return {
    chainAccount,
    mayApprove: permissions.has('assets:approve'),
    seesAll: permissions.has('audit:read'),
  }
}

function requireAsset(asset: Asset | undefined): Asset {
  if (asset === undefined) throw assetsErrors.asset_not_found()
  return asset
}

function requireVisible(asset: Asset | undefined, principal: Principal): Asset {
  const found = requireAsset(asset)
  if (!isVisible(found, viewerOf(principal))) throw assetsErrors.asset_not_found()
  return found
}

function requireStep(asset: Asset, step: AssetStep) {
  const status = statusAfter(asset.status, step)
  if (status === undefined) throw assetsErrors.wrong_status(`the asset is ${asset.status}`)
  return status
}

function parseCeiling(text: string, decimals: number): bigint {
  const atoms = parseDecimal(text, decimals)
  if (typeof atoms === 'string') throw assetsErrors.ceiling_invalid(atoms.replaceAll('_', ' '))
  if (atoms === 0n) throw assetsErrors.ceiling_invalid('it is zero')
  return atoms
}
