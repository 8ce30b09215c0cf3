import { createHash } from 'node:crypto'
import { parseJson } from '#kernel/json.ts'
import { SqlError, type Row, type StatementPattern, type View } from './postgres.ts'

/** Text of a cell in an array literal, or null. */
type Cell = string | null

const OPEN_ORDER = new Set(['open', 'partially_filled'])

/** Reads an array literal of Postgres. */
export function readArray(value: unknown): readonly Cell[] {
  if (Array.isArray(value)) return value.map((item) => (item === null ? null : String(item)))
  const text = String(value).slice(1, -1)
  if (text === '') return []
  if (!text.includes('"')) return text.split(',').map((cell) => (cell === 'NULL' ? null : cell))
  const cells: Cell[] = []
  for (const [, quoted, plain] of text.matchAll(/"((?:[^"\\]|\\.)*)"|([^,"]+)/g)) {
    if (quoted !== undefined) cells.push(quoted.replaceAll(/\\(.)/g, '$1'))
    else cells.push(plain === undefined || plain === 'NULL' ? null : plain)
  }
  return cells
}

function columns(
  values: readonly unknown[],
  names: readonly string[],
): readonly Record<string, Cell>[] {
  const lists = values.map(readArray)
  return (lists[0] ?? []).map((_, place) =>
    Object.fromEntries(names.map((name, at) => [name, lists[at]?.[place] ?? null])),
  )
}

const int = (cell: unknown): number => Number(cell)
const big = (cell: unknown): bigint => BigInt(String(cell))
const text = (cell: unknown): string => String(cell)
export const jsonOf = (value: unknown): unknown =>
  typeof value === 'string' ? parseJson(value) : value
export const listOf = (value: unknown): readonly Row[] => (Array.isArray(value) ? value : [])
const bigOrNull = (value: unknown): bigint | null =>
  value === null || value === undefined ? null : big(value)

export function compareBig(a: unknown, b: unknown): number {
  const [x, y] = [big(a), big(b)]
  return x < y ? -1 : Number(x > y)
}

export const by =
  (...names: readonly string[]) =>
  (a: Row, b: Row): number => {
    for (const name of names) {
      const order = compareBig(a[name], b[name])
      if (order !== 0) return order
    }
    return 0
  }

function check(holds: boolean, rule: string): void {
  if (!holds) throw new SqlError('23514', `violates ${rule}`)
}

function insertOnce(view: View, table: string, key: string, row: Row): void {
  view.lock(table, key, 'update')
  if (view.get(table, key) !== undefined) throw new SqlError('23505', `${table} has ${key}`)
  view.put(table, key, row)
}

// platform

export function requireEpoch(view: View, role: unknown, epoch: unknown): void {
  view.lock('platform.fence', text(role), 'share')
  if (view.get('platform.fence', text(role))?.['epoch'] !== big(epoch))
    throw new SqlError('MF001', `epoch of ${text(role)}`)
}

function appendEvents(view: View, p: readonly unknown[]): void {
  const stream = text(p[0])
  const [ids = [], types = [], keys = []] = p.slice(1, 4).map(readArray)
  const at = new Date(text(p[5]))
  view.lock('platform.stream_head', stream, 'update')
  let seq = bigOrNull(view.get('platform.stream_head', stream)?.['seq']) ?? 0n
  for (const [place, payload] of listOf(jsonOf(p[4])).entries()) {
    seq += 1n
    view.put('platform.outbox', `${stream}/${seq}`, {
      stream,
      seq,
      id: ids[place] ?? `event ${stream} ${seq}`,
      type: types[place],
      key: keys[place],
      occurred_at: at,
      payload,
    })
  }
  view.put('platform.stream_head', stream, { stream, seq })
}

const placeOf = (group: unknown, stream: unknown): string => `${text(group)} ${text(stream)}`

function writePosition(
  view: View,
  group: unknown,
  stream: unknown,
  seq: unknown,
  epoch: unknown,
): void {
  const key = placeOf(group, stream)
  view.lock('platform.consumer_position', key, 'update')
  const before = view.get('platform.consumer_position', key)
  if (before !== undefined && big(before['seq']) >= big(seq))
    throw new SqlError('MP001', `position of ${key} cannot become ${text(seq)}`)
  view.put('platform.consumer_position', key, {
    consumer_group: group,
    stream,
    seq: big(seq),
    log_epoch: big(epoch),
  })
}

