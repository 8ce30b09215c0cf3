import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '#platform/db/migrate.ts'
import { createDatabase, type TestDatabase } from '../support/postgres.ts'
import { installCommitChecks, VIOLATIONS } from './commit-checks.ts'

describe('the checks at each commit of a real Postgres', () => {
  let database: TestDatabase
  let client: Client

  beforeEach(async () => {
    database = await createDatabase({ migrate: (url) => migrate({ url }) })
    await installCommitChecks(database.url)
    client = new Client({ connectionString: database.url })
    await client.connect()
    await client.query(`UPDATE platform.fence SET epoch = 3 WHERE role = 'engine'`)
  })
  afterEach(async () => {
    await client.end()
    await database.drop()
  })

  const found = async () => (await client.query<{ invariant: string }>(VIOLATIONS)).rows
  const journal = (epoch: number, commands: readonly object[] = []) =>
    client.query(
      `INSERT INTO ledger.journal_batch (first_seq, last_seq, epoch, at, prev_hash, hash, body)
       SELECT 1, 1, $1, now(), sha256('x'), sha256(sha256('x') || convert_to($2, 'UTF8')), $2`,
      [epoch, JSON.stringify({ commands })],
    )
  const balance = (posted: number, held: number) =>
    client.query(
      `INSERT INTO ledger.balance
       (account, asset, posted, held, incoming, settled, floor, version, last_seq)
       VALUES (5, 0, $1, $2, 0, 0, 0, 1, 1)`,
      [posted, held],
    )
  const transfer = (amount: number) =>
    client.query(
      `INSERT INTO ledger.transfer (seq, idx, debit, credit, asset, amount, code)
       VALUES (1, 0, 4, 5, 0, $1, 'deposit')`,
      [amount],
    )
  const position = (seq: number) =>
    client.query(`SELECT platform.write_position('engine', 'chain.events', $1, 1)`, [seq])
  const command = { command: { type: 'apply_block' } }

  it('find nothing where a batch of the leader explains balance and position', async () => {
    await client.query('BEGIN')
    await journal(3, [command])
    await balance(7, 0)
    await transfer(7)
    await position(1)
    await client.query('COMMIT')
    expect(await found()).toEqual([])
  })

  it.each([2, 4])('find a batch of epoch %i while epoch 3 leads', async (epoch) => {
    await journal(epoch)
    expect(await found()).toMatchObject([{ invariant: 'I2 one-writer' }])
  })

  it('find an epoch that was raised before the batch was committed', async () => {
    await client.query('BEGIN')
    await journal(3)
    await client.query(`UPDATE platform.fence SET epoch = 4 WHERE role = 'engine'`)
    await client.query('COMMIT')
    expect(await found()).toMatchObject([{ invariant: 'I2 one-writer' }])
  })

  it.each([
    ['posted', 8, 0],
    ['held', 7, 1],
  ])('find a balance whose %s nothing explains', async (_what, posted, held) => {
    await transfer(7)
    await balance(posted, held)
    expect(await found()).toMatchObject([{ invariant: 'I3 balanced' }])
  })

  it('find a position without its command, and a command without its position', async () => {
    await position(1)
    expect(await found()).toMatchObject([{ invariant: 'I7 exactly-once-effect' }])
    await journal(3, [command, command])
    expect(await found()).toHaveLength(2)
  })
})
