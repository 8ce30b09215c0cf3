import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { PaymentsService } from '#payments/service.ts'
import { withdrawalId } from '#payments/withdrawal.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { PgLog } from '#platform/events/pg-log.ts'
import { newUuid } from '#platform/crypto.ts'
import { ZERO_HASH } from '#settlement/batch.ts'
import type { SettlementModule } from '#settlement/module.ts'
import type { Settler } from '#settlement/settler.ts'
import type { SupplyService } from '#supply/service.ts'
import { order } from '../support/commands.ts'
import { silentLog } from '../support/database.ts'
import type { Engine } from '../support/engine.ts'
import type { ModelChain } from './model-chain.ts'
import { event, NEVER, startRig, TX, wallet, type Rig } from './rig.ts'

let rig: Rig
let engine: Engine
let chain: ModelChain
let settlement: SettlementModule
let settler: Settler
let payments: PaymentsService
let supply: SupplyService

beforeEach(async () => {
  rig = await startRig()
  ;({ engine, chain, settlement, settler, payments, supply } = rig)
})

afterEach(async () => {
  await rig.stop()
})

async function arrive(): Promise<void> {
  await rig.arrive()
}

async function mineAll(): Promise<void> {
  await rig.mineAll()
}

async function trade(): Promise<void> {
  await engine.sequencer.submit(order({ account: 16, side: 'sell', price: 100, quantity: 5 }))
  const bought = order({ account: 17, side: 'buy', price: 100, quantity: 5 })
  expect((await engine.sequencer.submit(bought)).ok).toBe(true)
}

async function turn(): Promise<void> {
  await settler.turn(NEVER)
}

async function batches() {
  return await settlement.service.listBatches({ after: undefined, limit: 50 })
}

async function settledOf(account: number, asset: number): Promise<bigint> {
  return (await engine.ledger.getBalance(BigInt(account), asset)).settled
}

const code = (name: string) => ({ code: `settlement.${name}` })

