import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What needs neither a database nor a chain: quick enough for every commit. */
const UNIT = [
  'test/kernel/**/*.test.ts',
  'test/house/{architecture,tidy,readme,routes}.test.ts',
  'test/platform/{config,crypto,log,metrics}.test.ts',
  'test/platform/events/{parts,position,resend}.test.ts',
  'test/accounts/{rbac,siwe}.test.ts',
  'test/app/site.test.ts',
  'test/chain/{decoders,reorg,tx}.test.ts',
  'test/ledger/{core,chain-fold}.test.ts',
  'test/compliance/wallet-registration.test.ts',
  'test/assets/asset.test.ts',
  'test/trading/{exchange,market}.test.ts',
  'test/payments/withdrawal.test.ts',
  'test/supply/supply-request.test.ts',
  'test/settlement/{batch,chain-events,cycle,mirror,netting,range,trade-leaf}.test.ts',
  'test/issuance/tokenization.test.ts',
]

/** Journeys, crashes and the runtime spawn whole nodes, so they take their time. */
const WHOLE = ['test/journeys/**/*.test.ts', 'test/crash/**/*.test.ts', 'test/scripts/**/*.test.ts']

/**
 * What is not told again when the node is cut into processes: failover cuts it itself, kafka and
 * outages bring what they break, restore serves nodes of its own beside it, and what the generated
 * client tries is the API alone, which is the same in every cut.
 */
const TOLD_ONCE = ['failover', 'kafka', 'outages', 'restore', 'generated-client'].map(
  (name) => `test/journeys/${name}.test.ts`,
)
const isCut = ['two', 'roles'].includes(process.env['MOORING_TOPOLOGY'] ?? '')

if (process.env['MOORING_TOPOLOGY'] === 'roles' && (process.env['KAFKA_BROKERS'] ?? '') === '') {
  const advice = 'set KAFKA_BROKERS: `npm run kafka:up` starts a broker and prints it'
  process.stderr.write(`The relay is one of the roles, so they need Kafka; ${advice}\n`)
  process.exit(1)
}

/**
 * How long a test waits before it gives up on what it waits for. Nothing is ever judged by its
 * duration, so these are far above what a busy machine needs.
 */
const common = {
  pool: 'forks',
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 60_000 } },
} as const
const withPostgres = { ...common, globalSetup: ['test/support/postgres-server.ts'] }

const LONG = ['/test/crash/', '/test/simulation/', '/test/journeys/']

/** The longest first, so that the other worker gets through the rest meanwhile. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number =>
      LONG.findIndex((folder) => moduleId.includes(folder))
    const weight = (file: TestSpecification): number => (rank(file) === -1 ? 2 : rank(file))
    return (await super.sort(files)).toSorted((a, b) => weight(a) - weight(b))
  }
}

export default defineConfig({
  test: {
    // Most tests of whole nodes wait more than they compute.
    maxWorkers: 3,
    maxConcurrency: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { ...common, name: 'unit', include: UNIT } },
      {
        test: {
          ...withPostgres,
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...UNIT, ...WHOLE],
        },
      },
      {
        test: {
          ...common,
          name: 'whole',
          include: WHOLE,
          setupFiles: ['test/support/tell-troubles.ts'],
          exclude: isCut ? TOLD_ONCE : [],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
