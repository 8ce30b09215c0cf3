import { by, compareBig, jsonOf, listOf, readArray } from './statements-ledger.ts'
import { SqlError, type Row, type StatementPattern, type View } from './postgres.ts'

const big = (cell: unknown): bigint => BigInt(String(cell))
const text = (cell: unknown): string => String(cell)

const OVER = new Set(['final', 'reverted', 'rejected', 'cancelled'])

function attemptsOf(view: View, request: unknown): readonly Row[] {
  return view
    .rows('chain.tx_attempt')
    .filter((row) => row['request'] === request)
    .toSorted(by('attempt'))
}

/** The receipt of any attempt in a block that still counts. */
function canonicalReceipt(view: View, request: unknown): Row | undefined {
  const hashes = new Set(attemptsOf(view, request).map(({ hash }) => hash))
  for (const receipt of view.rows('chain.receipt')) {
    if (!hashes.has(receipt['tx_hash'])) continue
    const block = view.get('chain.block', text(receipt['block_hash']))
    if (block !== undefined && block['state'] !== 'retracted') {
      return {
        hash: receipt['tx_hash'],
        kind: view.get('chain.tx_attempt', text(receipt['tx_hash']))?.['kind'],
        block_hash: block['hash'],
        number: block['number'],
        block_state: block['state'],
        status: receipt['status'],
        gas_used: receipt['gas_used'],
      }
    }
  }
  return undefined
}

function liveNonce(view: View, request: unknown): Row | undefined {
  return view
    .rows('chain.nonce')
    .find((row) => row['request'] === request && row['is_lost'] !== true)
}

function requestRow(view: View, row: Row): Row {
  const attempts = attemptsOf(view, row['id'])
  const nonce = liveNonce(view, row['id'])
  const isLive = (attempt: Row): boolean =>
    attempt['nonce'] === nonce?.['nonce'] && attempt['signer'] === nonce?.['signer']
  const live = attempts.findLast(isLive)
  const last = attempts.at(-1)
  const mined = canonicalReceipt(view, row['id'])
  const ago = (at: unknown): bigint | null =>
    typeof at === 'number' ? BigInt(view.nowMs() - at) : null
  return {
    ...row,
    nonce: nonce?.['nonce'] ?? null,
    ...picked(live, ['raw', 'kind', 'gas_limit', 'max_fee_wei', 'priority_fee_wei', 'signed_head']),
    hash: live?.['hash'] ?? null,
    ...picked(mined, ['block_hash', 'block_state', 'number', 'status', 'gas_used']),
    mined_kind: mined?.['kind'] ?? null,
    hashes: attempts.length === 0 ? null : attempts.map(({ hash }) => hash),
    has_cancel:
      attempts.length === 0
        ? null
        : attempts.some((one) => one['kind'] === 'cancel' && isLive(one)),
    sent_ago_ms: ago(live?.['sent_ms']),
    attempt_age_ms: ago(live?.['signed_ms']),
    age_ms: ago(attempts[0]?.['signed_ms'] ?? row['created_at_ms']),
    last_kind: last?.['kind'] ?? null,
    attempts: attempts.length,
    found_hash: mined?.['hash'] ?? last?.['hash'] ?? null,
    created_ms: BigInt(Number(row['created_at_ms'])),
    updated_ms: BigInt(Number(row['updated_at_ms'])),
  }
}

/** As those see it who ask for one transaction, or for a page of them. */
function foundRow(view: View, row: Row): Row {
  const full = requestRow(view, row)
  return { ...full, hash: full['found_hash'] }
}

function picked(row: Row | undefined, names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, row?.[name] ?? null]))
}

function findByKey(view: View, key: unknown): Row | undefined {
  return view.rows('chain.tx_request').find((row) => row['key'] === key)
}