describe('settlement', () => {
  it('carries trades from the ledger to a final block, and ledger and chain agree', async () => {
    await trade()
    const made = await settlement.service.settle()
    expect(made).toMatchObject({ kind: 'trade', status: 'netted', sequence: 1n, trades: 1 })
    await turn()
    chain.broadcast()
    await turn()
    expect((await settlement.service.getBatch(made.id)).status).toBe('submitted')
    await chain.mine()
    await arrive()
    expect((await settlement.service.getBatch(made.id)).status).toBe('mined')
    expect(await settledOf(17, 1)).toBe(1_000_000_000n)
    await chain.finalize()
    await arrive()
    await turn()
    const final = await settlement.service.getBatch(made.id)
    expect(final).toMatchObject({ status: 'final', gasUsed: 123_456n, head: chain.head })
    expect(await settledOf(17, 1)).toBeGreaterThan(1_000_000_000n)
    const { differences, assets } = await settlement.mirror.reconcile()
    expect(differences).toEqual([])
    expect(assets.find(({ asset }) => asset === 1)?.ledger).toBe(2_000_000_000n)
  })

  it('refuses a second batch before the first is mined, and an empty one', async () => {
    await expect(settlement.service.settle()).rejects.toMatchObject(code('nothing_to_settle'))
    await trade()
    await settlement.service.settle()
    await trade()
    await expect(settlement.service.settle()).rejects.toMatchObject(code('in_progress'))
    await mineAll()
    expect((await settlement.service.settle()).sequence).toBe(2n)
  })

  it('steps back with a retraction and settles again in the next block', async () => {
    await trade()
    const { id, head } = await settlement.service.settle()
    await turn()
    await chain.mine()
    await arrive()
    await chain.retract()
    await arrive()
    expect((await settlement.service.getBatch(id)).status).toBe('submitted')
    await mineAll()
    expect(await settlement.service.getBatch(id)).toMatchObject({
      status: 'final',
      head,
      attempt: 1,
    })
  })

  it.each(['reject', 'revert'] as const)(
    'halts when the transaction fails (%s), and resume sends the same header again',
    async (how) => {
      await trade()
      const { id, head } = await settlement.service.settle()
      chain.fail(how)
      await mineAll()
      expect((await settlement.service.getBatch(id)).status).toBe('reverted')
      await expect(settlement.service.settle()).rejects.toMatchObject(code('halted'))
      await trade()
      chain.fail(undefined)
      await settlement.service.resume('unpaused', 'usr_operator')
      await mineAll()
      expect(await settlement.service.getBatch(id)).toMatchObject({
        status: 'final',
        attempt: 2,
        head,
      })
      await expect(settlement.service.resume('again', 'x')).rejects.toMatchObject(
        code('not_halted'),
      )
    },
  )

  it('halts when a lane was altered, and names account, asset and amount', async () => {
    await trade()
    chain.alter(17, 1, 5n)
    await expect(settlement.service.settle()).rejects.toMatchObject(code('halted'))
    const { reason } = await settlement.service.readState()
    expect(reason).toContain('account 17, asset 1')
    expect(reason).toContain('difference -5 atoms')
    await expect(settlement.service.resume('hope', 'x')).rejects.toMatchObject(code('halted'))
    expect(await batches()).toEqual([])
  })

  it('resumes nothing before the chain is read to its end, and the core has its final block', async () => {
    await trade()
    chain.alter(17, 1, 5n)
    await expect(settlement.service.settle()).rejects.toMatchObject(code('halted'))
    chain.alter(17, 1, -5n)
    chain.leaveUnread(1)
    await expect(settlement.service.resume('early', 'x')).rejects.toMatchObject(
      code('chain_unread'),
    )
    chain.leaveUnread(0)
    await chain.mine()
    await chain.finalize()
    const resumed = settlement.service.resume('in time', 'x')
    await arrive()
    expect((await resumed).status).toBe('running')
    const { block } = await settlement.mirror.reconcile()
    expect(block.number).toBe((await chain.reading()).final)
  })

  it('shows from the start each counter whose increase raises an alarm', async () => {
    const figures = await engine.metrics.render()
    for (const name of ['stream_gaps', 'ledger_suspended', 'unknown_chain_events'])
      expect(figures).toMatch(new RegExp(`^mooring_${name}_total(\\{.+\\})? 0$`, 'm'))
  })

  it('is sick when its rounds fail, also while halted, and shows no halt where another leads', async () => {
    const { leadership } = rig
    await trade()
    chain.alter(17, 1, 5n)
    await expect(settlement.service.settle()).rejects.toMatchObject(code('halted'))
    const figure = async () =>
      /^mooring_settlement_halted \d/m.exec(await engine.metrics.render())?.[0]
    await settler.start()
    await expect.poll(() => settler.health().detail).toContain('halted')
    expect(settler.health().ok).toBe(true)
    const failing = vi.spyOn(settler, 'turn').mockRejectedValue(new RangeError('no'))
    await expect.poll(() => settler.health().ok).toBe(false)
    expect(await figure()).toBe('mooring_settlement_halted 1')
    failing.mockRestore()
    await leadership.stop()
    await expect.poll(figure).toBe('mooring_settlement_halted 0')
    await settler.stop()
  })

  it('names the altered lane of an account that never held anything', async () => {
    const registered = { account: 20, wallet: wallet(20), class: 1, expiresAt: 0 }
    await chain.mine([event('AccountRegistered', registered)])
    await chain.finalize()
    await arrive()
    chain.alter(20, 1, 5n)
    chain.alter(1, 0, 3n)
    const { differences } = await settlement.mirror.reconcile()
    expect(differences).toEqual([
      { kind: 'lane', account: 1, asset: 0, ledger: 0n, chain: 3n },
      { kind: 'lane', account: 20, asset: 1, ledger: 0n, chain: 5n },
    ])
    expect((await settlement.service.readState()).status).toBe('halted')
  })

  it('halts when a settled figure was altered in the ledger', async () => {
    await engine.database.query(
      'UPDATE ledger.balance SET settled = settled + 7 WHERE account = 16 AND asset = 0',
    )
    const { differences } = await settlement.mirror.reconcile()
    expect(differences).toEqual([
      { kind: 'lane', account: 16, asset: 0, ledger: 1_000_000_007n, chain: 1_000_000_000n },
    ])
    expect((await settlement.service.readState()).status).toBe('halted')
  })

  it('halts on a batch that nobody here made, and applies the rest of its block', async () => {
    await chain.mine([
      event('BatchSettled', { sequence: 1, head: TX, journalHash: TX }),
      event('Deposited', { account: 16, asset: 0, amount: 1n }),
    ])
    await arrive()
    const { status, reason } = await settlement.service.readState()
    expect(status).toBe('halted')
    expect(reason).toContain(TX)
    expect((await engine.ledger.getBalance(16n, 0)).incoming).toBe(1n)
  })

  it('halts on a payment that nobody here asked for, and books it all the same', async () => {
    const paid = { id: withdrawalId(newUuid()), account: 16, asset: 0, amount: 7n }
    await chain.mine([event('Withdrawn', paid)])
    await arrive()
    const { status, reason } = await settlement.service.readState()
    expect(status).toBe('halted')
    expect(reason).toContain('unknown Withdrawn')
    await mineAll()
    expect((await engine.ledger.getBalance(16n, 0)).posted).toBe(999_999_993n)
  })

  it('keeps every reason to halt, also those that came while it was halted', async () => {
    const batch = (head: string) => event('BatchSettled', { sequence: 1, head, journalHash: TX })
    await chain.mine([batch(TX), batch(ZERO_HASH)])
    await arrive()
    const incidents = await engine.database.query(
      'SELECT kind, reason FROM settlement.incident ORDER BY id',
    )
    expect(incidents).toMatchObject([
      { kind: 'halted', reason: expect.stringContaining(TX) },
      { kind: 'halted', reason: expect.stringContaining(ZERO_HASH) },
    ])
  })

  it('settles two batches that one reorg took back, in their order', async () => {
    for (const sequence of [1n, 2n]) {
      await trade()
      expect((await settlement.service.settle()).sequence).toBe(sequence)
      await chain.mine()
      await arrive()
    }
    await chain.retract()
    await chain.retract()
    await arrive()
    expect(await batches()).toMatchObject([{ status: 'submitted' }, { status: 'submitted' }])
    await mineAll()
    expect(await batches()).toMatchObject([{ status: 'final' }, { status: 'final' }])
    expect((await settlement.mirror.reconcile()).differences).toEqual([])
  })

  it('sends a failed batch again also where a reorg took back the one before it', async () => {
    await trade()
    await settlement.service.settle()
    await chain.mine()
    await arrive()
    await trade()
    await settlement.service.settle()
    chain.fail('reject')
    await chain.mine()
    await arrive()
    await turn()
    await chain.retract()
    await chain.retract()
    await arrive()
    expect(await batches()).toMatchObject([{ status: 'reverted' }, { status: 'submitted' }])
    chain.fail(undefined)
    await settlement.service.resume('unpaused', 'usr_operator')
    await mineAll()
    await mineAll()
    expect(await batches()).toMatchObject([{ status: 'final' }, { status: 'final' }])
  })

  it('tells each trade how far its settlement is', async () => {
    await trade()
    const sequence = (await engine.ledger.journalHead()).sequence
    const status = async () =>
      (await settlement.service.settlementOf([sequence])).get(sequence)?.status
    expect(await status()).toBe('unsettled')
    await settlement.service.settle()
    expect(await status()).toBe('netted')
    await mineAll()
    expect(await status()).toBe('final')
  })
})

