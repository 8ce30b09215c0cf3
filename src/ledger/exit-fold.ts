import { systemAccount, isUserAccount, userAccount } from './account-code.ts'
import { availableOf, type Balance } from './balance.ts'
import type { Books } from './books.ts'
import type {
  ChainBlock,
  ExitExecutedEvent,
  LeavingEvent,
  LedgerChainEvent,
  RedeemedEvent,
  StopEvent,
} from './chain-block.ts'
import { addSettled, post, suspend } from './posting.ts'

const LEAVING: ReadonlySet<string> = new Set<LeavingEvent['type']>([
  'exit_requested',
  'exit_cancelled',
  'exit_executed',
  'exit_mode',
  'frozen',
  'unfrozen',
  'redeemed',
])

export function isLeaving(event: LedgerChainEvent): event is LeavingEvent {
  return LEAVING.has(event.type)
}

/** First sight: whatever takes bites at once, whatever gives waits for finality (I8). */
export function sightLeaving(books: Books, block: ChainBlock, event: LeavingEvent): void {
  if (event.type === 'exit_executed') sightExit(books, event)
  else if (event.type !== 'redeemed') sightStop(books, block, event)
}

/** Undoes `sightLeaving` when the block left the chain. */
export function unsightLeaving(books: Books, event: LeavingEvent): void {
  if (event.type === 'exit_executed') unsightExit(books, event)
  else if (event.type !== 'redeemed') unsightStop(books, event)
}

/** The block is final. */
export function settleLeaving(books: Books, event: LeavingEvent): void {
  if (event.type === 'exit_executed') settleExit(books, event)
  else if (event.type === 'redeemed') settleRedemption(books, event)
  else settleStop(books, event)
}

/** The tokens had left the vault before, so that no lane changes. */
function settleRedemption(books: Books, { asset, amount }: RedeemedEvent): void {
  const [custody, issuance] = [systemAccount('custody', asset), systemAccount('issuance', asset)]
  post(books, custody, issuance, asset, BigInt(amount), 'burn', null)
}

/** What stops an account bites at first sight; whatever ends a stop waits for finality. */
function sightStop(books: Books, { time }: ChainBlock, event: StopEvent): void {
  if (event.type === 'frozen') count(books, event.account, { freezes: 1 })
  if (event.type === 'exit_requested') count(books, event.account, { exits: 1, exitAt: time })
  if (event.type !== 'exit_mode') return
  books.setExitMode(true)
  books.effect('settlement', { type: 'exit_mode_seen' })
}

/** Undoes `sightStop` when the block left the chain. */
function unsightStop(books: Books, event: StopEvent): void {
  if (event.type === 'frozen') count(books, event.account, { freezes: -1 })
  if (event.type === 'exit_requested') count(books, event.account, { exits: -1 })
  if (event.type !== 'exit_mode') return
  books.setExitMode(false)
  books.effect('settlement', { type: 'exit_mode_retracted' })
}

/** The block is final: stops end, and after the end of settlement nothing waits for a batch. */
function settleStop(books: Books, event: StopEvent): void {
  if (event.type === 'unfrozen') count(books, event.account, { freezes: -1 })
  if (event.type === 'exit_cancelled') count(books, event.account, { exits: -1 })
  if (event.type !== 'exit_mode') return
  failUnpaid(books, () => true)
  reverseUnsettled(books)
  books.effect('settlement', { type: 'exit_mode_final' })
}

function count(
  books: Books,
  number: number,
  change: { readonly freezes?: number; readonly exits?: number; readonly exitAt?: number },
): void {
  const account = books.ensureAccount(number)
  const { freezes = 0, exits = 0, exitAt = account.exitAt } = change
  books.setAccount({
    ...account,
    freezes: Math.max(0, account.freezes + freezes),
    exits: Math.max(0, account.exits + exits),
    exitAt,
  })
}

/** Keeps what left from being spent again, as far as it is free; the rest shows at finality. */
function sightExit(books: Books, event: ExitExecutedEvent): void {
  const account = userAccount(event.account)
  books.ensureAccount(event.account)
  const free = books.available(account, event.asset)
  const amount = lesser(BigInt(event.amount), free)
  if (amount <= 0n) return
  const earlier = books.findHold(event.id)
  if (earlier === undefined) books.placeHold(event.id, account, event.asset, amount, 'exit')
  else books.setHold(event.id, earlier.amount + amount)
}

/** Undoes `sightExit` when the block left the chain. */
function unsightExit(books: Books, event: ExitExecutedEvent): void {
  const hold = books.findHold(event.id)
  if (hold === undefined) return
  books.setHold(event.id, hold.amount - lesser(hold.amount, BigInt(event.amount)))
}

/** Posts the debit. The lane is empty now, so that no withdrawal from it can be paid any more. */
function settleExit(books: Books, event: ExitExecutedEvent): void {
  const { id, asset } = event
  const account = userAccount(event.account)
  const amount = BigInt(event.amount)
  unsightExit(books, event)
  failUnpaid(books, (hold) => hold.account === account && hold.asset === asset)
  const custody = systemAccount('custody', asset)
  const isFree = books.canTransfer(account, custody, asset, amount)
  if (!isFree) suspend(books, asset, amount, id)
  const payer = isFree ? account : systemAccount('suspense', asset)
  post(books, payer, custody, asset, amount, 'exit', null)
  addSettled(books, account, asset, -amount, id)
}

/** Fails withdrawals that no block has paid. */
function failUnpaid(
  books: Books,
  concerns: (hold: { readonly account: bigint; readonly asset: number }) => boolean,
): void {
  const paid = new Set(
    books.pendingBlocks
      .flatMap(({ events }) => events)
      .flatMap((event) => (event.type === 'withdrawn' ? [event.id] : [])),
  )
  for (const hold of books.listHolds('withdrawal')) {
    if (!concerns(hold) || paid.has(hold.id)) continue
    books.setHold(hold.id, 0n)
    books.effect('payments', { type: 'withdrawal_failed', id: hold.id })
  }
}

/**
 * Takes back what no batch can settle any more: per asset, whoever has more than the lane gives the
 * difference to whoever has less. Trades sum to zero, so that afterwards both are equal everywhere.
 */
function reverseUnsettled(books: Books): void {
  const rows = books.listBalances().filter(({ account }) => isUserAccount(account))
  for (const asset of new Set(rows.map((row) => row.asset))) {
    const own = rows.filter((row) => row.asset === asset && row.posted !== row.settled)
    const givers = own.filter((row) => row.posted > row.settled)
    const takers = own.filter((row) => row.posted < row.settled)
    reverseAsset(books, asset, givers, takers)
  }
}

function reverseAsset(
  books: Books,
  asset: number,
  givers: readonly Balance[],
  takers: readonly Balance[],
): void {
  const owed = takers.map(({ account, posted, settled }) => ({ account, left: settled - posted }))
  for (const giver of givers) {
    let left = lesser(giver.posted - giver.settled, availableOf(giver))
    for (const taker of owed) {
      const amount = lesser(left, taker.left)
      if (amount <= 0n) continue
      post(books, giver.account, taker.account, asset, amount, 'reversal', null)
      left -= amount
      taker.left -= amount
    }
  }
}

function lesser(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
