import { by, compareBig, jsonOf, readArray } from './statements-ledger.ts'
import { SqlError, type Row, type StatementPattern, type View } from './postgres.ts'

const big = (cell: unknown): bigint => BigInt(String(cell))
const bigOrNull = (cell: unknown): bigint | null =>
  cell === null || cell === undefined ? null : big(cell)
const text = (cell: unknown): string => String(cell)

const UNFINAL = new Set(['netted', 'submitted', 'mined', 'reverted'])
const OPEN = new Set(['netted', 'submitted', 'reverted'])

function batchesWhere(view: View, test: (row: Row) => boolean): readonly Row[] {
  return view.rows('settlement.batch').filter(test).toSorted(by('sequence'))
}

const hasStatus =
  (statuses: ReadonlySet<string>) =>
  (row: Row): boolean =>
    statuses.has(text(row['status']))

const isAlive = (row: Row): boolean => row['status'] !== 'abandoned'
const isClosing = (row: Row): boolean => isAlive(row) && row['kind'] !== 'supply'

function insertBatch(view: View, p: readonly unknown[]): readonly Row[] {
  const [id, sequence, kind, status, first, last, header, , head, records] = p
  const rivals = batchesWhere(view, (row) => isAlive(row) && row['sequence'] === big(sequence))
  view.lock('settlement.batch_sequence', text(sequence), 'update')
  if (rivals.length > 0) throw new SqlError('23505', `batch_sequence ${text(sequence)}`)
  view.put('settlement.batch', text(id), {
    id,
    sequence: big(sequence),
    kind,
    status,
    first_seq: bigOrNull(first),
    last_seq: bigOrNull(last),
    header: jsonOf(header),
    head,
    records,
    trades: p[11],
    transfers: p[12],
    delta_count: p[13],
    supply_asset: p[14] ?? null,
    supply_change: bigOrNull(p[15]),
    beneficiary: bigOrNull(p[16]),
    supply_request: p[17] ?? null,
    attempt: p[18],
    tx_key: p[19],
    tx_hash: null,
    block_number: null,
    gas_used: null,
    error: null,
    created_at: view.now(),
  })
  return []
}

function insertDeltas(view: View, p: readonly unknown[]): readonly Row[] {
  const [batch, ...lists] = p
  const [accounts, assets, amounts] = lists.map(readArray)
  accounts?.forEach((account, place) => {
    view.put('settlement.delta', `${text(batch)}/${account}/${assets?.[place]}`, {
      batch,
      account: big(account),
      asset: Number(assets?.[place]),
      amount: big(amounts?.[place]),
    })
  })
  return []
}

function knownBatches(view: View, p: readonly unknown[]): readonly Row[] {
  const heads = readArray(p[0])
  const found = batchesWhere(view, (row) => heads.includes(text(row['head'])))
  return found
    .toSorted((a, b) => Number(isAlive(a)) - Number(isAlive(b)))
    .map((row) => ({
      ...row,
      deltas: view
        .rows('settlement.delta')
        .filter(({ batch }) => batch === row['id'])
        .toSorted(by('account', 'asset'))
        .map(({ account, asset, amount }) => [Number(account), asset, text(amount)]),
    }))
}

function moveBatch(view: View, [id, from, to, txHash, error]: readonly unknown[]): readonly Row[] {
  view.lock('settlement.batch', text(id), 'update')
  const row = view.get('settlement.batch', text(id))
  if (row?.['status'] !== from) return []
  return [
    view.patch('settlement.batch', text(id), {
      status: to,
      tx_hash: txHash ?? row?.['tx_hash'],
      error: error ?? row?.['error'],
    }),
  ]
}

function lockedState(view: View): readonly Row[] {
  view.lock('settlement.state', 'row', 'update')
  return view.rows('settlement.state')
}

function patchState(view: View, fields: Row): readonly Row[] {
  view.patch('settlement.state', 'row', fields)
  return []
}

function settledSequence(view: View): readonly Row[] {
  const firsts = batchesWhere(view, hasStatus(UNFINAL)).filter((row) => row['first_seq'] !== null)
  const first = firsts.toSorted(by('first_seq'))[0]?.['first_seq']
  const covered = view.get('settlement.state', 'row')?.['covered_seq']
  return [{ settled: first === undefined ? covered : big(first) - 1n }]
}

function withdrawals(view: View, status: string): readonly Row[] {
  return view.rows('payments.withdrawal').filter((row) => row['status'] === status)
}

const unrecalled = (view: View): readonly Row[] =>
  withdrawals(view, 'failed').filter((row) => row['tx_key'] !== null && row['is_recalled'] !== true)

