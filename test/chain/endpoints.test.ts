import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { isJsonObject } from '#kernel/json.ts'
import { RpcClient } from '#chain/rpc-adapter.ts'
import type { Watcher } from '#chain/watcher.ts'
import { silentLog } from '../support/database.ts'
import { ADMIN_KEY, ChainLab, startProxy, startSuite, until, type SuiteChain } from './chain-lab.ts'

let suite: SuiteChain
const cleanups: (() => Promise<void>)[] = []

beforeAll(async () => {
  suite = await startSuite()
})

afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

afterAll(async () => {
  await suite.stop()
})

interface Call {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}

type Spoil = (call: Call, result: unknown) => unknown

/** An endpoint in front of the chain that spoils results. */
async function spoiled(spoil: Spoil, url = suite.chain.url): Promise<string> {
  const proxy = await startProxy(url, async (body) => {
    const headers = { 'content-type': 'application/json' }
    const answer: unknown = await (await fetch(url, { method: 'POST', body, headers })).json()
    const asked: unknown = JSON.parse(body)
    const calls = (Array.isArray(asked) ? asked : [asked]) as Call[]
    const items = (Array.isArray(answer) ? answer : [answer]) as { id: number; result: unknown }[]
    const changed = items.map((item) => {
      const call = calls.find(({ id }) => id === item.id)
      return call === undefined ? item : { ...item, result: spoil(call, item.result) }
    })
    return JSON.stringify(Array.isArray(answer) ? changed : changed[0])
  })
  cleanups.push(() => proxy.stop())
  return proxy.url
}

/** An endpoint that answers calls of some kind with an error. */
async function refusing(decide: (calls: readonly Call[]) => object | undefined): Promise<string> {
  const proxy = await startProxy(suite.chain.url, (body) => {
    const asked: unknown = JSON.parse(body)
    const calls = (Array.isArray(asked) ? asked : [asked]) as Call[]
    const error = decide(calls)
    if (error === undefined) return undefined
    const answers = calls.map(({ id }) => ({ jsonrpc: '2.0', id, error }))
    return JSON.stringify(Array.isArray(asked) ? answers : answers[0])
  })
  cleanups.push(() => proxy.stop())
  return proxy.url
}

async function watch(depth: number, ...urls: readonly string[]) {
  const lab = await ChainLab.open(suite, ...urls)
  cleanups.push(() => lab.close())
  const watcher: Watcher = await lab.watcher({ rule: { depth } })
  cleanups.push(() => watcher.stop())
  return { lab, watcher }
}

async function toggle(): Promise<void> {
  const house = suite.contract('ClearingHouse', ADMIN_KEY)
  const isPaused: unknown = await house.getFunction('paused')()
  const sent = await house.getFunction(isPaused === true ? 'unpause' : 'pause')()
  await sent.wait()
}

async function reached(lab: ChainLab, number: number): Promise<void> {
  await until(async () => (await lab.service.head().catch(() => undefined))?.number === number)
}

async function head(): Promise<number> {
  return await suite.provider.getBlockNumber()
}

async function countLogs(lab: ChainLab): Promise<number> {
  const rows = await lab.database.query<{ logs: bigint }>('SELECT count(*) AS logs FROM chain.log')
  return Number(rows[0]?.logs ?? 0n)
}

async function retracted(lab: ChainLab): Promise<number> {
  return (await lab.events()).filter(({ type }) => type === 'chain.block_retracted.v1').length
}

it('asks another endpoint when a bloom promises logs that were left out', async () => {
  await toggle()
  const blind = await spoiled(({ method }, result) => (method === 'eth_getLogs' ? [] : result))
  const { lab: honest } = await watch(1000)
  const { lab } = await watch(1000, blind, suite.chain.url)
  const number = await head()
  await reached(honest, number)
  await reached(lab, number)
  expect(await countLogs(lab)).toBe(await countLogs(honest))
  expect(lab.rpc.endpoints().map(({ isHealthy }) => isHealthy)).toEqual([false, true])
  expect(lab.rpc.endpoints()[0]?.lastError).toMatch(/has logs/)
})

it('distrusts logs that are not in the block', async () => {
  await toggle()
  const liar = await spoiled(({ method }, result) => {
    if (method !== 'eth_getLogs' || !Array.isArray(result)) return result
    return result.map((log: object) => ({ ...log, transactionHash: `0x${'ab'.repeat(32)}` }))
  })
  const { lab } = await watch(1000, liar, suite.chain.url)
  await reached(lab, await head())
  const rows = await lab.database.query('SELECT 1 FROM chain.log WHERE tx_hash = $1', [
    `0x${'ab'.repeat(32)}`,
  ])
  expect(rows).toEqual([])
  expect(lab.rpc.endpoints()[0]?.isHealthy).toBe(false)
})

