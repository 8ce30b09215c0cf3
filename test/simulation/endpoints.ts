import { isJsonObject } from '#kernel/json.ts'
import type { SimulatedBlock, SimulatedChain } from './chain.ts'
import {
  CHAIN_ID,
  copyState,
  decodeCall,
  describeRevertOf,
  execute,
  SUPPLY,
  VAULT,
} from './clearing-house.ts'
import type { World } from './world.ts'

/** How an endpoint misbehaves at the moment. */
export type Mood = 'honest' | 'lagging' | 'stuck' | 'down' | 'busy' | 'forgetful' | 'confused'

export interface Endpoint {
  readonly url: string
  mood: Mood
  lagMs: number
  /** The head that a stuck one goes on showing. */
  stuckAt: SimulatedBlock | undefined
}

class Refusal extends Error {
  readonly code: number
  readonly data: string | undefined

  constructor(code: number, message: string, data?: string) {
    super(message)
    this.code = code
    this.data = data
  }
}

const quantity = (value: number | bigint): string => `0x${value.toString(16)}`
const padded = (value: bigint): string => `0x${value.toString(16).padStart(64, '0')}`
const GAS = 120_000n

/** JSON-RPC endpoints of one chain, which lag, lie, throttle and fall silent. */
export class Endpoints {
  readonly #world: World
  readonly #chain: SimulatedChain
  readonly all: readonly Endpoint[]

  constructor(world: World, chain: SimulatedChain, count: number) {
    this.#world = world
    this.#chain = chain
    this.all = Array.from({ length: count }, (_, place) => ({
      url: `http://rpc${place}.test/`,
      mood: 'honest',
      lagMs: 0,
      stuckAt: undefined,
    }))
    world.network = (url, body) => this.#request(url, body)
  }

  calm(): void {
    for (const endpoint of this.all) {
      endpoint.mood = 'honest'
      endpoint.lagMs = 0
      endpoint.stuckAt = undefined
    }
  }

  /** One endpoint changes its ways. */
  disturb(endpoint: Endpoint, mood: Mood): void {
    endpoint.mood = mood
    endpoint.lagMs = mood === 'lagging' ? this.#world.between(50, 2000) : 0
    endpoint.stuckAt = mood === 'stuck' ? this.#chain.head : undefined
    this.#world.trace('endpoint', () => `${endpoint.url} is ${mood}`)
  }

