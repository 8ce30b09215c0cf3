import { describe, expect, it } from 'vitest'
import { migrate } from '#platform/db/migrate.ts'
import { createDatabase } from '../support/postgres.ts'
import { failureIn, runSeeds } from './child.ts'
import { FAULTS } from './faults.ts'

const SEEDS = 1000
const LANES = 2
const REAL_SEEDS = 10
/** A slow machine gets through fewer of them. */
const REAL_BUDGET_MS = 45_000
/** Most faults show in the first seed; the rarest needs a few dozen. */
const SEEDS_PER_FAULT = 80

describe('the whole node in one seeded run', () => {
  it(`keeps every invariant in ${SEEDS} seeds, and comes to rest in each`, async () => {
    const share = SEEDS / LANES
    const lanes = Array.from({ length: LANES }, async (_, lane) =>
      runSeeds(['--first', `${1 + lane * share}`, '--count', `${share}`]),
    )
    const reports = (await Promise.all(lanes)).flat()
    expect(failureIn(reports)).toBeUndefined()
    const done = reports.filter(({ type }) => type === 'done')
    expect(done.reduce((sum, { seeds = 0 }) => sum + seeds, 0)).toBe(SEEDS)
  }, 600_000)

  it(`comes to rest in up to ${REAL_SEEDS} seeds on a real Postgres`, async () => {
    const makeOne = () => createDatabase({ migrate: (url) => migrate({ url }) })
    const databases = await Promise.all(Array.from({ length: REAL_SEEDS }, makeOne))
    try {
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
      ])
      expect(failureIn(reports)).toBeUndefined()
      expect(reports.at(-1)?.seeds).toBeGreaterThan(0)
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

describe('a fault in the code', () => {
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
