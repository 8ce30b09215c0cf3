import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import { deal, reconciled } from './market-story.ts'

const BROKERS = process.env['KAFKA_BROKERS']

/** `npm run kafka:up` prints the variable; CI always sets it. */
describe.skipIf(BROKERS === undefined || BROKERS === '')('over Kafka (needs KAFKA_BROKERS)', () => {
  let sandbox: Sandbox | undefined

  afterEach(async () => {
    await sandbox?.dispose()
  })

  it('tells the whole story', async () => {
    sandbox = await Sandbox.start({ env: { KAFKA_BROKERS: BROKERS ?? '' } })
    const demo = spawnSync(
      process.execPath,
      ['scripts/demo.ts', '--sandbox', join(sandbox.home, 'sandbox.json')],
      {
        encoding: 'utf8',
        timeout: 240_000,
      },
    )
    expect(demo.stdout).toContain('Every difference is 0')
    expect(demo.status).toBe(0)
  })

  it('is not impressed by the topics of a former database', async () => {
    sandbox = await Sandbox.start({ env: { KAFKA_BROKERS: BROKERS ?? '' } })
    await deal(sandbox, { quantity: '1.00', price: '100.00' })
    await settleAll(sandbox)
    await reconciled(sandbox)
  })
})
