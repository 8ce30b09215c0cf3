import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { actAsOwner, listTables } from '#platform/db/table-copy.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { openDatabase, type OpenDatabase } from '../../support/database.ts'

describe('copying tables', () => {
  let open: OpenDatabase
  beforeAll(async () => {
    open = await openDatabase()
  })
  afterAll(async () => open.close())

  it('may take as long as it needs, between its statements too', async () => {
    const limits = await inTransaction(open.database, async (tx) => {
      await actAsOwner(tx)
      return tx.query<{ setting: string }>(
        `SELECT setting FROM pg_settings
         WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout')`,
      )
    })
    expect(limits).toEqual([{ setting: '0' }, { setting: '0' }])
  })

  it('finds every table once, after those that its foreign keys name', async () => {
    const names = (await listTables(open.database)).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).not.toContain('platform.migration')
    const before = (a: string, b: string): boolean => names.indexOf(a) < names.indexOf(b)
    expect(before('accounts.users', 'accounts.account')).toBe(true)
    expect(before('platform.stream_head', 'platform.outbox')).toBe(true)
    expect(before('chain.tx_request', 'chain.nonce')).toBe(true)
    expect(before('chain.block', 'chain.log')).toBe(true)
  })
})
