import { fork, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rows } from '../../scripts/body.ts'
import { until } from '../support/client.ts'
import { Sandbox, settleAll } from '../support/sandbox.ts'
import type { Count, Question, Verdict } from './witness.ts'

const KILLS = Number(process.env['KILLS'] ?? 25)
const LEAST_IN_FLIGHT = 50
const TRADERS = [
  ['investor', 0],
  ['investor', 1],
  ['issuer', 0],
] as const

describe('kill -9', () => {
  let sandbox: Sandbox
  let witness: ChildProcess | undefined

  beforeAll(async () => {
    sandbox = await Sandbox.start({ env: { SETTLEMENT_INTERVAL_MS: '250', LOG_LEVEL: 'warn' } })
    const files = [join(sandbox.home, 'sandbox.json'), join(sandbox.home, 'acknowledged.jsonl')]
    witness = fork(join(import.meta.dirname, 'witness.ts'), files, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
  }, 180_000)

  afterAll(async () => {
    witness?.kill('SIGKILL')
    await sandbox?.dispose()
  })

  async function ask<T extends Count | Verdict>(question: Question): Promise<T> {
    if (witness === undefined) throw new TypeError('no witness')
    const reply = once(witness, 'message')
    witness.send(question)
    const [answer] = await reply
    return answer as T
  }

  /** Waits for acknowledgements of this life of the node, then ends it amid the load. */
  async function killAmidLoad(kill: number): Promise<number> {
    const { acknowledged: before } = await ask<Count>('count')
    await until(`load before kill ${kill}`, async () => {
      const { acknowledged, inFlight } = await ask<Count>('count')
      return acknowledged > before + 100 && inFlight >= LEAST_IN_FLIGHT
    })
    await sleep((kill * 137) % 700)
    const { inFlight } = await until('requests in flight', async () => {
      const count = await ask<Count>('count')
      return count.inFlight >= LEAST_IN_FLIGHT ? count : undefined
    })
    await sandbox.kill9()
    return inFlight
  }

  it(`loses nothing that was acknowledged over ${KILLS} kills`, async () => {
    for (let kill = 1; kill <= KILLS; kill += 1) {
      expect(await killAmidLoad(kill)).toBeGreaterThanOrEqual(LEAST_IN_FLIGHT)
      await sandbox.restart()
    }
    const count = await ask<Count>('stop')
    expect(count.acknowledged).toBeGreaterThan(KILLS * 100)
    expect(count.withdrawals).toBeGreaterThan(0)
    expect(count.deposits).toBeGreaterThan(0)
    const verdict = await ask<Verdict>('judge')
    expect(verdict.faults.slice(0, 10)).toEqual([])
    expect(verdict.acknowledged).toBe(count.acknowledged)
  }, 600_000)

  it('leaves no hold behind', async () => {
    for (const [role, place] of TRADERS) {
      const client = sandbox.client(role, place)
      await client.delete(`/v1/orders?market=${sandbox.market}`)
      await until(
        'the end of every withdrawal',
        async () => {
          const withdrawals = await client.all('/v1/withdrawals')
          return withdrawals.every((row) => row['status'] === 'final')
        },
        120_000,
      )
      const held = (await client.data('/v1/balances')).map((balance) => Number(balance['held']))
      expect(held).toEqual(held.map(() => 0))
    }
  }, 240_000)

  it('leaves ledger and chain equal, by a stranger’s reckoning too', async () => {
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
  }, 180_000)
})
