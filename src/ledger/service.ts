import { present } from '#kernel/assert.ts'
import type { Database, Db } from '#platform/db/pool.ts'
import { isRegistered, type Account, type ListedAsset } from './account.ts'
import { emptyBalance, type Balance } from './balance.ts'
import type { BlockPlace } from './books.ts'
import type { LedgerCommand } from './command.ts'
import { ledgerErrors } from './errors.ts'
import type { BatchEnd, JournalBatch } from './journal.ts'
import { findBatchEnd, findBatchHolding, readJournal } from './journal-store.ts'
import { verifyJournal, type Verification } from './recovery-store.ts'
import type { ReducerSource } from './reducer.ts'
import {
  findAccount,
  findLastExit,
  readAccounts,
  readAssets,
  readBalance,
  readBalancesOf,
  readExitMode,
  readFinalBlock,
  readHead,
  readMirrorBalances,
  readOpenWithdrawals,
  readTransfers,
  readTransfersOf,
} from './store.ts'
import { findStop, type Stop } from './stop.ts'
import type { CommandResult, CommandSink, SubmitOptions } from './submission.ts'
import type { Transfer } from './transfer.ts'

export interface LedgerServiceOptions {
  readonly database: Database
  readonly sink: CommandSink
  readonly reducers: ReducerSource
}

/** The settled figures and the final block that they belong to, of one snapshot. */
export interface SettledSnapshot {
  readonly finalBlock: BlockPlace | undefined
  readonly sequence: bigint
  /** Every balance there is; users' `settled` mirrors lanes, `posted` of issuance the supply. */
  readonly balances: readonly Balance[]
  /** Every chain account that is open, also those that never held anything. */
  readonly accounts: readonly number[]
  readonly assets: readonly ListedAsset[]
}

/** What other contexts may ask of the ledger and tell it. All reads see committed state only. */
export class LedgerService {
  readonly #database: Database
  readonly #sink: CommandSink
  readonly #reducers: ReducerSource

  constructor({ database, sink, reducers }: LedgerServiceOptions) {
    this.#database = database
    this.#sink = sink
    this.#reducers = reducers
  }

  /** Sequences a command of the ledger; see `CommandSink.submit`. */
  async submit(command: LedgerCommand, options?: SubmitOptions): Promise<CommandResult> {
    return this.#sink.submit(command, options)
  }

