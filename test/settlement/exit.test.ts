import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newUuid } from '#platform/crypto.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { withdrawalId } from '#payments/withdrawal.ts'
import { order } from '../support/commands.ts'
import { event, NEVER, startRig, wallet, type Rig } from './rig.ts'

let rig: Rig

beforeEach(async () => {
  rig = await startRig()
})

afterEach(async () => {
  await rig.stop()
})

async function trade(): Promise<void> {
  const { sequencer } = rig.engine
  await sequencer.submit(order({ account: 16, side: 'sell', price: 100, quantity: 5 }))
  await sequencer.submit(order({ account: 17, side: 'buy', price: 100, quantity: 5 }))
}

async function proposeSupply(chainAsset = 3): Promise<string> {
  const ref = newUuid()
  const asset = { chainAsset, ceilingAtoms: null }
  const proposal = { ref, asset, reserveAtoms: null, changeAtoms: 9n, beneficiary: 16 }
  await inTransaction(rig.engine.database, (tx) => rig.supply.propose(tx, proposal))
  return ref
}

async function batches() {
  return await rig.settlement.service.listBatches({ after: undefined, limit: 50 })
}

/** Ledger and chain agree, and the journal gives the very tables that there are. */
async function expectSound(): Promise<void> {
  expect((await rig.settlement.mirror.reconcile()).differences).toEqual([])
  expect((await rig.engine.ledger.verifyJournal()).equal).toBe(true)
}

const state = async () => await rig.settlement.service.readState()
const balance = async (account: number, asset: number) =>
  await rig.engine.ledger.getBalance(BigInt(account), asset)
const code = (name: string) => ({ code: `settlement.${name}` })
const exit = (name: string, args: object = {}) => event(name, { account: 17, ...args })

async function seen(...events: Parameters<Rig['chain']['mine']>[0] & object): Promise<void> {
  await rig.chain.mine(events)
  await rig.arrive()
}

async function final(...events: Parameters<Rig['chain']['mine']>[0] & object): Promise<void> {
  await rig.chain.mine(events)
  await rig.chain.finalize()
  await rig.arrive()
}

describe('a request to leave', () => {
  it('gets one batch that closes after it, even without trades', async () => {
    await seen(exit('ExitRequested'))
    await seen()
    await rig.mineAll()
    expect(await batches()).toMatchObject([{ kind: 'heartbeat', status: 'final' }])
    await rig.mineAll()
    expect(await batches()).toHaveLength(1)
    await seen(event('ExitRequested', { account: 16 }))
    await seen()
    await rig.mineAll()
    expect(await batches()).toHaveLength(2)
  })

  it('is served before the next supply batch, and while the last one is not final', async () => {
    await proposeSupply()
    await rig.settler.turn(NEVER)
    await seen(exit('ExitRequested'))
    await seen()
    await proposeSupply()
    await rig.settler.turn(NEVER)
    const kinds = (await batches()).map(({ kind, status }) => `${kind} ${status}`)
    expect(kinds).toEqual(['heartbeat netted', 'supply mined'])
    const [beat] = await batches()
    const exitAt = await rig.engine.ledger.findLastExit()
    expect(Number(beat?.header.closeTime)).toBeGreaterThan(exitAt ?? Infinity)
  })

  it('is served within a day, however long the interval is and whatever supply does', async () => {
    const { leadership, payments, settlement, engine } = rig
    const settlementIntervalMs = 30 * 86_400_000
    const rare = settlement.makeSettler({ leadership, payments, settlementIntervalMs })
    await trade()
    await rare.turn(NEVER)
    await final()
    await seen(exit('ExitRequested'))
    await seen()
    await proposeSupply()
    await rare.turn(NEVER)
    await final()
    expect((await batches()).map(({ kind }) => kind)).toEqual(['supply', 'trade'])
    await engine.database.query(
      `UPDATE settlement.batch SET created_at = created_at - interval '25 hours' WHERE kind = 'trade'`,
    )
    await rare.turn(NEVER)
    expect((await batches())[0]?.kind).toBe('heartbeat')
  })

  it('is served within a day of its own, though a batch went out that closed before it', async () => {
    const { leadership, payments, settlement, chain } = rig
    const settlementIntervalMs = 30 * 86_400_000
    const rare = settlement.makeSettler({ leadership, payments, settlementIntervalMs })
    await trade()
    await rare.turn(NEVER)
    await final(exit('ExitRequested'))
    await final()
    await rare.turn(NEVER)
    chain.passTime(86_000)
    await final()
    await rare.turn(NEVER)
    expect(await batches()).toMatchObject([{ kind: 'trade', status: 'final' }])
    chain.passTime(400)
    await final()
    await rare.turn(NEVER)
    expect((await batches())[0]?.kind).toBe('heartbeat')
  })
})

