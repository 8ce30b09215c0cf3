import { describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { systemAccount, userAccount } from '#ledger/account-code.ts'
import { LedgerCore } from '#ledger/core.ts'
import type { LedgerChainEvent } from '#ledger/chain-block.ts'
import type { LedgerCommand } from '#ledger/command.ts'
import { newUuid } from '#platform/crypto.ts'

const WALLET = `0x${'ab'.repeat(20)}`
const HEAD = `0x${'cd'.repeat(32)}`

class Rig {
  readonly core = new LedgerCore([])
  #sequence = 0n
  #block = 0

  constructor() {
    for (const asset of [0, 1])
      this.do({
        type: 'list_asset',
        asset,
        symbol: `A${asset}`,
        decimals: 2,
        external: asset === 0,
      })
    this.final([
      { type: 'registered', account: 16, wallet: WALLET, class: 1, expires_at: null },
      { type: 'registered', account: 17, wallet: WALLET, class: 1, expires_at: null },
    ])
  }

  do(command: LedgerCommand): string {
    this.#sequence += 1n
    const outcome = this.core.apply(this.#sequence, instant(1_800_000_000_000), command)
    return outcome.ok ? 'ok' : outcome.error.code
  }

  see(events: readonly LedgerChainEvent[]): number {
    this.#block += 1
    const number = this.#block
    expect(this.do({ type: 'apply_block', ...place(number), time: number, events })).toBe('ok')
    return number
  }

  final(events: readonly LedgerChainEvent[]): void {
    expect(this.do({ type: 'finalize_block', ...place(this.see(events)) })).toBe('ok')
  }

  figures(account: number, asset = 0): readonly bigint[] {
    const { posted, held, incoming, settled } = this.core.books.balance(userAccount(account), asset)
    return [posted, held, incoming, settled]
  }

  effects(context: 'payments' | 'settlement' | 'compliance'): readonly unknown[] {
    return this.core.takeChanges().effects.get(context) ?? []
  }
}

function place(number: number) {
  return { number, hash: `0x${number.toString(16)}` }
}

function refused(type: string, detail: string): object {
  return { type: 'block_refused', reason: `the core refused ${type}: ${detail}` }
}

function deposit(account: number, amount: string): LedgerChainEvent {
  return { type: 'deposit', id: `${HEAD}:${amount}`, account, asset: 0, amount }
}

describe('deposits', () => {
  it('wait as incoming, and are posted and settled when final', () => {
    const rig = new Rig()
    const number = rig.see([deposit(16, '500')])
    expect(rig.figures(16)).toEqual([0n, 0n, 500n, 0n])
    rig.do({ type: 'finalize_block', ...place(number) })
    expect(rig.figures(16)).toEqual([500n, 0n, 0n, 500n])
    expect(rig.core.books.balance(systemAccount('custody', 0), 0).posted).toBe(-500n)
  })

  it('are gone when their block is retracted', () => {
    const rig = new Rig()
    const number = rig.see([deposit(16, '500')])
    rig.effects('payments')
    rig.do({ type: 'retract_block', ...place(number) })
    expect(rig.figures(16)).toEqual([0n, 0n, 0n, 0n])
    expect(rig.effects('payments')).toMatchObject([{ status: '{retracted}', account: '{16}' }])
  })

  it('reach an account that the ledger has not opened yet', () => {
    const rig = new Rig()
    rig.final([deposit(99, '5')])
    expect(rig.figures(99)).toEqual([5n, 0n, 0n, 5n])
    expect(rig.do({ type: 'open_account', account: 99 })).toBe('ok')
  })
})

describe('withdrawals', () => {
  const request = (amount: string, id = newUuid()) =>
    ({ type: 'request_withdrawal', id, account: 16, asset: 0, amount }) as const

  it('hold at once, and are posted when final', () => {
    const rig = new Rig()
    rig.final([deposit(16, '500')])
    const command = request('200')
    expect(rig.do(command)).toBe('ok')
    expect(rig.figures(16)).toEqual([500n, 200n, 0n, 500n])
    rig.final([{ type: 'withdrawn', id: command.id, account: 16, asset: 0, amount: '200' }])
    expect(rig.figures(16)).toEqual([300n, 0n, 0n, 300n])
    expect(rig.core.books.balance(systemAccount('custody', 0), 0).posted).toBe(-300n)
  })

  it('that fail release what they held', () => {
    const rig = new Rig()
    rig.final([deposit(16, '500')])
    const command = request('200')
    rig.do(command)
    expect(rig.do({ type: 'fail_withdrawal', id: command.id })).toBe('ok')
    expect(rig.figures(16)).toEqual([500n, 0n, 0n, 500n])
    expect(rig.do({ type: 'fail_withdrawal', id: command.id })).toBe('ledger.hold_not_found')
  })

  it('that the ledger does not know are taken from suspense, and the next event is applied', () => {
    const rig = new Rig()
    rig.final([
      { type: 'withdrawn', id: newUuid(), account: 16, asset: 0, amount: '7' },
      deposit(17, '5'),
    ])
    expect(rig.core.books.balance(systemAccount('suspense', 0), 0).posted).toBe(-7n)
    expect(rig.figures(17)).toEqual([5n, 0n, 0n, 5n])
    expect(rig.core.takeChanges().events.map(([, event]) => event.type)).toContain(
      'ledger.suspended.v1',
    )
  })

  it('are open to an expired registration, and closed to an account without one', () => {
    const rig = new Rig()
    rig.final([
      deposit(16, '500'),
      deposit(99, '500'),
      { type: 'registered', account: 16, wallet: WALLET, class: 1, expires_at: 1 },
    ])
    expect(rig.do(request('200'))).toBe('ok')
    expect(rig.do({ ...request('200'), account: 99 })).toBe('ledger.account_not_registered')
  })

  it.each([
    ['more than there is', '501', 'ledger.insufficient_funds'],
    ['nothing', '0', 'ledger.insufficient_funds'],
  ])('of %s are refused', (_, amount, code) => {
    const rig = new Rig()
    rig.final([deposit(16, '500')])
    const before = rig.core.stateText()
    expect(rig.do(request(amount))).toBe(code)
    expect(rig.core.stateText()).toBe(before)
  })
})

describe('a registration', () => {
  it('takes a later class and expiry, and tells them on', () => {
    const rig = new Rig()
    rig.effects('compliance')
    rig.final([{ type: 'class_changed', account: 16, class: 7, expires_at: 9 }])
    const terms = { account: 16, wallet: WALLET, class: 7 }
    expect(rig.core.books.findAccount(16)).toMatchObject({ ...terms, expiresAt: 9 })
    expect(rig.effects('compliance')).toEqual([{ ...terms, type: 'registered', expires_at: 9 }])
  })
})

describe('settlement batches', () => {
  it('change the settled figures at finality and not before', () => {
    const rig = new Rig()
    rig.final([deposit(16, '500')])
    const deltas = [
      [16, 0, '-100'],
      [17, 0, '100'],
    ] as const
    const number = rig.see([{ type: 'batch', sequence: 1, head: HEAD, deltas }])
    expect(rig.figures(16)[3]).toBe(500n)
    expect(rig.effects('settlement').at(-1)).toMatchObject({ type: 'batch_mined', sequence: 1 })
    rig.do({ type: 'finalize_block', ...place(number) })
    expect([rig.figures(16)[3], rig.figures(17)[3]]).toEqual([400n, 100n])
    expect(rig.effects('settlement')).toMatchObject([
      { type: 'batch_final', sequence: 1, block: number },
      { type: 'block_final', number },
    ])
  })

  it('of supply mint into the beneficiary when final', () => {
    const rig = new Rig()
    const supply = { asset: 1, change: '1000', beneficiary: 16 }
    const deltas = [[16, 1, '1000']] as const
    const number = rig.see([{ type: 'batch', sequence: 1, head: HEAD, deltas, supply }])
    expect(rig.figures(16, 1)).toEqual([0n, 0n, 1000n, 0n])
    rig.do({ type: 'finalize_block', ...place(number) })
    expect(rig.figures(16, 1)).toEqual([1000n, 0n, 0n, 1000n])
    expect(rig.core.books.balance(systemAccount('issuance', 1), 1).posted).toBe(-1000n)
  })
})

describe('blocks', () => {
  it('are applied, retracted and finalized in order only', () => {
    const rig = new Rig()
    const first = rig.see([])
    const second = rig.see([])
    const before = rig.core.stateText()
    rig.effects('settlement')
    expect(rig.do({ type: 'retract_block', ...place(first) })).toBe('ledger.block_out_of_order')
    expect(rig.do({ type: 'finalize_block', ...place(second) })).toBe('ledger.block_out_of_order')
    expect(rig.do({ type: 'apply_block', ...place(second), time: 1, events: [] })).toBe(
      'ledger.block_out_of_order',
    )
    expect(rig.core.stateText()).toBe(before)
    expect(rig.effects('settlement')).toEqual([
      refused('retract_block', `block ${first} is not the newest`),
      refused('finalize_block', `block ${second} is not the oldest`),
      refused('apply_block', `block ${second} after ${second}`),
    ])
    expect(rig.core.books.headBlock?.number).toBe(second)
    rig.do({ type: 'retract_block', ...place(second) })
    expect(rig.core.books.headBlock?.number).toBe(first)
  })
})