function putRequest(view: View, p: readonly unknown[]): readonly Row[] {
  const [id, key, signer, target, data, gasCap, isUrgent] = p
  view.lock('chain.tx_request_key', text(key), 'update')
  if (findByKey(view, key) !== undefined) return []
  view.put('chain.tx_request', text(id), {
    id,
    seq: view.server.nextOf('tx_request'),
    key,
    signer,
    target,
    data,
    gas_cap: gasCap === null || gasCap === undefined ? null : big(gasCap),
    is_urgent: isUrgent,
    state: 'requested',
    error: null,
    wish: null,
    created_at_ms: view.nowMs(),
    updated_at_ms: view.nowMs(),
  })
  return []
}

function insertBlocks(view: View, p: readonly unknown[]): readonly Row[] {
  const [hashes, numbers, parents, times] = p.map(readArray)
  const done: Row[] = []
  for (const [place, cell] of (hashes ?? []).entries()) {
    const hash = text(cell)
    const number = big(numbers?.[place])
    const known = view.get('chain.block', hash)
    if (known !== undefined && known['state'] !== 'retracted') continue
    const twin = view
      .rows('chain.block')
      .find((one) => one['number'] === number && one['state'] !== 'retracted')
    if (twin !== undefined) throw new SqlError('23505', `block_canonical ${number}`)
    view.put('chain.block', hash, {
      hash,
      number,
      parent_hash: parents?.[place],
      mined_at: big(times?.[place]),
      state: 'applied',
    })
    done.push({ hash, is_new: known === undefined })
  }
  return done
}

function insertLogs(view: View, p: readonly unknown[]): readonly Row[] {
  const [blocks, places, hashes, contracts, names] = p.slice(0, 5).map(readArray)
  const args = listOf(jsonOf(p[7]))
  for (const [at, block] of (blocks ?? []).entries()) {
    const key = `${text(block)}/${text(places?.[at])}`
    if (view.get('chain.log', key) !== undefined) throw new SqlError('23505', `log ${key}`)
    view.put('chain.log', key, {
      block_hash: block,
      log_index: Number(places?.[at]),
      tx_hash: hashes?.[at],
      contract: contracts?.[at],
      name: names?.[at],
      args: args[at],
    })
  }
  return []
}

function insertReceipts(view: View, p: readonly unknown[]): readonly Row[] {
  for (const row of listOf(jsonOf(p[0]))) {
    const key = `${text(row['hash'])}/${text(row['block'])}`
    if (view.get('chain.receipt', key) !== undefined) continue
    view.put('chain.receipt', key, {
      tx_hash: row['hash'],
      block_hash: row['block'],
      status: Number(row['status']),
      gas_used: big(row['gasUsed']),
    })
  }
  return []
}

function finalize(view: View, p: readonly unknown[]): readonly Row[] {
  return view
    .rows('chain.block')
    .filter((row) => row['state'] === 'applied' && compareBig(row['number'], p[0]) <= 0)
    .toSorted(by('number'))
    .slice(0, Number(p[1]))
    .map((row) => view.patch('chain.block', text(row['hash']), { state: 'final' }))
}

function attemptKey(view: View, attempt: Row | undefined): string {
  const key = text(view.get('chain.tx_request', text(attempt?.['request']))?.['key'])
  return attempt?.['kind'] === 'cancel' ? `cancel:${key}` : key
}

function receiptsOf(view: View, p: readonly unknown[]): readonly Row[] {
  const hashes = readArray(p[0])
  return view
    .rows('chain.receipt')
    .filter((row) => hashes.includes(text(row['block_hash'])))
    .map((row): Row => ({
      ...row,
      key: attemptKey(view, view.get('chain.tx_attempt', text(row['tx_hash']))),
    }))
    .toSorted(
      (a, b) =>
        text(a['block_hash']).localeCompare(text(b['block_hash'])) ||
        text(a['tx_hash']).localeCompare(text(b['tx_hash'])),
    )
}