describe('the settler by itself', () => {
  it('nets when its interval ran out', async () => {
    const { leadership } = rig
    const often = settlement.makeSettler({ leadership, payments, settlementIntervalMs: 1 })
    await trade()
    await often.turn(NEVER)
    expect(await batches()).toMatchObject([{ kind: 'trade', status: 'netted' }])
  })

  it('beats once a day with the root of what is owed, and covers what is quiet', async () => {
    await engine.database.query(
      `UPDATE settlement.state SET changed_at = changed_at - interval '25 hours'`,
    )
    await mineAll()
    const [beat, ...others] = await batches()
    expect(others).toEqual([])
    expect(beat).toMatchObject({ kind: 'heartbeat', status: 'final', deltaCount: 0 })
    expect(beat?.header.liabilitiesRoot).not.toBe(ZERO_HASH)
    expect((await settlement.service.readState()).coveredSequence).toBeGreaterThan(0n)
    await mineAll()
    expect(await batches()).toHaveLength(1)
  })

  it('beats once a day, however many supply batches go out', async () => {
    await engine.database.query(
      `UPDATE settlement.state SET changed_at = changed_at - interval '25 hours'`,
    )
    const asset = { chainAsset: 3, ceilingAtoms: null }
    const proposal = { ref: 'test', asset, reserveAtoms: null, changeAtoms: 5n, beneficiary: 16 }
    await inTransaction(engine.database, (tx) => supply.propose(tx, proposal))
    const service = settlement.service
    const [request] = await supply.listProposed()
    if (request !== undefined) await service.sendSupply(request)
    await mineAll()
    expect((await batches()).map(({ kind }) => kind)).toEqual(['heartbeat', 'supply'])
  })

  it('writes nothing once another process leads', async () => {
    await trade()
    const made = await settlement.service.settle()
    chain.broadcast()
    await engine.database.query(
      `UPDATE platform.fence SET epoch = epoch + 1 WHERE role = 'settler'`,
    )
    await expect(settler.turn(NEVER)).rejects.toMatchObject({ code: 'platform.fenced' })
    expect((await settlement.service.getBatch(made.id)).status).toBe('netted')
  })

  it('makes one batch when two ask at once', async () => {
    await trade()
    const both = await Promise.allSettled([
      settlement.service.settle(),
      settlement.service.settle(),
    ])
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(await batches()).toHaveLength(1)
  })
})

