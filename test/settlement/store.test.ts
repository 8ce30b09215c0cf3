import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { delta } from '#kernel/money.ts'
import { newUuid } from '#platform/crypto.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { ZERO_HASH, type Batch } from '#settlement/batch.ts'
import { composeSupply, composeTrades, type Composed, type Place } from '#settlement/composer.ts'
import { genesisHead, headOf, keccakOf } from '#settlement/keccak-adapter.ts'
import * as store from '#settlement/store.ts'
import { openDatabase, type OpenDatabase } from '../support/database.ts'

const HASHING = { keccak: keccakOf, head: headOf }
const VAULT = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const TX = `0x${'11'.repeat(32)}`
let open: OpenDatabase

beforeAll(async () => {
  open = await openDatabase()
})

afterEach(async () => {
  await open.database.query(
    `DELETE FROM settlement.batch WHERE id NOT IN (SELECT batch FROM settlement.delta)`,
  )
})

afterAll(async () => {
  await open.close()
})

async function nextPlace(): Promise<Place> {
  const last = await store.findLastBatch(open.database)
  return {
    prevHead: last?.head ?? genesisHead(31337, VAULT),
    sequence: (last?.sequence ?? 0n) + 1n,
    closeTime: 1_700_000_000n,
    journalHash: `0x${'77'.repeat(32)}`,
    liabilitiesRoot: ZERO_HASH,
  }
}

let nextSequence = 1n

async function insertTrades(): Promise<Batch> {
  const firstSequence = nextSequence
  const lastSequence = firstSequence + 9n
  nextSequence = lastSequence + 1n
  const base = { sequence: firstSequence, debit: 16n, credit: 17n, asset: 3, amount: 50n }
  const quote = { ...base, index: 1, debit: 17n, credit: 16n, asset: 0, amount: 900n }
  const transfers = [
    { ...base, index: 0, code: 'trade_base', ref: newUuid() },
    { ...quote, code: 'fee', ref: null },
  ]
  const range = { firstSequence, lastSequence, transfers }
  return await insert(
    composeTrades(newUuid(), await nextPlace(), { ...range, tradesRoot: ZERO_HASH }, HASHING),
  )
}

async function insertSupply(): Promise<Batch> {
  const supply = { request: newUuid(), asset: 3, change: 500n, beneficiary: 18 }
  const minted = { account: 18, asset: 3, amount: delta(500n) }
  return await insert(composeSupply(newUuid(), await nextPlace(), supply, minted, HASHING))
}

async function insert({ batch, deltas }: Composed): Promise<Batch> {
  await inTransaction(open.database, (tx) => store.insertBatch(tx, batch, deltas))
  const found = await store.findBatch(open.database, batch.id)
  if (found === undefined) throw new TypeError('the batch was not stored')
  return found
}

async function apply(...effects: readonly object[]): Promise<void> {
  await open.database.query('SELECT settlement.apply($1)', [JSON.stringify(effects)])
}

async function statusOf({ id }: Batch): Promise<string | undefined> {
  return (await store.findBatch(open.database, id))?.status
}

async function finish(batch: Batch): Promise<void> {
  const { sequence, head } = batch
  await apply({ type: 'batch_mined', sequence: Number(sequence), head, tx_hash: TX, block: 5 })
  await apply({ type: 'batch_final', sequence: Number(sequence), block: 5 })
}

