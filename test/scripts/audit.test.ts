import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { JournalReader } from '../../scripts/audit/journal.ts'
import { readRecords } from '../../scripts/audit/lanes.ts'
import type { Body } from '../../scripts/body.ts'
import { delta } from '#kernel/money.ts'
import { encodeRecords } from '#settlement/records.ts'

const GENESIS = createHash('sha256').update('an instance').digest('hex')

function journalRow(
  first: number,
  prevHash: string,
  change: (body: string) => string = (b) => b,
): Body {
  const body = JSON.stringify({
    commands: [{ sequence: String(first) }, { sequence: String(first + 1) }],
    transfers: [
      {
        sequence: String(first),
        index: 0,
        debit: '16',
        credit: '17',
        asset: 1,
        amount: '250',
        code: 'trade_base',
      },
      {
        sequence: String(first),
        index: 1,
        debit: 'custody:0',
        credit: '17',
        asset: 0,
        amount: '9',
        code: 'deposit',
      },
    ],
  })
  const hash = createHash('sha256').update(Buffer.from(prevHash, 'hex')).update(body).digest('hex')
  return {
    first_sequence: String(first),
    last_sequence: String(first + 1),
    prev_hash: `0x${prevHash}`,
    hash: `0x${hash}`,
    body: change(body),
  }
}

function hashOf(row: Body): string {
  return String(row['hash']).slice(2)
}

describe('the auditor', () => {
  it('reads records as the node packs them, whatever the sign, lane and group', () => {
    const deltas = [
      { account: 1, asset: 0, amount: delta(7n) },
      { account: 16, asset: 0, amount: delta(-1_000_007n) },
      { account: 16, asset: 5, amount: delta(2n ** 62n) },
      { account: 17, asset: 65_535, amount: delta(-1n) },
    ]
    const lanes = readRecords(encodeRecords(deltas))
    expect([...lanes.entries()]).toEqual(deltas)
  })

  it('finds nothing wrong with a journal that is right, and nets trades only', () => {
    const first = journalRow(1, GENESIS)
    const second = journalRow(3, hashOf(first))
    const reader = new JournalReader()
    reader.add(first)
    reader.add(second)
    const journal = reader.finish({ sequence: '4', hash: second['hash'] })
    expect(journal.faults).toEqual([])
    expect(journal.movements.map(({ amount }) => amount)).toEqual([250n, 250n])
  })

  it.each([
    [
      'an altered text',
      journalRow(3, hashOf(journalRow(1, GENESIS)), (body) => body.replace('250', '251')),
    ],
    ['a text that names another batch before it', journalRow(3, GENESIS)],
    ['a gap', journalRow(5, hashOf(journalRow(1, GENESIS)))],
  ])('finds %s', (_, second) => {
    const reader = new JournalReader()
    reader.add(journalRow(1, GENESIS))
    reader.add(second)
    const head = { sequence: String(second['last_sequence']), hash: String(second['hash']) }
    expect(reader.finish(head).faults).toHaveLength(1)
  })

  it('finds a head that the journal does not have', () => {
    const reader = new JournalReader()
    reader.add(journalRow(1, GENESIS))
    expect(reader.finish({ sequence: '2', hash: `0x${GENESIS}` }).faults).toHaveLength(1)
  })
})
