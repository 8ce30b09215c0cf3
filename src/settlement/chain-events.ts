import { assert, present } from '#kernel/assert.ts'
import { isJsonObject, type JsonObject } from '#kernel/json.ts'
import type { ApplyBlock, FinalizeBlock, RetractBlock } from '#ledger/command.ts'
import type { BatchEvent, LedgerChainEvent, StopEvent } from '#ledger/chain-block.ts'
import { withdrawalUuid } from '#payments/withdrawal.ts'

/** Reads `chain.events` into the core. */
export const CHAIN_EVENTS_GROUP = 'engine'

/** A decoded log as the watcher publishes it. */
export interface IndexedEvent {
  readonly contract: string
  readonly name: string
  readonly log_index: number
  readonly tx_hash: string
  readonly args: Readonly<Record<string, unknown>>
}

export interface IndexedBlock {
  readonly number: number
  readonly hash: string
  /** Unix seconds. */
  readonly timestamp: number
  readonly events: readonly IndexedEvent[]
}

/** What the ledger is told of a batch that this node made, by its head. */
export type KnownBatch = Omit<BatchEvent, 'type' | 'tx_hash'>

/** An event of our own contracts that no row of ours explains. */
export interface UnknownEvent {
  readonly name: string
  readonly tx_hash: string
  readonly detail: string
}

export interface Translation {
  readonly command: ApplyBlock
  readonly unknown: readonly UnknownEvent[]
}

const LAST_CLASS = 83

/** Heads of the batches that a block settled, to be looked up before `translateBlock`. */
export function headsOf(block: IndexedBlock): readonly string[] {
  return block.events
    .filter(({ name }) => name === 'BatchSettled')
    .map((event) => text(event, 'head').toLowerCase())
}

/** What a block paid for a withdrawal. */
export interface PaidWithdrawal {
  /** Bare UUID. */
  readonly id: string
  readonly account: number
  readonly asset: number
  readonly amountAtoms: bigint
  readonly txHash: string
}

/** Withdrawals that a block paid, to be looked up before `translateBlock`. */
export function withdrawalsOf(block: IndexedBlock): readonly PaidWithdrawal[] {
  return block.events
    .filter(({ name }) => name === 'Withdrawn')
    .flatMap((event) => {
      const id = withdrawalUuid(text(event, 'id'))
      if (id === undefined) return []
      const { account, asset, amount } = movementOf(event)
      return [{ id, account, asset, amountAtoms: BigInt(amount), txHash: event.tx_hash }]
    })
}

/** Payments that nothing of ours explains. The core books them, since they did change a lane. */
export function strayWithdrawals(
  paid: readonly PaidWithdrawal[],
  known: ReadonlySet<string>,
): readonly UnknownEvent[] {
  return paid
    .filter(({ id }) => !known.has(id))
    .map(({ id, txHash }) => ({ name: 'Withdrawn', tx_hash: txHash, detail: `id ${id}` }))
}

/** Assets that a block lists, whose symbols the caller looks up. */
export function listedAssets(block: IndexedBlock): readonly number[] {
  return block.events
    .filter(({ name }) => name === 'AssetCreated')
    .map((event) => count(event, 'asset'))
}

/** What this node knows of the things that a block names. */
export interface Known {
  /** By head. */
  readonly batches: ReadonlyMap<string, KnownBatch>
  /** Of assets that this node registered, by their number on chain. */
  readonly symbols: ReadonlyMap<number, string>
  /** Withdrawals of ours that had failed before the block paid them. */
  readonly late: ReadonlySet<string>
  /** The one form in which wallets are kept, with the checksum of EIP-55; events have lower case. */
  readonly checksum: (address: string) => string
}

/**
 * The command that brings a block into the core. An unknown batch is left out, an unknown withdrawal is booked, both are
 * named: the caller raises the alarm, and nobody guesses what it moved.
 */
