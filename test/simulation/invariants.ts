import { createHash } from 'node:crypto'
import { isUserAccount } from '#ledger/account-code.ts'
import type { LeaderRole } from '#platform/leader.ts'
import type { PooledTransaction, SimulatedBlock, SimulatedChain } from './chain.ts'
import type { Change, Row, SimulatedPostgres } from './postgres.ts'
import type { TransactionChecks } from './transaction-checks.ts'
import type { Process, World } from './world.ts'

const text = (cell: unknown): string => String(cell)
const big = (cell: unknown): bigint => BigInt(text(cell ?? 0))
const INTERNAL = new Set(['trade_base', 'trade_quote', 'fee'])
const OPEN_BATCH = new Set(['netted', 'submitted', 'reverted'])
const CHAIN_COMMANDS = new Set(['apply_block', 'retract_block', 'finalize_block'])

/** Tables, or single rows, that only the leader of a role writes. */
const OWNERS: Readonly<Record<string, LeaderRole>> = {
  'chain.block': 'watcher',
  'chain.cursor': 'watcher',
  'chain.nonce': 'txm',
  'chain.tx_attempt': 'txm',
  'ledger.journal_batch': 'engine',
  'platform.consumer_position relay chain.events': 'relay',
  'platform.consumer_position relay ledger.events': 'relay',
}

/** What must hold after every commit and every message to the chain. */
export class Invariants {
  readonly #world: World
  readonly #server: SimulatedPostgres
  readonly #chain: SimulatedChain
  readonly #depth: number
  readonly #seesCommits: boolean
  readonly #transactions: TransactionChecks
  /** Σ transfers and Σ holds by account and asset, added up here once more. */
  readonly #posted = new Map<string, bigint>()
  readonly #held = new Map<string, bigint>()
  readonly #sentData = new Map<string, string>()
  #transfers: Row[] = []

  /** `seesCommits`: the tables are those of `server`, so that every commit can be checked. */
  constructor(
    world: World,
    server: SimulatedPostgres,
    chain: SimulatedChain,
    depth: number,
    seesCommits: boolean,
    transactions: TransactionChecks,
  ) {
    this.#world = world
    this.#server = server
    this.#chain = chain
    this.#depth = depth
    this.#seesCommits = seesCommits
    this.#transactions = transactions
    if (!seesCommits) return
    server.onCommit((changes, process) => this.#committed(changes, process))
    chain.onSent = (transaction, raw) => this.#sent(transaction, raw)
  }

  /** An acknowledgement leaves the node (I1). */
  acknowledged(orderId: string, sequence: bigint): void {
    if (!this.#seesCommits) return
    const row = this.#server.committed('trading.order').get(orderId)
    this.#check(
      row !== undefined,
      'I1 durable-ack',
      () => `order ${orderId} is answered, not stored`,
    )
    this.#check(
      big(row?.['seq']) === sequence,
      'I1 durable-ack',
      () => `order ${orderId} has moved`,
    )
  }