  /** Idempotent. */
  async openAccount(chainAccount: number): Promise<void> {
    const known = await findAccount(this.#database, chainAccount)
    if (known === undefined) await this.submit({ type: 'open_account', account: chainAccount })
  }

  /** What the ledger knows of a chain account: class, wallet, expiry as of the last final block. */
  async findAccount(chainAccount: number): Promise<Account | undefined> {
    return findAccount(this.#database, chainAccount)
  }

  /** Whether the registration is final and not expired at `atMs`. */
  async isRegistered(chainAccount: number, atMs: number): Promise<boolean> {
    return isRegistered(await this.findAccount(chainAccount), atMs)
  }

  /** What keeps an account from trading and withdrawing now, if anything. */
  async findStop(chainAccount: number): Promise<Stop | undefined> {
    const isExitMode = await readExitMode(this.#database)
    return findStop(await this.findAccount(chainAccount), isExitMode)
  }

  /** Whether the core saw the end of settlement, final or not. */
  async isExitMode(): Promise<boolean> {
    return await readExitMode(this.#database)
  }

  /** The last block that the core finalised; undefined before the first one. */
  async findFinalBlock(): Promise<BlockPlace | undefined> {
    return await readFinalBlock(this.#database)
  }

  /** When the newest open exit was requested, Unix seconds; undefined when none is open. */
  async findLastExit(): Promise<number | undefined> {
    return await findLastExit(this.#database)
  }

  async listAssets(): Promise<readonly ListedAsset[]> {
    return readAssets(this.#database)
  }

  async findAsset(asset: number): Promise<ListedAsset | undefined> {
    return (await this.listAssets()).find((row) => row.asset === asset)
  }

  async findAssetBySymbol(symbol: string): Promise<ListedAsset | undefined> {
    return (await this.listAssets()).find((row) => row.symbol === symbol)
  }

  /** Throws `ledger.asset_not_found`. */
  async getAssetBySymbol(symbol: string): Promise<ListedAsset> {
    const found = await this.findAssetBySymbol(symbol)
    if (found === undefined) throw ledgerErrors.asset_not_found(symbol)
    return found
  }

  /** Balances of a chain account, by asset. */
  async listBalances(chainAccount: number): Promise<readonly Balance[]> {
    return readBalancesOf(this.#database, BigInt(chainAccount))
  }

  /** The balance of any ledger account; all zero where nothing was ever booked. */
  async getBalance(account: bigint, asset: number): Promise<Balance> {
    return (await readBalance(this.#database, account, asset)) ?? emptyBalance(account, asset)
  }

  /** Transfers of a range of sequences, both ends included, in journal order. */
  async listTransfers(
    range: { readonly fromSeq: bigint; readonly toSeq: bigint; readonly codes?: readonly string[] },
    db: Db = this.#database,
  ): Promise<readonly Transfer[]> {
    return readTransfers(db, range)
  }

  /** Which of these withdrawals, by their bare UUIDs, wait to be paid or were not final yet. */
  async listOpenWithdrawals(ids: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(await readOpenWithdrawals(this.#database, ids))
  }

  /** The transfers of one trade or withdrawal, by its bare UUID. */
  async listTransfersOf(ref: string): Promise<readonly Transfer[]> {
    return readTransfersOf(this.#database, ref)
  }

  async journalHead(
    db: Db = this.#database,
  ): Promise<{ readonly sequence: bigint; readonly hash: Buffer }> {
    return readHead(db)
  }

  /** Journal batches from the one that holds `fromSeq` on. */
  async listJournal(fromSeq: bigint, limit: number): Promise<readonly JournalBatch[]> {
    return readJournal(this.#database, fromSeq, limit)
  }

  /** The journal batch that ends at `seq` or is the last to end before it, with its close time. */
  async findBatchEnd(seq: bigint, db: Db = this.#database): Promise<BatchEnd | undefined> {
    return findBatchEnd(db, seq)
  }

  /** The journal batch that holds `seq`. */
  async findBatchHolding(seq: bigint, db: Db = this.#database): Promise<BatchEnd | undefined> {
    return findBatchHolding(db, seq)
  }

  /** The last sequence of a journal batch that is not after `seq`; 0 before the first batch. */
  async lastSeqAtOrBefore(seq: bigint, db: Db = this.#database): Promise<bigint> {
    return (await findBatchEnd(db, seq))?.lastSeq ?? 0n
  }

  /** Unix seconds of the last block that the core had applied when the batch at `seq` ended. */
  async coveredClose(seq: bigint, db: Db = this.#database): Promise<number> {
    return present(await findBatchEnd(db, seq), `journal batch at ${seq}`).blockTime
  }

  /** Hash of the journal batch that ends at `seq`. */
  async journalHashAt(seq: bigint, db: Db = this.#database): Promise<Buffer> {
    return present(await findBatchEnd(db, seq), `journal batch at ${seq}`).hash
  }

  /** Everything the mirror compares; pass the transaction of a snapshot. */
  async snapshotSettled(db: Db): Promise<SettledSnapshot> {
    return {
      finalBlock: await readFinalBlock(db),
      sequence: (await readHead(db)).sequence,
      balances: await readMirrorBalances(db),
      accounts: (await readAccounts(db)).map(({ account }) => account),
      assets: await readAssets(db),
    }
  }

  /** Replays the journal from its first command and compares with the tables. */
  async verifyJournal(): Promise<Verification> {
    return verifyJournal(this.#database, this.#reducers)
  }
}
