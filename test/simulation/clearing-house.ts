import { AbiCoder, keccak256 } from 'ethers'
import { EVENT_LAYOUTS } from '#chain/decoders.ts'
import type { Hex } from '#chain/hex.ts'
import { interfaceOf } from '#chain/contracts/abi-adapter.ts'
import type { BatchHeader } from '#settlement/batch.ts'
import { genesisHead, headOf } from '#settlement/keccak-adapter.ts'
import { sumByAsset } from '#settlement/netting.ts'
import { decodeRecords } from '#settlement/records.ts'

export const CHAIN_ID = 31_337
export const VAULT: Hex = '0x5fbdb2315678afecb367f032d93f642f64180aa3'
export const REGISTRY: Hex = '0x00000000000000000000000000000000000000aa'
export const INVESTORS: Hex = '0x00000000000000000000000000000000000000bb'
const OFFICER = '0x00000000000000000000000000000000000000dd'
export const SUPPLY: Hex = '0x00000000000000000000000000000000000000cc'
const KINDS = ['', 'trade', 'supply', 'heartbeat'] as const

export type WalletCall =
  | {
      readonly type: 'deposit'
      readonly account: number
      readonly asset: number
      readonly amount: bigint
    }
  | {
      readonly type: 'register'
      readonly account: number
      readonly wallet: string
      readonly class: number
    }
  | { readonly type: 'pause' }
  | { readonly type: 'unpause' }

export interface Log {
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
}

/** The contracts' storage after a block. */
export interface ChainState {
  readonly lanes: Map<string, bigint>
  readonly totals: Map<number, bigint>
  readonly supplies: Map<number, bigint>
  readonly paid: Set<string>
  readonly nonces: Map<string, number>
  isPaused: boolean
  head: string
  sequence: bigint
}

/** What the contract refuses, with the name of its error. */
export class Reverted extends Error {}

const FUNCTIONS = [
  'settle',
  'withdraw',
  'head',
  'sequence',
  'threshold',
  'totalOf',
  'turnoverOf',
  'balancesOf',
] as const
type FunctionName = (typeof FUNCTIONS)[number]
interface DecodedCall {
  readonly name: FunctionName
  readonly values: readonly unknown[]
}
const layouts = new Map(
  FUNCTIONS.map((name) => {
    const fragment = interfaceOf('ClearingHouse').getFunction(name)
    if (fragment === null) throw new TypeError(name)
    return [fragment.selector, { name, inputs: fragment.inputs }] as const
  }),
)
const decodedCalls = new Map<string, DecodedCall>()

/** What calldata of the clearing house says; the same bytes come again and again. */
export function decodeCall(data: string): DecodedCall | undefined {
  const known = decodedCalls.get(data)
  if (known !== undefined) return known
  const layout = layouts.get(data.slice(0, 10))
  if (layout === undefined) return undefined
  const values = AbiCoder.defaultAbiCoder().decode(layout.inputs, `0x${data.slice(10)}`)
  const call = { name: layout.name, values: [...values] }
  if (decodedCalls.size > 2000) decodedCalls.clear()
  decodedCalls.set(data, call)
  return call
}

const word = (value: bigint | number): string =>
  BigInt.asUintN(256, BigInt(value)).toString(16).padStart(64, '0')
const topicWord = (value: bigint | number | string): Hex =>
  typeof value === 'string' ? `0x${value.slice(2).padStart(64, '0')}` : `0x${word(value)}`

function logOf(
  address: Hex,
  name: string,
  indexed: readonly (bigint | number | string)[],
  data: readonly (bigint | number | string)[],
): Log {
  const layout = EVENT_LAYOUTS.find((one) => one.name === name)
  if (layout === undefined) throw new TypeError(`no event ${name}`)
  return {
    address,
    topics: [layout.topic, ...indexed.map(topicWord)],
    data: `0x${data.map((value) => topicWord(value).slice(2)).join('')}`,
  }
}

/** Before the first transaction. */
export function firstState(): ChainState {
  return {
    lanes: new Map(),
    totals: new Map(),
    supplies: new Map(),
    paid: new Set(),
    nonces: new Map(),
    isPaused: false,
    head: genesisHead(CHAIN_ID, VAULT),
    sequence: 0n,
  }
}

export function copyState(state: ChainState): ChainState {
  return {
    ...state,
    lanes: new Map(state.lanes),
    totals: new Map(state.totals),
    supplies: new Map(state.supplies),
    paid: new Set(state.paid),
    nonces: new Map(state.nonces),
  }
}

