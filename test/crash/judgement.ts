/** Compares what a stranger wrote down, and what the chain says, with what the node says. */
import { Interface, type LogDescription } from 'ethers'
import { at, isBody, rows, text, type Body } from '../../scripts/body.ts'
import type { Api } from './api.ts'

export type Kind = 'order' | 'cancel' | 'withdrawal'

export interface Acknowledged {
  readonly kind: Kind
  readonly user: string
  readonly id: string
  /** `client_order_id` or idempotency key. */
  readonly key: string
}

/** A clearing house event that the chain holds. */
interface ChainEvent {
  readonly hash: string
  readonly event: LogDescription
}

const ATTEMPTS = 6

const EVENTS = new Interface([
  'event Deposited(uint32 indexed account, uint16 indexed asset, uint256 amount)',
  'event Withdrawn(bytes32 indexed id, uint32 indexed account, uint16 indexed asset, uint256 amount)',
])

/** Whether the newest acknowledgements still hold; one line for each that does not. */
export async function glance(
  api: Api,
  users: readonly Body[],
  newest: readonly Acknowledged[],
): Promise<readonly string[]> {
  const faults = newest.map(async (entry) => {
    const user = users.find((candidate) => candidate['email'] === entry.user)
    if (user === undefined) return `nobody is ${entry.user}`
    return await patiently(async () => await lookUp(api, user, entry))
  })
  return (await Promise.all(faults)).filter((fault) => fault !== undefined)
}

/** A machine under load may take its time to answer; only what is answered counts. */
async function patiently(look: () => Promise<string | undefined>): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await look()
    } catch (error) {
      if (attempt === ATTEMPTS) return `no answer: ${String(error)}`
    }
  }
}

async function lookUp(
  api: Api,
  user: Body,
  { kind, id, key }: Acknowledged,
): Promise<string | undefined> {
  const folder = kind === 'withdrawal' ? 'withdrawals' : 'orders'
  const { status, answer } = await api.call('GET', `/v1/${folder}/${id}`, { user })
  if (status !== 200) return `${kind} ${id} answers ${status} after the restart`
  if (kind === 'cancel' && answer['status'] !== 'cancelled') return `${id} is cancelled no more`
  if (kind === 'order' && answer['client_order_id'] !== key) return `${id} has another key`
  return undefined
}

/**
 * Orders, cancellations and withdrawals: each once, and as they were acknowledged; none besides but
 * those that were there before.
 */
export async function judgeAcknowledged(
  api: Api,
  users: readonly Body[],
  acknowledged: readonly Acknowledged[],
  before: ReadonlySet<string>,
): Promise<readonly string[]> {
  const faults: string[] = []
  for (const user of users) {
    const own = acknowledged.filter((entry) => entry.user === user['email'])
    const orders = await api.list(user, '/v1/orders')
    const withdrawals = await api.list(user, '/v1/withdrawals')
    faults.push(...compareOrders(own, orders), ...compareWithdrawals(own, withdrawals))
    faults.push(...findUntold('order', own, orders, before))
    faults.push(...findUntold('withdrawal', own, withdrawals, before))
  }
  return faults
}

/**
 * What exists though it was neither there before nor acknowledged. Whoever asks until there is an
 * answer knows of everything, so a request that was carried out twice leaves one too many.
 */
export function findUntold(
  kind: 'order' | 'withdrawal',
  own: readonly Acknowledged[],
  stored: readonly Body[],
  before: ReadonlySet<string>,
): string[] {
  const told = new Set(own.filter((entry) => entry.kind === kind).map(({ id }) => id))
  return stored
    .map((row) => text(row, 'id'))
    .filter((id) => !told.has(id) && !before.has(id))
    .map((id) => `${kind} ${id} exists and nobody was told of it`)
}

function compareOrders(own: readonly Acknowledged[], orders: readonly Body[]): string[] {
  const byId = Map.groupBy(orders, (order) => text(order, 'id'))
  const byKey = Map.groupBy(orders, (order) => String(order['client_order_id']))
  return own.flatMap(({ kind, id, key }) => {
    const found = byId.get(id) ?? []
    if (kind === 'withdrawal') return []
    if (found.length !== 1) return [`order ${id} exists ${found.length} times`]
    if (kind === 'cancel') {
      return found[0]?.['status'] === 'cancelled' ? [] : [`order ${id} is cancelled no more`]
    }
    const same = byKey.get(key) ?? []
    return same.length === 1 && same[0]?.['id'] === id
      ? []
      : [`key ${key} has ${same.length} orders`]
  })
}