  #check(holds: boolean, invariant: string, detail: () => string): void {
    this.#world.check(holds, invariant, detail)
  }

  #committed(changes: readonly Change[], process: Process | undefined): void {
    const byTable = Map.groupBy(changes, ({ table }) => table)
    const of = (table: string): readonly Change[] => byTable.get(table) ?? []
    this.#leadership(changes, process)
    this.#journal(of('ledger.journal_batch'))
    this.#balances(of('ledger.transfer'), of('ledger.hold'), of('ledger.balance'))
    this.#positions(of('platform.consumer_position'), of('ledger.journal_batch'))
    this.#streams(of('platform.outbox'))
    this.#finality(of('chain.block'), of('ledger.chain_block'))
    this.#deposits(of('ledger.transfer'), of('ledger.chain_block'))
    this.#batches(of('settlement.batch'))
    this.#covered(of('settlement.state'))
    this.#withdrawals(of('payments.withdrawal'))
    this.#mirror(of('ledger.chain_block'))
    this.#attempts(of('chain.nonce'))
    this.#transactions.committed(of)
  }

  /** Raising an epoch waits for the writes under the old one, so none of those comes later. */
  #leadership(changes: readonly Change[], process: Process | undefined): void {
    const roles = new Set(
      changes.map(({ table, key }) => OWNERS[table] ?? OWNERS[`${table} ${key}`]),
    )
    for (const role of roles) {
      if (role === undefined) continue
      const leader = this.#server.committed('platform.leader').get(role)
      const leading = this.#server.clientOf(Number(leader?.['backend']))
      this.#check(
        leading === process,
        'a worker writes only while it leads',
        () => `${process?.name} as ${role}, which ${leading?.name} leads`,
      )
    }
  }

  #journal(changes: readonly Change[]): void {
    for (const { after, before } of changes) {
      this.#check(before === undefined, 'I2 one-writer', () => 'a journal batch was rewritten')
      if (after === undefined) continue
      const batches = this.#server.all('ledger.journal_batch')
      const last = batches.at(-2)
      const follows = big(after['first_seq']) === big(last?.['last_seq']) + 1n
      this.#check(follows, 'I2 one-writer', () => `batch ${text(after['first_seq'])} leaves a gap`)
      const epoch = this.#server.committed('platform.fence').get('engine')?.['epoch']
      this.#check(
        after['epoch'] === epoch,
        'I2 one-writer',
        () =>
          `batch ${text(after['first_seq'])} of epoch ${text(after['epoch'])} in ${text(epoch)}`,
      )
      const hash = createHash('sha256')
        .update(after['prev_hash'] as Buffer)
        .update(text(after['body']))
      const isChained = hash.digest().equals(after['hash'] as Buffer)
      this.#check(isChained, 'I2 one-writer', () => 'the journal is not chained')
    }
  }

  #balances(
    transfers: readonly Change[],
    holds: readonly Change[],
    balances: readonly Change[],
  ): void {
    for (const { after } of transfers) {
      if (after === undefined) continue
      this.#transfers.push(after)
      add(this.#posted, `${text(after['debit'])}/${text(after['asset'])}`, -big(after['amount']))
      add(this.#posted, `${text(after['credit'])}/${text(after['asset'])}`, big(after['amount']))
    }
    for (const { before, after } of holds) {
      const key = `${text(after?.['account'])}/${text(after?.['asset'])}`
      add(this.#held, key, big(after?.['amount']) - big(before?.['amount']))
    }
    for (const { key, after } of balances) {
      if (after === undefined) continue
      const [posted, held] = [big(after['posted']), big(after['held'])]
      const isBalanced = posted === (this.#posted.get(key) ?? 0n)
      this.#check(
        isBalanced,
        'I3 balanced',
        () => `${key}: posted ${posted}, transfers say ${this.#posted.get(key)}`,
      )
      const isHeld = held === (this.#held.get(key) ?? 0n)
      this.#check(
        isHeld,
        'I3 balanced',
        () => `${key}: held ${held}, holds say ${this.#held.get(key)}`,
      )
      const isCovered = held >= 0n && posted - held >= big(after['floor'])
      this.#check(isCovered, 'I3 balanced', () => `${key}: ${posted} posted, ${held} held`)
    }
  }

  /** The commands of a commit are exactly the messages that the position passes. */
  #positions(positions: readonly Change[], journal: readonly Change[]): void {
    const commands = journal.flatMap(({ after }) => chainCommands(after))
    const moved = positions.find(({ key }) => key === 'engine chain.events')
    if (commands.length === 0 && moved === undefined) return
    const from = big(moved?.before?.['seq'])
    const to = big(moved?.after?.['seq'])
    const messages: string[] = []
    for (let seq = from + 1n; seq <= to; seq += 1n) {
      const row = this.#server.committed('platform.outbox').get(`chain.events/${seq}`)
      messages.push(describeMessage(row))
    }
    const isExact = messages.join() === commands.join()
    this.#check(
      isExact,
      'I7 exactly-once-effect',
      () => `position ${from}→${to} passes [${messages.join()}], applied were [${commands.join()}]`,
    )
  }

  #streams(changes: readonly Change[]): void {
    for (const { after } of changes) {
      if (after === undefined) continue
      const [stream, seq] = [text(after['stream']), big(after['seq'])]
      const before = this.#server.committed('platform.outbox').get(`${stream}/${seq - 1n}`)
      this.#check(
        seq === 1n || before !== undefined,
        'I7 exactly-once-effect',
        () => `${stream} has a gap before ${seq}`,
      )
    }
  }

  /** Blocks are called final at their depth only, and final blocks never leave the chain. */
  #finality(indexed: readonly Change[], applied: readonly Change[]): void {
    for (const { after } of [...indexed, ...applied]) {
      if (after?.['state'] === 'retracted') {
        const [number, hash] = [Number(after['number']), text(after['hash'])]
        const isReplaced = this.#chain.hasRival(number, hash)
        this.#check(
          isReplaced,
          'I8 reorg-safe',
          () => `block ${number} is retracted for a shorter head`,
        )
      }
      if (after?.['state'] !== 'final') continue
      const number = Number(after['number'])
      const canonical = this.#chain.ancestor(this.#chain.head, number)
      const isCanonical = canonical?.hash === after['hash']
      this.#check(isCanonical, 'I8 reorg-safe', () => `final block ${number} is not of the chain`)
      const deep = this.#chain.heads.some(({ block }) => block.number - number >= this.#depth)
      this.#check(
        deep,
        'I8 reorg-safe',
        () => `block ${number} is final ${this.#chain.head.number - number} blocks deep`,
      )
    }
  }

  #deposits(transfers: readonly Change[], blocks: readonly Change[]): void {
    const posted = transfers.filter(({ after }) => after?.['code'] === 'deposit')
    if (posted.length === 0) return
    const isFinal = (row: Row | undefined): boolean => row?.['state'] === 'final'
    const deposits = blocks
      .filter(({ after }) => isFinal(after))
      .flatMap(({ after }) => (Array.isArray(after?.['events']) ? after['events'] : []))
      .filter((event: Row) => event['type'] === 'deposit')
    this.#check(
      deposits.length === posted.length,
      'I8 reorg-safe',
      () => `${posted.length} deposits are credited, ${deposits.length} are final`,
    )
  }

  #batches(changes: readonly Change[]): void {
    if (changes.length === 0) return
    const all = this.#server.all('settlement.batch')
    // A retraction may bring several back, but a new one is made only when all others are mined.
    const made = changes.find(({ before }) => before === undefined)
    const open = all.filter((row) => OPEN_BATCH.has(text(row['status'])))
    this.#check(made === undefined || open.length <= 1, 'one batch unmined at a time', () =>
      open.map((row) => `${text(row['sequence'])} ${text(row['status'])}`).join(', '),
    )
    for (const { before, after } of changes) {
      if (before === undefined && after?.['kind'] === 'trade') this.#range(after, all)
      const isHeadKept = before === undefined || before['head'] === after?.['head']
      this.#check(isHeadKept, 'I5 once', () => 'the head of a batch changed')
    }
  }

  /** A trade batch nets every internal transfer of a contiguous range that ends with a journal batch. */
  #range(batch: Row, all: readonly Row[]): void {
    const [first, last] = [big(batch['first_seq']), big(batch['last_seq'])]
    const earlier = all.filter((row) => row['kind'] === 'trade' && row !== batch)
    const covered = earlier.reduce(
      (most, row) => (big(row['last_seq']) > most ? big(row['last_seq']) : most),
      0n,
    )
    const missed = this.#transfers.some(
      (row) => isInternal(row) && big(row['seq']) > covered && big(row['seq']) < first,
    )
    this.#check(
      first > covered && !missed,
      'I4 sum-zero: ranges are contiguous',
      () => `${first} after ${covered}`,
    )
    const ends = this.#server.all('ledger.journal_batch').some((row) => row['last_seq'] === last)
    this.#check(ends, 'I4 sum-zero: a range ends with a journal batch', () => `${last}`)
    const expected = new Map<string, bigint>()
    for (const row of this.#transfers) {
      if (!isInternal(row) || big(row['seq']) < first || big(row['seq']) > last) continue
      add(expected, `${text(row['debit'])}/${text(row['asset'])}`, -big(row['amount']))
      add(expected, `${text(row['credit'])}/${text(row['asset'])}`, big(row['amount']))
    }
    const deltas = this.#server
      .all('settlement.delta')
      .filter((row) => row['batch'] === batch['id'])
    for (const row of deltas)
      add(expected, `${text(row['account'])}/${text(row['asset'])}`, -big(row['amount']))
    const wrong = [...expected].filter(([, rest]) => rest !== 0n)
    this.#check(
      wrong.length === 0,
      'I4 sum-zero: a batch nets all transfers of its range',
      () => `${first}–${last}: ${wrong.join(' ')}`,
    )
  }

  #covered(changes: readonly Change[]): void {
    for (const { before, after } of changes) {
      const [from, to] = [big(before?.['covered_seq']), big(after?.['covered_seq'])]
      if (from === to) continue
      const batches = this.#server.all('settlement.batch').filter((row) => row['kind'] === 'trade')
      const isBatched = (seq: bigint): boolean =>
        batches.some((row) => seq >= big(row['first_seq']) && seq <= big(row['last_seq']))
      const missed = this.#transfers.find(
        (row) =>
          isInternal(row) &&
          big(row['seq']) > from &&
          big(row['seq']) <= to &&
          !isBatched(big(row['seq'])),
      )
      this.#check(
        missed === undefined,
        'I4 sum-zero: what is covered is settled',
        () => `transfer ${text(missed?.['seq'])}`,
      )
    }
  }

  /** The payment goes out when the hold is covered and every batch up to it is final. */
  #withdrawals(changes: readonly Change[]): void {
    for (const { before, after } of changes) {
      if (before?.['status'] !== 'requested' || after?.['status'] !== 'submitted') continue
      const hold = big(after['hold_seq'])
      const state = this.#server.committed('settlement.state').get('row')
      const isCovered = big(state?.['covered_seq']) >= hold
      const open = this.#server
        .all('settlement.batch')
        .find(
          (row) =>
            row['kind'] === 'trade' && row['status'] !== 'final' && big(row['first_seq']) <= hold,
        )
      this.#check(
        isCovered && open === undefined,
        'withdrawals wait until their hold is settled',
        () => `hold ${hold}`,
      )
    }
  }

  /** As of each final block the settled figures are the lanes (I6). */
  #mirror(changes: readonly Change[]): void {
    const final = changes
      .flatMap(({ after }) => (after?.['state'] === 'final' ? [after] : []))
      .toSorted((a, b) => Number(a['number']) - Number(b['number']))
      .at(-1)
    const block = final === undefined ? undefined : this.#chain.blockByHash(text(final['hash']))
    if (block === undefined) return
    const settled = new Map<string, bigint>()
    for (const row of this.#server.all('ledger.balance')) {
      if (isUserAccount(big(row['account'])))
        settled.set(`${text(row['account'])}/${text(row['asset'])}`, big(row['settled']))
    }
    for (const key of new Set([...settled.keys(), ...block.state.lanes.keys()])) {
      const [ledger, lane] = [settled.get(key) ?? 0n, block.state.lanes.get(key) ?? 0n]
      this.#check(
        ledger === lane,
        'I6 mirror',
        () => `${key} at block ${block.number}: ledger ${ledger}, lane ${lane}`,
      )
    }
  }

  #attempts(changes: readonly Change[]): void {
    for (const { key, before, after } of changes)
      this.#check(
        before === undefined || before['request'] === after?.['request'],
        'a nonce belongs to one request',
        () => key,
      )
  }

  /** Only stored bytes are ever sent, and a nonce never pays for two different things. */
  #sent(transaction: PooledTransaction, raw: string): void {
    const { hash, from, nonce, to, data } = transaction
    const stored = this.#server.committed('chain.tx_attempt').get(hash)
    this.#check(
      stored?.['raw'] === raw,
      'bytes are stored before they are sent',
      () => `${hash} of nonce ${nonce}`,
    )
    if (to === from) return
    const key = `${from}/${nonce}`
    const known = this.#sentData.get(key) ?? data
    this.#sentData.set(key, known)
    this.#check(known === data, 'no nonce is used twice', () => key)
    const owner = this.#server
      .all('chain.nonce')
      .find((row) => row['nonce'] === BigInt(nonce) && row['signer'] === from)
    this.#check(
      owner?.['request'] === stored?.['request'],
      'a nonce belongs to one request',
      () => key,
    )
  }
}

