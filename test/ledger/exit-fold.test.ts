import { describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { systemAccount, userAccount } from '#ledger/account-code.ts'
import type { LedgerChainEvent } from '#ledger/chain-block.ts'
import type { Command } from '#ledger/command.ts'
import { LedgerCore } from '#ledger/core.ts'
import { Exchange } from '#trading/exchange.ts'

const AT = instant(1_800_000_000_000)
const [CASH, GOLD] = [0, 1]
const DOCUMENT = `0x${'d0'.repeat(32)}`
const ID = '00000000-0000-7000-8000-000000000001'
const OTHER = '00000000-0000-7000-8000-000000000002'
const THIRD = '00000000-0000-7000-8000-000000000003'

/** A core with a market, two registered accounts with 1000 of each asset, and a chain to play. */
class Play {
  readonly core = new LedgerCore([new Exchange()])
  readonly commands: Command[] = []
  #blocks: { readonly number: number; readonly hash: string }[] = []
  #made = 0

  constructor() {
    for (const [asset, symbol] of ['USD', 'GOLD'].entries())
      this.do({ type: 'list_asset', asset, symbol, decimals: 0, external: true } as Command)
    this.do({
      type: 'create_market',
      symbol: 'GOLD-USD',
      base: GOLD,
      quote: CASH,
      base_decimals: 0,
      quote_decimals: 0,
      tick_size: '1',
      lot_size: '1',
      maker_fee_bps: 0,
      taker_fee_bps: 0,
      market_collar_bps: 0,
    } as Command)
    this.see(
      ...[16, 17].flatMap((account): LedgerChainEvent[] => [
        { type: 'registered', account, wallet: `0x${account}`, class: 1, expires_at: null },
        { type: 'deposit', id: `cash:${account}`, account, asset: CASH, amount: '1000' },
        { type: 'deposit', id: `gold:${account}`, account, asset: GOLD, amount: '1000' },
      ]),
    )
    this.finalize()
  }

  do(command: Command): string | undefined {
    this.commands.push(command)
    const outcome = this.core.apply(BigInt(this.commands.length), AT, command)
    return outcome.ok ? undefined : outcome.error.code
  }

  see(...events: LedgerChainEvent[]): void {
    this.#made += 1
    const block = { number: 100 + this.#made, hash: `0x${this.#made}` }
    this.#blocks.push(block)
    const time = 1_700_000_000 + this.#made
    expect(this.do({ type: 'apply_block', ...block, time, events } as Command)).toBeUndefined()
  }

  finalize(): void {
    for (const block of this.#blocks.splice(0)) {
      expect(this.do({ type: 'finalize_block', ...block } as Command)).toBeUndefined()
    }
  }

  retract(): void {
    expect(this.do({ type: 'retract_block', ...this.#blocks.pop() } as Command)).toBeUndefined()
  }

  order(id: string, account: number, side: 'buy' | 'sell', quantity = 10): string | undefined {
    return this.do({
      type: 'place_order',
      id,
      account,
      market: 'GOLD-USD',
      side,
      order_type: 'limit',
      time_in_force: 'gtc',
      price: '2',
      quantity: String(quantity),
      request_hash: '',
    } as Command)
  }

  withdraw(id: string, account: number, asset: number, amount: number): string | undefined {
    const command = { type: 'request_withdrawal', id, account, asset, amount: String(amount) }
    return this.do(command)
  }

  of(account: number, asset: number) {
    const { posted, held, settled } = this.core.books.balance(userAccount(account), asset)
    return { posted: Number(posted), held: Number(held), settled: Number(settled) }
  }

  /** Replays every command and compares the whole state. */
  verify(): void {
    const again = new LedgerCore([new Exchange()])
    for (const [place, command] of this.commands.entries())
      again.apply(BigInt(place + 1), AT, command)
    expect(again.stateText()).toBe(this.core.stateText())
  }

  effects(type: string): readonly unknown[] {
    const { effects } = this.core.takeChanges()
    return [...effects.values()].flat().filter((effect) => effect['type'] === type)
  }
}

const exited = (asset: number, amount: number): LedgerChainEvent => {
  return { type: 'exit_executed', id: THIRD, account: 16, asset, amount: String(amount) }
}

describe('an account that asks to leave', () => {
  it('loses its orders at first sight and may neither trade nor withdraw', () => {
    const play = new Play()
    expect(play.order(ID, 16, 'buy')).toBeUndefined()
    expect(play.of(16, CASH).held).toBe(20)
    play.see({ type: 'exit_requested', account: 16 })
    expect(play.of(16, CASH).held).toBe(0)
    expect(play.order(OTHER, 16, 'buy')).toBe('ledger.exit_requested')
    expect(play.withdraw(OTHER, 16, CASH, 1)).toBe('ledger.exit_requested')
    expect(play.order(OTHER, 17, 'sell')).toBeUndefined()
    play.verify()
  })

  it('is as before when its request is retracted, and only when a cancellation is final', () => {
    const play = new Play()
    play.see({ type: 'exit_requested', account: 16 })
    play.retract()
    expect(play.order(ID, 16, 'buy')).toBeUndefined()
    play.see({ type: 'exit_requested', account: 16 }, { type: 'exit_cancelled', account: 16 })
    expect(play.order(OTHER, 16, 'buy')).toBe('ledger.exit_requested')
    play.finalize()
    expect(play.order(OTHER, 16, 'buy')).toBeUndefined()
    play.verify()
  })

  it('is held at first sight of the payment and debited when that is final', () => {
    const play = new Play()
    play.see({ type: 'exit_requested', account: 16 })
    play.see(exited(CASH, 1000))
    expect(play.of(16, CASH)).toEqual({ posted: 1000, held: 1000, settled: 1000 })
    play.retract()
    expect(play.of(16, CASH)).toEqual({ posted: 1000, held: 0, settled: 1000 })
    play.see(exited(CASH, 1000))
    play.finalize()
    expect(play.of(16, CASH)).toEqual({ posted: 0, held: 0, settled: 0 })
    expect(play.core.books.balance(systemAccount('custody', CASH), CASH).posted).toBe(-1000n)
    const [transfer] = play.core.takeChanges().transfers.filter(({ code }) => code === 'exit')
    expect(transfer).toMatchObject({ debit: 16n, amount: 1000n })
    play.verify()
  })

  it('tells the tables how its hold ends, also when one commit moves it to another block', () => {
    const play = new Play()
    play.see({ type: 'exit_requested', account: 16 }, exited(CASH, 1000))
    expect(play.core.takeChanges().holds).toMatchObject([{ id: THIRD, amount: 1000n }])
    play.retract()
    play.see({ type: 'exit_requested', account: 16 }, exited(CASH, 1000))
    play.finalize()
    expect(play.core.takeChanges().holds).toMatchObject([{ id: THIRD, amount: 0n }])
    play.verify()
  })

  it('takes the lane of a withdrawal that nobody paid, never of one that was', () => {
    const play = new Play()
    expect(play.withdraw(ID, 16, CASH, 300)).toBeUndefined()
    expect(play.withdraw(OTHER, 16, CASH, 200)).toBeUndefined()
    const paid = { type: 'withdrawn', id: ID, account: 16, asset: CASH, amount: '300' } as const
    play.see(paid, { type: 'exit_requested', account: 16 }, exited(CASH, 700))
    expect(play.of(16, CASH)).toEqual({ posted: 1000, held: 1000, settled: 1000 })
    play.finalize()
    expect(play.of(16, CASH)).toEqual({ posted: 0, held: 0, settled: 0 })
    expect(play.effects('withdrawal_failed')).toEqual([{ type: 'withdrawal_failed', id: OTHER }])
    play.verify()
  })

  it('never stops the consumer: what it cannot book goes to suspense', () => {
    const play = new Play()
    play.see(exited(CASH, 1500))
    play.finalize()
    expect(play.of(16, CASH)).toEqual({ posted: 1000, held: 0, settled: -500 })
    expect(play.core.books.balance(systemAccount('suspense', CASH), CASH).posted).toBe(-1500n)
    play.verify()
  })
})

describe('a withdrawal that is paid after its account left', () => {
  const cash = (amount: string): LedgerChainEvent => {
    return { type: 'deposit', id: `again:${amount}`, account: 16, asset: CASH, amount }
  }
  const paid = { type: 'withdrawn', id: ID, account: 16, asset: CASH, amount: '300' } as const
  const late: LedgerChainEvent = { ...paid, is_late: true }

  /** Asked for 300, left with everything, and came back with `amount`. */
  function comeBack(amount: string): Play {
    const play = new Play()
    expect(play.withdraw(ID, 16, CASH, 300)).toBeUndefined()
    play.see({ type: 'exit_requested', account: 16 }, exited(CASH, 1000))
    play.see({ type: 'exit_cancelled', account: 16 }, cash(amount))
    play.finalize()
    expect(play.of(16, CASH)).toEqual({ posted: Number(amount), held: 0, settled: Number(amount) })
    return play
  }

  it('is held at first sight, before orders, and debited when it is final', () => {
    const play = comeBack('400')
    expect(play.order(OTHER, 16, 'buy', 150)).toBeUndefined()
    expect(play.of(16, CASH).held).toBe(300)
    play.see(late)
    expect(play.of(16, CASH)).toEqual({ posted: 400, held: 300, settled: 400 })
    expect(play.order(THIRD, 17, 'sell', 150)).toBeUndefined()
    expect(play.of(16, GOLD).posted).toBe(1000)
    play.finalize()
    expect(play.of(16, CASH)).toEqual({ posted: 100, held: 0, settled: 100 })
    play.verify()
  })

  it('leaves orders alone that hold something else', () => {
    const play = comeBack('400')
    expect(play.order(OTHER, 16, 'buy', 50)).toBeUndefined()
    play.see(late)
    expect(play.of(16, CASH).held).toBe(400)
    play.finalize()
    expect(play.of(16, CASH)).toEqual({ posted: 100, held: 100, settled: 100 })
    play.verify()
  })

  it('stays held when its block is retracted, since it may be paid again', () => {
    const play = comeBack('400')
    play.see(late)
    play.retract()
    expect(play.of(16, CASH).held).toBe(300)
    expect(play.effects('withdrawal_retracted')).toHaveLength(1)
    play.see(paid)
    play.finalize()
    expect(play.of(16, CASH)).toEqual({ posted: 100, held: 0, settled: 100 })
    play.verify()
  })

  it('has failed again when its block is retracted and nothing is there to hold', () => {
    const play = comeBack('400')
    expect(play.withdraw(OTHER, 16, CASH, 400)).toBeUndefined()
    play.see(late)
    play.retract()
    expect(play.of(16, CASH).held).toBe(400)
    expect(play.effects('withdrawal_failed').slice(-1)).toEqual([
      { type: 'withdrawal_failed', id: ID },
    ])
    play.verify()
  })
})

describe('an account with another wallet', () => {
  it('has it when the block is final, and everything else as before', () => {
    const play = new Play()
    play.see({ type: 'frozen', account: 16, document: DOCUMENT })
    play.see({ type: 'wallet_changed', account: 16, wallet: '0x99' })
    expect(play.core.books.findAccount(16)?.wallet).toBe('0x16')
    play.retract()
    play.finalize()
    expect(play.core.books.findAccount(16)?.wallet).toBe('0x16')
    play.see({ type: 'wallet_changed', account: 16, wallet: '0x99' })
    play.finalize()
    expect(play.core.books.findAccount(16)).toMatchObject({ wallet: '0x99', class: 1, freezes: 1 })
    expect(play.core.takeChanges().events.map(([, said]) => said)).toContainEqual({
      type: 'ledger.wallet_changed.v1',
      account: 16,
      previous: '0x16',
      wallet: '0x99',
    })
    play.verify()
  })
})

describe('a frozen account', () => {
  it('stops at first sight and goes on when the end of the freeze is final', () => {
    const play = new Play()
    play.order(ID, 16, 'buy')
    play.see({ type: 'frozen', account: 16, document: DOCUMENT })
    expect(play.of(16, CASH).held).toBe(0)
    expect(play.order(OTHER, 16, 'buy')).toBe('ledger.account_frozen')
    expect(play.withdraw(OTHER, 16, CASH, 1)).toBe('ledger.account_frozen')
    play.finalize()
    play.see({ type: 'unfrozen', account: 16, document: DOCUMENT })
    expect(play.order(OTHER, 16, 'buy')).toBe('ledger.account_frozen')
    play.finalize()
    expect(play.order(OTHER, 16, 'buy')).toBeUndefined()
    play.verify()
  })
})

describe('the end of settlement', () => {
  it('stops everybody at first sight and takes back what no batch will settle', () => {
    const play = new Play()
    play.order(ID, 17, 'sell', 100)
    play.order(OTHER, 16, 'buy', 60)
    expect(play.withdraw(THIRD, 16, CASH, 50)).toBeUndefined()
    expect(play.of(16, GOLD)).toEqual({ posted: 1060, held: 0, settled: 1000 })
    play.see({ type: 'exit_mode' })
    expect(play.of(17, GOLD).held).toBe(0)
    expect(play.order(ID, 17, 'sell')).toBe('ledger.exit_mode')
    expect(play.withdraw(ID, 17, CASH, 1)).toBe('ledger.exit_mode')
    play.finalize()
    for (const account of [16, 17])
      for (const asset of [CASH, GOLD])
        expect(play.of(account, asset)).toEqual({ posted: 1000, held: 0, settled: 1000 })
    const changes = play.core.takeChanges()
    expect(changes.isExitMode).toBe(true)
    expect(changes.transfers.filter(({ code }) => code === 'reversal')).toMatchObject([
      { debit: 17n, credit: 16n, asset: CASH, amount: 120n },
      { debit: 16n, credit: 17n, asset: GOLD, amount: 60n },
    ])
    play.verify()
  })

  it('is undone when its block is retracted', () => {
    const play = new Play()
    play.see({ type: 'exit_mode' })
    play.retract()
    expect(play.order(ID, 16, 'buy')).toBeUndefined()
    play.verify()
  })

  it('lets an exit of the same block take exactly the settled balance', () => {
    const play = new Play()
    play.order(ID, 17, 'sell', 100)
    play.order(OTHER, 16, 'buy', 60)
    play.see({ type: 'exit_mode' }, exited(CASH, 1000))
    play.finalize()
    expect(play.of(16, CASH)).toEqual({ posted: 0, held: 0, settled: 0 })
    play.verify()
  })
})

describe('tokens of wallets that were redeemed', () => {
  it('leave the supply and no balance of anybody', () => {
    const play = new Play()
    play.see({ type: 'redeemed', asset: GOLD, amount: '40' })
    play.finalize()
    expect(play.core.books.balance(systemAccount('issuance', GOLD), GOLD).posted).toBe(40n)
    expect(play.of(16, GOLD)).toEqual({ posted: 1000, held: 0, settled: 1000 })
    play.verify()
  })
})
