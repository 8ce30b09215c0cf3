import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inTransaction } from '#platform/db/transaction.ts'
import { ZERO_HASH } from '#settlement/batch.ts'
import { order } from '../support/commands.ts'
import { WriteTransactions } from '../support/write-transactions.ts'
import { event, NEVER, startRig, TX, type Rig } from './rig.ts'

const FENCED = { code: 'platform.fenced' }

let rig: Rig
let writes: WriteTransactions

beforeEach(async () => {
  rig = await startRig()
  writes = new WriteTransactions()
})

afterEach(async () => {
  writes.stop()
  await rig.stop()
})

async function raise(role: 'settler' | 'engine'): Promise<void> {
  await rig.engine.database.query('UPDATE platform.fence SET epoch = epoch + 1 WHERE role = $1', [
    role,
  ])
}

async function trade(): Promise<void> {
  const { sequencer } = rig.engine
  await sequencer.submit(order({ account: 16, side: 'sell', price: 100, quantity: 5 }))
  await sequencer.submit(order({ account: 17, side: 'buy', price: 100, quantity: 5 }))
}

/** A settler that nets whenever something waits. */
const eager = () =>
  rig.settlement.makeSettler({
    leadership: rig.leadership,
    payments: rig.payments,
    settlementIntervalMs: 1,
  })

/** What only a worker of this role may change. */
async function state(): Promise<unknown> {
  const { database } = rig.engine
  return await Promise.all([
    database.query('SELECT id, status, gas_used FROM settlement.batch ORDER BY id'),
    database.query('SELECT status, reason, covered_seq FROM settlement.state'),
    database.query('SELECT id, status FROM supply.request ORDER BY id'),
    database.query('SELECT kind, reason FROM settlement.incident ORDER BY id'),
  ])
}

async function propose(): Promise<void> {
  const { supply, engine } = rig
  const asset = { chainAsset: 3, ceilingAtoms: null } as const
  await inTransaction(engine.database, async (tx) => {
    await supply.propose(tx, {
      ref: 'test',
      asset,
      reserveAtoms: null,
      changeAtoms: 500n,
      beneficiary: 16,
    })
  })
}

/** Each makes the next turn of the settler write something else. */
const CASES: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['a batch', trade],
  [
    'the step to submitted',
    async () => {
      await trade()
      await rig.settlement.service.settle()
      rig.chain.broadcast()
    },
  ],
  [
    'a halt after a refused batch',
    async () => {
      await trade()
      await rig.settlement.service.settle()
      rig.chain.fail('reject')
      rig.chain.broadcast()
    },
  ],
  [
    'the gas of a mined batch',
    async () => {
      await trade()
      await rig.settlement.service.settle()
      await rig.settler.turn(NEVER)
      await rig.chain.mine()
      await rig.arrive()
    },
  ],
  ['a supply batch', propose],
  [
    'a heartbeat',
    async () =>
      await rig.engine.database.query(
        `UPDATE settlement.state SET changed_at = changed_at - interval '25 hours'`,
      ),
  ],
  ['a halt of the mirror', async () => Promise.resolve(rig.chain.alter(17, 1, 5n))],
]

describe('a settler that leads no more', () => {
  it.each(CASES)('is refused %s', async (_what, prepare) => {
    await prepare()
    await raise('settler')
    const before = await state()
    await eager()
      .turn(NEVER)
      .catch((error: unknown) => expect(error).toMatchObject(FENCED))
    expect(writes.refused()).toBeGreaterThan(0)
    expect(await state()).toEqual(before)
  })

  it('begins every write of a whole story with its epoch', async () => {
    await propose()
    await trade()
    writes.stop()
    writes = new WriteTransactions()
    const turn = eager()
    for (let round = 0; round < 4; round += 1) {
      await turn.turn(NEVER)
      rig.chain.broadcast()
      await turn.turn(NEVER)
      await rig.chain.mine()
      await rig.chain.finalize()
      await rig.arrive()
    }
    await turn.turn(NEVER)
    const own = writes.all().filter(({ statements }) => !statements.some(isOfTheChain))
    expect(own.length).toBeGreaterThan(5)
    expect(writes.unfenced().filter(({ statements }) => !statements.some(isOfTheChain))).toEqual([])
  })
})

/** The model of the chain tells what it mined as the watcher does. */
function isOfTheChain(sql: string): boolean {
  return sql.includes('append_events') || sql.includes('INSERT INTO chain.')
}

describe('an engine that leads no more', () => {
  it('halts nothing, though an event that it reads is unknown', async () => {
    const { sequencer, leadership } = rig.engine
    const stale = { guard: leadership.guard() }
    await raise('engine')
    await expect(inTransaction(rig.engine.database, stale.guard)).rejects.toMatchObject(FENCED)
    const before = await state()
    expect(sequencer.isReady()).toBe(true)
    await rig.chain.mine([event('BatchSettled', { sequence: 1, head: TX, journalHash: ZERO_HASH })])
    await expect.poll(() => writes.refused()).toBeGreaterThan(1)
    expect(await state()).toEqual(before)
  })
})
