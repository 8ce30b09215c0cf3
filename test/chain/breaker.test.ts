import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  balanceTrouble,
  blockedBy,
  BREAKER_LIMITS,
  BREAKER_NAMES,
  closesItself,
  judgeBreakers,
  lagTrouble,
  revertTrouble,
  type Breaker,
} from '#chain/breaker.ts'
import { Wallet } from 'ethers'
import { REGISTRAR_KEY, until } from './chain-lab.ts'
import { ORDER, TxRig } from './tx-rig.ts'

const open = (name: Breaker['name'], scope: Breaker['scope']): Breaker => {
  return { name, scope, isOpen: true, reason: 'x', sinceMs: 0 }
}

describe('a breaker', () => {
  it('opens with a trouble, and closes by itself only where no person is needed', () => {
    for (const name of BREAKER_NAMES) {
      const found = { name, scope: 'all', trouble: 'why' } as const
      expect(judgeBreakers([], [found])).toEqual([
        { name, scope: 'all', isOpen: true, reason: 'why' },
      ])
      expect(judgeBreakers([open(name, 'all')], [found])).toEqual([])
      const gone = judgeBreakers([open(name, 'all')], [{ ...found, trouble: undefined }])
      expect(gone.length).toBe(closesItself(name) ? 1 : 0)
    }
    const needPeople = BREAKER_NAMES.filter((name) => !closesItself(name))
    expect(needPeople).toEqual(['revert_rate', 'beyond_finality', 'external_nonce'])
  })

  it('stays as it is while nobody looks', () => {
    expect(judgeBreakers([open('indexer_lag', 'all')], [])).toEqual([])
  })

  it('stops the signers that it concerns', () => {
    expect(blockedBy([open('external_nonce', 'settler')], 'registrar')).toBeUndefined()
    expect(blockedBy([open('external_nonce', 'settler')], 'settler')).toContain('external_nonce')
    expect(blockedBy([open('indexer_lag', 'all')], 'registrar')).toContain('indexer_lag')
  })

  it('knows lag by blocks and by time, balances and reverts', () => {
    const limits = BREAKER_LIMITS
    expect(lagTrouble({ blocks: 50, behindMs: 0 }, limits)).toBeUndefined()
    expect(lagTrouble({ blocks: 51, behindMs: 0 }, limits)).toContain('51 blocks')
    expect(lagTrouble({ blocks: 1, behindMs: 60_000 }, limits)).toContain('60 s')
    expect(lagTrouble({ blocks: 0, behindMs: 60_000 }, limits)).toBeUndefined()
    expect(balanceTrouble(limits.minBalanceWei, limits)).toBeUndefined()
    expect(balanceTrouble(limits.minBalanceWei - 1n, limits)).toContain(
      `${limits.minBalanceWei - 1n} wei`,
    )
    expect(revertTrouble(limits.maxReverts, limits)).toContain(`${limits.maxReverts} of the last`)
    expect(revertTrouble(limits.maxReverts - 1, limits)).toBeUndefined()
  })
})

describe('the breakers of a node', () => {
  let rig: TxRig

  beforeEach(async () => {
    rig = await TxRig.start()
    await rig.watch()
  })

  afterEach(async () => {
    await rig.stop()
  })

  it('hold back a signer without funds, and let it go on when it has some', async () => {
    const { address } = new Wallet(REGISTRAR_KEY)
    await rig.suite.chain.rpc('anvil_setBalance', [address, '0x1'])
    await rig.manage()
    await rig.breaker('signer_balance', true)
    expect(await rig.openBreakers()).toMatchObject([{ scope: 'registrar' }])
    await rig.register(20)
    expect((await rig.find('register:20')).state).toBe('requested')
    await rig.suite.chain.rpc('anvil_setBalance', [address, '0x3635c9adc5dea00000'])
    await rig.state('register:20', 'mined')
    await rig.breaker('signer_balance', false)
  })

  it('are shown by the process that leads, and by no former leader', async () => {
    const { address } = new Wallet(REGISTRAR_KEY)
    await rig.suite.chain.rpc('anvil_setBalance', [address, '0x1'])
    await rig.manage()
    const shows = async (value: string) =>
      (await rig.lab.metrics.render()).includes(
        `mooring_chain_breaker_open{name="signer_balance",scope="registrar"} ${value}`,
      )
    await until(() => shows('1'))
    await rig.lab.resign()
    await until(() => shows('0'))
  })

  it('hold back settlements alone while ledger and chain differ', async () => {
    let reason: string | undefined = 'account 17 differs'
    await rig.manage({ findMismatch: () => Promise.resolve(reason) })
    await rig.breaker('supply_mismatch', true)
    expect(await rig.openBreakers()).toMatchObject([{ scope: 'settler' }])
    await rig.register(20)
    await rig.state('register:20', 'mined')
    reason = undefined
    await rig.breaker('supply_mismatch', false)
  })

  it('hold back everything behind a halted watcher until somebody resets it', async () => {
    await rig.manage()
    await rig.lab.database.query(
      `INSERT INTO chain.halt (kind, reason) VALUES ('beyond_finality', 'block 7 left')`,
    )
    await rig.breaker('beyond_finality', true)
    await rig.register(20)
    await rig.desk.resetBreaker('beyond_finality', ORDER)
    await rig.breaker('beyond_finality', false)
    await rig.state('register:20', 'mined')
    await expect(rig.desk.resetBreaker('beyond_finality', ORDER)).rejects.toMatchObject({
      code: 'chain.breaker_closed',
    })
  })

  it('hold back a signer whose transactions revert, counted anew after a reset', async () => {
    await rig.manage({ limits: { ...BREAKER_LIMITS, maxReverts: 1 } })
    await rig.suite.chain.rpc('evm_setAutomine', [false])
    await rig.register(20)
    await rig.register(20, 'register:again', 21)
    await rig.state('register:again', 'broadcast')
    await rig.suite.mine(3)
    await rig.state('register:again', 'reverted')
    await rig.breaker('revert_rate', true)
    await rig.desk.resetBreaker('revert_rate', ORDER)
    await rig.register(22)
    await rig.state('register:22', 'broadcast')
    expect(await rig.openBreakers()).toEqual([])
  })

  it('keep a record of who changed what', async () => {
    await rig.manage({ feeCeilingWei: 1n })
    await rig.breaker('fee_ceiling', true)
    await rig.desk.resetBreaker('fee_ceiling', ORDER)
    const changes = await rig.lab.database.query(
      `SELECT name, is_open, actor FROM chain.breaker_change
       WHERE name = 'fee_ceiling' ORDER BY id LIMIT 2`,
    )
    expect(changes).toEqual([
      { name: 'fee_ceiling', is_open: true, actor: 'transaction manager' },
      { name: 'fee_ceiling', is_open: false, actor: 'operator' },
    ])
    await rig.breaker('fee_ceiling', true)
  })
})