/** Runs a call on a state; throws what would revert. */
export function execute(
  state: ChainState,
  { to, data, call }: { readonly to: string; readonly data: string; readonly call?: WalletCall },
): readonly Log[] {
  if (call !== undefined) return actOfWallet(state, call)
  if (to !== VAULT) return []
  const decoded = decodeCall(data)
  if (decoded?.name === 'settle') return settle(state, decoded.values)
  if (decoded?.name === 'withdraw') return withdraw(state, decoded.values)
  throw new Reverted(`no function ${data.slice(0, 10)}`)
}

function settle(state: ChainState, args: readonly unknown[]): readonly Log[] {
  requireRunning(state)
  const [given, records] = args as readonly [Readonly<Record<string, string | bigint>>, string]
  const header: BatchHeader = {
    prevHead: given['prevHead'] as Hex,
    sequence: BigInt(given['sequence'] ?? 0),
    kind: KINDS[Number(given['kind'])] as BatchHeader['kind'],
    closeTime: BigInt(given['closeTime'] ?? 0),
    supplyAsset: Number(given['supplyAsset']),
    supplyChange: BigInt(given['supplyChange'] ?? 0),
    recordsHash: given['recordsHash'] as Hex,
    tradesRoot: given['tradesRoot'] as Hex,
    liabilitiesRoot: given['liabilitiesRoot'] as Hex,
    journalHash: given['journalHash'] as Hex,
  }
  const head = headOf(header)
  if (state.head === head) return []
  if (header.prevHead !== state.head) throw new Reverted('WrongHead')
  if (header.sequence !== state.sequence + 1n) throw new Reverted('WrongSequence')
  const bytes = Buffer.from(records.slice(2), 'hex')
  if (keccak256(bytes) !== header.recordsHash) throw new Reverted('WrongRecords')
  const deltas = decodeRecords(bytes)
  for (const [asset, sum] of sumByAsset(deltas)) {
    const declared =
      header.kind === 'supply' && asset === header.supplyAsset ? header.supplyChange : 0n
    if (sum !== declared) throw new Reverted(`Unbalanced(${asset}, ${sum})`)
  }
  for (const { account, asset, amount } of deltas) move(state, account, asset, BigInt(amount))
  if (header.kind === 'supply') {
    bump(state.totals, header.supplyAsset, header.supplyChange)
    bump(state.supplies, header.supplyAsset, header.supplyChange)
  }
  state.head = head
  state.sequence = header.sequence
  return [logOf(VAULT, 'BatchSettled', [header.sequence], [head, header.journalHash])]
}

function withdraw(state: ChainState, args: readonly unknown[]): readonly Log[] {
  requireRunning(state)
  const [id, account, asset, amount] = args as readonly [Hex, bigint, bigint, bigint]
  if (state.paid.has(id)) throw new Reverted('AlreadyPaid')
  move(state, Number(account), Number(asset), -amount)
  bump(state.totals, Number(asset), -amount)
  state.paid.add(id)
  return [logOf(VAULT, 'Withdrawn', [id, account, asset], [amount])]
}

function actOfWallet(state: ChainState, call: WalletCall): readonly Log[] {
  if (call.type === 'pause') return setPaused(state, true)
  if (call.type === 'unpause') return setPaused(state, false)
  if (call.type === 'register')
    return [logOf(INVESTORS, 'AccountRegistered', [call.account, call.wallet], [call.class, 0])]
  requireRunning(state)
  move(state, call.account, call.asset, call.amount)
  bump(state.totals, call.asset, call.amount)
  return [logOf(VAULT, 'Deposited', [call.account, call.asset], [call.amount])]
}

function move(state: ChainState, account: number, asset: number, amount: bigint): void {
  const key = `${account}/${asset}`
  const after = (state.lanes.get(key) ?? 0n) + amount
  if (after < 0n) throw new Reverted(`LaneUnderflow(${key})`)
  state.lanes.set(key, after)
}

function setPaused(state: ChainState, isPaused: boolean): readonly Log[] {
  if (state.isPaused === isPaused) throw new Reverted(isPaused ? 'EnforcedPause' : 'ExpectedPause')
  state.isPaused = isPaused
  return [logOf(VAULT, isPaused ? 'Paused' : 'Unpaused', [], [OFFICER])]
}

function requireRunning({ isPaused }: ChainState): void {
  if (isPaused) throw new Reverted('EnforcedPause')
}

function bump(map: Map<number, bigint>, key: number, by: bigint): void {
  map.set(key, (map.get(key) ?? 0n) + by)
}

export function describeRevertOf(error: unknown): string | undefined {
  return error instanceof Reverted ? error.message : undefined
}