it('follows the faster endpoint when the preferred one stands still', async () => {
  let frozen: unknown
  const number = await head()
  const still = await spoiled(({ method, params }, result) => {
    if (method === 'eth_blockNumber') return `0x${number.toString(16)}`
    if (method === 'eth_getBlockByNumber' && params[0] === 'latest') return (frozen ??= result)
    return result
  })
  const { lab } = await watch(1000, still, suite.chain.url)
  await reached(lab, await head())
  await suite.mine(3)
  await reached(lab, await head())
  expect(await retracted(lab)).toBe(0)
})

it('undoes nothing on the word of one endpoint that another one denies', async () => {
  let forkAbove = Infinity
  const shift = (hash: unknown): string => `0xff${String(hash).slice(4)}`
  const forked = await spoiled(({ method }, result) => {
    if (method !== 'eth_getBlockByNumber' || !isJsonObject(result)) return result
    const number = Number(result['number'])
    if (number <= forkAbove) return result
    const parentHash = number - 1 > forkAbove ? shift(result['parentHash']) : result['parentHash']
    return { ...result, hash: shift(result['hash']), parentHash }
  })
  const { lab } = await watch(1000, forked, suite.chain.url)
  await suite.mine(8)
  const number = await head()
  await reached(lab, number)
  forkAbove = number - 6
  await until(() => lab.rpc.endpoints()[0]?.isHealthy === false)
  await suite.mine(2)
  await reached(lab, number + 2)
  expect(await retracted(lab)).toBe(0)
  expect(lab.rpc.endpoints()[0]?.lastError).toMatch(/another endpoint/)
})

it('believes a deep reorg that two endpoints tell of', async () => {
  const second = await spoiled((_, result) => result)
  const { lab } = await watch(1000, suite.chain.url, second)
  const base = await head()
  const snapshot = await suite.chain.rpc('evm_snapshot')
  await suite.mine(6)
  await reached(lab, base + 6)
  await suite.chain.rpc('evm_revert', [snapshot])
  await suite.chain.rpc('evm_increaseTime', [1000])
  await suite.mine(7)
  await reached(lab, base + 7)
  expect(await retracted(lab)).toBe(6)
})

it('splits ranges and batches until the endpoint takes them', async () => {
  await suite.mine(300)
  await toggle()
  let widest = 0
  let largest = 0
  const picky = await refusing((calls) => {
    const where = calls.find(({ method }) => method === 'eth_getLogs')?.params[0]
    const range = isJsonObject(where) ? Number(where['toBlock']) - Number(where['fromBlock']) : 0
    if (range >= 10) return { code: -32_005, message: 'query returned more than 10000 results' }
    if (calls.length > 20) return { code: -32_600, message: 'batch size too large' }
    widest = Math.max(widest, range || 0)
    largest = Math.max(largest, calls.length)
    return undefined
  })
  const { lab } = await watch(5, picky)
  const { lab: honest } = await watch(5)
  await reached(lab, await head())
  await reached(honest, await head())
  expect(await countLogs(lab)).toBe(await countLogs(honest))
  expect(widest).toBeGreaterThan(0)
  expect(largest).toBeGreaterThan(1)
})

/** An endpoint in front of the chain that calls `block` final. */
async function finalAt(block: string): Promise<string> {
  const { url } = suite.chain
  const proxy = await startProxy(url, async (body) => {
    if (!body.includes('"finalized"')) return undefined
    const headers = { 'content-type': 'application/json' }
    const asked = body.replace('"finalized"', `"${block}"`)
    return await (await fetch(url, { method: 'POST', body: asked, headers })).text()
  })
  cleanups.push(() => proxy.stop())
  return proxy.url
}

async function watchTags(...urls: readonly string[]): Promise<ChainLab> {
  const lab = await ChainLab.open(suite, ...urls)
  cleanups.push(() => lab.close())
  const watcher = await lab.watcher({ rule: { tag: 'finalized' } })
  cleanups.push(() => watcher.stop())
  return lab
}

it('takes for final only what both endpoints that answer call final', async () => {
  const base = await head()
  await suite.mine(4)
  const hasty = await finalAt('latest')
  const careful = await finalAt(`0x${(base + 1).toString(16)}`)
  const down = await startProxy(suite.chain.url, () => '<html>bad gateway</html>')
  cleanups.push(() => down.stop())
  const alone = await watchTags(hasty, down.url)
  const both = await watchTags(hasty, careful, down.url)
  await reached(alone, base + 4)
  await reached(both, base + 4)
  await until(async () => (await alone.service.head()).finalNumber === base + 4)
  await until(async () => (await both.service.head()).finalNumber === base + 1)
  await sleep(300)
  expect((await both.service.head()).finalNumber).toBe(base + 1)
})

/** An endpoint that stopped at block `number`, which it calls final; counts how often. */
async function stoppedAt(number: number): Promise<{ url: string; asked(): number }> {
  const block = `0x${number.toString(16)}`
  let asked = 0
  const url = await spoiled(
    ({ method, params }, result) => {
      if (params[0] === 'finalized') asked += 1
      if (method === 'eth_blockNumber') return block
      const isLater = isJsonObject(result) && Number(result['number']) > number
      return method === 'eth_getBlockByNumber' && isLater ? null : result
    },
    await latestAt(block),
  )
  return { url, asked: () => asked }
}

