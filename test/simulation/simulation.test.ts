import { describe, expect, it } from 'vitest'
import { migrate } from '#platform/db/migrate.ts'
import { createDatabase } from '../support/postgres.ts'
import { installCommitChecks } from './commit-checks.ts'
import { failureIn, runSeeds, type ChildReport } from './child.ts'
import { FAULTS } from './faults.ts'

const SEEDS = 1000
const LANES = 2
const REAL_SEEDS = 10
/** A slow machine gets through fewer of them, but not through fewer than `LEAST_REAL_SEEDS`. */
const REAL_BUDGET_MS = 25_000
const LEAST_REAL_SEEDS = 3
/** About half of what all seeds together show: less says that they prove little. */
const LEAST_SEEN = {
  orders: 10_000,
  trades: 3500,
  batches: 2000,
  withdrawals: 1500,
  crashes: 400,
  reorgs: 1000,
  cancels: 250,
  halts: 70,
  resumes: 70,
  holds: 40,
  reverts: 20,
  byHand: 80,
  tornOff: 30,
} as const
const FIGURES = ['orders', 'trades', 'batches', 'withdrawals', 'crashes', 'reorgs'] as const
const DEEDS = ['cancels', 'halts', 'resumes', 'holds', 'reverts', 'byHand', 'tornOff'] as const
/** Most faults show in the first seed; the rarest in one of a hundred. */
const SEEDS_PER_FAULT = 1000

/** The sum of a figure over the final reports. */
function sumOf(reports: readonly ChildReport[], figure: keyof typeof LEAST_SEEN | 'seeds'): number {
  const done = reports.filter(({ type }) => type === 'done')
  return done.reduce((sum, { [figure]: own = 0 }) => sum + own, 0)
}

describe('the whole node in one seeded run', () => {
  it(`keeps every invariant in ${SEEDS} seeds, and comes to rest in each`, async () => {
    const share = SEEDS / LANES
    const lanes = Array.from({ length: LANES }, async (_, lane) =>
      runSeeds(['--first', `${1 + lane * share}`, '--count', `${share}`]),
    )
    const reports = (await Promise.all(lanes)).flat()
    expect(failureIn(reports)).toBeUndefined()
    expect(sumOf(reports, 'seeds')).toBe(SEEDS)
    for (const figure of [...FIGURES, ...DEEDS])
      expect(sumOf(reports, figure), figure).toBeGreaterThan(LEAST_SEEN[figure])
  }, 600_000)

  it(`keeps what each commit must keep in up to ${REAL_SEEDS} seeds on a real Postgres`, async () => {
    const makeOne = () => createDatabase({ migrate: (url) => migrate({ url }) })
    const databases = await Promise.all(Array.from({ length: REAL_SEEDS }, makeOne))
    try {
      for (const { url } of databases) await installCommitChecks(url)
      const urls = databases.map(({ url }) => url).join(',')
      const reports = await runSeeds([
        '--first',
        '1',
        '--count',
        `${REAL_SEEDS}`,
        '--databases',
        urls,
        '--within',
        `${REAL_BUDGET_MS}`,
        '--least',
        `${LEAST_REAL_SEEDS}`,
      ])
      expect(failureIn(reports)).toBeUndefined()
      expect(sumOf(reports, 'seeds')).toBeGreaterThanOrEqual(LEAST_REAL_SEEDS)
    } finally {
      for (const database of databases) await database.drop()
    }
  }, 300_000)

  it('runs a seed again in exactly the same way', async () => {
    const lines: string[][] = [[], []]
    for (const own of lines) {
      const heard = (line: string): void => {
        if (!line.startsWith('{')) own.push(line)
      }
      await runSeeds(['--seed', '5', '--trace'], { heard })
    }
    expect(lines[0]?.length).toBeGreaterThan(200)
    expect(lines[0]).toEqual(lines[1])
  }, 120_000)
})

describe('a process that runs seeds', () => {
  it('has failed when it ends before it is done, whatever it reported', async () => {
    const args = ['--first', '1', '--count', '50', '--every', '1']
    const reports = await runSeeds(args, { heard: (_, kill) => kill() })
    expect(reports[0]).toMatchObject({ type: 'progress' })
    expect(failureIn(reports)).toMatchObject({ type: 'crashed' })
  }, 60_000)

  it.each(['0', '-3', '1.5', 'many', ''])('refuses to run %j seeds', async (count) => {
    const reports = await runSeeds(['--first', '1', `--count=${count}`])
    expect(reports).toMatchObject([{ type: 'crashed' }])
  })
})

describe('a fault in the code', () => {
  it('is found at its commit on a real Postgres too', async () => {
    const database = await createDatabase({ migrate: (url) => migrate({ url }) })
    try {
      await installCommitChecks(database.url)
      const args = ['--first', '1', '--count', '1', '--databases', database.url]
      const fault = 'the position is not written with its effect'
      const reports = await runSeeds(args, { fault })
      expect(failureIn(reports)).toMatchObject({ invariant: 'I7 exactly-once-effect' })
    } finally {
      await database.drop()
    }
  }, 120_000)

  it.concurrent.each(FAULTS)(
    'is found by an invariant: $name',
    async ({ name, foundBy }) => {
      const reports = await runSeeds(['--first', '1', '--count', `${SEEDS_PER_FAULT}`], {
        fault: name,
      })
      expect(failureIn(reports)).toMatchObject({
        type: 'failed',
        invariant: expect.stringMatching(foundBy),
      })
    },
    240_000,
  )
})
