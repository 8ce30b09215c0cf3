import { defineConfig } from 'vitest/config'

/** What needs neither a database nor a chain: quick enough for every commit. */
const UNIT = ['test/kernel/**/*.test.ts', 'test/house/{architecture,tidy,readme,routes}.test.ts']

/** Journeys, crashes and the runtime spawn whole nodes, so they take their time. */
const HEAVY = ['test/journeys/**/*.test.ts', 'test/crash/**/*.test.ts', 'test/scripts/**/*.test.ts']

const common = { pool: 'forks', testTimeout: 30_000, hookTimeout: 60_000 } as const
const withPostgres = { ...common, globalSetup: ['test/support/postgres-server.ts'] }

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { ...common, name: 'unit', include: UNIT } },
      {
        test: {
          ...withPostgres,
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...UNIT, ...HEAVY],
        },
      },
      {
        test: {
          ...common,
          name: 'whole',
          include: HEAVY,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