// ledger.commit_batch

const TRANSFER = ['seq', 'idx', 'debit', 'credit', 'asset', 'amount', 'code', 'ref'] as const
const BALANCE = [
  'account',
  'asset',
  'posted',
  'held',
  'incoming',
  'settled',
  'floor',
  'version',
  'last_seq',
] as const
const HOLD = ['id', 'account', 'asset', 'amount', 'kind', 'seq'] as const

function commitBatch(view: View, p: readonly unknown[]): readonly Row[] {
  const [epoch, first, last, atMs, block, blockTime, prev, hash, body] = p
  requireEpoch(view, 'engine', epoch)
  const at = new Date(Number(atMs))
  const before = view.rows('ledger.journal_batch').at(-1)
  const instance = view.get('platform.instance', 'row')
  const prevHash =
    before === undefined
      ? createHash('sha256').update(text(instance?.['id'])).digest()
      : Buffer.from(before['hash'] as Buffer)
  if (big(first) !== big(before?.['last_seq'] ?? 0n) + 1n || !prevHash.equals(prev as Buffer))
    throw new SqlError('ML001', `batch ${text(first)} does not follow`)
  insertOnce(view, 'ledger.journal_batch', text(first), {
    first_seq: big(first),
    last_seq: big(last),
    epoch: big(epoch),
    at,
    at_ms: BigInt(Number(atMs)),
    block_number: bigOrNull(block),
    block_time: bigOrNull(blockTime),
    prev_hash: prev,
    hash,
    body,
  })
  writeTransfers(view, p.slice(9, 17))
  writeBalances(view, p.slice(17, 26))
  writeHolds(view, p.slice(26, 32))
  const [rows, blockEvents, effects, events] = p.slice(32)
  if (rows !== null) applyRows(view, jsonOf(rows) as Row, listOf(jsonOf(blockEvents)), last, at)
  if (effects !== null) applyEffects(view, jsonOf(effects) as Row)
  if (events !== null) {
    const types = ['ledger.batch_committed.v1']
    appendEvents(view, ['ledger.events', [null], types, ['ledger'], events, at.toISOString()])
  }
  return []
}

function writeTransfers(view: View, lists: readonly unknown[]): void {
  for (const row of columns(lists, TRANSFER)) {
    check(big(row['amount']) > 0n && row['debit'] !== row['credit'], 'a transfer moves something')
    insertOnce(view, 'ledger.transfer', `${row['seq']}/${row['idx']}`, {
      seq: big(row['seq']),
      idx: int(row['idx']),
      debit: big(row['debit']),
      credit: big(row['credit']),
      asset: int(row['asset']),
      amount: big(row['amount']),
      code: row['code'],
      ref: row['ref'],
    })
  }
}

function writeBalances(view: View, lists: readonly unknown[]): void {
  for (const row of columns(lists, BALANCE)) {
    const key = `${row['account']}/${row['asset']}`
    const settled = bigOrNull(view.get('ledger.balance', key)?.['settled']) ?? 0n
    const [posted, held, floor] = [big(row['posted']), big(row['held']), big(row['floor'])]
    check(held >= 0n && big(row['incoming']) >= 0n && posted - held >= floor, 'balance covered')
    view.put('ledger.balance', key, {
      account: big(row['account']),
      asset: int(row['asset']),
      posted,
      held,
      incoming: text(row['incoming']),
      settled: settled + big(row['settled']),
      floor,
      version: big(row['version']),
      last_seq: big(row['last_seq']),
    })
  }
}

function writeHolds(view: View, lists: readonly unknown[]): void {
  for (const row of columns(lists, HOLD)) {
    const known = view.get('ledger.hold', text(row['id']))
    const amount = big(row['amount'])
    check(amount >= 0n, 'a hold is not negative')
    view.put(
      'ledger.hold',
      text(row['id']),
      known === undefined
        ? {
            id: row['id'],
            account: big(row['account']),
            asset: int(row['asset']),
            amount,
            kind: row['kind'],
            seq: big(row['seq']),
          }
        : { ...known, amount, kind: row['kind'], seq: big(row['seq']) },
    )
  }
}

