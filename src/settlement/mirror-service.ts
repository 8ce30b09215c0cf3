import { setTimeout as sleep } from 'node:timers/promises'
import { present } from '#kernel/assert.ts'
import {
  encodeBalancesOf,
  encodeTotalOf,
  decodeAmount,
  decodeAmounts,
} from '#chain/contracts/clearing-house.ts'
import { encodeTotalSupply } from '#chain/contracts/asset-token.ts'
import { addressOf, hashOf, type Hex } from '#chain/hex.ts'
import type { ChainService } from '#chain/service.ts'
import type { ListedAsset } from '#ledger/account.ts'
import { FIRST_USER_ACCOUNT, isUserAccount, systemAccount } from '#ledger/account-code.ts'
import type { Balance } from '#ledger/balance.ts'
import type { LedgerService, SettledSnapshot } from '#ledger/service.ts'
import type { Database } from '#platform/db/pool.ts'
import { inSnapshot, inTransaction } from '#platform/db/transaction.ts'
import { platformErrors } from '#platform/errors.ts'
import type { EpochGuard } from '#platform/leader.ts'
import type { Log } from '#platform/log.ts'
import type { CounterMetric, Metrics } from '#platform/metrics.ts'
import { settlementErrors } from './errors.ts'
import {
  compareMirror,
  describeDifference,
  type LanePair,
  type MirrorReport,
  type SupplyPair,
} from './mirror.ts'
import { lockState, setHalted } from './store.ts'

export interface MirrorServiceOptions {
  readonly database: Database
  readonly ledger: LedgerService
  readonly chain: Pick<ChainService, 'call' | 'deployment' | 'reading'>
  readonly log: Log
  readonly metrics: Metrics
}

/** A comparison with the block and the ledger sequence that it holds for. */
export interface Reconciliation extends MirrorReport {
  readonly block: { readonly number: number; readonly hash: string }
  readonly sequence: bigint
}

/** How the reason of a halt begins that a difference caused. */
export const MIRROR_REASON = 'mirror: '
/** For those who need not lead to write: what a person asks for by the API. */
export const OPEN: EpochGuard = () => Promise.resolve()
const PAIRS_PER_CALL = 500
/** The watcher and the core follow a live chain well within this. */
const READ_PATIENCE_MS = 5000
const READ_PAUSE_MS = 50
/** Registered on chain from deployment on, whether the ledger ever met them or not. */
const SYSTEM_ACCOUNTS = Array.from({ length: FIRST_USER_ACCOUNT - 1 }, (_, place) => place + 1)

/** Compares ledger and chain as of the last block that the core finalised (I6). */
export class MirrorService {
  readonly #options: MirrorServiceOptions
  readonly #differences: CounterMetric

