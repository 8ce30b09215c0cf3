import { unreachable } from '#kernel/assert.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Instant } from '#kernel/time.ts'
import { newAccount } from './account.ts'
import { userAccount } from './account-code.ts'
import { Books, type BooksState, type Changes, type EffectContext } from './books.ts'
import type { ChainBlock, LedgerChainEvent } from './chain-block.ts'
import { settle, sight, unsight } from './chain-fold.ts'
import {
  DONE,
  isLedgerCommand,
  refuse,
  type ApplyBlock,
  type Command,
  type FinalizeBlock,
  type LedgerCommand,
  type ListAsset,
  type OpenAccount,
  type Outcome,
  type RequestWithdrawal,
  type RetractBlock,
} from './command.ts'
import type { Reducer } from './reducer.ts'
import { findStop, refuseStopped } from './stop.ts'

/**
 * The deterministic state machine below the sequencer (invariant I2): commands in, changes out,
 * without clock, randomness or I/O. The same commands give the same state for ever.
 */
export class LedgerCore {
  readonly books = new Books()
  readonly #reducers: readonly Reducer[]

  constructor(reducers: readonly Reducer[], state?: BooksState) {
    this.#reducers = reducers
    if (state !== undefined) this.books.load(state)
  }

  /** Applies the next command. A refusal is an outcome too and leaves the state as it was. */
  apply(sequence: bigint, at: Instant, command: Command): Outcome {
    this.books.begin(sequence, at)
    if (isLedgerCommand(command)) return this.#applyOwn(command)
    const reducer = this.#reducers.find((candidate) => candidate.handles(command))
    if (reducer === undefined) return refuse('ledger.unknown_command', command.type)
    return reducer.apply(this.books, command)
  }

  /** What the tables need to know since the last call, the reducers' rows among the effects. */
  takeChanges(): Changes {
    const changes = this.books.takeChanges()
    const effects = new Map<EffectContext, readonly JsonObject[]>(changes.effects)
    for (const reducer of this.#reducers) {
      const rows = reducer.takeEffects()
      if (rows.length > 0)
        effects.set(reducer.context, [...(effects.get(reducer.context) ?? []), ...rows])
    }
    return { ...changes, effects }
  }

  /** The whole state as text; equal states give equal text. */
  stateText(): string {
    return [
      ...bookLines(this.books.state()),
      ...this.#reducers.flatMap((one) => one.stateLines()),
    ].join('\n')
  }

