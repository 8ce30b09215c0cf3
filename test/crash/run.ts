/**
 * npm run test:crash -- [ends]
 *
 * The crash test with so many ends (200 unless told), shown as they come. It starts a broker of its
 * own where Docker or Java is, unless KAFKA_BROKERS names one.
 */
import { spawnSync } from 'node:child_process'
import { Broker, BrokerFailure } from '../support/broker.ts'

const VITEST = 'node_modules/vitest/vitest.mjs'
const kills = Number(process.argv[2] ?? 200)

async function startBroker(): Promise<Broker | undefined> {
  if ((process.env['KAFKA_BROKERS'] ?? '') !== '') return undefined
  try {
    return await Broker.start()
  } catch (error) {
    if (!(error instanceof BrokerFailure)) throw error
    process.stdout.write(`no end at relay_unpositioned: ${error.message}\n`)
    return undefined
  }
}

async function run(): Promise<number> {
  if (!Number.isInteger(kills) || kills < 1) {
    process.stderr.write('usage: npm run test:crash -- [ends]\n')
    return 1
  }
  const broker = await startBroker()
  try {
    const { status } = spawnSync(
      process.execPath,
      [VITEST, 'run', '--disableConsoleIntercept=true', 'test/crash/crash.test.ts'],
      {
        stdio: 'inherit',
        env: {
          ...process.env,
          KILLS: String(kills),
          CRASH_PROGRESS: '1',
          ...(broker !== undefined && { KAFKA_BROKERS: broker.address }),
        },
      },
    )
    return status ?? 1
  } finally {
    await broker?.dispose()
  }
}

process.exitCode = await run()
