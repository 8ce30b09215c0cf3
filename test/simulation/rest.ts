import { closesItself, BREAKER_NAMES } from '#chain/breaker.ts'
import { isOver, TRANSACTION_STATES } from '#chain/tx.ts'
import type { SimulatedChain } from './chain.ts'
import { differencesAtRest } from './invariants.ts'
import type { Row, SimulatedPostgres } from './postgres.ts'
import type { Workload } from './workload.ts'
import type { World } from './world.ts'

const OVER: ReadonlySet<unknown> = new Set(TRANSACTION_STATES.filter(isOver))
const FOR_PEOPLE: ReadonlySet<unknown> = new Set(
  BREAKER_NAMES.filter((name) => !closesItself(name)),
)
/** How each kind of thing may end, people having had their way. */
const ENDS: readonly (readonly [table: string, what: string, states: readonly string[]])[] = [
  ['settlement.batch', 'batches', ['final', 'abandoned']],
  ['payments.withdrawal', 'withdrawals', ['final', 'failed']],
  ['supply.request', 'supply', ['final', 'failed']],
]

/** Blocks that the last final one may be behind the depth that makes one final. */
const SLACK = 25

/** What is not at rest yet. */
export function unrest(
  server: SimulatedPostgres,
  chain: SimulatedChain,
  depth: number,
): readonly string[] {
  const notes: string[] = []
  const note = (isFine: boolean, what: () => string): void => {
    if (!isFine) notes.push(what())
  }
  const open = server.all('chain.tx_request').filter((row) => !OVER.has(row['state']))
  note(open.length === 0, () => `transactions ${describe(open)}`)
  for (const [table, what, states] of ENDS) {
    const left = server.all(table).filter((row) => !states.includes(String(row['status'])))
    note(left.length === 0, () => `${what} ${describe(left)}`)
  }
  const halted = server.all('settlement.state').find((row) => row['status'] === 'halted')
  note(halted === undefined, () => `halted: ${String(halted?.['reason'])}`)
  const breakers = server.all('chain.breaker').filter((row) => FOR_PEOPLE.has(row['name']))
  const opened = breakers.find((row) => row['is_open'] === true)
  note(opened === undefined, () => `breaker ${String(opened?.['name'])}`)
  const head = server.committed('platform.stream_head').get('chain.events')?.['seq']
  const position = server.committed('platform.consumer_position').get('engine chain.events')?.[
    'seq'
  ]
  note(
    head !== undefined && head === position,
    () => `position ${String(position)} of ${String(head)}`,
  )
  const cursor = server.committed('chain.cursor').get('row')
  const goal = chain.head.number - depth - SLACK
  note(
    Number(cursor?.['final_number'] ?? -1) >= goal,
    () => `final block ${String(cursor?.['final_number'])} of ${goal}`,
  )
  if (notes.length === 0) {
    const left = differencesAtRest(server, chain.head)
    note(left.length === 0, () => left.join(', '))
  }
  return notes
}

/** What was told to people is so, once and for each of them. */
export function checkAcknowledged(
  world: World,
  server: SimulatedPostgres,
  workload: Workload,
): void {
  const orders = server.committed('trading.order')
  const clients = new Map<string, number>()
  for (const row of orders.values()) {
    const key = String(row['client_order_id'])
    clients.set(key, (clients.get(key) ?? 0) + 1)
  }
  for (const { id, key, sequence } of workload.acknowledged) {
    const row = orders.get(id)
    world.check(row?.['seq'] === sequence, 'acknowledged orders are kept', () => `${key} ${id}`)
    world.check(clients.get(key) === 1, 'no order is placed twice', () => key)
  }
  const { withdrawals, doubtfulWithdrawals } = workload
  const payments = server.committed('payments.withdrawal')
  for (const id of withdrawals)
    world.check(payments.has(id), 'acknowledged withdrawals are kept', () => id)
  const surplus = payments.size - withdrawals.size
  world.check(
    surplus <= doubtfulWithdrawals,
    'no withdrawal is made twice',
    () => `${payments.size} stored, ${withdrawals.size} acknowledged`,
  )
}

/** How often people had something to do. */
export function countDeeds(server: SimulatedPostgres) {
  const count = (table: string, column: string, value: string): number =>
    server.all(table).filter((row) => row[column] === value).length
  return {
    cancels: count('chain.tx_request', 'state', 'cancelled'),
    holds: server
      .all('chain.breaker_change')
      .filter((row) => row['name'] === 'external_nonce' && row['is_open'] === true).length,
    reverts: count('chain.tx_request', 'state', 'reverted'),
    halts: count('settlement.incident', 'kind', 'halted'),
    resumes: count('settlement.incident', 'kind', 'resumed'),
  }
}

function describe(rows: readonly Row[]): string {
  return rows
    .map((row) => `${String(row['key'] ?? row['id'])} ${String(row['state'] ?? row['status'])}`)
    .join(', ')
}
