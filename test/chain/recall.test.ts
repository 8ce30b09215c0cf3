import { afterAll, beforeAll, expect, it } from 'vitest'
import { RpcClient } from '#chain/rpc-adapter.ts'
import { ChainService } from '#chain/service.ts'
import { newUuid } from '#platform/crypto.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { openDatabase, silentLog, type OpenDatabase } from '../support/database.ts'

const TARGET = `0x${'11'.repeat(20)}`
const DEPLOYMENT = { chainId: 31_337, deployedAt: 0, contracts: {} }

let open: OpenDatabase

beforeAll(async () => {
  open = await openDatabase()
})

afterAll(async () => open.close())

async function ask(key: string, state: string, wish: string | null = null): Promise<void> {
  const error = state === 'held' ? 'waits for a person' : null
  await open.database.query(
    `INSERT INTO chain.tx_request (id, key, signer, target, data, state, error, wish)
     VALUES ($1, $2, 'settler', $3, '0x', $4, $5, $6)`,
    [newUuid(), key, TARGET, state, error, wish],
  )
}

it('calls transactions back by their key, once, unless they are over', async () => {
  const { database } = open
  const rpc = new RpcClient({ urls: ['http://127.0.0.1:9'], log: silentLog })
  const service = new ChainService({ database, rpc, deployment: DEPLOYMENT })
  await ask('unwanted', 'requested')
  await ask('unwanted too', 'held', 'resume')
  await ask('over', 'final')
  const order = { reason: 'the withdrawal failed', actor: 'settler' }
  for (const key of ['unwanted', 'unwanted too', 'unwanted', 'over', 'never asked for'])
    await inTransaction(database, (tx) => service.recallTransaction(tx, key, order))
  const wishes = await database.query(
    `SELECT r.key, r.wish, w.reason, w.actor FROM chain.tx_wish w
     JOIN chain.tx_request r ON r.id = w.request ORDER BY r.seq`,
  )
  expect(wishes).toEqual([
    { key: 'unwanted', wish: 'cancel', ...order },
    { key: 'unwanted too', wish: 'cancel', ...order },
  ])
  await rpc.close()
})
