import { unreachable } from '#kernel/assert.ts'
import { systemAccount, userAccount } from './account-code.ts'
import type { Books } from './books.ts'
import type {
  BatchEvent,
  ChainBlock,
  ClassChangedEvent,
  DepositEvent,
  LedgerChainEvent,
  ListedEvent,
  RegisteredEvent,
  WalletChangedEvent,
  WithdrawnEvent,
} from './chain-block.ts'
import type { DepositRow } from './deposit-row.ts'
import type { TransferCode } from './transfer.ts'
import { isLeaving, settleLeaving, sightLeaving, unsightLeaving } from './exit-fold.ts'
import { addSettled, post, suspend } from './posting.ts'

/** First sight of an event: credits wait as `incoming`; nothing becomes tradable (I8). */
export function sight(books: Books, block: ChainBlock, event: LedgerChainEvent): void {
  if (isLeaving(event)) return sightLeaving(books, block, event)
  switch (event.type) {
    case 'deposit':
      books.ensureAccount(event.account)
      books.addIncoming(userAccount(event.account), event.asset, BigInt(event.amount))
      noteDeposit(books, 'incoming', block, event)
      return
    case 'withdrawn':
      if (event.is_late === true) holdAgain(books, event)
      books.effect('payments', {
        type: 'withdrawal_mined',
        id: event.id,
        tx_hash: event.tx_hash ?? null,
        block: block.number,
      })
      return
    case 'batch':
      addSupplyIncoming(books, event, 1n)
      books.effect('settlement', {
        type: 'batch_mined',
        sequence: event.sequence,
        head: event.head,
        tx_hash: event.tx_hash ?? null,
        block: block.number,
      })
      return
    case 'registered':
    case 'class_changed':
    case 'wallet_changed':
    case 'listed':
      return
    default:
      unreachable(event)
  }
}

/** Undoes `sight` when the block left the chain. */
export function unsight(books: Books, block: ChainBlock, event: LedgerChainEvent): void {
  if (isLeaving(event)) return unsightLeaving(books, event)
  switch (event.type) {
    case 'deposit':
      books.addIncoming(userAccount(event.account), event.asset, -BigInt(event.amount))
      noteDeposit(books, 'retracted', block, event)
      return
    case 'withdrawn':
      books.effect('payments', { type: afterRetraction(books, event), id: event.id })
      return
    case 'batch':
      addSupplyIncoming(books, event, -1n)
      books.effect('settlement', { type: 'batch_retracted', sequence: event.sequence })
      return
    case 'registered':
    case 'class_changed':
    case 'wallet_changed':
    case 'listed':
      return
    default:
      unreachable(event)
  }
}

/** Books an event of a final block; what cannot be booked goes to suspense and never stops. */
export function settle(books: Books, block: ChainBlock, event: LedgerChainEvent): void {
  if (isLeaving(event)) return settleLeaving(books, event)
  switch (event.type) {
    case 'deposit':
      return settleDeposit(books, block, event)
    case 'withdrawn':
      return settleWithdrawal(books, event)
    case 'batch':
      return settleBatch(books, block, event)
    case 'registered':
      return settleRegistration(books, event)
    case 'class_changed':
      return settleClass(books, event)
    case 'wallet_changed':
      return settleWallet(books, event)
    case 'listed':
      return settleListing(books, event)
    default:
      unreachable(event)
  }
}

function noteDeposit(
  books: Books,
  status: DepositRow['status'],
  block: ChainBlock,
  event: DepositEvent,
): void {
  const { id: ref, account, asset, amount } = event
  books.noteDeposit({ ref, account, asset, amount, status, block: block.number })
}

function addSupplyIncoming(books: Books, event: BatchEvent, sign: bigint): void {
  if (event.supply === undefined) return
  const change = BigInt(event.supply.change)
  if (change <= 0n) return
  books.ensureAccount(event.supply.beneficiary)
  books.addIncoming(userAccount(event.supply.beneficiary), event.supply.asset, sign * change)
}

function settleDeposit(books: Books, block: ChainBlock, event: DepositEvent): void {
  const account = userAccount(event.account)
  const amount = BigInt(event.amount)
  books.addIncoming(account, event.asset, -amount)
  const custody = systemAccount('custody', event.asset)
  if (!credit(books, custody, account, event.asset, amount, 'deposit', event.id)) return
  noteDeposit(books, 'final', block, event)
}

/** A withdrawal that had failed was paid all the same: what is free of it is spent no more. */
function holdAgain(books: Books, { id, account: number, asset, amount }: WithdrawnEvent): void {
  const account = userAccount(number)
  const free = books.available(account, asset)
  const held = BigInt(amount) < free ? BigInt(amount) : free
  if (held > 0n && books.findHold(id) === undefined)
    books.placeHold(id, account, asset, held, 'withdrawal')
}