function applyRows(
  view: View,
  rows: Row,
  blockEvents: readonly unknown[],
  seq: unknown,
  at: Date,
): void {
  for (const row of listOf(rows['accounts'])) {
    view.put('ledger.account', text(row['account']), {
      account: big(row['account']),
      class: int(row['class']),
      wallet: row['wallet'],
      expires_at: bigOrNull(row['expires_at']),
      freezes: int(row['freezes']),
      exits: int(row['exits']),
      exit_at: bigOrNull(row['exit_at']),
    })
  }
  for (const row of listOf(rows['modes'])) {
    view.put('ledger.mode', 'row', { is_exit_mode: row['is_exit_mode'] })
  }
  for (const row of listOf(rows['assets'])) {
    view.put('ledger.asset', text(row['asset']), {
      ...row,
      asset: int(row['asset']),
      allowedClasses: row['allowed_classes'],
    })
  }
  for (const [place, row] of listOf(rows['blocks']).entries()) {
    const key = `${text(row['number'])}/${text(row['hash'])}`
    view.put('ledger.chain_block', key, {
      number: big(row['number']),
      hash: row['hash'],
      at: big(row['at']),
      events: view.get('ledger.chain_block', key)?.['events'] ?? blockEvents[place],
      state: row['state'],
      seq: big(seq),
    })
  }
  for (const row of listOf(rows['known_blocks'])) {
    const key = `${text(row['number'])}/${text(row['hash'])}`
    if (view.get('ledger.chain_block', key) === undefined)
      throw new SqlError('ML003', `block ${key}`)
    view.patch('ledger.chain_block', key, { state: row['state'], seq: big(seq) })
  }
  for (const row of listOf(rows['idempotency'])) {
    insertOnce(
      view,
      'platform.idempotency',
      idempotencyKey(row['scope'], row['operation'], row['key']),
      {
        ...row,
        input_hash: Buffer.from(text(row['input_hash']), 'hex'),
        created_at: at,
      },
    )
  }
  for (const row of listOf(rows['positions']))
    writePosition(view, row['consumer_group'], row['stream'], row['seq'], row['log_epoch'])
}

const idempotencyKey = (...parts: readonly unknown[]): string => parts.map(text).join(' ')

// Effects of the contexts

function applyEffects(view: View, effects: Row): void {
  const handlers: Readonly<Record<string, (view: View, effect: Row) => void>> = {
    trading: applyTrading,
    payments: applyPayment,
    settlement: applySettlement,
    compliance: () => undefined,
    assets: () => undefined,
  }
  for (const context of Object.keys(effects).toSorted()) {
    const handler = handlers[context]
    if (handler === undefined) throw new SqlError('ML002', `no effect handler of ${context}`)
    for (const effect of listOf(effects[context])) handler(view, effect)
  }
}

const ORDER_UPDATE = [
  'id',
  'filled_lots',
  'maker_notional',
  'taker_notional',
  'status',
  'reason',
] as const
const ORDER = [
  ...ORDER_UPDATE,
  'account',
  'market',
  'side',
  'type',
  'time_in_force',
  'client_order_id',
  'request_hash',
  'limit_ticks',
  'lots',
  'seq',
  'created_at',
] as const
const TRADE = [
  'id',
  'market',
  'seq',
  'idx',
  'ticks',
  'lots',
  'notional',
  'maker_order',
  'taker_order',
  'taker_side',
  'buyer',
  'seller',
  'maker_fee',
  'taker_fee',
  'at',
] as const
const DEPOSIT = ['ref', 'account', 'asset', 'amount', 'status', 'block'] as const
const BIGS = new Set([
  'seq',
  'account',
  'limit_ticks',
  'lots',
  'filled_lots',
  'maker_notional',
  'taker_notional',
  'ticks',
  'notional',
  'buyer',
  'seller',
  'maker_fee',
  'taker_fee',
])

