import { assert, present } from '#kernel/assert.ts'
import type { PageRequest } from '#kernel/page.ts'
import type { Db, Tx } from '#platform/db/pool.ts'
import { DEPOSIT_STATUSES, type Deposit } from './deposit.ts'
import { WITHDRAWAL_STATUSES, type Withdrawal } from './withdrawal.ts'

interface WithdrawalRow {
  readonly id: string
  readonly account: bigint
  readonly asset: number
  readonly amount: bigint
  readonly status: string
  readonly hold_seq: bigint
  readonly tx_key: string | null
  readonly tx_hash: string | null
  readonly created_at: Date
}

const WITHDRAWAL = 'id, account, asset, amount, status, hold_seq, tx_key, tx_hash, created_at'

export async function findWithdrawal(db: Db, id: string): Promise<Withdrawal | undefined> {
  const rows = await db.query<WithdrawalRow>(
    `SELECT ${WITHDRAWAL} FROM payments.withdrawal WHERE id = $1`,
    [id],
  )
  return rows.map(toWithdrawal)[0]
}

/** Newest first; one row more than the page holds. */
export async function listWithdrawals(
  db: Db,
  account: number,
  page: PageRequest,
): Promise<readonly Withdrawal[]> {
  const rows = await db.query<WithdrawalRow>(
    `SELECT ${WITHDRAWAL} FROM payments.withdrawal
     WHERE account = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [account, page.after ?? null, page.limit + 1],
  )
  return rows.map(toWithdrawal)
}

/** Requested withdrawals whose hold is settled, oldest first, locked against another sender. */
export async function lockReleasable(
  tx: Tx,
  settledSequence: bigint,
  limit: number,
): Promise<readonly Withdrawal[]> {
  const rows = await tx.query<WithdrawalRow>(
    `SELECT ${WITHDRAWAL} FROM payments.withdrawal
     WHERE status = 'requested' AND hold_seq <= $1 ORDER BY hold_seq LIMIT $2 FOR UPDATE SKIP LOCKED`,
    [settledSequence, limit],
  )
  return rows.map(toWithdrawal)
}

export async function markSubmitted(tx: Tx, id: string, txKey: string): Promise<void> {
  await tx.query(
    `UPDATE payments.withdrawal SET status = 'submitted', tx_key = $2, updated_at = clock_timestamp()
     WHERE id = $1 AND status = 'requested'`,
    [id, txKey],
  )
}

/** Withdrawals whose transaction is not mined yet: its key by their id, the oldest first. */
export async function listSubmitted(db: Db, limit: number): Promise<ReadonlyMap<string, string>> {
  const rows = await db.query<{ id: string; tx_key: string | null }>(
    `SELECT id, tx_key FROM payments.withdrawal WHERE status = 'submitted' ORDER BY id LIMIT $1`,
    [limit],
  )
  return new Map(rows.map(({ id, tx_key: key }) => [id, present(key, 'key of a submitted one')]))
}

const UNRECALLED = `FROM payments.withdrawal
  WHERE status = 'failed' AND tx_key IS NOT NULL AND NOT is_recalled`

export async function hasUnrecalled(db: Db): Promise<boolean> {
  return (await db.query(`SELECT 1 ${UNRECALLED} LIMIT 1`)).length > 0
}

/** Failed withdrawals whose transaction nobody has called back, locked against another sender. */
export async function lockUnrecalled(tx: Tx, limit: number): Promise<readonly Withdrawal[]> {
  const rows = await tx.query<WithdrawalRow>(
    `SELECT ${WITHDRAWAL} ${UNRECALLED} ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`,
    [limit],
  )
  return rows.map(toWithdrawal)
}

export async function markRecalled(tx: Tx, id: string): Promise<void> {
  await tx.query('UPDATE payments.withdrawal SET is_recalled = true WHERE id = $1', [id])
}

/** The highest hold that waits for its settlement, or undefined when nothing waits. */
export async function findWaitingSequence(db: Db): Promise<bigint | undefined> {
  const rows = await db.query<{ hold_seq: bigint | null }>(
    `SELECT max(hold_seq) AS hold_seq FROM payments.withdrawal WHERE status = 'requested'`,
  )
  return rows[0]?.hold_seq ?? undefined
}

interface DepositRow {
  readonly id: string
  readonly account: bigint
  readonly asset: number
  readonly amount: bigint
  readonly status: string
  readonly tx_hash: string
  readonly block_number: bigint
  readonly created_at: Date
}

/** Newest first; one row more than the page holds. */
export async function listDeposits(
  db: Db,
  account: number,
  page: PageRequest,
): Promise<readonly Deposit[]> {
  const rows = await db.query<DepositRow>(
    `SELECT id, account, asset, amount, status, tx_hash, block_number, created_at
     FROM payments.deposit
     WHERE account = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [account, page.after ?? null, page.limit + 1],
  )
  return rows.map(toDeposit)
}

function toWithdrawal(row: WithdrawalRow): Withdrawal {
  const status = WITHDRAWAL_STATUSES.find((known) => known === row.status)
  assert(status !== undefined && typeof row.amount === 'bigint', 'payments.withdrawal')
  return {
    id: row.id,
    account: Number(row.account),
    asset: row.asset,
    amountAtoms: row.amount,
    status,
    holdSequence: row.hold_seq,
    txKey: row.tx_key,
    txHash: row.tx_hash,
    createdAtMs: row.created_at.getTime(),
  }
}

function toDeposit(row: DepositRow): Deposit {
  const status = DEPOSIT_STATUSES.find((known) => known === row.status)
  assert(status !== undefined && typeof row.amount === 'bigint', 'payments.deposit')
  return {
    id: row.id,
    account: Number(row.account),
    asset: row.asset,
    amountAtoms: row.amount,
    status,
    txHash: row.tx_hash,
    blockNumber: row.block_number,
    createdAtMs: row.created_at.getTime(),
  }
}