/** The payment may come again as long as a hold backs it. */
function afterRetraction(books: Books, { id, is_late }: WithdrawnEvent): string {
  const isOver = is_late === true && books.findHold(id) === undefined
  return isOver ? 'withdrawal_failed' : 'withdrawal_retracted'
}

function settleWithdrawal(books: Books, event: WithdrawnEvent): void {
  const account = userAccount(event.account)
  const amount = BigInt(event.amount)
  const hold = books.findHold(event.id)
  if (hold !== undefined) books.setHold(event.id, 0n)
  const custody = systemAccount('custody', event.asset)
  const payer = books.canTransfer(account, custody, event.asset, amount)
    ? account
    : systemAccount('suspense', event.asset)
  if (payer !== account) suspend(books, event.asset, amount, event.id)
  post(books, payer, custody, event.asset, amount, 'withdrawal', event.id)
  addSettled(books, account, event.asset, -amount, event.id)
  books.effect('payments', {
    type: 'withdrawal_final',
    id: event.id,
    seq: books.sequence.toString(),
  })
}

function settleBatch(books: Books, block: ChainBlock, event: BatchEvent): void {
  for (const [account, asset, delta] of event.deltas)
    addSettled(books, userAccount(account), asset, BigInt(delta), event.head)
  if (event.supply !== undefined) {
    const { asset, beneficiary } = event.supply
    const change = BigInt(event.supply.change)
    const account = userAccount(beneficiary)
    const issuance = systemAccount('issuance', asset)
    addSupplyIncoming(books, event, -1n)
    if (change > 0n) creditMint(books, issuance, account, asset, change)
    if (change < 0n) burn(books, account, issuance, asset, -change)
  }
  books.effect('settlement', {
    type: 'batch_final',
    sequence: event.sequence,
    block: block.number,
  })
}

function creditMint(books: Books, from: bigint, to: bigint, asset: number, amount: bigint): void {
  if (books.canTransfer(from, to, asset, amount)) {
    books.transfer(from, to, asset, amount, 'mint')
    return
  }
  suspend(books, asset, amount, 'mint')
  post(books, from, systemAccount('suspense', asset), asset, amount, 'suspense', null)
}

function burn(books: Books, from: bigint, to: bigint, asset: number, amount: bigint): void {
  const free = books.canTransfer(from, to, asset, amount)
  if (!free) suspend(books, asset, amount, 'burn')
  post(books, free ? from : systemAccount('suspense', asset), to, asset, amount, 'burn', null)
}

function settleListing(books: Books, event: ListedEvent): void {
  const known = books.findAsset(event.asset)
  books.setAsset({
    asset: event.asset,
    symbol: known?.symbol ?? event.symbol ?? `ASSET${event.asset}`,
    decimals: event.decimals,
    external: known?.external ?? false,
    token: event.token,
    allowedClasses: event.allowed_classes,
  })
  books.effect('assets', { type: 'listed', asset: event.asset, token: event.token })
}

function settleRegistration(books: Books, event: RegisteredEvent): void {
  const { account, wallet, expires_at: expiresAt } = event
  books.setAccount({ ...books.ensureAccount(account), wallet, class: event.class, expiresAt })
  books.effect('compliance', {
    type: 'registered',
    account,
    wallet,
    class: event.class,
    expires_at: expiresAt,
  })
}

/** A registration with other terms; without a wallet, it has no row that could show them. */
function settleClass(books: Books, event: ClassChangedEvent): void {
  const { account, class: investorClass, expires_at: expiresAt } = event
  const known = books.ensureAccount(account)
  if (known.wallet === null) books.setAccount({ ...known, class: investorClass, expiresAt })
  else settleRegistration(books, { ...event, type: 'registered', wallet: known.wallet })
}

/** Whatever is paid to the account from now on, the chain pays to this wallet. */
function settleWallet(books: Books, { account, wallet }: WalletChangedEvent): void {
  const known = books.ensureAccount(account)
  books.setAccount({ ...known, wallet })
  books.effect('compliance', { type: 'wallet_changed', account, wallet })
  const previous = known.wallet
  books.emit({ type: 'ledger.wallet_changed.v1', account, previous, wallet })
}

/** Credits account and lane; false when the money waits in suspense, which the lane does not. */
function credit(
  books: Books,
  from: bigint,
  to: bigint,
  asset: number,
  amount: bigint,
  code: TransferCode,
  cause: string,
): boolean {
  const fits = books.canTransfer(from, to, asset, amount)
  const target = fits ? to : systemAccount('suspense', asset)
  if (!fits) suspend(books, asset, amount, cause)
  post(books, from, target, asset, amount, fits ? code : 'suspense', null)
  addSettled(books, to, asset, amount, cause)
  return fits
}
