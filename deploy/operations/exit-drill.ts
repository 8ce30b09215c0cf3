import { readEvents } from './event-log.ts'
import { contractOf, readView, refusalOf } from './operation.ts'
import { groupsOf, readEach } from './parallel-reads.ts'
import type { Call, Operation } from './operation.ts'

/** What one wallet would take out without the operator. */
export interface Exit {
  readonly account: number
  readonly wallet: string
  /** Lanes above zero. */
  readonly lanes: readonly Lane[]
  /** Why `executeExit` would revert now; undefined when it would pay. */
  readonly refusal: string | undefined
}

interface Lane {
  readonly asset: number
  readonly amountAtoms: bigint
}

/** What all lanes of an asset promise, and what the vault holds for them. */
export interface Cover {
  readonly asset: number
  /** Lanes of all accounts, the system's included. */
  readonly totalAtoms: bigint
  /** Token units per atom. */
  readonly scale: bigint
  /** Token units. */
  readonly held: bigint
}

export interface Drill {
  /** Why `enterExitMode` would revert now; undefined when anybody could call it. */
  readonly exitModeRefusal: string | undefined
  /** How many are registered. */
  readonly accounts: number
  readonly exits: readonly Exit[]
  readonly covers: readonly Cover[]
  /** Assets whose vault does not hold what the lanes of all accounts promise. */
  readonly uncovered: readonly number[]
}

interface Reading {
  readonly operation: Operation
  /** Balances of different blocks would not add up. */
  readonly block: number
}

/** Balances that one call reads. */
const LANES_PER_CALL = 256

/** Reads the chain only, as of one block: nothing of the node is asked and nothing is sent. */
export async function drillExit(operation: Operation): Promise<Drill> {
  const assets = await listedAssets(operation)
  const accounts = await registeredAccounts(operation)
  // After the events, so that everything they name is there.
  const reading = { operation, block: await operation.provider.getBlockNumber() }
  const anybody = await operation.signer.getAddress()
  const call = vaultCall(operation, 'enterExitMode', [])
  const exitModeRefusal = await refusalOf(operation, call, anybody, reading.block)
  const held = await lanesOf(reading, accounts, assets)
  const exits = await readEach([...held], async ([account, lanes]) => {
    return await exitOf(reading, account, lanes)
  })
  const covers = await readEach(assets, async (asset) => await coverOf(reading, asset))
  const uncovered = covers.filter((cover) => !isCovered(cover)).map(({ asset }) => asset)
  return { exitModeRefusal, accounts: accounts.length, exits, covers, uncovered }
}

/** Whether the vault holds the sum of the lanes. */
export function isCovered({ totalAtoms, scale, held }: Cover): boolean {
  return held >= totalAtoms * scale
}

/** The lanes above zero of each account that has any. */
async function lanesOf(
  { operation, block }: Reading,
  accounts: readonly number[],
  assets: readonly number[],
): Promise<ReadonlyMap<number, readonly Lane[]>> {
  const vault = contractOf(operation, 'ClearingHouse')
  const places = accounts.flatMap((account) => assets.map((asset) => ({ account, asset })))
  const pages = await readEach(groupsOf(places, LANES_PER_CALL), async (page) => {
    const [owners, kinds] = [page.map(({ account }) => account), page.map(({ asset }) => asset)]
    return listOf(await readView(vault, 'balancesOf', owners, kinds, { blockTag: block }))
  })
  const balances = pages.flat()
  const lanes = new Map<number, Lane[]>()
  for (const [index, { account, asset }] of places.entries()) {
    const amountAtoms = balances[index] ?? 0n
    if (amountAtoms === 0n) continue
    lanes.set(account, [...(lanes.get(account) ?? []), { asset, amountAtoms }])
  }
  return lanes
}

async function exitOf(
  { operation, block }: Reading,
  account: number,
  lanes: readonly Lane[],
): Promise<Exit> {
  const registry = contractOf(operation, 'InvestorRegistry')
  const wallet = String(await readView(registry, 'walletOf', account, { blockTag: block }))
  const call = vaultCall(operation, 'executeExit', [lanes.map(({ asset }) => asset)])
  return { account, wallet, lanes, refusal: await refusalOf(operation, call, wallet, block) }
}

async function coverOf({ operation, block }: Reading, asset: number): Promise<Cover> {
  const at = { blockTag: block }
  const vault = contractOf(operation, 'ClearingHouse')
  const registry = contractOf(operation, 'AssetRegistry')
  const [token, scale, total] = await Promise.all([
    readView(registry, 'tokenOf', asset, at),
    readView(registry, 'scaleOf', asset, at),
    readView(vault, 'totalOf', asset, at),
  ])
  const erc20 = contractOf(operation, 'CashToken').attach(String(token))
  const holder = operation.deployment.contracts.ClearingHouse
  const held: unknown = await erc20.getFunction('balanceOf').staticCall(holder, at)
  return { asset, totalAtoms: numberOf(total), scale: numberOf(scale), held: numberOf(held) }
}

async function listedAssets(operation: Operation): Promise<readonly number[]> {
  const registry = contractOf(operation, 'AssetRegistry')
  const created = await readEvents(operation, registry, 'AssetCreated')
  const listed = await readEvents(operation, registry, 'ExternalListed')
  return idsOf([...created, ...listed])
}

async function registeredAccounts(operation: Operation): Promise<readonly number[]> {
  const registry = contractOf(operation, 'InvestorRegistry')
  return idsOf(await readEvents(operation, registry, 'AccountRegistered'))
}

/** The ids in the first indexed word of events, ascending, each once. */
function idsOf(logs: readonly { readonly topics: readonly string[] }[]): readonly number[] {
  const ids = logs.map(({ topics }) => Number(topics[1] ?? '0x0'))
  return [...new Set(ids)].toSorted((a, b) => a - b)
}

function listOf(value: unknown): readonly bigint[] {
  return Array.isArray(value) ? value.map(numberOf) : []
}

function numberOf(value: unknown): bigint {
  return BigInt(String(value))
}

function vaultCall(
  operation: Operation,
  name: string,
  values: readonly unknown[],
): Pick<Call, 'target' | 'data'> {
  const { interface: abi } = contractOf(operation, 'ClearingHouse')
  const target = operation.deployment.contracts.ClearingHouse
  return { target, data: abi.encodeFunctionData(name, values) }
}
