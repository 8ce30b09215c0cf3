import type { Books } from './books.ts'
import type { TransferCode } from './transfer.ts'

/** Transfers when even the system accounts can take it, else leaves only the event behind. */
export function post(
  books: Books,
  debit: bigint,
  credited: bigint,
  asset: number,
  amount: bigint,
  code: TransferCode,
  ref: string | null,
): void {
  if (books.canTransfer(debit, credited, asset, amount))
    books.transfer(debit, credited, asset, amount, code, ref)
  else books.emit({ type: 'ledger.unposted.v1', asset, amount: amount.toString() })
}

/** Moves a lane as far as its figure stays one; what does not fit leaves an event behind. */
export function addSettled(
  books: Books,
  account: bigint,
  asset: number,
  delta: bigint,
  cause: string,
) {
  if (books.canSettle(account, asset, delta)) books.addSettled(account, asset, delta)
  else suspend(books, asset, delta, cause)
}

/** Says that something on the chain has no place in the books. */
export function suspend(books: Books, asset: number, amount: bigint, cause: string): void {
  books.emit({ type: 'ledger.suspended.v1', asset, amount: amount.toString(), cause })
}