  constructor(options: MirrorServiceOptions) {
    this.#options = options
    this.#differences = options.metrics.counter(
      'mirror_differences_total',
      'Differences found between ledger and chain',
    )
  }

  /**
   * Compares, and halts settlement when anything differs. Throws `platform.unavailable` before the
   * first final block and while the chain is away, and what the guard of a worker refuses with.
   */
  async reconcile(guard: EpochGuard = OPEN): Promise<Reconciliation> {
    const result = await this.#compare()
    const worst = result.differences[0]
    if (worst !== undefined) {
      this.#differences.inc({}, result.differences.length)
      const more = result.differences.length - 1
      const reason = `${MIRROR_REASON}${describeDifference(worst)}${more > 0 ? ` (and ${more} more)` : ''}`
      await this.#halt(reason, result.block.number, guard)
    }
    return result
  }

  /**
   * Compares as `reconcile` does, as of a chain that is read to where it is now: after a restore the
   * last final block is one of the past. Throws `settlement.chain_unread` when it takes too long.
   */
  async reconcileCaughtUp(): Promise<Reconciliation> {
    const { chain } = this.#options
    const { newest } = await chain.reading()
    const deadlineMs = performance.now() + READ_PATIENCE_MS
    for (;;) {
      const { read, final } = await chain.reading()
      const report = read < newest ? undefined : await this.reconcile()
      if (report !== undefined && report.block.number >= final) return report
      if (performance.now() > deadlineMs) {
        throw settlementErrors.chain_unread(`read to block ${read} of ${newest}`)
      }
      await sleep(READ_PAUSE_MS)
    }
  }

  async #halt(reason: string, block: number, guard: EpochGuard): Promise<void> {
    const { database, log } = this.#options
    const halted = await inTransaction(database, async (tx) => {
      await guard(tx)
      if ((await lockState(tx)).status === 'halted') return false
      await setHalted(tx, reason, 'mirror')
      return true
    })
    if (halted) log.error({ event: 'settlement.halted', reason, block })
  }

  async #compare(): Promise<Reconciliation> {
    const { database, ledger } = this.#options
    const snapshot = await inSnapshot(database, (tx) => ledger.snapshotSettled(tx))
    const { finalBlock, sequence, balances } = snapshot
    if (finalBlock === undefined) throw platformErrors.unavailable('no block is final yet')
    const hash = hashOf(finalBlock.hash, 'hash of the final block')
    const listed = snapshot.assets.filter(({ token }) => token !== null)
    const [lanes, totals, supplies] = await Promise.all([
      this.#readLanes(snapshot, listed, hash),
      this.#readTotals(listed, hash),
      this.#readSupplies(balances, listed, hash),
    ])
    const block = { number: finalBlock.number, hash }
    return { ...compareMirror({ lanes, totals, supplies }), block, sequence }
  }

  /** Every account of system and users, also one that never held anything, in every listed asset. */
  async #readLanes(
    { balances, accounts: open }: SettledSnapshot,
    listed: readonly ListedAsset[],
    hash: Hex,
  ): Promise<readonly LanePair[]> {
    const users = balances.filter(({ account }) => isUserAccount(account))
    const settled = new Map(users.map((row) => [`${row.account}/${row.asset}`, row.settled]))
    const held = users.map(({ account }) => Number(account))
    const accounts = [...new Set([...SYSTEM_ACCOUNTS, ...open, ...held])]
    const pairs = accounts.flatMap((account) => listed.map(({ asset }) => ({ account, asset })))
    const chain: bigint[] = []
    for (let at = 0; at < pairs.length; at += PAIRS_PER_CALL) {
      const part = pairs.slice(at, at + PAIRS_PER_CALL)
      const accountsOf = part.map(({ account }) => account)
      const assetsOf = part.map(({ asset }) => asset)
      chain.push(...decodeAmounts(await this.#call(encodeBalancesOf(accountsOf, assetsOf), hash)))
    }
    return pairs.map((pair, place) => ({
      ...pair,
      ledger: settled.get(`${pair.account}/${pair.asset}`) ?? 0n,
      chain: present(chain[place], 'lane'),
    }))
  }

  async #readTotals(listed: readonly ListedAsset[], hash: Hex): Promise<Map<number, bigint>> {
    const totals = new Map<number, bigint>()
    for (const { asset } of listed) {
      totals.set(asset, decodeAmount(await this.#call(encodeTotalOf(asset), hash)))
    }
    return totals
  }

  async #readSupplies(
    balances: readonly Balance[],
    listed: readonly ListedAsset[],
    hash: Hex,
  ): Promise<readonly SupplyPair[]> {
    const own = listed.filter(({ external }) => !external)
    const pairs: SupplyPair[] = []
    for (const { asset, token } of own) {
      const issuance = systemAccount('issuance', asset)
      const row = balances.find((balance) => balance.account === issuance)
      const data = await this.#options.chain.call(
        addressOf(token, 'token of a listed asset'),
        encodeTotalSupply(),
        { hash },
      )
      pairs.push({ asset, ledger: -(row?.posted ?? 0n), chain: decodeAmount(data) })
    }
    return pairs
  }

  async #call(data: Hex, hash: Hex): Promise<Hex> {
    const { chain } = this.#options
    const vault = present(chain.deployment().contracts['ClearingHouse'], 'ClearingHouse')
    return await chain.call(vault, data, { hash })
  }
}
