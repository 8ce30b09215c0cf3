import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rows } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { settleAll } from '../support/sandbox.ts'
import { Campaign, LEAST_IN_FLIGHT } from './campaign.ts'
import { FAIL_POINT_NAMES, type FailPointName } from './failpoint.ts'
import { planKills, ROUND_LENGTH, type Target } from './plan.ts'
import type { Count, Verdict } from './witness.ts'

const KILLS = Number(process.env['KILLS'] ?? 25)
const BROKERS = process.env['KAFKA_BROKERS'] ?? ''
const RELAY_KILLS = Math.max(2, Math.ceil(KILLS / 25))
const SETTLED_WITHIN_MS = 240_000
/** Every point but the relay's, whatever the plan holds; a plan shorter than a round meets but some. */
const NODE_POINTS =
  KILLS < ROUND_LENGTH ? [] : FAIL_POINT_NAMES.filter((name) => name !== 'relay_unpositioned')
const TRADERS = [
  ['investor', 0],
  ['investor', 1],
  ['issuer', 0],
] as const

describe('kill -9', () => {
  endAmidLoad(planKills(KILLS), NODE_POINTS, { KAFKA_BROKERS: '' })
})

/** The relay has work only where there is a broker, and a node takes longer to come back there. */
describe.skipIf(BROKERS === '')('kill -9 over Kafka (needs KAFKA_BROKERS)', () => {
  const plan = Array.from({ length: RELAY_KILLS }, () => 'relay_unpositioned' as const)
  endAmidLoad(plan, ['relay_unpositioned'], { KAFKA_BROKERS: BROKERS })
})

/** `npm run test:crash` shows how it goes. */
function tell(line: string): void {
  if (process.env['CRASH_PROGRESS'] !== undefined) process.stdout.write(`${line}\n`)
}

function endAmidLoad(
  plan: readonly Target[],
  points: readonly FailPointName[],
  env: Readonly<Record<string, string>>,
): void {
  const ended: Target[] = []
  let campaign: Campaign

  beforeAll(async () => {
    campaign = await Campaign.begin(env)
  })

  afterAll(async () => {
    await campaign?.dispose()
  })

  it(
    `loses nothing that was acknowledged over ${plan.length} ends`,
    async () => {
      for (const [place, target] of plan.entries()) {
        const report = campaign.kill(place + 1, target)
        report.catch((error) => tell(`${place + 1}/${plan.length} ${target} · ${String(error)}`))
        const { inFlight, backAfterMs, detail, faults } = await report
        const back = `back after ${(backAfterMs / 1000).toFixed(1)} s`
        tell(`${place + 1}/${plan.length} ${target} · ${inFlight} in flight · ${back} · ${detail}`)
        for (const fault of faults) tell(fault)
        expect(faults).toEqual([])
        expect(inFlight).toBeGreaterThanOrEqual(LEAST_IN_FLIGHT)
        ended.push(target)
      }
      const count = await campaign.ask<Count>('stop')
      expect(count.acknowledged).toBeGreaterThan(plan.length * 100)
      expect(count.withdrawals).toBeGreaterThan(0)
      expect(count.deposits).toBeGreaterThan(0)
    },
    180_000 + plan.length * 60_000,
  )

  it.for(points)('meets its end at %s often enough', (name, { skip }) => {
    skip(ended.length < plan.length, 'the ends did not come to their end')
    const times = ended.filter((target) => target === name).length
    expect(times).toBeGreaterThanOrEqual(KILLS >= 100 ? 3 : 1)
  })

  it(
    'leaves no hold behind',
    async ({ skip }) => {
      skip(ended.length < plan.length, 'the ends did not come to their end')
      for (const [role, place] of TRADERS) {
        const client = campaign.sandbox.client(role, place)
        await client.delete(`/v1/orders?market=${campaign.sandbox.market}`)
        await until(
          'the end of every withdrawal and deposit',
          async () => {
            const withdrawals = await client.all('/v1/withdrawals')
            const deposits = await client.all('/v1/deposits')
            return (
              withdrawals.every((row) => row['status'] === 'final') &&
              deposits.every((row) => row['status'] !== 'incoming')
            )
          },
          SETTLED_WITHIN_MS,
        )
        const held = (await client.data('/v1/balances')).map((balance) => Number(balance['held']))
        expect(held).toEqual(held.map(() => 0))
      }
    },
    3 * SETTLED_WITHIN_MS,
  )

  it(
    'keeps each acknowledgement once, and pays in and out what the chain holds',
    async ({ skip }) => {
      skip(ended.length < plan.length, 'the ends did not come to their end')
      const verdict = await campaign.ask<Verdict>('judge')
      expect(verdict.faults.slice(0, 10)).toEqual([])
      expect(verdict.acknowledged).toBeGreaterThan(plan.length * 100)
    },
    SETTLED_WITHIN_MS,
  )

  it(
    'leaves ledger and chain equal, by a stranger’s reckoning too',
    async ({ skip }) => {
      skip(ended.length < plan.length, 'the ends did not come to their end')
      const { sandbox } = campaign
      await settleAll(sandbox)
      await until('an equal reconciliation', async () => {
        const report = await sandbox.client('operator').get('/v1/reconciliation')
        return rows(report, 'differences').length === 0
      })
      const audit = spawnSync(
        process.execPath,
        ['scripts/audit.ts', '--sandbox', join(sandbox.home, 'sandbox.json')],
        { encoding: 'utf8' },
      )
      expect([audit.status, audit.status === 0 ? '' : audit.stderr]).toEqual([0, ''])
    },
    SETTLED_WITHIN_MS,
  )
}
