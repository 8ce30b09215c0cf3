import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instant } from '#kernel/time.ts'
import { userAccount } from '#ledger/account-code.ts'
import type { LedgerChainEvent } from '#ledger/chain-block.ts'
import { LedgerCore } from '#ledger/core.ts'
import type { LedgerCommand } from '#ledger/command.ts'

const ACCOUNTS = [16, 17]
const AT = instant(1_800_000_000_000)

const deposit = fc.record({
  type: fc.constant('deposit' as const),
  account: fc.constantFrom(...ACCOUNTS),
  amount: fc.integer({ min: 1, max: 1000 }).map(String),
})

const batch = fc.integer({ min: -50, max: 50 }).map((moved) => ({ type: 'batch' as const, moved }))

const step = fc.oneof(
  { weight: 5, arbitrary: fc.array(fc.oneof(deposit, batch), { maxLength: 4 }) },
  { weight: 2, arbitrary: fc.constant('retract' as const) },
  { weight: 3, arbitrary: fc.constant('finalize' as const) },
)

interface Seen {
  readonly number: number
  readonly events: readonly LedgerChainEvent[]
}

/** Sums over the events, written the slow way. */
function expected(pending: readonly Seen[], final: readonly Seen[], account: number) {
  const amounts = (blocks: readonly Seen[], type: string): bigint =>
    blocks
      .flatMap(({ events }) => events)
      .map((event) => {
        if (event.type !== type) return 0n
        if (event.type === 'deposit') return event.account === account ? BigInt(event.amount) : 0n
        if (event.type !== 'batch') return 0n
        return event.deltas
          .filter(([owner]) => owner === account)
          .reduce((sum, [, , delta]) => sum + BigInt(delta), 0n)
      })
      .reduce((sum, amount) => sum + amount, 0n)
  const deposited = amounts(final, 'deposit')
  return {
    posted: deposited,
    incoming: amounts(pending, 'deposit'),
    settled: deposited + amounts(final, 'batch'),
  }
}

describe('the fold of chain events', () => {
  it('gives what the blocks of the chain that stayed say, whatever was retracted', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const core = new LedgerCore([])
        const commands: LedgerCommand[] = []
        const pending: Seen[] = []
        const final: Seen[] = []
        let made = 0
        for (const next of steps) {
          const command = commandOf(next, pending, final, (made += 1))
          if (command === undefined) continue
          commands.push(command)
          expect(core.apply(BigInt(commands.length), AT, command).ok).toBe(true)
          for (const account of ACCOUNTS)
            expect(core.books.balance(userAccount(account), 0)).toMatchObject(
              expected(pending, final, account),
            )
        }
        const again = new LedgerCore([])
        for (const [index, command] of commands.entries())
          again.apply(BigInt(index + 1), AT, command)
        expect(again.stateText()).toBe(core.stateText())
      }),
      { numRuns: 200 },
    )
  })
})

type Step = 'retract' | 'finalize' | readonly ({ type: 'deposit' } | { type: 'batch' })[]

/** The command of a step, and the block lists as they are after it. */
function commandOf(
  next: Step,
  pending: Seen[],
  final: Seen[],
  salt: number,
): LedgerCommand | undefined {
  if (next === 'retract') {
    const newest = pending.pop()
    if (newest === undefined) return undefined
    return { type: 'retract_block', number: newest.number, hash: hashOf(newest) }
  }
  if (next === 'finalize') {
    const oldest = pending.shift()
    if (oldest === undefined) return undefined
    final.push(oldest)
    return { type: 'finalize_block', number: oldest.number, hash: hashOf(oldest) }
  }
  const number = (pending.at(-1) ?? final.at(-1) ?? { number: 0 }).number + 1
  const block = { number, events: next.map((event, index) => eventOf(event, `${salt}:${index}`)) }
  pending.push(block)
  return { type: 'apply_block', ...block, hash: hashOf(block), time: number }
}

function eventOf(event: object, id: string): LedgerChainEvent {
  if ('account' in event && 'amount' in event)
    return {
      type: 'deposit',
      id,
      account: Number(event.account),
      asset: 0,
      amount: String(event.amount),
    }
  const moved = 'moved' in event ? Number(event.moved) : 0
  return {
    type: 'batch',
    sequence: 1,
    head: id,
    deltas: [
      [16, 0, String(moved)],
      [17, 0, String(-moved)],
    ],
  }
}

/** Other events under the same number are another block. */
function hashOf({ number, events }: Seen): string {
  return `0x${number}-${events.map((event) => ('id' in event ? event.id : '-')).join()}`
}
