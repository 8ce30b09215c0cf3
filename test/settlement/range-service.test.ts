import { expect, it } from 'vitest'
import type { Transfer } from '#ledger/transfer.ts'
import { RangeService } from '#settlement/range-service.ts'

const TRADE: Transfer = {
  sequence: 12n,
  index: 0,
  debit: 16n,
  credit: 17n,
  asset: 1,
  amount: 5n,
  code: 'trade_base',
  ref: null,
}

it('covers no trade that was made while it looked whether there is one', async () => {
  let head = 10n
  const journal = {
    // A journal batch with the trade commits right after each look at the head.
    journalHead: () => {
      const found = { sequence: head, hash: Buffer.alloc(32) }
      head = 12n
      return Promise.resolve(found)
    },
    listTransfers: (range: { readonly fromSeq: bigint; readonly toSeq: bigint }) =>
      Promise.resolve(range.fromSeq <= 12n && range.toSeq >= 12n ? [TRADE] : []),
    findBatchEnd: (seq: bigint) =>
      Promise.resolve({ lastSeq: seq >= 12n ? 12n : 10n, hash: Buffer.alloc(32), blockTime: 0 }),
    findBatchHolding: () => Promise.resolve(undefined),
  }
  expect((await new RangeService(journal).findCoverable(0n))?.lastSeq).toBe(10n)
})
