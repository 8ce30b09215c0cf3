import type { Point } from './coverage-markers.ts'

/** What each contract file has to reach. */
export type Points = ReadonlyMap<string, readonly Point[]>

interface Share {
  readonly reached: number
  readonly all: number
}

export interface Tally {
  readonly lines: Share
  readonly branches: Share
}

const LEAST_LINES = 99
const LEAST_BRANCHES = 95

/** How much of some points was reached; statements on one line are one line. */
export function tally(points: readonly Point[], hits: ReadonlySet<number>): Tally {
  const lines = new Map<number, boolean>()
  const branches = points.filter(({ kind }) => kind !== 'line')
  for (const { kind, line, tag } of points)
    if (kind === 'line') lines.set(line, hits.has(tag) || lines.get(line) === true)
  return {
    lines: { reached: [...lines.values()].filter(Boolean).length, all: lines.size },
    branches: { reached: branches.filter(({ tag }) => hits.has(tag)).length, all: branches.length },
  }
}

/** The sum over files. */
export function total(points: Points, hits: ReadonlySet<number>): Tally {
  const tallies = [...points.values()].map((each) => tally(each, hits))
  return {
    lines: sum(tallies.map(({ lines }) => lines)),
    branches: sum(tallies.map(({ branches }) => branches)),
  }
}

function sum(shares: readonly Share[]): Share {
  return shares.reduce((a, b) => ({ reached: a.reached + b.reached, all: a.all + b.all }), {
    reached: 0,
    all: 0,
  })
}

/** Cells of the table, one row a file and the totals last. */
export function coverageRows(points: Points, hits: ReadonlySet<number>): readonly string[][] {
  const rows = [...points].map(([file, each]) => [file, ...cells(tally(each, hits))])
  return [...rows, ['all', ...cells(total(points, hits))]]
}

function cells({ lines, branches }: Tally): readonly string[] {
  return [lines, branches].flatMap((share) => [
    String(share.reached),
    String(share.all),
    percent(share).toFixed(1),
  ])
}

/** A file without a branch has reached all of them. */
function percent({ reached, all }: Share): number {
  return all === 0 ? 100 : (100 * reached) / all
}

/** `file:line` and kind of what was not reached. */
export function missed(points: Points, hits: ReadonlySet<number>): readonly string[] {
  return [...points].flatMap(([file, each]) => {
    const reached = new Set(
      each.filter(({ kind, tag }) => kind === 'line' && hits.has(tag)).map(({ line }) => line),
    )
    const open = each.filter(({ kind, line, tag }) =>
      kind === 'line' ? !reached.has(line) : !hits.has(tag),
    )
    return [...new Set(open.map(({ kind, line }) => `not reached: ${file}:${line} ${kind}`))]
  })
}

/** Which least share is not met, in words. */
export function shortfall({ lines, branches }: Tally): string | undefined {
  if (percent(lines) < LEAST_LINES) return `Less than ${LEAST_LINES} % of the lines are reached.`
  if (percent(branches) < LEAST_BRANCHES)
    return `Less than ${LEAST_BRANCHES} % of the branches are reached.`
  return undefined
}
