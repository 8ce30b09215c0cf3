import { createHash } from 'node:crypto'
import { Interface } from 'ethers'
import { describe, expect, it } from 'vitest'
import { JournalReader } from '../../scripts/audit/journal.ts'
import { readRecords } from '../../scripts/audit/lanes.ts'
import { Suite } from '../../scripts/audit/suite.ts'
import type { Body } from '../../scripts/body.ts'
import abi from '#chain/contracts/abi.json' with { type: 'json' }
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

describe('what no batch carries', () => {
  const DOCUMENT = `0x${'d0'.repeat(32)}`
  const ADDRESSES = { vault: 'vault', investors: 'investors', assets: 'assets', supply: 'supply' }
  const log = (contract: 'InvestorRegistry' | 'SupplyController', name: string, args: unknown[]) =>
    new Interface(abi[contract]).encodeEventLog(name, args)
  const freezes = [
    log('InvestorRegistry', 'Frozen', [16, DOCUMENT]),
    log('InvestorRegistry', 'Frozen', [17, DOCUMENT]),
    log('InvestorRegistry', 'Unfrozen', [16, DOCUMENT]),
    log('InvestorRegistry', 'ClaimCancelled', [`0x${'11'.repeat(20)}`, 1]),
  ]
  const changes = (left: bigint) => [
    log('SupplyController', 'SupplyApplied', [3, 900, 900]),
    log('SupplyController', 'RedemptionSettled', [1, 3, 16, 300, 5, left, DOCUMENT]),
    log('SupplyController', 'SupplyApplied', [3, -100, left - 100n]),
  ]

  /** A chain with these logs, on which account 17 is frozen, whose asset 3 has this supply. */
  async function read(supply: bigint, left = 600n, frozen = 17) {
    const chain = {
      logs: async (address: string) => (address === 'investors' ? freezes : changes(left)),
      view: async (_place: object, method: string, ...[account]: readonly unknown[]) => {
        if (method === 'isFrozen') return account === frozen
        return method === 'tokenOf' ? 'token' : supply
      },
    }
    return await new Suite(chain, ADDRESSES, 9).read()
  }

  it('follows from events: freezes, supplies and redemptions', async () => {
    const { frozen, supplies, redemptions, faults } = await read(500n)
    expect(faults).toEqual([])
    expect([frozen, [...supplies], redemptions]).toEqual([[17], [[3, 500n]], 1])
  })

  it('is found to differ from what the contracts say', async () => {
    expect((await read(501n)).faults).toHaveLength(1)
    expect((await read(500n, 601n)).faults).toHaveLength(2)
    expect((await read(500n, 600n, 16)).faults).toHaveLength(2)
  })
})
