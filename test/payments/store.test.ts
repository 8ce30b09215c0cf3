import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { depositColumns, type DepositRow } from '#ledger/deposit-row.ts'
import { newUuid } from '#platform/crypto.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import * as store from '#payments/store.ts'
import { openDatabase, type OpenDatabase } from '../support/database.ts'

const TX = `0x${'11'.repeat(32)}`
let open: OpenDatabase

beforeAll(async () => {
  open = await openDatabase()
})

afterAll(async () => {
  await open.close()
})

async function apply(...effects: readonly object[]): Promise<void> {
  await open.database.query('SELECT payments.apply($1)', [JSON.stringify(effects)])
}

function deposit(status: DepositRow['status'], ref: string, block = 5) {
  return depositColumns([{ ref, account: 16, asset: 0, amount: '9007199254740993', status, block }])
}

const PAGE = { after: undefined, limit: 10 }

describe('deposits', () => {
  it('go from incoming to final and keep their id', async () => {
    await apply(deposit('incoming', `${TX}:0`))
    const [first] = await store.listDeposits(open.database, 16, PAGE)
    expect(first).toMatchObject({ status: 'incoming', amountAtoms: 9007199254740993n, txHash: TX })
    expect(first?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
    await apply(deposit('final', `${TX}:0`))
    const [after] = await store.listDeposits(open.database, 16, PAGE)
    expect(after).toMatchObject({ id: first?.id, status: 'final' })
  })

  it('that leave the chain are retracted and may come back in another block', async () => {
    await apply(deposit('incoming', `${TX}:1`), deposit('retracted', `${TX}:1`))
    const found = async () =>
      (await store.listDeposits(open.database, 16, PAGE)).find(({ status }) => status !== 'final')
    expect((await found())?.status).toBe('retracted')
    await apply(deposit('incoming', `${TX}:1`, 7))
    expect(await found()).toMatchObject({ status: 'incoming', blockNumber: 7n })
  })

  it('of other accounts are not listed', async () => {
    expect(await store.listDeposits(open.database, 17, PAGE)).toEqual([])
  })
})

describe('withdrawals', () => {
  const request = (id: string, seq: string) => ({
    type: 'withdrawal_requested',
    id,
    account: 16,
    asset: 0,
    amount: '700',
    seq,
  })

  it('wait for their hold to be settled, then go through their statuses', async () => {
    const id = newUuid()
    await apply(request(id, '40'))
    const { database } = open
    expect(await store.findWaitingSequence(database)).toBe(40n)
    const before = await inTransaction(database, (tx) => store.lockReleasable(tx, 39n, 10))
    expect(before).toEqual([])
    await inTransaction(database, async (tx) => {
      const ready = await store.lockReleasable(tx, 40n, 10)
      expect(ready.map((row) => row.id)).toEqual([id])
      await store.markSubmitted(tx, id, `withdraw:${id}`)
    })
    expect(await store.findWaitingSequence(database)).toBeUndefined()
    const status = async () => (await store.findWithdrawal(database, id))?.status
    expect(await status()).toBe('submitted')
    await apply({ type: 'withdrawal_mined', id, tx_hash: TX, block: 9 })
    expect(await store.findWithdrawal(database, id)).toMatchObject({ status: 'mined', txHash: TX })
    await apply({ type: 'withdrawal_retracted', id })
    expect(await status()).toBe('submitted')
    await apply({ type: 'withdrawal_mined', id, tx_hash: TX, block: 10 })
    await apply({ type: 'withdrawal_final', id, seq: '50' })
    expect(await status()).toBe('final')
    await apply({ type: 'withdrawal_failed', id })
    expect(await status()).toBe('final')
  })

  it('that fail before a transaction stay without one', async () => {
    const id = newUuid()
    await apply(request(id, '60'), { type: 'withdrawal_failed', id })
    expect(await store.findWithdrawal(open.database, id)).toMatchObject({
      status: 'failed',
      txKey: null,
    })
  })

  it('page backwards by id', async () => {
    const first = await store.listWithdrawals(open.database, 16, { after: undefined, limit: 1 })
    expect(first).toHaveLength(2)
    const next = await store.listWithdrawals(open.database, 16, { after: first[0]?.id, limit: 5 })
    expect(next.map(({ id }) => id)).toEqual([first[1]?.id])
  })
})

describe('an effect that payments does not know', () => {
  it('fails the whole commit', async () => {
    await expect(apply({ type: 'refund' })).rejects.toThrow()
  })
})