function insertNonce(view: View, [signer, nonce, request]: readonly unknown[]): readonly Row[] {
  const key = `${text(signer)}/${text(nonce)}`
  view.lock('chain.nonce', key, 'update')
  const isKnown =
    view.get('chain.nonce', key) !== undefined || liveNonce(view, request) !== undefined
  if (isKnown) throw new SqlError('23505', `nonce ${key}`)
  view.put('chain.nonce', key, { signer, nonce: big(nonce), request, is_lost: false })
  return []
}

function insertAttempt(view: View, p: readonly unknown[]): readonly Row[] {
  const [request, kind, signer, nonce, hash, raw, gasLimit, maxFee, priorityFee, signedHead] = p
  if (view.get('chain.tx_attempt', text(hash)) !== undefined)
    throw new SqlError('23505', `attempt ${text(hash)}`)
  view.put('chain.tx_attempt', text(hash), {
    request,
    attempt: attemptsOf(view, request).length + 1,
    kind,
    signer,
    nonce: big(nonce),
    hash,
    raw,
    gas_limit: big(gasLimit),
    max_fee_wei: text(maxFee),
    priority_fee_wei: text(priorityFee),
    signed_head: signedHead === null || signedHead === undefined ? null : big(signedHead),
    signed_ms: view.nowMs(),
    sent_ms: null,
  })
  return []
}

function loseNonce(view: View, p: readonly unknown[]): readonly Row[] {
  const row = liveNonce(view, p[0])
  if (row !== undefined)
    view.patch('chain.nonce', `${text(row['signer'])}/${text(row['nonce'])}`, { is_lost: true })
  return []
}

function changeBreaker(
  view: View,
  [name, scope, isOpen, reason]: readonly unknown[],
): readonly Row[] {
  const key = `${text(name)}/${text(scope)}`
  view.lock('chain.breaker', key, 'update')
  if (view.get('chain.breaker', key)?.['is_open'] === isOpen) return []
  const since = BigInt(view.nowMs())
  return [
    view.patch('chain.breaker', key, {
      is_open: isOpen,
      reason: isOpen === true ? reason : null,
      since_ms: since,
    }),
  ]
}

function countReverted(view: View, [signer, sinceMs, most]: readonly unknown[]): readonly Row[] {
  const last = view
    .rows('chain.tx_request')
    .filter(
      (row) =>
        row['signer'] === signer && (row['state'] === 'final' || row['state'] === 'reverted'),
    )
    .filter((row) => Number(row['updated_at_ms']) > Number(sinceMs))
    .toSorted((a, b) => Number(b['updated_at_ms']) - Number(a['updated_at_ms']))
    .slice(0, Number(most))
  return [{ reverted: BigInt(last.filter((row) => row['state'] === 'reverted').length) }]
}

/** The breakers that the migration makes. */
export const BREAKERS: readonly (readonly [name: string, scope: string])[] = [
  ...['indexer_lag', 'endpoint_disagreement', 'fee_ceiling', 'beyond_finality'].map(
    (name) => [name, 'all'] as const,
  ),
  ['supply_mismatch', 'settler'],
  ...['signer_balance', 'revert_rate', 'external_nonce'].flatMap((name) =>
    ['settler', 'registrar'].map((scope) => [name, scope] as const),
  ),
]