describe('a supply change', () => {
  async function propose(changeAtoms: bigint): Promise<void> {
    const asset = { chainAsset: 3, ceilingAtoms: 1_000n }
    const ref = `test:${newUuid()}`
    const proposal = { ref, asset, reserveAtoms: null, changeAtoms, beneficiary: 16 }
    await inTransaction(engine.database, (tx) => supply.propose(tx, proposal))
  }

  it('goes out in a batch of its own and mints when it is final', async () => {
    await propose(900n)
    await mineAll()
    expect((await engine.ledger.getBalance(16n, 3)).posted).toBe(900n)
    expect(await settledOf(16, 3)).toBe(900n)
    expect(await batches()).toMatchObject([{ kind: 'supply', status: 'final' }])
    const { differences, assets } = await settlement.mirror.reconcile()
    expect(differences).toEqual([])
    expect(assets.find(({ asset }) => asset === 3)?.supplyChain).toBe(900n)
    await expect(propose(101n)).rejects.toMatchObject({ code: 'supply.ceiling_exceeded' })
  })

  it('that fails is abandoned, frees its sequence and halts nothing', async () => {
    await propose(900n)
    chain.fail('revert')
    await mineAll()
    expect(await batches()).toMatchObject([{ status: 'abandoned', sequence: 1n }])
    chain.fail(undefined)
    await trade()
    expect((await settlement.service.settle()).sequence).toBe(1n)
    await mineAll()
    expect((await batches())[0]).toMatchObject({ kind: 'trade', status: 'final' })
  })

  it('that was taken back and abandoned is known to an engine that is late', async () => {
    await propose(900n)
    await turn()
    await rig.consumer.stop()
    await chain.mine()
    await chain.retract()
    const [batch] = await batches()
    const txKey = batch?.txKey ?? ''
    await inTransaction(engine.database, (tx) => chain.recallTransaction(tx, txKey))
    await turn()
    expect(await batches()).toMatchObject([{ status: 'abandoned' }])
    const { leadership, sequencer, database } = engine
    const events = new PgLog({ database, log: silentLog })
    const late = settlement.makeConsumer({ events, engine: sequencer, leadership, payments })
    await late.start(NEVER)
    await arrive()
    await late.stop()
    expect((await settlement.service.readState()).status).toBe('running')
    expect((await engine.ledger.getBalance(16n, 3)).incoming).toBe(0n)
  })

  it('that was abandoned and is final all the same halts settlement', async () => {
    await propose(900n)
    await turn()
    await engine.database.query("UPDATE settlement.batch SET status = 'abandoned'")
    await chain.mine()
    await chain.finalize()
    await arrive()
    expect((await engine.ledger.getBalance(16n, 3)).posted).toBe(900n)
    const reason = 'batch 1 is final on chain and was abandoned here'
    expect(await settlement.service.readState()).toMatchObject({ status: 'halted', reason })
  })

  it('makes no room for a mint while a burn may still fail', async () => {
    await propose(900n)
    await mineAll()
    await propose(-500n)
    await expect(propose(200n)).rejects.toMatchObject({ code: 'supply.ceiling_exceeded' })
    await propose(100n)
  })

  it('that a reorg takes back is no longer incoming, and comes again', async () => {
    await propose(900n)
    await turn()
    await chain.mine()
    await arrive()
    expect((await engine.ledger.getBalance(16n, 3)).incoming).toBe(900n)
    await chain.retract()
    await arrive()
    expect((await engine.ledger.getBalance(16n, 3)).incoming).toBe(0n)
    await mineAll()
    expect((await engine.ledger.getBalance(16n, 3)).posted).toBe(900n)
    expect((await settlement.mirror.reconcile()).differences).toEqual([])
  })
})