function typed(row: Record<string, Cell>): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, cell]) => [
      name,
      cell !== null && BIGS.has(name) ? BigInt(cell) : name === 'idx' ? Number(cell) : cell,
    ]),
  )
}

function rowsOf(value: unknown, names: readonly string[]): readonly Row[] {
  if (typeof value !== 'object' || value === null) return []
  const given = value as Row
  return columns(
    names.map((name) => given[name] ?? '{}'),
    names,
  ).map(typed)
}

function applyTrading(view: View, effect: Row): void {
  for (const row of listOf(effect['markets'])) view.put('trading.market', text(row['id']), row)
  for (const row of rowsOf(effect['inserted'], ORDER)) {
    const client = row['client_order_id']
    if (client !== null)
      insertOnce(view, 'trading.client_order', `${text(row['account'])}/${text(client)}`, {
        id: row['id'],
      })
    insertOnce(view, 'trading.order', text(row['id']), {
      ...row,
      created_at_ms: big(row['created_at']),
    })
  }
  for (const row of rowsOf(effect['updated'], ORDER_UPDATE)) {
    if (view.get('trading.order', text(row['id'])) !== undefined)
      view.patch('trading.order', text(row['id']), row)
  }
  for (const row of rowsOf(effect['trades'], TRADE))
    insertOnce(view, 'trading.trade', text(row['id']), { ...row, at_ms: big(row['at']) })
}

function applyDeposits(view: View, effect: Row): void {
  for (const row of rowsOf(effect, DEPOSIT)) {
    const ref = text(row['ref'])
    if (view.get('payments.deposit', ref)?.['status'] === 'final') continue
    view.put('payments.deposit', ref, {
      id: ref,
      account: row['account'],
      asset: int(row['asset']),
      amount: big(row['amount']),
      status: row['status'],
      tx_hash: ref.split(':')[0],
      block_number: big(row['block']),
    })
  }
}

function applyPayment(view: View, effect: Row): void {
  const type = text(effect['type'])
  if (type === 'deposits') return applyDeposits(view, effect)
  const id = text(effect['id'])
  if (type === 'withdrawal_requested') {
    insertOnce(view, 'payments.withdrawal', id, {
      id,
      account: big(effect['account']),
      asset: int(effect['asset']),
      amount: big(effect['amount']),
      status: 'requested',
      hold_seq: big(effect['seq']),
      tx_key: null,
      tx_hash: null,
      is_recalled: false,
      created_at: view.now(),
    })
    return
  }
  const status = {
    withdrawal_mined: 'mined',
    withdrawal_retracted: 'submitted',
    withdrawal_final: 'final',
    withdrawal_failed: 'failed',
  }[type]
  if (status === undefined) throw new SqlError('P0001', `payments cannot apply ${type}`)
  const known = view.get('payments.withdrawal', id)
  if (known === undefined) return
  view.lock('payments.withdrawal', id, 'update')
  const isPaid = status === 'mined' || status === 'final'
  if (known['status'] === 'final' || (known['status'] === 'failed' && !isPaid)) return
  const txKey = known['tx_key'] ?? (isPaid ? `withdraw:${id}` : null)
  const txHash = effect['tx_hash'] ?? known['tx_hash']
  view.patch('payments.withdrawal', id, { status, tx_key: txKey, tx_hash: txHash })
}

function refuseBlock(view: View, reason: string): void {
  view.lock('settlement.state', 'row', 'update')
  if (view.get('settlement.state', 'row')?.['status'] === 'running')
    view.patch('settlement.state', 'row', { status: 'halted', reason, changed_at: view.now() })
  const id = view.server.nextOf('incident')
  view.put('settlement.incident', text(id), { id, kind: 'halted', reason, actor: 'chain' })
}