export const CHAIN_STATEMENTS: readonly StatementPattern[] = [
  [
    /^SELECT .* FROM chain\.cursor FOR UPDATE$/,
    (view) => {
      view.lock('chain.cursor', 'row', 'update')
      return view.rows('chain.cursor')
    },
  ],
  [/^SELECT .* FROM chain\.cursor$/, (view) => view.rows('chain.cursor')],
  [
    /^INSERT INTO chain\.cursor/,
    (view, p) => {
      const [chainId, instance, headNumber, headHash, finalNumber, finalHash] = p
      view.put('chain.cursor', 'row', {
        chain_id: big(chainId),
        chain_instance: instance,
        head_number: big(headNumber),
        head_hash: headHash,
        final_number: big(finalNumber),
        final_hash: finalHash,
      })
      return []
    },
  ],
  [
    /^SELECT number, hash FROM chain\.block WHERE state = 'applied' ORDER BY number/,
    (view) =>
      view
        .rows('chain.block')
        .filter((row) => row['state'] === 'applied')
        .toSorted(by('number')),
  ],
  [/^INSERT INTO chain\.block/, insertBlocks],
  [/^INSERT INTO chain\.log/, insertLogs],
  [/^INSERT INTO chain\.receipt/, insertReceipts],
  [
    /^UPDATE chain\.block SET state = 'retracted'/,
    (view, p) => {
      const hashes = readArray(p[0])
      return view
        .rows('chain.block')
        .filter((row) => hashes.includes(text(row['hash'])) && row['state'] === 'applied')
        .map((row) => view.patch('chain.block', text(row['hash']), { state: 'retracted' }))
    },
  ],
  [/^UPDATE chain\.block SET state = 'final'/, finalize],
  [
    /^SELECT a\.hash, CASE a\.kind .* FROM chain\.tx_attempt a/,
    (view, p) => {
      const hashes = readArray(p[0])
      return view
        .rows('chain.tx_attempt')
        .filter((row) => hashes.includes(text(row['hash'])))
        .map((row) => ({ hash: row['hash'], key: attemptKey(view, row) }))
    },
  ],
  [
    /FROM chain\.log WHERE block_hash = h\.hash/,
    (view, p) => {
      const hashes = readArray(p[0])
      return view
        .rows('chain.log')
        .filter((row) => hashes.includes(text(row['block_hash'])))
        .toSorted(
          (a, b) =>
            text(a['block_hash']).localeCompare(text(b['block_hash'])) ||
            compareBig(a['log_index'], b['log_index']),
        )
    },
  ],
  [/FROM chain\.receipt c JOIN chain\.tx_attempt a/, receiptsOf],
  [/^INSERT INTO chain\.tx_request/, putRequest],
  [
    /^SELECT key, state FROM chain\.tx_request WHERE key = ANY/,
    (view, p) => {
      const keys = new Set<unknown>(readArray(p[0]))
      return view.rows('chain.tx_request').filter((row) => keys.has(row['key']))
    },
  ],
  [
    /FROM chain\.tx_request r WHERE r\.key = \$1$/,
    (view, p) => {
      const row = findByKey(view, p[0])
      return row === undefined ? [] : [row]
    },
  ],
  [
    /FROM chain\.tx_request r LEFT JOIN .* WHERE r\.key = \$1$/,
    (view, p) => {
      const row = findByKey(view, p[0])
      return row === undefined ? [] : [foundRow(view, row)]
    },
  ],
  [
    /FROM chain\.tx_request r LEFT JOIN .* WHERE r\.id = \$1$/,
    (view, p) => {
      const row = view.get('chain.tx_request', text(p[0]))
      return row === undefined ? [] : [foundRow(view, row)]
    },
  ],
  [
    /FROM chain\.tx_request r LEFT JOIN .* WHERE \(\$1::text IS NULL OR r\.state/,
    (view, [state, signer, , limit]) =>
      view
        .rows('chain.tx_request')
        .filter((row) => state === null || row['state'] === state)
        .filter((row) => signer === null || row['signer'] === signer)
        .toSorted((a, b) => text(b['id']).localeCompare(text(a['id'])))
        .slice(0, Number(limit))
        .map((row) => foundRow(view, row)),
  ],
  [
    /^SELECT state FROM chain\.tx_request WHERE id = \$1 FOR UPDATE$/,
    (view, p) => {
      view.lock('chain.tx_request', text(p[0]), 'update')
      const row = view.get('chain.tx_request', text(p[0]))
      return row === undefined ? [] : [row]
    },
  ],
  [
    /^UPDATE chain\.tx_request SET wish = \$2 WHERE id = \$1$/,
    (view, p) => {
      view.patch('chain.tx_request', text(p[0]), { wish: p[1] })
      return []
    },
  ],
  [/^INSERT INTO chain\.tx_wish/, () => []],
  [
    /FROM chain\.tx_request r LEFT JOIN .* WHERE r\.state NOT IN/,
    (view, p) => {
      const rank = (row: Row): number => {
        if (row['state'] === 'held' && row['wish'] === null) return 3
        if (row['nonce'] !== null) return 0
        return row['is_urgent'] === true ? 1 : 2
      }
      return view
        .rows('chain.tx_request')
        .filter((row) => !OVER.has(text(row['state'])) && row['signer'] === p[0])
        .toSorted(by('seq'))
        .map((row) => requestRow(view, row))
        .toSorted((a, b) => rank(a) - rank(b))
        .slice(0, Number(p[1]))
    },
  ],
  [/^UPDATE chain\.nonce SET is_lost = true/, loseNonce],
  [
    /^SELECT name, scope, is_open, reason, .* FROM chain\.breaker ORDER BY/,
    (view) => view.rows('chain.breaker'),
  ],
  [
    /FROM chain\.breaker WHERE name = \$1 ORDER BY scope FOR UPDATE$/,
    (view, p) => {
      const found = view.rows('chain.breaker').filter((row) => row['name'] === p[0])
      for (const row of found)
        view.lock('chain.breaker', `${text(p[0])}/${text(row['scope'])}`, 'update')
      return found
    },
  ],
  [/^UPDATE chain\.breaker SET is_open/, changeBreaker],
  [
    /^INSERT INTO chain\.breaker_change/,
    (view, p) => {
      const id = view.server.nextOf('breaker_change')
      view.put('chain.breaker_change', text(id), {
        name: p[0],
        scope: p[1],
        is_open: p[2],
        reason: p[3],
      })
      return []
    },
  ],
  [/^SELECT count\(\*\) FILTER \(WHERE state = 'reverted'\)/, countReverted],
  [/^SELECT kind, reason FROM chain\.halt/, (view) => view.rows('chain.halt')],
  [
    /^INSERT INTO chain\.halt/,
    (view, p) => {
      view.put('chain.halt', 'row', { kind: p[0], reason: p[1] })
      return []
    },
  ],
  [
    /^DELETE FROM chain\.halt WHERE kind = \$1/,
    (view, p) => {
      if (view.get('chain.halt', 'row')?.['kind'] === p[0]) view.remove('chain.halt', 'row')
      return []
    },
  ],
  [
    /^SELECT max\(nonce\) AS nonce FROM chain\.nonce/,
    (view, p) => [
      {
        nonce:
          view
            .rows('chain.nonce')
            .filter((row) => row['signer'] === p[0])
            .toSorted(by('nonce'))
            .at(-1)?.['nonce'] ?? null,
      },
    ],
  ],
  [/^INSERT INTO chain\.nonce/, insertNonce],
  [/^INSERT INTO chain\.tx_attempt/, insertAttempt],
  [
    /^UPDATE chain\.tx_request SET state = \$2, error = \$3/,
    (view, p) => {
      view.patch('chain.tx_request', text(p[0]), {
        state: p[1],
        error: p[2],
        updated_at_ms: view.nowMs(),
        ...(p[3] === true && { wish: null }),
      })
      return []
    },
  ],
  [
    /^UPDATE chain\.tx_attempt SET sent_at = clock_timestamp\(\)/,
    (view, p) => {
      view.patch('chain.tx_attempt', text(p[0]), { sent_ms: view.nowMs() })
      return []
    },
  ],
  [
    /^UPDATE chain\.tx_attempt SET sent_at = NULL/,
    (view, p) => {
      view.patch('chain.tx_attempt', text(p[0]), { sent_ms: null })
      return []
    },
  ],
]
