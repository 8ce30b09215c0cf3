export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What it is compared with. */
  readonly peer?: string
  readonly ratio?: number
}

/** One JSON line per figure. */
export function printFigure({ name, value, unit, peer, ratio }: Figure): void {
  const round = (figure: number): number => Number(figure.toPrecision(4))
  console.log(
    JSON.stringify({
      name,
      value: round(value),
      unit,
      peer: peer ?? null,
      ratio: ratio === undefined ? null : round(ratio),
    }),
  )
}

/** The `share` quantile of sorted values. */
export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
