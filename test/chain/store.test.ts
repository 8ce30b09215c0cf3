import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NewBlock } from '#chain/store.ts'
import * as store from '#chain/store.ts'
import { hashOf } from '#chain/hex.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { openDatabase, type OpenDatabase } from '../support/database.ts'

const FOREIGN_KEY = '23503'
const hash = (digits: string) => hashOf(`0x${digits.padStart(64, '0')}`, 'hash')
let open: OpenDatabase

beforeAll(async () => {
  open = await openDatabase()
})

afterAll(async () => {
  await open.close()
})

function blockWithLogs(number: number, digits: string, named = digits): NewBlock {
  const places = [3, 4]
  return {
    header: { number, hash: hash(digits), parentHash: hash('f'), timestamp: 7 },
    receipts: [],
    logs: places.map((place) => ({
      raw: {
        blockHash: hash(named),
        transactionHash: hash('aa'),
        logIndex: place,
        address: `0x${'1'.repeat(40)}`,
        topics: [hash('b'), hash('c')],
        data: '0x',
      },
      event: {
        contract: 'ClearingHouse',
        name: 'Deposited',
        log_index: place,
        tx_hash: hash('aa'),
        args: { account: 16, asset: 0, amount: '9007199254740993', note: 'a "quoted", {odd} text' },
      },
    })),
  }
}

describe('the logs of a block', () => {
  it('come back as they were stored, and the same block is stored once', async () => {
    const block = blockWithLogs(1, '1')
    const { number } = block.header
    for (let times = 0; times < 2; times += 1) {
      await inTransaction(open.database, (tx) => store.insertBlocks(tx, [block]))
      const place = { number, hash: block.header.hash }
      const [back] = await inTransaction(open.database, (tx) => store.retractBlocks(tx, [place]))
      expect(back?.events).toEqual(block.logs.map(({ event }) => event))
    }
    const rows = await open.database.query(
      'SELECT topics, data FROM chain.log WHERE block_hash = $1 ORDER BY log_index',
      [hash('1')],
    )
    const [raw] = block.logs.map(({ raw: { topics, data } }) => ({ topics, data }))
    expect(rows).toEqual([raw, raw])
  })

  it('are refused when their block is unknown', async () => {
    const stray = blockWithLogs(2, '2', '22')
    const insert = inTransaction(open.database, (tx) => store.insertBlocks(tx, [stray]))
    await expect(insert).rejects.toMatchObject({ code: FOREIGN_KEY })
    expect(await open.database.query('SELECT FROM chain.block WHERE number = 2')).toEqual([])
  })

  it('keep their block from being deleted or renamed', async () => {
    await inTransaction(open.database, (tx) => store.insertBlocks(tx, [blockWithLogs(3, '3')]))
    for (const sql of [
      'DELETE FROM chain.block WHERE hash = $1',
      `UPDATE chain.log SET block_hash = replace(block_hash, '3', '4') WHERE block_hash = $1`,
    ]) {
      const change = open.database.query(sql, [hash('3')])
      await expect(change).rejects.toMatchObject({ code: FOREIGN_KEY })
    }
  })
})