export function translateBlock(block: IndexedBlock, known: Known): Translation {
  const events: LedgerChainEvent[] = []
  const unknown: UnknownEvent[] = []
  for (const event of block.events) {
    const result = translateEvent(event, known)
    if (result === undefined) continue
    if ('detail' in result) unknown.push(result)
    else events.push(result)
  }
  const { number, hash, timestamp } = block
  return { command: { type: 'apply_block', number, hash, time: timestamp, events }, unknown }
}

function translateEvent(
  event: IndexedEvent,
  { batches, symbols, late, checksum }: Known,
): LedgerChainEvent | UnknownEvent | undefined {
  switch (event.name) {
    case 'Deposited':
      return depositOf(event)
    case 'Withdrawn':
      return withdrawnOf(event, late)
    case 'BatchSettled':
      return batchOf(event, batches)
    case 'AccountRegistered':
      return registeredOf(event, checksum)
    case 'ClassChanged':
      return {
        type: 'class_changed',
        account: count(event, 'account'),
        class: count(event, 'class'),
        expires_at: expiryOf(event),
      }
    case 'PrimaryWalletChanged':
      return {
        type: 'wallet_changed',
        account: count(event, 'account'),
        wallet: checksum(text(event, 'wallet')),
      }
    case 'AssetCreated':
      return listedOf(event, symbols)
    case 'ExitExecuted':
      return exitOf(event)
    case 'RedemptionSettled':
      return { type: 'redeemed', asset: count(event, 'asset'), amount: digits(event, 'amount') }
    default:
      return stopEventOf(event)
  }
}

/** Its id names the transaction. */
function depositOf(event: IndexedEvent): LedgerChainEvent {
  return { type: 'deposit', id: `${event.tx_hash}:${event.log_index}`, ...movementOf(event) }
}

/** Pauses, external listings and supply figures change nothing that the core keeps. */
function stopEventOf(event: IndexedEvent): StopEvent | undefined {
  switch (event.name) {
    case 'ExitRequested':
      return { type: 'exit_requested', account: count(event, 'account') }
    case 'ExitCancelled':
      return { type: 'exit_cancelled', account: count(event, 'account') }
    case 'ExitModeEntered':
      return { type: 'exit_mode' }
    case 'Frozen':
      return freezeOf(event, 'frozen')
    case 'Unfrozen':
      return freezeOf(event, 'unfrozen')
    default:
      return undefined
  }
}

function freezeOf(event: IndexedEvent, type: 'frozen' | 'unfrozen'): StopEvent {
  return { type, account: count(event, 'account'), document: text(event, 'documentHash') }
}

/** One hold per lane and transaction, whatever block the transaction ends up in. */
function exitOf(event: IndexedEvent): LedgerChainEvent {
  const [account, asset] = [count(event, 'account'), count(event, 'asset')]
  const place = `${account.toString(16).padStart(8, '0')}${asset.toString(16).padStart(4, '0')}`
  const digest = `${event.tx_hash.slice(2, 22)}${place}`
  const id = digest.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { type: 'exit_executed', id, account, asset, amount: digits(event, 'amount') }
}

function withdrawnOf(
  event: IndexedEvent,
  late: ReadonlySet<string>,
): LedgerChainEvent | UnknownEvent {
  const id = withdrawalUuid(text(event, 'id'))
  if (id === undefined) {
    return { name: event.name, tx_hash: event.tx_hash, detail: `id ${text(event, 'id')}` }
  }
  const paid = { type: 'withdrawn', id, ...movementOf(event), tx_hash: event.tx_hash } as const
  return late.has(id) ? { ...paid, is_late: true } : paid
}

function movementOf(event: IndexedEvent) {
  return {
    account: count(event, 'account'),
    asset: count(event, 'asset'),
    amount: digits(event, 'amount'),
  }
}