describe('a stored batch', () => {
  it('reads back as it was composed, header and records included', async () => {
    const composed = composeTrades(
      newUuid(),
      await nextPlace(),
      { firstSequence: 900n, lastSequence: 901n, transfers: [], tradesRoot: ZERO_HASH },
      HASHING,
    )
    const batch = await insert(composed)
    expect(batch).toMatchObject({ ...composed.batch, txHash: null, gasUsed: null })
    expect(headOf(batch.header)).toBe(batch.head)
    expect(batch.header.liabilitiesRoot).toBe(ZERO_HASH)
  })

  it('is told to the ledger by its head, with its deltas', async () => {
    const batch = await insertTrades()
    const supplied = await insertSupply()
    const known = await store.listKnownBatches(open.database, [batch.head, supplied.head])
    expect(known.get(batch.head)).toEqual({
      sequence: Number(batch.sequence),
      head: batch.head,
      deltas: [
        [16, 0, '900'],
        [16, 3, '-50'],
        [17, 0, '-900'],
        [17, 3, '50'],
      ],
    })
    expect(known.get(supplied.head)).toMatchObject({
      deltas: [[18, 3, '500']],
      supply: { asset: 3, change: '500', beneficiary: 18 },
    })
    await finish(batch)
    await finish(supplied)
  })

  it('goes through its statuses with the chain and steps back with a retraction', async () => {
    const batch = await insertTrades()
    expect(await store.findOpenBatch(open.database)).toMatchObject({ id: batch.id })
    await inTransaction(open.database, (tx) => store.setBatchStatus(tx, batch, 'submitted'))
    const sequence = Number(batch.sequence)
    await apply({ type: 'batch_mined', sequence, head: batch.head, tx_hash: TX, block: 5 })
    expect(await statusOf(batch)).toBe('mined')
    expect(await store.findOpenBatch(open.database)).toBeUndefined()
    await apply({ type: 'batch_retracted', sequence })
    expect(await statusOf(batch)).toBe('submitted')
    // A block holds it after all: the chain knows better.
    await inTransaction(open.database, (tx) =>
      store.setBatchStatus(tx, { ...batch, status: 'submitted' }, 'reverted', { error: 'no gas' }),
    )
    await apply({ type: 'batch_mined', sequence, head: batch.head, tx_hash: TX, block: 5 })
    expect(await statusOf(batch)).toBe('mined')
    await apply({ type: 'batch_retracted', sequence })
    await finish(batch)
    expect(await store.findBatch(open.database, batch.id)).toMatchObject({
      status: 'final',
      txHash: TX,
      blockNumber: 5n,
    })
  })

  it('cannot be rewritten', async () => {
    const batch = await insertTrades()
    const rewrite = `UPDATE settlement.batch SET records = '\\x00' WHERE id = $1`
    await expect(open.database.query(rewrite, [batch.id])).rejects.toThrow()
    const forget = 'DELETE FROM settlement.delta WHERE batch = $1'
    await expect(open.database.query(forget, [batch.id])).rejects.toThrow()
    await finish(batch)
  })

  it('that is abandoned frees its place for another with the same header', async () => {
    const first = await insertSupply()
    await inTransaction(open.database, (tx) =>
      store.setBatchStatus(tx, first, 'abandoned', { error: 'CeilingExceeded' }),
    )
    const second = await insertSupply()
    expect(second.sequence).toBe(first.sequence)
    expect(second.head).toBe(first.head)
    await finish(second)
    expect(await statusOf(first)).toBe('abandoned')
  })

  it('that reverted goes out again with the same header under another key', async () => {
    const batch = await insertTrades()
    await inTransaction(open.database, (tx) => store.setBatchStatus(tx, batch, 'reverted'))
    const reverted = await store.findBatch(open.database, batch.id)
    if (reverted === undefined) throw new TypeError('lost')
    await inTransaction(open.database, (tx) => store.setNextAttempt(tx, reverted, 'settle:again'))
    expect(await store.findBatch(open.database, batch.id)).toMatchObject({
      status: 'netted',
      attempt: 2,
      txKey: 'settle:again',
      head: batch.head,
    })
    await finish(batch)
  })
})

describe('the settled sequence', () => {
  it('stands before the first batch that is not final', async () => {
    const { database } = open
    const first = await insertTrades()
    const second = await insertTrades()
    const last = second.lastSequence ?? 0n
    await inTransaction(database, (tx) => store.setCovered(tx, last))
    expect(await store.readSettledSequence(database)).toBe((first.firstSequence ?? 0n) - 1n)
    const mined = { type: 'batch_mined', head: first.head, tx_hash: TX, block: 5 }
    await apply({ ...mined, sequence: Number(first.sequence) })
    expect(await store.readSettledSequence(database)).toBe((first.firstSequence ?? 0n) - 1n)
    await finish(first)
    expect(await store.readSettledSequence(database)).toBe(first.lastSequence)
    await finish(second)
    expect(await store.readSettledSequence(database)).toBe(last)
  })

  it('tells each trade its batch', async () => {
    const batch = await insertTrades()
    const inside = batch.firstSequence ?? 0n
    const found = await store.listBatchesOf(open.database, [inside, inside + 100n])
    expect([...found.keys()]).toEqual([inside])
    expect(found.get(inside)).toMatchObject({ id: batch.id, status: 'netted' })
    await finish(batch)
  })
})

describe('a halt', () => {
  it('is kept with its reason until somebody resumes, both for the record', async () => {
    const { database } = open
    await inTransaction(database, (tx) => store.setHalted(tx, 'mirror: account 17', 'mirror'))
    expect(await store.readState(database)).toMatchObject({
      status: 'halted',
      reason: 'mirror: account 17',
    })
    await inTransaction(database, (tx) => store.setRunning(tx, 'repaired', 'usr_1'))
    expect(await store.readState(database)).toMatchObject({ status: 'running', reason: null })
    const incidents = await database.query(
      'SELECT kind, actor FROM settlement.incident ORDER BY id',
    )
    expect(incidents).toEqual([
      { kind: 'halted', actor: 'mirror' },
      { kind: 'resumed', actor: 'usr_1' },
    ])
    await expect(database.query('DELETE FROM settlement.incident')).rejects.toThrow()
  })
})
