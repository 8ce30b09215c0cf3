import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listOpen, readStates } from '#chain/tx-store.ts'
import { newUuid } from '#platform/crypto.ts'
import { openDatabase, type OpenDatabase } from '../support/database.ts'

const TARGET = `0x${'11'.repeat(20)}`

describe('requests that are not over', () => {
  let open: OpenDatabase
  beforeAll(async () => {
    open = await openDatabase()
  })
  afterAll(async () => open.close())

  async function ask(key: string, signer: string, state: string, wish: string | null = null) {
    const error = state === 'requested' ? null : `it is ${state}`
    await open.database.query(
      `INSERT INTO chain.tx_request (id, key, signer, target, data, state, error, wish)
       VALUES ($1, $2, $3, $4, '0x', $5, $6, $7)`,
      [newUuid(), key, signer, TARGET, state, error, wish],
    )
  }

  it('are found for each signer, however many of another or of its own are held', async () => {
    for (let place = 0; place < 5; place += 1) {
      await ask(`held registrar ${place}`, 'registrar', 'held')
      await ask(`held settler ${place}`, 'settler', 'held')
    }
    await ask('wished', 'settler', 'held', 'resume')
    await ask('new', 'settler', 'requested')
    const found = await listOpen(open.database, 'settler', 3)
    expect(found.map(({ key }) => key)).toEqual(['wished', 'new', 'held settler 0'])
  })

  it('begin with those that have a nonce, then come the urgent ones', async () => {
    const address = `0x${'22'.repeat(20)}`
    for (const key of ['waits', 'signed', 'urgent'])
      await ask(`order ${key}`, 'registrar', 'requested')
    await open.database.query(
      `UPDATE chain.tx_request SET is_urgent = true WHERE key = 'order urgent'`,
    )
    await open.database.query(
      `INSERT INTO chain.nonce (signer, nonce, request)
       SELECT $1, 0, id FROM chain.tx_request WHERE key = 'order signed'`,
      [address],
    )
    const found = await listOpen(open.database, 'registrar', 3)
    expect(found.map(({ key }) => key)).toEqual(['order signed', 'order urgent', 'order waits'])
  })

  it('tell their states by key, those of keys that nobody used left out', async () => {
    await ask('state rejected', 'settler', 'rejected')
    await ask('state requested', 'settler', 'requested')
    const states = await readStates(open.database, ['state requested', 'nobody', 'state rejected'])
    expect(Object.fromEntries(states)).toEqual({
      'state requested': 'requested',
      'state rejected': 'rejected',
    })
  })
})