describe('a withdrawal', () => {
  const request = (key: string, amount = '1.5') => ({
    accountId: 'acc_16',
    chainAccount: 16,
    asset: 'USD',
    amount,
    key,
  })
  const statusOf = async (id: string) =>
    (await payments.getWithdrawal({ chainAccount: 16, seesAll: false }, id)).status

  it('is held, paid when its hold is covered, and posted when it is final', async () => {
    const { result } = await payments.requestWithdrawal(request('a'))
    expect(result.status).toBe('requested')
    expect((await engine.ledger.getBalance(16n, 0)).held).toBe(1_500_000n)
    await turn()
    expect(await statusOf(result.id)).toBe('submitted')
    await mineAll()
    expect(await statusOf(result.id)).toBe('final')
    expect(await engine.ledger.getBalance(16n, 0)).toMatchObject({
      posted: 998_500_000n,
      settled: 998_500_000n,
      held: 0n,
    })
    expect((await settlement.mirror.reconcile()).differences).toEqual([])
  })

  it('waits for the settlement of the trades before it', async () => {
    await trade()
    const { result } = await payments.requestWithdrawal(request('b'))
    await turn()
    expect(await statusOf(result.id)).toBe('requested')
    await settlement.service.settle()
    await turn()
    expect(await statusOf(result.id)).toBe('requested')
    await mineAll()
    expect(await statusOf(result.id)).toBe('submitted')
    await mineAll()
    expect(await statusOf(result.id)).toBe('final')
  })

  it('gives the hold back when its transaction fails', async () => {
    const { result } = await payments.requestWithdrawal(request('c'))
    await turn()
    chain.fail('revert')
    await mineAll()
    expect(await statusOf(result.id)).toBe('failed')
    expect((await engine.ledger.getBalance(16n, 0)).held).toBe(0n)
  })

  it('is one withdrawal per key, whatever is asked how often', async () => {
    const first = await payments.requestWithdrawal(request('d'))
    const again = await payments.requestWithdrawal(request('d'))
    expect(again).toMatchObject({ replayed: true, result: { id: first.result.id } })
    await expect(payments.requestWithdrawal(request('d', '2'))).rejects.toMatchObject({
      code: 'platform.idempotency_mismatch',
    })
  })

  it('is refused without funds, with a bad amount and for an unknown asset', async () => {
    const refused = async (change: object) =>
      await payments.requestWithdrawal({ ...request('e'), ...change }).catch((e: unknown) => e)
    expect(await refused({ amount: '999999' })).toMatchObject({ code: 'ledger.insufficient_funds' })
    expect(await refused({ amount: '0' })).toMatchObject({ code: 'payments.amount_invalid' })
    expect(await refused({ amount: '1.1234567' })).toMatchObject({
      code: 'payments.amount_invalid',
    })
    expect(await refused({ asset: 'NOPE' })).toMatchObject({ code: 'payments.asset_not_found' })
    expect(await refused({ chainAccount: 99 })).toMatchObject({
      code: 'ledger.account_not_registered',
    })
    expect((await payments.requestWithdrawal(request('e'))).replayed).toBe(false)
  })
})
