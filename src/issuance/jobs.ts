import { creationTxKey, type Asset } from '#assets/asset.ts'
import type { AssetsService } from '#assets/service.ts'
import { present } from '#kernel/assert.ts'
import type { ChainService } from '#chain/service.ts'
import { AppError } from '#kernel/errors.ts'
import { idFromUuid } from '#kernel/id.ts'
import type { LedgerService } from '#ledger/service.ts'
import type { Database, Tx } from '#platform/db/pool.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import type { EpochGuard, Leadership } from '#platform/leader.ts'
import type { Health, Service } from '#platform/lifecycle.ts'
import type { Log } from '#platform/log.ts'
import type { Operations } from '#platform/operation.ts'
import { Loop } from '#platform/scheduler.ts'
import type { SupplyService } from '#supply/service.ts'
import * as store from './store.ts'
import {
  nextMove,
  tokenizationRef,
  type Tokenization,
  type TokenizationFacts,
  type TokenizationMove,
  type TokenizationStep,
} from './tokenization.ts'

export interface TokenizerOptions {
  readonly database: Database
  /** Of the role `settler`: the worker runs beside it, once in the whole node. */
  readonly leadership: Leadership
  readonly log: Log
  readonly operations: Operations
  readonly assets: AssetsService
  readonly ledger: LedgerService
  readonly supply: SupplyService
  readonly chain: Pick<ChainService, 'findTransaction'>
}

const TURN_MS = 250
const OPEN_LIMIT = 50
const MOVES_PER_TURN = 10
/** Only those who attest reserves on the chain can end this. */
const UNATTESTED = 'waits for an attested reserve'

/** Carries tokenizations on; `tokenization.ts` decides, this does. */
export class Tokenizer implements Service {
  readonly name = 'tokenizer'
  readonly #options: TokenizerOptions
  readonly #loop: Loop

