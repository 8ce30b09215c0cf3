/**
 * A client that trusts nobody: it keeps many requests in flight, writes every acknowledgement to a
 * file and syncs it before it counts, and in the end says whether the node kept each of them. It
 * runs as a process of its own, told by messages what to do next.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { integer, text, type Body } from '../../scripts/body.ts'
import { readSandbox, userOf } from '../../scripts/sandbox-access.ts'
import { ChainWallet } from '../support/wallet.ts'
import { meaningOf } from './answer.ts'
import { Api } from './api.ts'
import { Boundary, glance, judgeAcknowledged, type Acknowledged, type Kind } from './judgement.ts'

export type Question = 'count' | 'glance' | 'stop' | 'judge'

export interface Count {
  readonly inFlight: number
  readonly acknowledged: number
  readonly withdrawals: number
  readonly deposits: number
}

export interface Verdict {
  readonly acknowledged: number
  /** One line for each acknowledgement that the node did not keep, or kept twice. */
  readonly faults: readonly string[]
}

const LANES = 72
const RETRY_MS = 50
/** Answers that no node may give; the first ones tell enough. */
const MOST_WRONG = 20
/** A node that comes back has better to do than to refuse. */
const LONGEST_RETRY_MS = 400
const DEPOSIT_TIMEOUT_MS = 10_000
/** Acknowledgements of the last moments before an end, which are most at risk. */
const GLANCED = 60
/** Of a thousand requests: about as many as a chain pays that is ended every few seconds. */
const WITHDRAWALS = 5
const MEMORY = 40

const [sandboxFile = '', ledgerFile = ''] = process.argv.slice(2)
const sandbox = readSandbox(sandboxFile)
const api = new Api(sandbox.api)
const traders = [
  userOf(sandbox, 'investor', 0),
  userOf(sandbox, 'investor', 1),
  userOf(sandbox, 'issuer', 0),
]

interface Request {
  readonly kind: Kind
  readonly user: Body
  readonly method: string
  readonly path: string
  readonly body?: Body
  readonly key?: string
}

class Witness {
  readonly #file = openSync(ledgerFile, 'a')
  readonly #open: { user: Body; id: string }[] = []
  readonly #waiting: (() => void)[] = []
  readonly #newest: Acknowledged[] = []
  /** Hashes of deposits that the chain took; it may have lost them since. */
  readonly sent: string[] = []
  /** One line for each answer that no node may give. */
  readonly wrong: string[] = []
  /** Orders and withdrawals that were there before the first request. */
  readonly before = new Set<string>()
  #lines: string[] = []
  #counts = { inFlight: 0, acknowledged: 0, withdrawals: 0, deposits: 0 }
  #isStopped = false
  #work: Promise<unknown> = Promise.resolve()

  get counts(): Count {
    return { ...this.#counts }
  }

  get newest(): readonly Acknowledged[] {
    return this.#newest
  }

  async begin(): Promise<void> {
    for (const user of traders) {
      const orders = await api.list(user, '/v1/orders')
      const withdrawals = await api.list(user, '/v1/withdrawals')
      for (const row of [...orders, ...withdrawals]) this.before.add(text(row, 'id'))
    }
    const lanes = Array.from({ length: LANES }, async () => this.#lane())
    this.#work = Promise.all([...lanes, this.#deposits(), this.#writer()])
  }

  /** Resolves when the last request was answered and its acknowledgement is on disk. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#work
    closeSync(this.#file)
  }

  async #lane(): Promise<void> {
    while (!this.#isStopped) {
      const dice = randomInt(1000)
      if (dice < 720) await this.#order()
      else if (dice < 1000 - WITHDRAWALS) await this.#cancel()
      else await this.#withdrawal()
    }
  }

  async #order(): Promise<void> {
    const user = pick(traders)
    const key = randomUUID()
    const order = {
      market: sandbox.market,
      side: randomInt(2) === 0 ? 'buy' : 'sell',
      type: 'limit',
      quantity: `0.${String(randomInt(1, 100)).padStart(2, '0')}`,
      price: `${randomInt(98, 103)}.${String(randomInt(100)).padStart(2, '0')}`,
      client_order_id: key,
    }
    const request = {
      kind: 'order',
      user,
      method: 'POST',
      path: '/v1/orders',
      body: order,
    } as const
    const answer = await this.#insist(request)
    if (answer === undefined) return
    const id = text(answer, 'id')
    await this.#acknowledge({ kind: 'order', user: text(user, 'email'), id, key })
    this.#open.push({ user, id })
    if (this.#open.length > MEMORY) this.#open.shift()
  }

  async #cancel(): Promise<void> {
    const [target] = this.#open.splice(randomInt(Math.max(1, this.#open.length)), 1)
    if (target === undefined) return this.#order()
    const { user, id } = target
    const path = `/v1/orders/${id}`
    const answer = await this.#insist({ kind: 'cancel', user, method: 'DELETE', path })
    if (answer !== undefined)
      await this.#acknowledge({ kind: 'cancel', user: text(user, 'email'), id, key: '' })
  }

  async #withdrawal(): Promise<void> {
    const user = pick(traders.slice(0, 2))
    const key = randomUUID()
    const body = { asset: 'USD', amount: `0.${String(randomInt(1, 1_000_000)).padStart(6, '0')}` }
    const path = '/v1/withdrawals'
    const request = { kind: 'withdrawal', user, method: 'POST', path, body, key } as const
    const answer = await this.#insist(request)
    if (answer === undefined) return
    await this.#acknowledge({
      kind: 'withdrawal',
      user: text(user, 'email'),
      id: text(answer, 'id'),
      key,
    })
    this.#counts.withdrawals += 1
  }

  /** Money keeps coming in; what the chain itself loses in a crash nobody acknowledged. */
  async #deposits(): Promise<void> {
    const contracts = await api.call('GET', '/v1/contracts')
    while (!this.#isStopped) {
      const wallet = new ChainWallet(
        sandbox.rpc,
        text(traders[0], 'wallet', 'private_key'),
        contracts.answer,
      )
      try {
        await Promise.race([this.#deposit(wallet), sleep(DEPOSIT_TIMEOUT_MS)])
      } catch {
        // The chain is away until the node is back.
      }
      wallet.close()
      await sleep(700)
    }
  }

  async #deposit(wallet: ChainWallet): Promise<void> {
    await wallet.mintCash(1_000_000n)
    this.sent.push(await wallet.submit('ClearingHouse', 'deposit', 0, 1_000_000n))
    this.#counts.deposits += 1
  }

  /** Repeats a request with the same key until it is answered; undefined when it was refused. */
  async #insist(request: Request): Promise<Body | undefined> {
    const { kind, method, path, ...content } = request
    for (let waitMs = RETRY_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_RETRY_MS)) {
      this.#counts.inFlight += 1
      try {
        const { status, answer } = await api.call(method, path, content)
        const meaning = meaningOf(kind, status, answer['code'])
        if (meaning === 'done') return answer
        if (meaning === 'wrong') this.#complain(`${method} ${path}`, status, answer)
        if (meaning !== 'again') return undefined
      } catch {
        // The node is gone: whether it took the request shows when it is asked again.
      } finally {
        this.#counts.inFlight -= 1
      }
      await sleep(waitMs)
      // It is written when a node that starts has nothing left to do but to serve.
      while (!existsSync(sandboxFile)) await sleep(RETRY_MS)
    }
  }

