import { describe, expect, it } from 'vitest'
import { EVENT_LAYOUTS } from '#chain/decoders.ts'
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
  type Known,
  type KnownBatch,
} from '#settlement/chain-events.ts'

const HEAD = `0x${'ab'.repeat(32)}`
const TX = `0x${'11'.repeat(32)}`
const UUID = '01890a5d-ac96-774b-bcce-b302099a8057'
const WALLET = `0x${'22'.repeat(20)}`
const OTHER = `0x${'33'.repeat(20)}`

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

function known(some: Partial<Known> = {}): Known {
  return {
    batches: new Map(),
    symbols: new Map(),
    late: new Set(),
    checksum: (address) => address,
    ...some,
  }
}

describe('chain events', () => {
  it('become one command per block, in log order', () => {
    const { command, unknown } = translateBlock(
      block(
        { name: 'Deposited', args: { account: 16, asset: 0, amount: '500' } },
        { name: 'Withdrawn', args: { id: withdrawalId(UUID), account: 16, asset: 0, amount: '7' } },
        { name: 'BatchSettled', args: { sequence: 3, head: HEAD, journalHash: HEAD } },
        { name: 'SupplyApplied', args: { asset: 3, change: 5, totalSupply: 5 } },
      ),
      known({ batches: new Map([[HEAD, KNOWN]]) }),
    )
    expect(unknown).toEqual([])
    expect(command).toMatchObject({ type: 'apply_block', number: 12, time: 1_700_000_000 })
    expect(command.events).toEqual([
      { type: 'deposit', id: `${TX}:0`, account: 16, asset: 0, amount: '500' },
      { type: 'withdrawn', id: UUID, account: 16, asset: 0, amount: '7', tx_hash: TX },
      { type: 'batch', ...KNOWN, tx_hash: TX },
    ])
  })

  it('tell the core who may trade no more, what left, and what was redeemed', () => {
    const documentHash = `0x${'d0'.repeat(32)}`
    const exit = { account: 16, asset: 3, amount: '9' }
    const { command } = translateBlock(
      block(
        { name: 'ExitRequested', args: { account: 16 } },
        { name: 'ExitExecuted', args: exit },
        { name: 'ExitCancelled', args: { account: 16 } },
        { name: 'ExitModeEntered', args: {} },
        { name: 'Frozen', args: { account: 17, documentHash } },
        { name: 'Unfrozen', args: { account: 17, documentHash } },
        { name: 'RedemptionSettled', args: { id: 1, asset: 3, account: 16, amount: '4' } },
        { name: 'Paused', args: { account: WALLET } },
      ),
      known(),
    )
    const id = '11111111-1111-1111-1111-000000100003'
    expect(command.events).toEqual([
      { type: 'exit_requested', account: 16 },
      { type: 'exit_executed', id, ...exit },
      { type: 'exit_cancelled', account: 16 },
      { type: 'exit_mode' },
      { type: 'frozen', account: 17, document: documentHash },
      { type: 'unfrozen', account: 17, document: documentHash },
      { type: 'redeemed', asset: 3, amount: '4' },
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
        { name: 'PrimaryWalletChanged', args: { account: 16, previous: WALLET, wallet: OTHER } },
        {
          name: 'AssetCreated',
          args: { asset: 3, token: WALLET, decimals: 2, allowedClasses: 0b1011n | (1n << 83n) },
        },
      ),
      known({ symbols: new Map([[3, 'GOLD']]) }),
    )
    expect(command.events).toEqual([
      { type: 'registered', account: 16, wallet: WALLET, class: 1, expires_at: null },
      { type: 'registered', account: 17, wallet: WALLET, class: 2, expires_at: 9 },
      { type: 'class_changed', account: 16, class: 4, expires_at: null },
      { type: 'wallet_changed', account: 16, wallet: OTHER },
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
    const { command, unknown } = translateBlock(strange, known())
    expect(unknown.map(({ name }) => name)).toEqual(['BatchSettled', 'Withdrawn'])
    expect(command.events.map(({ type }) => type)).toEqual(['deposit'])
  })

  it('tell which payments no open withdrawal explains', () => {
    const paid = (id: string) => ({
      name: 'Withdrawn',
      args: { id: withdrawalId(id), account: 16, asset: 0, amount: '7' },
    })
    const other = UUID.replace(/^./, (first) => (first === '0' ? '1' : '0'))
    const both = withdrawalsOf(block(paid(UUID), paid(other)))
    const terms = { account: 16, asset: 0, amountAtoms: 7n, txHash: TX }
    expect(both).toEqual([
      { id: UUID, ...terms },
      { id: other, ...terms },
    ])
    expect(strayWithdrawals(both, new Set([UUID]))).toEqual([
      { name: 'Withdrawn', tx_hash: TX, detail: `id ${other}` },
    ])
  })

  it('tell the core which payment is of a withdrawal that had failed', () => {
    const args = { id: withdrawalId(UUID), account: 16, asset: 0, amount: '7' }
    const late = known({ late: new Set([UUID]) })
    const { command } = translateBlock(block({ name: 'Withdrawn', args }), late)
    expect(command.events).toMatchObject([{ type: 'withdrawn', id: UUID, is_late: true }])
  })

  it('reach the core, all that the node reads but those that change nothing there', () => {
    const unused = ['Paused', 'Unpaused', 'ExternalListed', 'SupplyApplied']
    const withoutEffect = EVENT_LAYOUTS.filter((layout) => {
      const fields = [...layout.indexed, ...layout.data]
      const args = Object.fromEntries(fields.map(([name]) => [name, '0']))
      const { command, unknown } = translateBlock(block({ name: layout.name, args }), known())
      return command.events.length + unknown.length === 0
    })
    expect(withoutEffect.map(({ name }) => name).toSorted()).toEqual(unused.toSorted())
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
      translateBlock(block({ name: 'Deposited', args: { account: 16, asset: 0 } }), known()),
    ).toThrow()
    expect(() =>
      translateBlock(
        block({ name: 'Deposited', args: { account: 16, asset: 0, amount: '-5' } }),
        known(),
      ),
    ).toThrow()
    expect(() => readBlock({ number: 1, hash: HEAD })).toThrow()
  })
})