function compareWithdrawals(own: readonly Acknowledged[], withdrawals: readonly Body[]): string[] {
  const ids = withdrawals.map((row) => row['id'])
  return own.flatMap(({ kind, id }) => {
    const times = ids.filter((other) => other === id).length
    return kind !== 'withdrawal' || times === 1 ? [] : [`withdrawal ${id} exists ${times} times`]
  })
}

/**
 * What crossed the boundary: every deposit that the chain holds is one final deposit of the ledger,
 * one that it does not hold is none, and every final withdrawal was paid once by that transaction.
 */
export class Boundary {
  readonly #events: readonly ChainEvent[]

  private constructor(events: readonly ChainEvent[]) {
    this.#events = events
  }

  static async read(rpc: string, clearingHouse: string): Promise<Boundary> {
    const topics = ['Deposited', 'Withdrawn'].map((name) => EVENTS.getEvent(name)?.topicHash)
    const logs = await ask(rpc, 'eth_getLogs', {
      address: clearingHouse,
      fromBlock: '0x0',
      toBlock: 'latest',
      topics: [topics],
    })
    const events = rows({ logs }, 'logs').flatMap((log): readonly ChainEvent[] => {
      const event = EVENTS.parseLog({
        topics: Array.isArray(log['topics']) ? log['topics'].map(String) : [],
        data: text(log, 'data'),
      })
      return event === null ? [] : [{ hash: text(log, 'transactionHash'), event }]
    })
    return new Boundary(events)
  }

  /** Those of one account; `sent` are hashes that its wallet remembers. */
  judgeDeposits(
    account: number,
    deposits: readonly Body[],
    sent: readonly string[],
  ): readonly string[] {
    const mined = this.#events
      .filter(({ event }) => event.name === 'Deposited' && Number(event.args[0]) === account)
      .map(({ hash }) => hash)
    const final = deposits
      .filter((row) => row['status'] !== 'retracted')
      .map((row) => `${text(row, 'tx_hash')} ${text(row, 'status')}`)
    const times = counted(final)
    const wrong = mined.flatMap((hash) => {
      const found = times.get(`${hash} final`) ?? 0
      return found === 1 ? [] : [`deposit ${hash} is mined and final ${found} times`]
    })
    const known = new Set(mined)
    const invented = final
      .filter((entry) => !known.has(entry.split(' ')[0] ?? ''))
      .map((entry) => {
        const isOurs = sent.includes(entry.split(' ')[0] ?? '')
        return `deposit ${entry} is not on chain${isOurs ? ', though its wallet sent it' : ''}`
      })
    return [...wrong, ...invented]
  }

  /** All of the node. */
  judgeWithdrawals(withdrawals: readonly Body[]): readonly string[] {
    const paid = this.#events.filter(({ event }) => event.name === 'Withdrawn')
    const times = counted(paid.map(({ hash, event }) => `${String(event.args[0])} ${hash}`))
    const claimed = new Set(withdrawals.map((row) => chainIdOf(row)))
    const wrong = withdrawals.flatMap((row) => {
      const found = times.get(`${chainIdOf(row)} ${String(row['tx_hash'])}`) ?? 0
      const isRight = row['status'] === 'final' ? found === 1 : found === 0
      return isRight ? [] : [`${text(row, 'id')} is ${text(row, 'status')} and paid ${found} times`]
    })
    const strangers = paid
      .filter(({ event }) => !claimed.has(String(event.args[0])))
      .map(({ hash }) => `${hash} paid a withdrawal that nobody asked for`)
    return [...wrong, ...strangers]
  }
}

function counted(entries: readonly string[]): ReadonlyMap<string, number> {
  return new Map([...Map.groupBy(entries, (entry) => entry)].map(([k, list]) => [k, list.length]))
}

/** A withdrawal's UUID in the first 16 of 32 bytes. */
function chainIdOf(row: Body): string {
  return `0x${text(row, 'id').slice(-36).replaceAll('-', '').padEnd(64, '0')}`
}

/** One JSON-RPC call. */
export async function ask(rpc: string, method: string, ...params: unknown[]): Promise<unknown> {
  const response = await fetch(rpc, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const answer: unknown = await response.json()
  if (isBody(answer) && 'result' in answer) return at(answer, 'result')
  throw new TypeError(`${method}: ${JSON.stringify(answer)}`)
}