  constructor(options: TokenizerOptions) {
    this.#options = options
    this.#loop = new Loop({
      name: this.name,
      intervalMs: TURN_MS,
      run: () => this.turn(),
      log: options.log,
    })
  }

  async start(): Promise<void> {
    await this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  health(): Health {
    return this.#loop.health()
  }

  /** One round over everything that is on its way. */
  async turn(): Promise<void> {
    const { database, leadership } = this.#options
    if (!leadership.isLeading()) return
    const guard = leadership.guard()
    for (const open of await store.listOpen(database, OPEN_LIMIT)) await this.#carryOn(open, guard)
  }

  async #carryOn(open: Tokenization, guard: EpochGuard): Promise<void> {
    let current = open
    for (let moves = 0; moves < MOVES_PER_TURN; moves += 1) {
      const move = nextMove(current.place, await this.#readFacts(current))
      if (move.type === 'wait') return
      if (move.type === 'await_reserve') return await this.#noteWaiting(current, guard)
      const place = await this.#make(current, move, guard)
      if (place === undefined) return
      current = { ...current, place }
    }
  }

  async #readFacts(tokenization: Tokenization): Promise<TokenizationFacts> {
    const { database, chain, ledger, supply } = this.#options
    const key = creationTxKey(tokenization.chainAsset, tokenization.id)
    const creation = await chain.findTransaction(database, key)
    const isLost = ['rejected', 'reverted', 'cancelled'].includes(creation?.state ?? '')
    const listed = await ledger.findAsset(tokenization.chainAsset)
    const request = await supply.findByRef(tokenizationRef(tokenization.id))
    return {
      creation: creation === undefined ? undefined : isLost ? 'failed' : 'requested',
      creationError: creation?.error ?? null,
      isListed: listed !== undefined && listed.token !== null,
      supply: request?.status,
      supplyError: request?.error ?? null,
      lacksReserve: request === undefined && (await this.#lacksReserve(tokenization)),
    }
  }

  /** Only the step that proposes needs to know, and only then the token exists. */
  async #lacksReserve(tokenization: Tokenization): Promise<boolean> {
    if (tokenization.place !== 'supply_batch') return false
    return (await this.#readReserve(tokenization)) === 0n
  }

  /** Null where no reserve is needed. */
  async #readReserve({ asset, chainAsset }: Tokenization): Promise<bigint | null> {
    const { assets, supply } = this.#options
    const { reserve } = await assets.getAsset(idFromUuid('asset', asset))
    return reserve === 'attested' ? await supply.readReserve(chainAsset) : null
  }

  /** The operation shows what it waits for, as long as nobody has vouched for a reserve. */
  async #noteWaiting({ id }: Tokenization, guard: EpochGuard): Promise<void> {
    const { database, operations } = this.#options
    const { steps } = await operations.get(idFromUuid('operation', id))
    const step = steps.find(({ name }) => name === 'supply_batch')
    if (step?.detail === UNATTESTED) return
    await inTransaction(database, async (tx) => {
      await guard(tx)
      await this.#setStep(tx, id, 'supply_batch', 'running', UNATTESTED)
    })
  }

  /** Makes the move and returns the new place; undefined when somebody else made it before. */
  async #make(
    tokenization: Tokenization,
    move: TokenizationMove,
    guard: EpochGuard,
  ): Promise<Tokenization['place'] | undefined> {
    const { database, log } = this.#options
    const reserveAtoms =
      move.type === 'propose_supply' ? await this.#readReserve(tokenization) : null
    const place = await inTransaction(database, async (tx) => {
      await guard(tx)
      if (move.type === 'propose_supply') return await this.#propose(tx, tokenization, reserveAtoms)
      return await this.#makeWithin(tx, tokenization, move)
    })
    log.info({ event: 'issuance.moved', asset: tokenization.chainAsset, move: move.type, place })
    return place
  }

  async #makeWithin(
    tx: Tx,
    tokenization: Tokenization,
    move: Exclude<TokenizationMove, { readonly type: 'propose_supply' }>,
  ): Promise<Tokenization['place'] | undefined> {
    const { id, asset, place } = tokenization
    const { assets } = this.#options
    switch (move.type) {
      case 'request_creation':
        await assets.requestOnChain(tx, await assets.getAsset(idFromUuid('asset', asset)), id)
        await this.#setStep(tx, id, 'create_asset', 'running')
        return place
      case 'enter':
        return await this.#enter(tx, tokenization, move.step)
      case 'finish':
        if (!(await store.setPlace(tx, id, place, 'done'))) return undefined
        await this.#setStep(tx, id, 'final', 'succeeded')
        await assets.activate(tx, idFromUuid('asset', asset))
        return 'done'
      case 'fail':
        return await this.#fail(tx, tokenization, move.step, move.error)
      case 'await_reserve':
      case 'wait':
        return undefined
    }
  }

  async #enter(tx: Tx, { id, place }: Tokenization, step: TokenizationStep) {
    if (!(await store.setPlace(tx, id, place, step))) return undefined
    if (place !== 'done' && place !== 'failed') await this.#setStep(tx, id, place, 'succeeded')
    await this.#setStep(tx, id, step, 'running')
    return step
  }

  /** The guards hold again here: something else may have used up the ceiling since the start. */
  async #propose(
    tx: Tx,
    tokenization: Tokenization,
    reserveAtoms: bigint | null,
  ): Promise<Tokenization['place'] | undefined> {
    const { assets, supply } = this.#options
    const asset = withNumber(await assets.getAsset(idFromUuid('asset', tokenization.asset)))
    const { id, supplyAtoms: changeAtoms, beneficiary } = tokenization
    try {
      const ref = tokenizationRef(id)
      await supply.propose(tx, { ref, asset, reserveAtoms, changeAtoms, beneficiary })
      return tokenization.place
    } catch (error) {
      if (!(error instanceof AppError) || !error.code.startsWith('supply.')) throw error
      return await this.#fail(tx, tokenization, 'supply_batch', error.detail)
    }
  }

  async #fail(tx: Tx, tokenization: Tokenization, step: TokenizationStep, error: string) {
    const { id, asset, place } = tokenization
    if (!(await store.setPlace(tx, id, place, 'failed', error))) return undefined
    await this.#setStep(tx, id, step, 'failed', error)
    await this.#options.assets.releaseTokenization(tx, idFromUuid('asset', asset))
    return 'failed' as const
  }

  async #setStep(
    tx: Tx,
    id: string,
    step: TokenizationStep,
    status: 'running' | 'succeeded' | 'failed',
    detail?: string,
  ): Promise<void> {
    const { operations } = this.#options
    await operations.setStep(tx, idFromUuid('operation', id), step, { status, detail })
  }
}

function withNumber(asset: Asset): Asset & { readonly chainAsset: number } {
  return { ...asset, chainAsset: present(asset.chainAsset, 'number of an approved asset') }
}
