import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inTransaction } from '#platform/db/transaction.ts'
import { newId } from '#platform/crypto.ts'
import { Operations } from '#platform/operation.ts'
import { openDatabase, type OpenDatabase } from '../support/database.ts'

let open: OpenDatabase
beforeAll(async () => {
  open = await openDatabase()
})
afterAll(() => open.close())

describe('Operations', () => {
  it('follows its steps from pending to succeeded', async () => {
    const operations = new Operations({ database: open.database })
    const id = await inTransaction(open.database, (tx) =>
      operations.create(tx, {
        kind: 'tokenize',
        owner: 'usr_a',
        steps: ['list', 'mint'],
        resource: 'ast_a',
      }),
    )
    const set = (step: string, change: Parameters<Operations['setStep']>[3]) =>
      inTransaction(open.database, (tx) => operations.setStep(tx, id, step, change))
    expect(await operations.get(id)).toMatchObject({
      id,
      status: 'pending',
      resource: 'ast_a',
      steps: [
        { name: 'list', status: 'pending' },
        { name: 'mint', status: 'pending' },
      ],
    })
    expect((await set('list', { status: 'running' })).status).toBe('running')
    const listed = await operations.listUnfinished('tokenize', 10)
    expect(listed.map((each) => each.id)).toEqual([id])
    await set('list', { status: 'succeeded', data: { tx: '0x1' } })
    expect((await set('mint', { status: 'succeeded' })).status).toBe('succeeded')
    const done = await operations.get(id)
    expect(done.steps[0]).toEqual({ name: 'list', status: 'succeeded', data: { tx: '0x1' } })
    expect(await operations.listUnfinished('tokenize', 10)).toEqual([])
  })

  it('fails with any of its steps', async () => {
    const operations = new Operations({ database: open.database })
    const failed = await inTransaction(open.database, async (tx) => {
      const id = await operations.create(tx, { kind: 'k', owner: 'usr_a', steps: ['a', 'b'] })
      return operations.setStep(tx, id, 'a', { status: 'failed', detail: 'why' })
    })
    expect(failed.status).toBe('failed')
  })

  it('refuses an unknown id', async () => {
    const operations = new Operations({ database: open.database })
    for (const id of [newId('operation'), 'nonsense']) {
      await expect(operations.get(id)).rejects.toMatchObject({
        code: 'platform.operation_not_found',
      })
    }
  })
})