function batchOf(
  event: IndexedEvent,
  batches: ReadonlyMap<string, KnownBatch>,
): LedgerChainEvent | UnknownEvent {
  const head = text(event, 'head').toLowerCase()
  const known = batches.get(head)
  if (known === undefined) {
    return { name: event.name, tx_hash: event.tx_hash, detail: `head ${head}` }
  }
  return { type: 'batch', ...known, tx_hash: event.tx_hash }
}

function registeredOf(event: IndexedEvent, checksum: Known['checksum']): LedgerChainEvent {
  return {
    type: 'registered',
    account: count(event, 'account'),
    wallet: checksum(text(event, 'wallet')),
    class: count(event, 'class'),
    expires_at: expiryOf(event),
  }
}

/** The chain writes 0 for never. */
function expiryOf(event: IndexedEvent): number | null {
  const expiresAt = count(event, 'expiresAt')
  return expiresAt === 0 ? null : expiresAt
}

function listedOf(event: IndexedEvent, symbols: ReadonlyMap<number, string>): LedgerChainEvent {
  const asset = count(event, 'asset')
  const symbol = symbols.get(asset)
  return {
    type: 'listed',
    asset,
    ...(symbol === undefined ? {} : { symbol }),
    token: text(event, 'token'),
    decimals: count(event, 'decimals'),
    allowed_classes: classesOf(BigInt(digits(event, 'allowedClasses'))),
  }
}

/** The investor classes of a mask: bit c set means that class c may be credited. */
export function classesOf(mask: bigint): readonly number[] {
  return Array.from({ length: LAST_CLASS }, (_, place) => place + 1).filter(
    (investorClass) => ((mask >> BigInt(investorClass)) & 1n) === 1n,
  )
}

/** Reads the body of `chain.block_applied.v1`. */
export function readBlock(data: JsonObject): IndexedBlock {
  const { events } = data
  assert(Array.isArray(events), 'a block lists its events')
  return {
    ...readPlace(data),
    timestamp: safe(data['timestamp'], 'timestamp'),
    events: events.map(readEvent),
  }
}

/** Reads the body of `chain.block_retracted.v1`. */
export function readRetraction(data: JsonObject): RetractBlock {
  return { type: 'retract_block', ...readPlace(data) }
}

/** Reads the body of `chain.block_finalized.v1`. */
export function readFinality(data: JsonObject): FinalizeBlock {
  return { type: 'finalize_block', ...readPlace(data) }
}

function readPlace(data: JsonObject): { readonly number: number; readonly hash: string } {
  const { hash } = data
  assert(typeof hash === 'string', 'a block has a hash')
  return { number: safe(data['number'], 'number'), hash }
}

function readEvent(value: unknown): IndexedEvent {
  assert(isJsonObject(value), 'an event is an object')
  const { contract, name, tx_hash, args } = value
  assert(
    typeof contract === 'string' && typeof name === 'string' && typeof tx_hash === 'string',
    'an event names contract, event and transaction',
  )
  assert(isJsonObject(args), 'an event has arguments')
  return { contract, name, tx_hash, args, log_index: safe(value['log_index'], 'log_index') }
}

function argument(event: IndexedEvent, key: string): unknown {
  return present(event.args[key], `${event.name}.${key}`)
}

function text(event: IndexedEvent, key: string): string {
  const value = argument(event, key)
  assert(typeof value === 'string', `${event.name}.${key} is text`)
  return value
}

function digits(event: IndexedEvent, key: string): string {
  const value = argument(event, key)
  const written = typeof value === 'number' ? value.toString() : value
  assert(typeof written === 'string' && /^\d+$/.test(written), `${event.name}.${key} is a number`)
  return written
}

function count(event: IndexedEvent, key: string): number {
  return safe(digits(event, key), `${event.name}.${key}`)
}

function safe(value: unknown, what: string): number {
  const number = typeof value === 'string' ? Number(value) : value
  assert(
    typeof number === 'number' && Number.isSafeInteger(number) && number >= 0,
    `${what} is a count`,
  )
  return number
}
