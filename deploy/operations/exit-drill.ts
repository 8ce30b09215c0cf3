import { contractOf, readView, refusalOf } from './operation.ts'
import type { Operation } from './operation.ts'

/** What one wallet would take out without the operator. */
interface Exit {
  readonly account: number
  readonly wallet: string
  /** Lanes above zero, atoms. */
  readonly lanes: readonly { readonly asset: number; readonly amountAtoms: bigint }[]
  /** Why `executeExit` would revert now; undefined when it would pay. */
  readonly refusal: string | undefined
}

export interface Drill {
  /** Why `enterExitMode` would revert now; undefined when anybody could call it. */
  readonly exitModeRefusal: string | undefined
  readonly exits: readonly Exit[]
  /** Assets whose vault does not hold what the lanes of all accounts promise. */
  readonly uncovered: readonly number[]
}

/** Reads the chain only: nothing of the node is asked and nothing is sent. */
export async function drillExit(operation: Operation): Promise<Drill> {
  const vault = contractOf(operation, 'ClearingHouse')
  const call = { target: await vault.getAddress(), data: encode(operation, 'enterExitMode', []) }
  const anybody = await operation.signer.getAddress()
  const exitModeRefusal = await refusalOf(operation, call, anybody)
  operation.report(
    exitModeRefusal === undefined
      ? 'exit mode: anybody may enter it now'
      : `exit mode: not now, ${exitModeRefusal}`,
  )
  const assets = await listedAssets(operation)
  const exits: Exit[] = []
  for (const account of await registeredAccounts(operation)) {
    const exit = await exitOf(operation, account, assets)
    if (exit.lanes.length > 0) exits.push(exit)
  }
  for (const exit of exits) operation.report(describe(exit))
  const uncovered = await findUncovered(operation, assets)
  operation.report(
    uncovered.length === 0
      ? `${exits.length} wallets, every asset is covered by the vault`
      : `NOT COVERED by the vault: assets ${uncovered.join(', ')}`,
  )
  return { exitModeRefusal, exits, uncovered }
}

async function exitOf(
  operation: Operation,
  account: number,
  assets: readonly number[],
): Promise<Exit> {
  const vault = contractOf(operation, 'ClearingHouse')
  const registry = contractOf(operation, 'InvestorRegistry')
  const wallet = String(await readView(registry, 'walletOf', account))
  const accounts = assets.map(() => account)
  const balances = listOf(await readView(vault, 'balancesOf', accounts, assets))
  const lanes = assets.flatMap((asset, index) => {
    const amountAtoms = balances[index] ?? 0n
    return amountAtoms === 0n ? [] : [{ asset, amountAtoms }]
  })
  const data = encode(operation, 'executeExit', [lanes.map(({ asset }) => asset)])
  const target = await vault.getAddress()
  const refusal = await refusalOf(operation, { target, data }, wallet)
  return { account, wallet, lanes, refusal }
}

/** The vault must hold the sum of the lanes of each asset, in token units. */
async function findUncovered(
  operation: Operation,
  assets: readonly number[],
): Promise<readonly number[]> {
  const vault = contractOf(operation, 'ClearingHouse')
  const registry = contractOf(operation, 'AssetRegistry')
  const holder = await vault.getAddress()
  const uncovered: number[] = []
  for (const asset of assets) {
    const token = contractOf(operation, 'AssetToken').attach(
      String(await readView(registry, 'tokenOf', asset)),
    )
    const held = BigInt(String(await token.getFunction('balanceOf').staticCall(holder)))
    const scale = BigInt(String(await readView(registry, 'scaleOf', asset)))
    const lanes = BigInt(String(await readView(vault, 'totalOf', asset)))
    operation.report(`asset ${asset}: lanes ${lanes} atoms, vault ${held} units (scale ${scale})`)
    if (held < lanes * scale) uncovered.push(asset)
  }
  return uncovered
}

async function listedAssets(operation: Operation): Promise<readonly number[]> {
  const registry = contractOf(operation, 'AssetRegistry')
  const from = operation.deployment.deployedAt
  const created = await registry.queryFilter('AssetCreated', from)
  const listed = await registry.queryFilter('ExternalListed', from)
  return idsOf([...created, ...listed])
}

async function registeredAccounts(operation: Operation): Promise<readonly number[]> {
  const registry = contractOf(operation, 'InvestorRegistry')
  const logs = await registry.queryFilter('AccountRegistered', operation.deployment.deployedAt)
  return idsOf(logs)
}

/** The ids in the first indexed word of events, ascending, each once. */
function idsOf(logs: readonly { readonly topics: readonly string[] }[]): readonly number[] {
  const ids = logs.map(({ topics }) => Number(topics[1] ?? '0x0'))
  return [...new Set(ids)].toSorted((a, b) => a - b)
}

function listOf(value: unknown): readonly bigint[] {
  return Array.isArray(value) ? value.map((one) => BigInt(String(one))) : []
}

function encode(operation: Operation, name: string, values: readonly unknown[]): string {
  return contractOf(operation, 'ClearingHouse').interface.encodeFunctionData(name, values)
}

function describe({ account, wallet, lanes, refusal }: Exit): string {
  const amounts = lanes.map(({ asset, amountAtoms }) => `${amountAtoms} atoms of asset ${asset}`)
  const now = refusal === undefined ? 'could take now' : `would take (not now: ${refusal})`
  return `account ${account} ${wallet} ${now}: ${amounts.join(', ')}`
}