  #request(url: string, body: string): Promise<{ status: number; text: string }> {
    const world = this.#world
    const process = world.process()
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
    if (!world.survives(process)) return promise
    const endpoint = this.all.find((one) => url.startsWith(one.url))
    const fail = (delayMs: number): void => {
      world.schedule(delayMs, () => reject(new TypeError('socket hang up')), process)
    }
    if (endpoint === undefined || endpoint.mood === 'down') {
      fail(world.between(1, 30))
      return promise
    }
    world.later(world.between(0.2, 2), () => {
      const text = this.#answer(endpoint, body)
      // The answer may get lost although the endpoint did what it was asked.
      if (world.chance(endpoint.mood === 'busy' ? 0.2 : 0)) fail(world.between(1, 30))
      else world.schedule(world.between(0.2, 2), () => resolve({ status: 200, text }), process)
    })
    return promise
  }

  #answer(endpoint: Endpoint, body: string): string {
    const asked: unknown = JSON.parse(body)
    const answers = (Array.isArray(asked) ? asked : [asked]).map((one: unknown) => {
      const call = isJsonObject(one) ? one : {}
      return { jsonrpc: '2.0', id: call['id'], ...this.#reply(endpoint, call) }
    })
    return JSON.stringify(Array.isArray(asked) ? answers : answers[0])
  }

  #reply(endpoint: Endpoint, { method, params }: Readonly<Record<string, unknown>>) {
    try {
      if (endpoint.mood === 'busy' && this.#world.chance(0.3))
        throw new Refusal(-32_005, 'too many requests')
      return { result: this.#call(endpoint, String(method), Array.isArray(params) ? params : []) }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { code, message, data } = error
      return { error: { code, message, ...(data !== undefined && { data }) } }
    }
  }

  #call(endpoint: Endpoint, method: string, params: readonly unknown[]): unknown {
    const head = this.#headOf(endpoint)
    switch (method) {
      case 'eth_chainId':
        return quantity(CHAIN_ID)
      case 'eth_blockNumber':
        return quantity(head.number)
      case 'eth_getBlockByNumber':
        return this.#blockByNumber(endpoint, head, params[0])
      case 'eth_getBlockByHash':
        return this.#block(this.#known(endpoint, String(params[0])))
      case 'eth_getLogs':
        return this.#logs(endpoint, head, params[0])
      case 'eth_getTransactionReceipt':
        return this.#receipt(head, String(params[0]))
      case 'eth_getTransactionByHash':
        return this.#transaction(head, String(params[0]))
      case 'eth_getTransactionCount':
        return this.#count(head, String(params[0]), params[1])
      case 'eth_sendRawTransaction':
        return this.#send(String(params[0]))
      case 'eth_maxPriorityFeePerGas':
        return quantity(1_000_000_000)
      case 'eth_gasPrice':
        return quantity(head.baseFee + 1_000_000_000n)
      case 'eth_getBalance':
        return quantity(10n ** 21n)
      case 'eth_estimateGas':
        this.#run(endpoint, head, params[0], params[1])
        return quantity(GAS)
      case 'eth_call':
        return this.#read(endpoint, head, params[0], params[1])
      default:
        throw new Refusal(-32_601, `the method ${method} does not exist`)
    }
  }

  #headOf(endpoint: Endpoint): SimulatedBlock {
    if (endpoint.stuckAt !== undefined) return endpoint.stuckAt
    const seenMs = this.#world.nowMs - endpoint.lagMs
    const seen = this.#chain.heads.findLast(({ atMs }) => atMs <= seenMs)
    return seen?.block ?? this.#chain.ancestor(this.#chain.head, 0) ?? this.#chain.head
  }

  #known(endpoint: Endpoint, hash: string): SimulatedBlock | undefined {
    const block = this.#chain.blockByHash(hash)
    const isSeen = this.#chain.madeAtMs(hash) <= this.#world.nowMs - endpoint.lagMs
    const isPast = endpoint.stuckAt === undefined || (block?.number ?? 0) <= endpoint.stuckAt.number
    return isSeen && isPast ? block : undefined
  }

  #blockByNumber(endpoint: Endpoint, head: SimulatedBlock, tag: unknown): unknown {
    if (tag === 'latest' || tag === 'pending') return this.#block(head)
    const number = tag === 'finalized' ? Math.max(0, head.number - 40) : Number(tag)
    const block = this.#chain.ancestor(head, number)
    // A confused endpoint mixes two forks, as load balancers do.
    if (endpoint.mood === 'confused' && this.#world.chance(0.3)) {
      const rival = this.#chain.heads[this.#world.rng.below(this.#chain.heads.length)]
      return this.#block(rival === undefined ? block : this.#chain.ancestor(rival.block, number))
    }
    return this.#block(block)
  }

  #block(block: SimulatedBlock | undefined): unknown {
    if (block === undefined) return null
    return {
      number: quantity(block.number),
      hash: block.hash,
      parentHash: block.parent?.hash ?? padded(0n),
      timestamp: quantity(block.timestamp),
      baseFeePerGas: quantity(block.baseFee),
      logsBloom: block.bloom,
      transactions: block.included.map(({ transaction }) => transaction.hash),
    }
  }

  #logs(endpoint: Endpoint, head: SimulatedBlock, filter: unknown): unknown {
    if (!isJsonObject(filter)) return []
    const { blockHash, fromBlock, toBlock } = filter
    const blocks: SimulatedBlock[] = []
    if (typeof blockHash === 'string') {
      const block = this.#known(endpoint, blockHash)
      if (block === undefined) throw new Refusal(-32_000, 'unknown block')
      blocks.push(block)
    } else {
      for (let number = Number(fromBlock); number <= Number(toBlock); number += 1) {
        const block = this.#chain.ancestor(head, number)
        if (block !== undefined) blocks.push(block)
      }
    }
    if (endpoint.mood === 'forgetful' && this.#world.chance(0.5)) return []
    const { address, topics } = filter
    const addresses = Array.isArray(address) ? address : [address]
    const wanted = Array.isArray(topics) && Array.isArray(topics[0]) ? topics[0] : undefined
    return blocks.flatMap((block) =>
      block.included.flatMap(({ transaction, logs, firstLog }) =>
        logs.flatMap((log, place) =>
          addresses.includes(log.address) && (wanted?.includes(log.topics[0]) ?? true)
            ? [
                {
                  ...log,
                  blockHash: block.hash,
                  blockNumber: quantity(block.number),
                  transactionHash: transaction.hash,
                  logIndex: quantity(firstLog + place),
                },
              ]
            : [],
        ),
      ),
    )
  }

  #receipt(head: SimulatedBlock, hash: string): unknown {
    const found = this.#chain.find(hash, head)
    if (found === undefined) return null
    return {
      transactionHash: hash,
      blockHash: found.block.hash,
      blockNumber: quantity(found.block.number),
      status: quantity(found.included.status),
      gasUsed: quantity(GAS),
    }
  }

  #transaction(head: SimulatedBlock, hash: string): unknown {
    const found = this.#chain.find(hash, head)
    if (found !== undefined) return { hash, blockHash: found.block.hash }
    return this.#chain.isPooled(hash) ? { hash, blockHash: null } : null
  }

  #count(head: SimulatedBlock, address: string, tag: unknown): string {
    if (tag !== 'pending' && tag !== 'latest') {
      const number =
        tag === 'finalized'
          ? Math.max(0, head.number - 40)
          : Number(isJsonObject(tag) ? head.number : tag)
      const at = isJsonObject(tag)
        ? this.#chain.blockByHash(String(tag['blockHash']))
        : this.#chain.ancestor(head, number)
      return quantity(this.#chain.nonceOf(address, at ?? head))
    }
    return quantity(this.#chain.nonceOf(address, head))
  }

  #send(raw: string): string {
    const answer = this.#chain.accept(raw)
    if ('error' in answer) throw new Refusal(-32_000, answer.error)
    this.#world.trace('sent', () => `${answer.hash} ${this.#chain.parse(raw).nonce}`)
    return answer.hash
  }

  #stateAt(endpoint: Endpoint, head: SimulatedBlock, tag: unknown): SimulatedBlock {
    if (tag === undefined || tag === 'latest' || tag === 'pending') return head
    const hash = isJsonObject(tag) ? tag['blockHash'] : undefined
    const block =
      typeof hash === 'string'
        ? this.#known(endpoint, hash)
        : this.#chain.ancestor(head, Number(tag))
    if (block === undefined) throw new Refusal(-32_000, 'header not found')
    return block
  }

  #run(endpoint: Endpoint, head: SimulatedBlock, call: unknown, tag: unknown): void {
    const at = this.#stateAt(endpoint, head, tag)
    const { to, data } = isJsonObject(call) ? call : {}
    if (typeof data !== 'string' || data === '0x') return
    try {
      execute(copyState(at.state), {
        to: String(to).toLowerCase(),
        data,
      })
    } catch (error) {
      const reason = describeRevertOf(error)
      if (reason === undefined) throw error
      throw new Refusal(3, `execution reverted: ${reason}`, '0x00000000ff')
    }
  }

  #read(endpoint: Endpoint, head: SimulatedBlock, call: unknown, tag: unknown): string {
    const { state } = this.#stateAt(endpoint, head, tag)
    const to = isJsonObject(call) ? String(call['to']).toLowerCase() : ''
    const data = isJsonObject(call) ? String(call['data']) : '0x'
    if (to !== VAULT && to !== SUPPLY)
      return padded(state.supplies.get(Number.parseInt(to.slice(-4), 16)) ?? 0n)
    const read = decodeCall(data)
    if (read?.name === 'head') return state.head
    if (read?.name === 'sequence') return padded(state.sequence)
    if (read?.name === 'threshold') return padded(0n)
    if (read?.name === 'turnoverOf') return `${padded(0n)}${padded(0n).slice(2)}`
    if (read?.name === 'totalOf') return padded(state.totals.get(Number(read.values[0])) ?? 0n)
    if (read?.name === 'balancesOf') {
      const [accounts, assets] = read.values as readonly [readonly bigint[], readonly bigint[]]
      const amounts = accounts.map(
        (account, place) => state.lanes.get(`${account}/${assets[place]}`) ?? 0n,
      )
      return `0x${[32n, BigInt(amounts.length), ...amounts].map((amount) => padded(amount).slice(2)).join('')}`
    }
    this.#run(endpoint, head, call, tag)
    return '0x'
  }
}