  #complain(what: string, status: number, answer: Body): void {
    const line = `${what} answered ${status} ${JSON.stringify(answer)}`
    if (this.wrong.length < MOST_WRONG) this.wrong.push(line)
  }

  /** Resolves when the line is on disk. */
  async #acknowledge(acknowledged: Acknowledged): Promise<void> {
    this.#lines.push(JSON.stringify(acknowledged))
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#newest.push(acknowledged)
    if (this.#newest.length > GLANCED) this.#newest.shift()
  }

  /** One sync for all that came during the one before. */
  async #writer(): Promise<void> {
    while (!this.#isStopped || this.#counts.inFlight > 0 || this.#lines.length > 0) {
      const [lines, waiting] = [this.#lines, this.#waiting.splice(0)]
      this.#lines = []
      if (lines.length > 0) {
        writeSync(this.#file, `${lines.join('\n')}\n`)
        fsyncSync(this.#file)
        this.#counts.acknowledged += lines.length
      }
      for (const resolve of waiting) resolve()
      await sleep(2)
    }
  }
}

/** Compares what was written down, and what the chain holds, with what the node says now. */
async function judge(): Promise<Verdict> {
  const kept = readFileSync(ledgerFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  const acknowledged = kept.map((line): Acknowledged => JSON.parse(line))
  const { answer: contracts } = await api.call('GET', '/v1/contracts')
  const clearingHouse = text(contracts, 'contracts', 'ClearingHouse', 'address')
  const boundary = await Boundary.read(sandbox.rpc, clearingHouse)
  const depositor = userOf(sandbox, 'investor', 0)
  const account = Number(integer(depositor, 'chain_account'))
  const deposits = await api.list(depositor, '/v1/deposits')
  const withdrawals = await Promise.all(
    traders.map(async (user) => await api.list(user, '/v1/withdrawals')),
  )
  const faults = [
    ...witness.wrong,
    ...(await judgeAcknowledged(api, traders, acknowledged, witness.before)),
    ...boundary.judgeDeposits(account, deposits, witness.sent),
    ...boundary.judgeWithdrawals(withdrawals.flat()),
  ]
  return { acknowledged: acknowledged.length, faults }
}

function pick<T>(list: readonly T[]): T {
  const found = list[randomInt(list.length)]
  if (found === undefined) throw new RangeError('nothing to pick from')
  return found
}

const witness = new Witness()
process.on('disconnect', () => process.exit(0))
process.on('message', (question: Question) => {
  void answer(question).then((reply) => process.send?.(reply))
})
await witness.begin()

async function answer(question: Question): Promise<Count | Verdict> {
  if (question === 'judge') return judge()
  if (question === 'glance') {
    const newest = [...witness.newest]
    const faults = [...witness.wrong, ...(await glance(api, traders, newest))]
    return { acknowledged: newest.length, faults }
  }
  if (question === 'stop') await witness.stop()
  return witness.counts
}