describe('an account that leaves', () => {
  it('takes its lane, and ledger and chain agree', async () => {
    await trade()
    await seen(exit('ExitRequested'))
    await seen()
    await rig.mineAll()
    expect(await batches()).toMatchObject([{ kind: 'trade', status: 'final' }])
    const lane = (await balance(17, 1)).settled
    await seen(exit('ExitExecuted', { asset: 1, amount: lane }))
    const held = await balance(17, 1)
    expect([held.posted, held.held]).toEqual([lane, lane])
    await rig.chain.finalize()
    await rig.arrive()
    expect(await balance(17, 1)).toMatchObject({ posted: 0n, settled: 0n })
    await expectSound()
  })

  it('may do so in another block than at first', async () => {
    const taken = exit('ExitExecuted', { asset: 1, amount: 1_000_000_000n })
    await seen(exit('ExitRequested'))
    await seen(taken)
    await rig.chain.retract()
    await seen(taken)
    expect((await balance(17, 1)).held).toBe(1_000_000_000n)
    expect((await rig.engine.ledger.verifyJournal()).equal).toBe(true)
    await rig.chain.finalize()
    await rig.arrive()
    expect((await balance(17, 1)).posted).toBe(0n)
    await expectSound()
  })
})

describe('a withdrawal of an account that left meanwhile', () => {
  const CASH = 1_000_000_000n
  const deposit = event('Deposited', { account: 16, asset: 0, amount: 5_000_000n })

  /** Its transaction is on its way, and the exit takes the lane before it. */
  async function leaveFirst(): Promise<string> {
    const { payments, chain, settler } = rig
    const { result } = await payments.requestWithdrawal({
      accountId: 'acc_16',
      chainAccount: 16,
      asset: 'USD',
      amount: '1.5',
      key: 'w',
    })
    await settler.turn(NEVER)
    chain.broadcast()
    chain.stall(true)
    await final(
      event('ExitRequested', { account: 16 }),
      event('ExitExecuted', { account: 16, asset: 0, amount: CASH }),
    )
    expect(await statusOf(result.id)).toBe('failed')
    await settler.turn(NEVER)
    return result.id
  }

  const statusOf = async (id: string) =>
    (await rig.payments.getWithdrawal({ chainAccount: 16, seesAll: false }, id)).status

  it('fails, and its transaction is called back', async () => {
    const id = await leaveFirst()
    rig.chain.stall(false)
    await final(deposit)
    await rig.mineAll()
    expect(await statusOf(id)).toBe('failed')
    expect(await balance(16, 0)).toMatchObject({ posted: 5_000_000n, settled: 5_000_000n })
    expect((await state()).status).toBe('running')
    await expectSound()
  })

  it('is a payment again when the chain pays it all the same, and nothing halts', async () => {
    rig.chain.recall(false)
    const id = await leaveFirst()
    await final(deposit)
    rig.chain.stall(false)
    await seen()
    expect(await statusOf(id)).toBe('mined')
    expect((await balance(16, 0)).held).toBe(1_500_000n)
    expect((await state()).status).toBe('running')
    await rig.chain.retract()
    await rig.arrive()
    expect(await statusOf(id)).toBe('submitted')
    expect((await balance(16, 0)).held).toBe(1_500_000n)
    await seen()
    await rig.chain.finalize()
    await rig.arrive()
    expect(await statusOf(id)).toBe('final')
    expect(await balance(16, 0)).toMatchObject({
      posted: 3_500_000n,
      settled: 3_500_000n,
      held: 0n,
    })
    expect((await state()).status).toBe('running')
    await expectSound()
  })

  it('still halts when it was paid otherwise than it was asked for', async () => {
    rig.chain.recall(false)
    const id = await leaveFirst()
    const paid = { id: withdrawalId(id), account: 16, asset: 0, amount: 7n }
    await seen(event('Withdrawn', paid))
    expect(await state()).toMatchObject({ status: 'halted' })
    expect((await state()).reason).toContain('unknown Withdrawn')
  })
})