function applySettlement(view: View, effect: Row): void {
  const type = text(effect['type'])
  if (type === 'block_final') return
  if (type === 'block_refused') return refuseBlock(view, text(effect['reason']))
  const from = type === 'batch_mined' ? ['netted', 'submitted', 'reverted'] : ['mined']
  const isMeant = (row: Row): boolean =>
    from.includes(text(row['status'])) &&
    (type === 'batch_mined'
      ? row['head'] === effect['head']
      : row['sequence'] === big(effect['sequence']))
  const meant = view.rows('settlement.batch').filter(isMeant)
  if (type === 'batch_final' && meant.length === 0) {
    const what = `batch ${text(effect['sequence'])} is final on chain and was abandoned here`
    return refuseBlock(view, what)
  }
  for (const { id } of meant) {
    view.lock('settlement.batch', text(id), 'update')
    const row = view.get('settlement.batch', text(id))
    if (row === undefined || !isMeant(row)) continue
    const change: Readonly<Record<string, Row>> = {
      batch_mined: {
        status: 'mined',
        tx_hash: effect['tx_hash'] ?? row['tx_hash'],
        block_number: bigOrNull(effect['block']),
      },
      batch_retracted: { status: 'submitted', block_number: null, gas_used: null },
      batch_final: { status: 'final' },
    }
    view.patch('settlement.batch', text(id), change[type] ?? {})
  }
}

// Statements

const between = (row: Row, from: unknown, to: unknown): boolean =>
  compareBig(row['seq'], from) >= 0 && compareBig(row['seq'], to) <= 0

function ordersWhere(view: View, test: (row: Row) => boolean): readonly Row[] {
  return view.rows('trading.order').filter(test).toSorted(by('seq'))
}

const RECENT_MS = 120_000
const isRecent = (view: View, atMs: number): boolean => atMs > view.nowMs() - RECENT_MS

const lockKey = (space: unknown, number: unknown): string => `${text(space)}:${text(number)}`

function lapsedBackend(
  view: View,
  [role, space, number, lease]: readonly unknown[],
): number | null {
  const row = view.get('platform.leader', text(role))
  const holder = view.server.advisoryHolder(lockKey(space, number))
  const isStale = Number(row?.['renewed_ms']) < view.nowMs() - Number.parseInt(text(lease), 10)
  return isStale && holder !== undefined && holder.pid === row?.['backend'] ? holder.pid : null
}

/** A new group begins with the oldest event that is kept. */
function firstPosition(view: View, stream: unknown): bigint {
  const kept = view.rows('platform.outbox').find((row) => row['stream'] === stream)
  if (kept !== undefined) return big(kept['seq']) - 1n
  return bigOrNull(view.get('platform.stream_head', text(stream))?.['seq']) ?? 0n
}