  #applyOwn(command: LedgerCommand): Outcome {
    switch (command.type) {
      case 'open_account':
        return this.#openAccount(command)
      case 'list_asset':
        return this.#listAsset(command)
      case 'request_withdrawal':
        return this.#requestWithdrawal(command)
      case 'fail_withdrawal':
        return this.#failWithdrawal(command.id)
      case 'apply_block':
        return this.#haltIfRefused(command.type, this.#applyBlock(command))
      case 'retract_block':
        return this.#haltIfRefused(command.type, this.#retractBlock(command))
      case 'finalize_block':
        return this.#haltIfRefused(command.type, this.#finalizeBlock(command))
      default:
        return unreachable(command)
    }
  }

  /** Idempotent: an account that is open stays as it is. */
  #openAccount({ account }: OpenAccount): Outcome {
    if (this.books.findAccount(account) === undefined) this.books.setAccount(newAccount(account))
    return DONE
  }

  /** Idempotent for the same asset; decimals never change. */
  #listAsset(command: ListAsset): Outcome {
    const known = this.books.findAsset(command.asset)
    if (known !== undefined && known.decimals !== command.decimals)
      return refuse(
        'ledger.asset_mismatch',
        `asset ${command.asset} has ${known.decimals} decimals`,
      )
    this.books.setAsset({
      asset: command.asset,
      symbol: command.symbol,
      decimals: command.decimals,
      external: command.external,
      token: known?.token ?? command.token ?? null,
      allowedClasses: known?.allowedClasses ?? command.allowed_classes ?? null,
    })
    return DONE
  }

  #requestWithdrawal({ id, account, asset, amount }: RequestWithdrawal): Outcome {
    const { books } = this
    const atoms = BigInt(amount)
    if (books.findAsset(asset) === undefined) return refuse('ledger.asset_not_found', `${asset}`)
    // An expired registration may not trade, but takes its money out.
    if ((books.findAccount(account)?.class ?? 0) === 0)
      return refuse('ledger.account_not_registered', `account ${account}`)
    const stop = findStop(books.findAccount(account), books.isExitMode)
    if (stop !== undefined) return refuseStopped(stop, account)
    if (books.findHold(id) !== undefined) return refuse('ledger.hold_exists', id)
    if (atoms <= 0n || books.available(userAccount(account), asset) < atoms)
      return refuse('ledger.insufficient_funds', `needs ${amount} atoms of asset ${asset}`)
    books.placeHold(id, userAccount(account), asset, atoms, 'withdrawal')
    const seq = books.sequence.toString()
    books.effect('payments', { type: 'withdrawal_requested', id, account, asset, amount, seq })
    return DONE
  }

  #failWithdrawal(id: string): Outcome {
    const hold = this.books.findHold(id)
    if (hold?.kind !== 'withdrawal') return refuse('ledger.hold_not_found', id)
    this.books.setHold(id, 0n)
    this.books.effect('payments', { type: 'withdrawal_failed', id })
    return DONE
  }

  /** What the chain did and the core cannot follow: settlement halts in the commit that says so. */
  #haltIfRefused(type: LedgerCommand['type'], outcome: Outcome): Outcome {
    if (!outcome.ok) {
      const reason = `the core refused ${type}: ${outcome.error.detail}`
      this.books.effect('settlement', { type: 'block_refused', reason })
    }
    return outcome
  }

  #applyBlock(command: ApplyBlock): Outcome {
    const { number, hash, time, events } = command
    const head = this.books.headBlock
    if (head !== undefined && number <= head.number)
      return refuse('ledger.block_out_of_order', `block ${number} after ${head.number}`)
    const block: ChainBlock = { number, hash, time, events }
    this.books.pushBlock({ ...block, state: 'applied' })
    for (const event of events) {
      this.#freeForPayment(event)
      sight(this.books, block, event)
      this.#stopTrading(event)
    }
    return DONE
  }

  /** What left the lane backs no order any more, or a batch could not take what it sold (I11). */
  #freeForPayment(event: LedgerChainEvent): void {
    if (event.type !== 'withdrawn' || event.is_late !== true) return
    const { account, asset, amount } = event
    if (this.books.available(userAccount(account), asset) >= BigInt(amount)) return
    for (const reducer of this.#reducers) reducer.stop(this.books, account, 'funds_withdrawn')
  }

  /** Orders of whoever may trade no more leave the books at first sight. */
  #stopTrading(event: LedgerChainEvent): void {
    const { books } = this
    for (const reducer of this.#reducers) {
      if (event.type === 'exit_mode') reducer.stop(books, undefined, 'exit_mode')
      if (event.type === 'exit_requested') reducer.stop(books, event.account, 'exit_requested')
      if (event.type === 'frozen') reducer.stop(books, event.account, 'account_frozen')
    }
  }

  #retractBlock({ number, hash }: RetractBlock): Outcome {
    const newest = this.books.pendingBlocks.at(-1)
    if (newest?.number !== number || newest.hash !== hash)
      return refuse('ledger.block_out_of_order', `block ${number} is not the newest`)
    for (const event of newest.events.toReversed()) unsight(this.books, newest, event)
    this.books.popBlock()
    this.books.emit({ type: 'ledger.block_retracted.v1', number, hash })
    return DONE
  }

  #finalizeBlock({ number, hash }: FinalizeBlock): Outcome {
    const oldest = this.books.pendingBlocks[0]
    if (oldest?.number !== number || oldest.hash !== hash)
      return refuse('ledger.block_out_of_order', `block ${number} is not the oldest`)
    for (const event of oldest.events) {
      settle(this.books, oldest, event)
      if (event.type === 'class_changed')
        for (const reducer of this.#reducers) reducer.accountChanged(this.books, event.account)
    }
    this.books.shiftBlock()
    this.books.effect('settlement', {
      type: 'block_final',
      number,
      hash,
      at: this.books.at,
      seq: this.books.sequence.toString(),
    })
    return DONE
  }
}

function bookLines(state: BooksState): readonly string[] {
  return [
    ...state.balances.map(
      (row) =>
        `balance ${row.account} ${row.asset} ${row.posted} ${row.held} ${row.incoming} ${row.settled} ${row.version} ${row.lastSequence}`,
    ),
    ...state.holds.map(
      (row) =>
        `hold ${row.id} ${row.account} ${row.asset} ${row.amount} ${row.kind} ${row.sequence}`,
    ),
    ...state.accounts.map(
      (row) =>
        `account ${row.account} ${row.class} ${row.wallet ?? '-'} ${row.expiresAt ?? '-'} ${row.freezes} ${row.exits} ${row.exitAt ?? '-'}`,
    ),
    ...state.assets.map(
      (row) =>
        `asset ${row.asset} ${row.symbol} ${row.decimals} ${row.external} ${row.token ?? '-'} ${row.allowedClasses?.join(',') ?? '*'}`,
    ),
    ...state.blocks.map((row) => `block ${row.number} ${row.hash}`),
    `exit mode ${state.isExitMode ?? false}`,
    `final ${state.finalBlock?.number ?? '-'} ${state.finalBlock?.hash ?? '-'}`,
  ].toSorted()
}