function setSupply(view: View, [id, from, to, batch, error]: readonly unknown[]): readonly Row[] {
  view.lock('supply.request', text(id), 'update')
  const row = view.get('supply.request', text(id))
  if (row?.['status'] !== from) return []
  return [
    view.patch('supply.request', text(id), {
      status: to,
      batch: batch ?? row?.['batch'],
      error: error ?? null,
    }),
  ]
}

const supplyRows = (view: View, test: (row: Row) => boolean): readonly Row[] =>
  view
    .rows('supply.request')
    .filter(test)
    .toSorted((a, b) => text(a['id']).localeCompare(text(b['id'])))

export const SETTLEMENT_STATEMENTS: readonly StatementPattern[] = [
  [/FROM settlement\.state FOR UPDATE$/, lockedState],
  [
    /^SELECT status, reason, covered_seq, changed_at, is_ended FROM settlement\.state$/,
    (view) => view.rows('settlement.state'),
  ],
  [
    /^UPDATE settlement\.state SET covered_seq = \$1/,
    (view, p) => {
      const [row] = lockedState(view)
      return compareBig(row?.['covered_seq'], p[0]) < 0
        ? patchState(view, { covered_seq: big(p[0]) })
        : []
    },
  ],
  [
    /^UPDATE settlement\.state SET status = 'halted', .* WHERE NOT is_ended$/,
    (view, p) =>
      view.get('settlement.state', 'row')?.['is_ended'] === true
        ? []
        : patchState(view, { status: 'halted', reason: p[0], changed_at: view.now() }),
  ],
  [
    /^UPDATE settlement\.state SET status = 'running'/,
    (view) => patchState(view, { status: 'running', reason: null, changed_at: view.now() }),
  ],
  [
    /^INSERT INTO settlement\.incident/,
    (view, p) => {
      const id = view.server.nextOf('incident')
      view.put('settlement.incident', text(id), { id, kind: p[0], reason: p[1], actor: p[2] })
      return []
    },
  ],
  [/^SELECT coalesce\( ?\(SELECT min\(first_seq\) - 1 FROM settlement\.batch/, settledSequence],
  [/^INSERT INTO settlement\.batch/, insertBatch],
  [/^INSERT INTO settlement\.delta/, insertDeltas],
  [
    /FROM settlement\.batch WHERE status <> 'abandoned' ORDER BY sequence DESC LIMIT 1$/,
    (view) => batchesWhere(view, isAlive).slice(-1),
  ],
  [
    /^SELECT created_at FROM settlement\.batch WHERE kind <> 'supply' AND status <> 'abandoned'/,
    (view) => batchesWhere(view, isClosing).slice(-1),
  ],
  [
    /^SELECT coalesce\(max\(\(header ->> 'closeTime'\)::bigint\), 0\) AS closed_at/,
    (view) => {
      const times = batchesWhere(view, isClosing).map((row) =>
        big((row['header'] as Row)['closeTime']),
      )
      return [{ closed_at: times.toSorted(compareBig).at(-1) ?? 0n }]
    },
  ],
  [
    /^SELECT 1 FROM settlement\.batch WHERE kind <> 'supply' AND status IN/,
    (view) =>
      batchesWhere(view, (row) => isClosing(row) && UNFINAL.has(text(row['status']))).slice(0, 1),
  ],
  [
    /FROM settlement\.batch WHERE status IN \('netted', 'submitted', 'reverted'\) ORDER BY sequence LIMIT 1/,
    (view) => batchesWhere(view, hasStatus(OPEN)).slice(0, 1),
  ],
  [
    /FROM settlement\.batch WHERE status = 'reverted' ORDER BY sequence$/,
    (view) => batchesWhere(view, (row) => row['status'] === 'reverted'),
  ],
  [
    /FROM settlement\.batch WHERE id = \$1$/,
    (view, p) => batchesWhere(view, (row) => row['id'] === p[0]),
  ],
  [
    /FROM settlement\.batch WHERE status IN \('mined', 'final'\) AND gas_used IS NULL/,
    (view) =>
      batchesWhere(
        view,
        (row) =>
          (row['status'] === 'mined' || row['status'] === 'final') && row['gas_used'] === null,
      ).slice(0, 20),
  ],
  [
    /^SELECT 1 FROM settlement\.batch WHERE status IN \('netted', 'submitted', 'mined', 'reverted'\)/,
    (view) => batchesWhere(view, hasStatus(UNFINAL)).slice(0, 1),
  ],
  [/AS deltas FROM settlement\.batch WHERE head = ANY/, knownBatches],
  [
    /^SELECT created_at FROM settlement\.batch WHERE status <> 'abandoned' AND header/,
    (view, p) =>
      batchesWhere(
        view,
        (row) => isAlive(row) && (row['header'] as Row)['liabilitiesRoot'] !== p[0],
      ).slice(-1),
  ],
  [/^UPDATE settlement\.batch SET status = \$3/, moveBatch],
  [
    /^UPDATE settlement\.batch SET status = 'netted', attempt = attempt \+ 1/,
    (view, p) => {
      view.lock('settlement.batch', text(p[0]), 'update')
      const row = view.get('settlement.batch', text(p[0]))
      if (row?.['status'] !== 'reverted') return []
      view.patch('settlement.batch', text(p[0]), {
        status: 'netted',
        attempt: Number(row['attempt']) + 1,
        tx_key: p[1],
        tx_hash: null,
        error: null,
      })
      return [{ id: p[0] }]
    },
  ],
  [
    /^UPDATE settlement\.batch SET gas_used = \$2/,
    (view, p) => {
      view.patch('settlement.batch', text(p[0]), { gas_used: big(p[1]) })
      return []
    },
  ],
  [
    /FROM payments\.withdrawal WHERE id = \$1/,
    (view, p) => {
      const row = view.get('payments.withdrawal', text(p[0]))
      return row === undefined ? [] : [row]
    },
  ],
  [
    /FROM payments\.withdrawal WHERE status = 'requested' AND hold_seq <= \$1/,
    (view, p) => {
      const ready = withdrawals(view, 'requested')
        .filter((row) => compareBig(row['hold_seq'], p[0]) <= 0)
        .toSorted(by('hold_seq'))
        .slice(0, Number(p[1]))
      for (const row of ready) view.lock('payments.withdrawal', text(row['id']), 'update')
      return ready
    },
  ],
  [
    /^UPDATE payments\.withdrawal SET status = 'submitted'/,
    (view, p) => {
      view.lock('payments.withdrawal', text(p[0]), 'update')
      if (view.get('payments.withdrawal', text(p[0]))?.['status'] === 'requested')
        view.patch('payments.withdrawal', text(p[0]), { status: 'submitted', tx_key: p[1] })
      return []
    },
  ],
  [
    /FROM payments\.withdrawal WHERE status = 'submitted' ORDER BY id/,
    (view, p) => withdrawals(view, 'submitted').slice(0, Number(p[0])),
  ],
  [
    /^SELECT 1 FROM payments\.withdrawal WHERE status = 'failed' AND tx_key IS NOT NULL/,
    (view) => unrecalled(view).slice(0, 1),
  ],
  [
    /FROM payments\.withdrawal WHERE status = 'failed' AND tx_key IS NOT NULL AND NOT is_recalled ORDER BY id/,
    (view, p) => {
      const rows = unrecalled(view).slice(0, Number(p[0]))
      for (const row of rows) view.lock('payments.withdrawal', text(row['id']), 'update')
      return rows
    },
  ],
  [
    /^UPDATE payments\.withdrawal SET is_recalled = true/,
    (view, p) => {
      view.patch('payments.withdrawal', text(p[0]), { is_recalled: true })
      return []
    },
  ],
  [
    /^SELECT max\(hold_seq\) AS hold_seq FROM payments\.withdrawal/,
    (view) => [
      {
        hold_seq:
          withdrawals(view, 'requested').toSorted(by('hold_seq')).at(-1)?.['hold_seq'] ?? null,
      },
    ],
  ],
  [
    /^SELECT pg_advisory_xact_lock\(hashtextextended\('supply:'/,
    (view, p) => {
      view.lock('supply.asset', text(p[0]), 'update')
      return []
    },
  ],
  [
    /^INSERT INTO supply\.request/,
    (view, p) => {
      view.put('supply.request', text(p[0]), {
        id: p[0],
        ref: p[1],
        asset: p[2],
        change: big(p[3]),
        beneficiary: big(p[4]),
        status: 'proposed',
        batch: null,
        error: null,
      })
      return []
    },
  ],
  [
    /FROM supply\.request WHERE ref = \$1/,
    (view, p) => supplyRows(view, (row) => row['ref'] === p[0]),
  ],
  [
    /FROM supply\.request WHERE status = 'proposed'/,
    (view) => supplyRows(view, (row) => row['status'] === 'proposed'),
  ],
  [
    /FROM supply\.request WHERE status = 'batched'/,
    (view) => supplyRows(view, (row) => row['status'] === 'batched'),
  ],
  [
    /^SELECT coalesce\(sum\(change\), 0\)::text AS pending FROM supply\.request/,
    (view, p) => [
      {
        pending: supplyRows(
          view,
          (row) =>
            row['asset'] === p[0] &&
            (row['status'] === 'proposed' || row['status'] === 'batched') &&
            big(row['change']) > 0n === big(p[1]) > 0n,
        )
          .reduce((sum, row) => sum + big(row['change']), 0n)
          .toString(),
      },
    ],
  ],
  [/^UPDATE supply\.request SET status = \$3/, setSupply],
]