export const LEDGER_STATEMENTS: readonly StatementPattern[] = [
  [/^SELECT 1$/, () => [{ '?column?': 1 }]],
  [
    /^SELECT platform\.lead\(/,
    (view, [role, space, number, address]) => {
      if (!view.server.takeAdvisory(view.session, lockKey(space, number))) return [{ epoch: null }]
      view.lock('platform.fence', text(role), 'update')
      const epoch = big(view.get('platform.fence', text(role))?.['epoch']) + 1n
      view.patch('platform.fence', text(role), { epoch })
      view.put('platform.leader', text(role), {
        role,
        epoch,
        address,
        backend: view.session.pid,
        renewed_ms: view.nowMs(),
      })
      return [{ epoch }]
    },
  ],
  [
    /^SELECT platform\.renew_lead\(/,
    (view, [role, epoch]) => {
      view.lock('platform.leader', text(role), 'update')
      const isOurs =
        view.get('platform.leader', text(role))?.['backend'] === view.session.pid &&
        view.get('platform.fence', text(role))?.['epoch'] === big(epoch)
      if (isOurs) view.patch('platform.leader', text(role), { renewed_ms: view.nowMs() })
      return [{ held: isOurs }]
    },
  ],
  [/^SELECT platform\.lapsed_backend\(/, (view, p) => [{ pid: lapsedBackend(view, p) }]],
  [
    /^SELECT pg_terminate_backend\(/,
    (view, p) => {
      const pid = lapsedBackend(view, p)
      if (pid !== null) view.server.terminate(pid)
      return []
    },
  ],
  [
    /^SELECT pg_advisory_xact_lock_shared\(\$1\)/,
    (view, p) => {
      view.lock('advisory', text(p[0]), 'share')
      return []
    },
  ],
  [
    /^SELECT pg_advisory_xact_lock\(\$1\)/,
    (view, p) => {
      view.lock('advisory', text(p[0]), 'update')
      return []
    },
  ],
  [
    /^UPDATE platform\.fence SET epoch = epoch \+ 1 WHERE role = \$1/,
    (view, p) => {
      view.lock('platform.fence', text(p[0]), 'update')
      const row = view.get('platform.fence', text(p[0]))
      if (row === undefined || (p.length > 1 && row['epoch'] !== big(p[1]))) return []
      return [view.patch('platform.fence', text(p[0]), { epoch: big(row['epoch']) + 1n })]
    },
  ],
  [
    /^INSERT INTO platform\.leader/,
    (view, p) => {
      view.put('platform.leader', text(p[0]), {
        role: p[0],
        epoch: big(p[1]),
        address: p[2] ?? null,
      })
      return []
    },
  ],
  [
    /^SELECT .* FROM platform\.leader WHERE role = \$1/,
    (view, p) => {
      const row = view.get('platform.leader', text(p[0]))
      return row === undefined ? [] : [row]
    },
  ],
  [
    /^SELECT epoch FROM platform\.fence WHERE role = \$1 FOR SHARE/,
    (view, p) => {
      view.lock('platform.fence', text(p[0]), 'share')
      return [view.get('platform.fence', text(p[0])) ?? {}]
    },
  ],
  [/^SELECT id(, log_epoch)? FROM platform\.instance/, (view) => view.rows('platform.instance')],
  [
    /^SELECT seq FROM platform\.consumer_position WHERE consumer_group = \$1 AND stream = \$2 FOR UPDATE/,
    (view, p) => {
      view.lock('platform.consumer_position', placeOf(p[0], p[1]), 'update')
      const row = view.get('platform.consumer_position', placeOf(p[0], p[1]))
      return row === undefined ? [] : [row]
    },
  ],
  [
    /^SELECT seq FROM platform\.consumer_position WHERE consumer_group = \$1 AND stream = \$2/,
    (view, p) => {
      const row = view.get('platform.consumer_position', placeOf(p[0], p[1]))
      return row === undefined ? [] : [row]
    },
  ],
  [
    /^INSERT INTO platform\.consumer_position .* ON CONFLICT DO NOTHING/,
    (view, p) => {
      const key = placeOf(p[0], p[1])
      if (view.get('platform.consumer_position', key) === undefined)
        view.put('platform.consumer_position', key, {
          consumer_group: p[0],
          stream: p[1],
          seq: firstPosition(view, p[1]),
          log_epoch: 0n,
        })
      return []
    },
  ],
  [
    /^UPDATE platform\.consumer_position SET seen_at = /,
    (view, p) => {
      const key = placeOf(p[0], p[1])
      view.lock('platform.consumer_position', key, 'update')
      if (view.get('platform.consumer_position', key) !== undefined)
        view.patch('platform.consumer_position', key, { seen_at: view.now() })
      return []
    },
  ],
  [
    /^SELECT platform\.write_position/,
    (view, p) => {
      writePosition(view, p[0], p[1], p[2], p[3])
      return []
    },
  ],
  [
    /^SELECT min\(seq\) AS seq FROM platform\.consumer_position/,
    (view, p) => {
      const rows = view
        .rows('platform.consumer_position')
        .filter((row) => row['stream'] === p[0] && row['consumer_group'] !== p[1])
        .toSorted(by('seq'))
      return [{ seq: rows[0]?.['seq'] ?? null }]
    },
  ],
  [
    /^INSERT INTO platform\.resend_request/,
    (view, [stream, group, after]) => {
      view.put('platform.resend_request', placeOf(group, stream), { stream, group, after })
      return []
    },
  ],
  [
    /^SELECT request\.consumer_group AS group/,
    (view, [stream]) =>
      view
        .rows('platform.resend_request')
        .filter((row) => row['stream'] === stream)
        .map(({ group, after }) => ({
          group,
          after: big(after),
          position: view.get('platform.consumer_position', placeOf(group, stream))?.['seq'] ?? null,
          is_kept: view.get('platform.outbox', `${text(stream)}/${big(after) + 1n}`) !== undefined,
        })),
  ],
  [
    /^DELETE FROM platform\.resend_request/,
    (view, [stream, groups]) => {
      for (const group of readArray(groups))
        view.remove('platform.resend_request', placeOf(group, stream))
      return []
    },
  ],
  [
    /^SELECT platform\.append_events/,
    (view, p) => {
      appendEvents(view, p)
      return []
    },
  ],
  [
    /FROM platform\.outbox WHERE stream = \$1 AND seq > \$2/,
    (view, p) => {
      const [stream, after, most] = [text(p[0]), big(p[1]), Number(p[2])]
      const rows: Row[] = []
      for (let seq = after + 1n; rows.length < most; seq += 1n) {
        const row = view.get('platform.outbox', `${stream}/${seq}`)
        if (row === undefined) break
        rows.push(row)
      }
      return rows
    },
  ],
  [
    /^SELECT input_hash, resource FROM platform\.idempotency/,
    (view, p) => {
      const row = view.get('platform.idempotency', idempotencyKey(...p))
      return row === undefined ? [] : [row]
    },
  ],
  [
    /^SELECT scope, operation, key, input_hash, resource FROM unnest\(/,
    (view, p) =>
      columns(p, ['scope', 'operation', 'key']).flatMap(({ scope, operation, key }) => {
        const row = view.get('platform.idempotency', idempotencyKey(scope, operation, key))
        return row === undefined ? [] : [row]
      }),
  ],
  [
    /^SELECT scope, operation, key FROM platform\.idempotency WHERE created_at >/,
    (view) =>
      view.rows('platform.idempotency').filter((row) => isRecent(view, Number(row['created_at']))),
  ],
  [
    /^INSERT INTO platform\.idempotency/,
    (view, p) => {
      const [scope, operation, key, input_hash, resource] = p
      const place = idempotencyKey(scope, operation, key)
      view.lock('platform.idempotency', place, 'update')
      if (view.get('platform.idempotency', place) === undefined)
        view.put('platform.idempotency', place, {
          scope,
          operation,
          key,
          input_hash,
          resource,
          created_at: view.now(),
        })
      return []
    },
  ],
  [
    /^SELECT account, client_order_id FROM trading\."order" WHERE created_at >/,
    (view) =>
      view
        .rows('trading.order')
        .filter(
          (row) => row['client_order_id'] !== null && isRecent(view, Number(row['created_at_ms'])),
        ),
  ],
  [/^SELECT ledger\.commit_batch/, commitBatch],
  [
    /FROM ledger\.journal_batch ORDER BY last_seq DESC LIMIT 1/,
    (view) => {
      const row = view.rows('ledger.journal_batch').at(-1)
      return row === undefined ? [] : [{ ...row, at_ms: text(row['at_ms']) }]
    },
  ],
  [
    /FROM ledger\.journal_batch WHERE last_seq <= \$1 ORDER BY last_seq DESC/,
    (view, p) =>
      view
        .rows('ledger.journal_batch')
        .filter((row) => compareBig(row['last_seq'], p[0]) <= 0)
        .slice(-1),
  ],
  [
    /FROM ledger\.journal_batch WHERE last_seq >= \$1 ORDER BY last_seq LIMIT 1/,
    (view, p) =>
      view
        .rows('ledger.journal_batch')
        .filter((row) => compareBig(row['last_seq'], p[0]) >= 0)
        .slice(0, 1),
  ],
  [
    /FROM \(SELECT \* FROM ledger\.journal_batch WHERE last_seq >= \$1/,
    (view, p) =>
      view
        .rows('ledger.journal_batch')
        .filter((row) => compareBig(row['last_seq'], p[0]) >= 0)
        .slice(0, Number(p[1])),
  ],
  [
    /FROM ledger\.chain_block WHERE state = 'applied'/,
    (view) =>
      view
        .rows('ledger.chain_block')
        .filter((row) => row['state'] === 'applied')
        .toSorted(by('number')),
  ],
  [
    /FROM ledger\.chain_block WHERE state = 'final'/,
    (view) =>
      view
        .rows('ledger.chain_block')
        .filter((row) => row['state'] === 'final')
        .toSorted(by('number'))
        .slice(-1),
  ],
  [
    /FROM ledger\.balance WHERE account = \$1 AND asset = \$2/,
    (view, p) =>
      view
        .rows('ledger.balance')
        .filter((row) => row['account'] === big(p[0]) && row['asset'] === int(p[1])),
  ],
  [
    /FROM ledger\.balance WHERE account = \$1/,
    (view, p) =>
      view
        .rows('ledger.balance')
        .filter((row) => row['account'] === big(p[0]))
        .toSorted(by('asset')),
  ],
  [/FROM ledger\.balance/, (view) => view.rows('ledger.balance').toSorted(by('account', 'asset'))],
  [
    /FROM ledger\.hold WHERE amount > 0/,
    (view) => view.rows('ledger.hold').filter((row) => big(row['amount']) > 0n),
  ],
  [
    /FROM ledger\.hold WHERE id = ANY/,
    (view, p) => {
      const ids = readArray(p[0])
      return view
        .rows('ledger.hold')
        .filter(
          (row) =>
            ids.includes(text(row['id'])) &&
            row['kind'] === 'withdrawal' &&
            big(row['amount']) > 0n,
        )
    },
  ],
  [
    /FROM ledger\.account WHERE account = \$1/,
    (view, p) => {
      const row = view.get('ledger.account', text(p[0]))
      return row === undefined ? [] : [row]
    },
  ],
  [
    /^SELECT max\(exit_at\) AS exit_at FROM ledger\.account WHERE exits > 0/,
    (view) => {
      const open = view.rows('ledger.account').filter((row) => int(row['exits']) > 0)
      const times = open.map((row) => big(row['exit_at']))
      return [{ exit_at: times.toSorted(compareBig).at(-1) ?? null }]
    },
  ],
  [
    /^SELECT is_exit_mode FROM ledger\.mode/,
    (view) => [view.get('ledger.mode', 'row') ?? { is_exit_mode: false }],
  ],
  [/FROM ledger\.account$/, (view) => view.rows('ledger.account')],
  [/FROM ledger\.asset ORDER BY asset/, (view) => view.rows('ledger.asset').toSorted(by('asset'))],
  [
    /FROM ledger\.transfer WHERE seq BETWEEN/,
    (view, p) => {
      const codes = p[2] === null ? undefined : readArray(p[2])
      return view
        .rows('ledger.transfer')
        .filter((row) => between(row, p[0], p[1]) && (codes?.includes(text(row['code'])) ?? true))
        .toSorted(by('seq', 'idx'))
    },
  ],
  [
    /FROM ledger\.transfer WHERE ref = \$1/,
    (view, p) =>
      view
        .rows('ledger.transfer')
        .filter((row) => row['ref'] === p[0])
        .toSorted(by('seq', 'idx')),
  ],
  [
    /^SELECT \* FROM trading\.market WHERE symbol = \$1/,
    (view, p) => view.rows('trading.market').filter((row) => row['symbol'] === p[0]),
  ],
  [/^SELECT \* FROM trading\.market ORDER BY id/, (view) => view.rows('trading.market')],
  [
    /FROM trading\."order" WHERE status IN/,
    (view) => ordersWhere(view, (row) => OPEN_ORDER.has(text(row['status']))),
  ],
  [
    /FROM trading\."order" WHERE id = ANY/,
    (view, p) =>
      readArray(p[0]).flatMap((id) => {
        const row = view.get('trading.order', text(id))
        return row === undefined ? [] : [row]
      }),
  ],
  [
    /FROM trading\."order" WHERE client_order_id IS NOT NULL AND \(account, client_order_id\) IN/,
    (view, p) => {
      const asked = new Set(
        columns(p, ['account', 'name']).map((row) => `${row['account']} ${row['name']}`),
      )
      return ordersWhere(view, (row) =>
        asked.has(`${text(row['account'])} ${text(row['client_order_id'])}`),
      )
    },
  ],
  [
    /FROM trading\.trade WHERE maker_order = ANY/,
    (view, p) => {
      const orders = readArray(p[0])
      return view
        .rows('trading.trade')
        .filter(
          (row) =>
            orders.includes(text(row['maker_order'])) || orders.includes(text(row['taker_order'])),
        )
        .toSorted(by('seq', 'idx'))
    },
  ],
]