/** What must hold at the end, when everything had time to settle. */
export function differencesAtRest(
  server: SimulatedPostgres,
  block: SimulatedBlock,
): readonly string[] {
  const left: string[] = []
  for (const row of server.all('ledger.balance')) {
    if (!isUserAccount(big(row['account']))) continue
    const key = `${text(row['account'])}/${text(row['asset'])}`
    const lane = block.state.lanes.get(key) ?? 0n
    if (big(row['posted']) !== lane)
      left.push(`${key}: posted ${text(row['posted'])}, lane ${lane}`)
    if (big(row['incoming']) !== 0n) left.push(`${key}: incoming ${text(row['incoming'])}`)
  }
  return left
}

function isInternal(row: Row): boolean {
  return INTERNAL.has(text(row['code']))
}

function chainCommands(batch: Row | undefined): readonly string[] {
  const body = text(batch?.['body'] ?? '{}')
  if (!body.includes('_block"')) return []
  const parsed: unknown = JSON.parse(body)
  const commands = (parsed as { commands?: { command: Row }[] }).commands ?? []
  return commands
    .filter(({ command }) => CHAIN_COMMANDS.has(text(command['type'])))
    .map(({ command }) => `${text(command['type'])} ${text(command['hash']).slice(0, 10)}`)
}

const MESSAGES: Readonly<Record<string, string>> = {
  'chain.block_applied.v1': 'apply_block',
  'chain.block_retracted.v1': 'retract_block',
  'chain.block_finalized.v1': 'finalize_block',
}

function describeMessage(row: Row | undefined): string {
  const data = row?.['payload'] as Row | undefined
  return `${MESSAGES[text(row?.['type'])] ?? 'nothing'} ${text(data?.['hash']).slice(0, 10)}`
}

function add(map: Map<string, bigint>, key: string, amount: bigint): void {
  map.set(key, (map.get(key) ?? 0n) + amount)
}
