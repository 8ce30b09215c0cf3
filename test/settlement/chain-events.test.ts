import { describe, expect, it } from 'vitest'
import { withdrawalId } from '#payments/withdrawal.ts'
import {
  classesOf,
  headsOf,
  listedAssets,
  readBlock,
  readFinality,
  readRetraction,
  strayWithdrawals,
  translateBlock,
  withdrawalsOf,
  type KnownBatch,
} from '#settlement/chain-events.ts'

const HEAD = `0x${'ab'.repeat(32)}`
const TX = `0x${'11'.repeat(32)}`
const UUID = '01890a5d-ac96-774b-bcce-b302099a8057'
const WALLET = `0x${'22'.repeat(20)}`

function block(...events: { name: string; args: Record<string, unknown> }[]) {
  return readBlock({
    number: 12,
    hash: `0x${'cc'.repeat(32)}`,
    parent_hash: `0x${'bb'.repeat(32)}`,
    timestamp: 1_700_000_000,
    events: events.map(({ name, args }, index) => ({
      contract: 'ClearingHouse',
      name,
      log_index: index,
      tx_hash: TX,
      args: Object.fromEntries(Object.entries(args).map(([key, value]) => [key, String(value)])),
    })),
    receipts: [],
  })
}

const KNOWN: KnownBatch = { sequence: 3, head: HEAD, deltas: [[16, 0, '-5']] }

describe('chain events', () => {
  it('become one command per block, in log order', () => {
    const { command, unknown } = translateBlock(
      block(
        { name: 'Deposited', args: { account: 16, asset: 0, amount: '500' } },
        { name: 'Withdrawn', args: { id: withdrawalId(UUID), account: 16, asset: 0, amount: '7' } },
        { name: 'BatchSettled', args: { sequence: 3, head: HEAD, journalHash: HEAD } },
        { name: 'SupplyApplied', args: { asset: 3, change: 5, totalSupply: 5 } },
      ),
      new Map([[HEAD, KNOWN]]),
    )
    expect(unknown).toEqual([])
    expect(command).toMatchObject({ type: 'apply_block', number: 12, time: 1_700_000_000 })
    expect(command.events).toEqual([
      { type: 'deposit', id: `${TX}:0`, account: 16, asset: 0, amount: '500' },
      { type: 'withdrawn', id: UUID, account: 16, asset: 0, amount: '7', tx_hash: TX },
      { type: 'batch', ...KNOWN, tx_hash: TX },
    ])
  })

  it('name a registration and a listing as the core wants them', () => {
    const { command } = translateBlock(
      block(
        {
          name: 'AccountRegistered',
          args: { account: 16, wallet: WALLET, class: 1, expiresAt: 0 },
        },
        {
          name: 'AccountRegistered',
          args: { account: 17, wallet: WALLET, class: 2, expiresAt: 9 },
        },
        { name: 'ClassChanged', args: { account: 16, class: 4, expiresAt: 0 } },
        {
          name: 'AssetCreated',
          args: { asset: 3, token: WALLET, decimals: 2, allowedClasses: 0b1011n | (1n << 83n) },
        },
      ),
      new Map(),
      new Map([[3, 'GOLD']]),
    )
    expect(command.events).toEqual([
      { type: 'registered', account: 16, wallet: WALLET, class: 1, expires_at: null },
      { type: 'registered', account: 17, wallet: WALLET, class: 2, expires_at: 9 },
      { type: 'class_changed', account: 16, class: 4, expires_at: null },
      {
        type: 'listed',
        asset: 3,
        symbol: 'GOLD',
        token: WALLET,
        decimals: 2,
        allowed_classes: [1, 3, 83],
      },
    ])
  })

  it('never guess at a batch or a withdrawal that is not ours', () => {
    const strange = block(
      { name: 'BatchSettled', args: { sequence: 3, head: HEAD, journalHash: HEAD } },
      {
        name: 'Withdrawn',
        args: { id: `0x${'ff'.repeat(32)}`, account: 16, asset: 0, amount: '7' },
      },
      { name: 'Deposited', args: { account: 16, asset: 0, amount: '500' } },
    )
    const { command, unknown } = translateBlock(strange, new Map())
    expect(unknown.map(({ name }) => name)).toEqual(['BatchSettled', 'Withdrawn'])
    expect(command.events.map(({ type }) => type)).toEqual(['deposit'])
  })

  it('tell which payments no open withdrawal explains', () => {
    const paid = (id: string) => ({
      name: 'Withdrawn',
      args: { id: withdrawalId(id), account: 16, asset: 0, amount: '7' },
    })
    const other = UUID.replace(/^./, (first) => (first === '0' ? '1' : '0'))
    const both = block(paid(UUID), paid(other))
    expect(withdrawalsOf(both)).toEqual([UUID, other])
    expect(strayWithdrawals(both, new Set([UUID]))).toEqual([
      { name: 'Withdrawn', tx_hash: TX, detail: `id ${other}` },
    ])
  })

  it('tell which rows the translation needs', () => {
    const one = block(
      {
        name: 'BatchSettled',
        args: { sequence: 3, head: HEAD.toUpperCase().replace('0X', '0x'), journalHash: HEAD },
      },
      { name: 'AssetCreated', args: { asset: 9, token: WALLET, decimals: 2, allowedClasses: 0 } },
    )
    expect(headsOf(one)).toEqual([HEAD])
    expect(listedAssets(one)).toEqual([9])
    expect(classesOf(1n)).toEqual([])
  })

  it('read retraction and finality of a block', () => {
    const place = { number: 12, hash: HEAD }
    expect(readRetraction({ ...place, events: [] })).toEqual({ type: 'retract_block', ...place })
    expect(readFinality(place)).toEqual({ type: 'finalize_block', ...place })
  })

  it('fail loudly when an argument is missing or odd', () => {
    expect(() =>
      translateBlock(block({ name: 'Deposited', args: { account: 16, asset: 0 } }), new Map()),
    ).toThrow()
    expect(() =>
      translateBlock(
        block({ name: 'Deposited', args: { account: 16, asset: 0, amount: '-5' } }),
        new Map(),
      ),
    ).toThrow()
    expect(() => readBlock({ number: 1, hash: HEAD })).toThrow()
  })
})