describe('the end of settlement', () => {
  const REASON = expect.stringContaining('exit mode: settlement has ended')
  const ended = event('ExitModeEntered', {})

  it('is for good, and trades that no batch holds are taken back', async () => {
    await trade()
    await final(ended)
    expect(await balance(17, 1)).toMatchObject({
      posted: 1_000_000_000n,
      settled: 1_000_000_000n,
    })
    expect(await state()).toMatchObject({ status: 'halted', isEnded: true, reason: REASON })
    await expect(rig.settlement.service.resume('try', 'operator')).rejects.toMatchObject(
      code('ended'),
    )
    await expectSound()
  })

  it('keeps its reason, whatever else happens and whatever backup it comes from', async () => {
    await trade()
    await rig.settlement.service.settle()
    rig.chain.fail('revert')
    await final(ended)
    await rig.settler.turn(NEVER)
    expect((await batches())[0]?.status).toBe('reverted')
    expect(await state()).toMatchObject({ isEnded: true, reason: REASON })
    await rig.engine.database.query('SELECT settlement.restored()')
    expect(await state()).toMatchObject({ status: 'halted', isEnded: true, reason: REASON })
    await expect(rig.settlement.service.resume('try', 'operator')).rejects.toMatchObject(
      code('ended'),
    )
  })

  it('gives up supply changes that no batch brought to the chain, and keeps those that one did', async () => {
    const made = await proposeSupply()
    await rig.settler.turn(NEVER)
    await seen()
    const sent = await proposeSupply()
    await rig.settler.turn(NEVER)
    const waiting = await proposeSupply()
    const unlisted = await proposeSupply(9)
    rig.chain.stall(true)
    await seen(ended)
    await rig.settler.turn(NEVER)
    expect((await rig.supply.findByRef(waiting))?.status).toBe('proposed')
    await rig.chain.finalize()
    await rig.arrive()
    await rig.settler.turn(NEVER)
    expect((await rig.supply.findByRef(made))?.status).toBe('final')
    for (const ref of [sent, waiting, unlisted])
      expect(await rig.supply.findByRef(ref)).toMatchObject({
        status: 'failed',
        error: 'settlement has ended for good',
      })
    const late = await proposeSupply()
    await rig.settler.turn(NEVER)
    expect((await rig.supply.findByRef(late))?.status).toBe('failed')
    expect(await state()).toMatchObject({ isEnded: true, reason: REASON })
  })

  it('refuses to resume as soon as it is seen, and no more once its block is gone', async () => {
    await seen(ended)
    expect(await state()).toMatchObject({ status: 'halted', isEnded: false, reason: REASON })
    await expect(rig.settlement.service.resume('try', 'operator')).rejects.toMatchObject(
      code('ended'),
    )
    await rig.chain.retract()
    await rig.arrive()
    expect((await state()).reason).toContain('left the chain')
    await rig.settlement.service.resume('it left the chain', 'operator')
    await trade()
    await rig.settlement.service.settle()
    await rig.mineAll()
    expect((await batches())[0]?.status).toBe('final')
  })
})

describe('an account whose wallet was lost', () => {
  const changed = event('PrimaryWalletChanged', {
    account: 17,
    previous: wallet(17),
    wallet: wallet(99),
  })

  async function register(account: number, address: string, status: string): Promise<void> {
    await rig.engine.database.query(
      `INSERT INTO compliance.registration (account_id, id, chain_account, wallet, status,
         investor_class, identity_salt, identity_hash, tx_key, created_at)
       VALUES (gen_random_uuid(), gen_random_uuid(), $1, $2, $3, 1,
         sha256('a'), sha256('b'), $4, now())`,
      [account, address, status, `register:${account}:1`],
    )
  }

  const registrations = async () =>
    await rig.engine.database.query(
      'SELECT wallet, status FROM compliance.registration ORDER BY chain_account',
    )

  it('has the new one once the recovery is final, in ledger, registration and journal', async () => {
    await register(17, wallet(17), 'registered')
    await seen(changed)
    expect((await rig.engine.ledger.findAccount(17))?.wallet).toBe(wallet(17))
    await rig.chain.finalize()
    await rig.arrive()
    const account = await rig.engine.ledger.findAccount(17)
    expect(account).toMatchObject({ wallet: wallet(99), class: 1, expiresAt: null })
    expect(await registrations()).toEqual([{ wallet: wallet(99), status: 'registered' }])
    const { sequence } = await rig.engine.ledger.journalHead()
    const [last] = await rig.engine.ledger.listJournal(sequence, 1)
    expect(last?.body).toContain('ledger.wallet_changed.v1')
    await expectSound()
  })

  it('is kept with the checksum that every other wallet has, however the chain writes it', async () => {
    const checksummed = '0x52908400098527886E0F7030069857D2E4169EE7'
    await register(17, wallet(17), 'registered')
    await final(
      event('PrimaryWalletChanged', {
        account: 17,
        previous: wallet(17),
        wallet: checksummed.toLowerCase(),
      }),
    )
    expect((await rig.engine.ledger.findAccount(17))?.wallet).toBe(checksummed)
    expect(await registrations()).toEqual([{ wallet: checksummed, status: 'registered' }])
    await expectSound()
  })

  it('gets it although somebody else asked for the same wallet', async () => {
    await register(17, wallet(17), 'registered')
    await register(18, wallet(99), 'submitted')
    await final(changed)
    expect(await registrations()).toEqual([
      { wallet: wallet(99), status: 'registered' },
      { wallet: wallet(99), status: 'refused' },
    ])
    await expectSound()
  })
})
