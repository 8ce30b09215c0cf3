/** One lane as both sides see it, in atoms. */
export interface LanePair {
  readonly account: number
  readonly asset: number
  readonly ledger: bigint
  readonly chain: bigint
}

export interface SupplyPair {
  readonly asset: number
  readonly ledger: bigint
  readonly chain: bigint
}

/** Everything that is compared, as of one final block. */
export interface MirrorInput {
  readonly lanes: readonly LanePair[]
  /** Σ lanes as the vault itself keeps it, per asset. */
  readonly totals: ReadonlyMap<number, bigint>
  /** Own tokens only. */
  readonly supplies: readonly SupplyPair[]
}

export interface AssetFigure {
  readonly asset: number
  readonly ledger: bigint
  readonly chain: bigint
  /** Ledger − chain. */
  readonly difference: bigint
  readonly supplyLedger: bigint | null
  readonly supplyChain: bigint | null
}

/** What differs: one lane, an asset's total that no lane explains, or a token's supply. */
export interface MirrorDifference {
  readonly kind: 'lane' | 'total' | 'supply'
  readonly account: number | null
  readonly asset: number
  readonly ledger: bigint
  readonly chain: bigint
}

export interface MirrorReport {
  readonly assets: readonly AssetFigure[]
  readonly differences: readonly MirrorDifference[]
}

/** Compares ledger and chain (I6); an empty list of differences means that they agree. */
export function compareMirror(input: MirrorInput): MirrorReport {
  const lanes = input.lanes
    .filter(({ ledger, chain }) => ledger !== chain)
    .map((pair): MirrorDifference => ({ kind: 'lane', ...pair }))
  const assets = figuresOf(input)
  const explained = new Set(lanes.map(({ asset }) => asset))
  const totals = assets
    .filter(({ asset }) => !explained.has(asset))
    .flatMap((figure) => totalDifference(figure, input.totals.get(figure.asset) ?? 0n))
  const supplies = input.supplies
    .filter(({ ledger, chain }) => ledger !== chain)
    .map((pair): MirrorDifference => ({ kind: 'supply', account: null, ...pair }))
  return { assets, differences: [...lanes, ...totals, ...supplies] }
}

function figuresOf({ lanes, totals, supplies }: MirrorInput): readonly AssetFigure[] {
  const sums = new Map<number, { ledger: bigint; chain: bigint }>()
  for (const asset of totals.keys()) sums.set(asset, { ledger: 0n, chain: 0n })
  for (const { asset, ledger, chain } of lanes) {
    const sum = sums.get(asset) ?? { ledger: 0n, chain: 0n }
    sums.set(asset, { ledger: sum.ledger + ledger, chain: sum.chain + chain })
  }
  const supplyOf = new Map(supplies.map((pair) => [pair.asset, pair]))
  return [...sums]
    .toSorted(([a], [b]) => a - b)
    .map(([asset, { ledger, chain }]) => ({
      asset,
      ledger,
      chain,
      difference: ledger - chain,
      supplyLedger: supplyOf.get(asset)?.ledger ?? null,
      supplyChain: supplyOf.get(asset)?.chain ?? null,
    }))
}

function totalDifference(figure: AssetFigure, total: bigint): readonly MirrorDifference[] {
  if (figure.ledger === total) return []
  return [
    { kind: 'total', account: null, asset: figure.asset, ledger: figure.ledger, chain: total },
  ]
}

/** One line for the operator: what differs, where and by how many atoms. */
export function describeDifference(difference: MirrorDifference): string {
  const { kind, account, asset, ledger, chain } = difference
  const where = kind === 'lane' ? `account ${account}, asset ${asset}` : `${kind} of asset ${asset}`
  return `${where}: ledger ${ledger}, chain ${chain}, difference ${ledger - chain} atoms`
}