/** An endpoint in front of the chain whose newest and final block is `block`. */
async function latestAt(block: string): Promise<string> {
  const { url } = suite.chain
  const proxy = await startProxy(url, async (body) => {
    const headers = { 'content-type': 'application/json' }
    const asked = body.replaceAll('"latest"', `"${block}"`).replaceAll('"finalized"', `"${block}"`)
    return await (await fetch(url, { method: 'POST', body: asked, headers })).text()
  })
  cleanups.push(() => proxy.stop())
  return proxy.url
}

it('waits with what is final for no endpoint that stopped far behind where two others agree', async () => {
  const base = await head()
  await suite.mine(30)
  const stopped = await stoppedAt(base + 1)
  const final = `0x${(base + 20).toString(16)}`
  const lab = await watchTags(await finalAt(final), stopped.url, await finalAt(final))
  await until(
    async () => (await lab.service.head().catch(() => undefined))?.finalNumber === base + 20,
  )
})

it('asks now and then, and not in each turn, an endpoint that holds back what is final', async () => {
  const base = await head()
  await suite.mine(4)
  const stopped = await stoppedAt(base + 2)
  const lab = await watchTags(await finalAt('latest'), stopped.url)
  await until(
    async () => (await lab.service.head().catch(() => undefined))?.finalNumber === base + 2,
  )
  const before = stopped.asked()
  await sleep(1500)
  // Once a second; a turn begins every 10 ms.
  expect(stopped.asked() - before).toBeLessThan(6)
})

it('takes nothing for final while the endpoints hold different blocks there', async () => {
  const base = await head()
  await suite.mine(2)
  const number = `0x${base.toString(16)}`
  let isForked = true
  const forge: Spoil = ({ method }, result) =>
    isForked &&
    method === 'eth_getBlockByNumber' &&
    isJsonObject(result) &&
    result['number'] === number
      ? { ...result, hash: `0x${'cd'.repeat(32)}` }
      : result
  const forked = await spoiled(forge, await finalAt(number))
  const lab = await watchTags(await finalAt(number), forked)
  await reached(lab, base + 2)
  await sleep(300)
  expect((await lab.service.head()).finalNumber).toBe(suite.deployment.deployedAt - 1)
  isForked = false
  await until(async () => (await lab.service.head()).finalNumber === base)
})

it('slows down for an endpoint that is busy', async () => {
  let asked = 0
  const busy = await refusing(() => {
    asked += 1
    return asked % 3 === 0 ? { code: 429, message: 'too many requests' } : undefined
  })
  const rpc = new RpcClient({ urls: [busy], log: silentLog })
  cleanups.push(() => rpc.close())
  const calls = Array.from({ length: 12 }, () => ({ method: 'eth_chainId', params: [] }))
  const answers = await Promise.all(calls.map(({ method }) => rpc.call(method)))
  expect(new Set(answers)).toEqual(new Set(['0x7a69']))
  expect(rpc.endpoints()[0]?.errorRate).toBe(0)
})

it('names endpoints of another chain and blocks that endpoints do not agree on', async () => {
  const foreign = await spoiled(({ method }, result) => (method === 'eth_chainId' ? '0x1' : result))
  const forked = await spoiled(({ method }, result) =>
    method === 'eth_getBlockByNumber' && isJsonObject(result)
      ? { ...result, hash: `0x${'cd'.repeat(32)}` }
      : result,
  )
  const urls = [foreign, suite.chain.url, forked]
  const rpc = new RpcClient({ urls, log: silentLog, chainId: 31_337, probeMs: 1_000_000 })
  cleanups.push(() => rpc.close())
  await rpc.probe()
  expect(rpc.endpoints().map(({ isHealthy }) => isHealthy)).toEqual([false, true, true])
  expect(rpc.disagreement()).toBeUndefined()
  await rpc.probe()
  expect(rpc.disagreement()).toContain('2 different blocks')
})

it('stays halted beyond finality over a restart, until an operator lets it look again', async () => {
  const { lab, watcher } = await watch(1)
  const snapshot = await suite.chain.rpc('evm_snapshot')
  const base = await head()
  await suite.mine(4)
  await until(
    async () => (await lab.service.head().catch(() => undefined))?.finalNumber === base + 3,
  )
  await suite.chain.rpc('evm_revert', [snapshot])
  await suite.chain.rpc('evm_increaseTime', [1000])
  await suite.mine(6)
  await until(() => !watcher.health().ok)
  await watcher.stop()
  await lab.resign()
  const next = await lab.watcher({ rule: { depth: 1 } })
  cleanups.push(() => next.stop())
  await until(() => next.health().detail?.includes('beyond finality'))
  await sleep(100)
  expect((await lab.service.head()).number).toBe(base + 4)
  await lab.database.query('DELETE FROM chain.halt')
  await until(async () => (await lab.database.query('SELECT 1 FROM chain.halt')).length === 1)
  expect((await lab.service.head()).number).toBe(base + 4)
})
