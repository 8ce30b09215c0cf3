import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { present } from '#kernel/assert.ts'
import { BlockWriter } from '#chain/block-writer.ts'
import type { Finality } from '#chain/finality.ts'
import { findCursor } from '#chain/store.ts'
import type { Watcher } from '#chain/watcher.ts'
import { SystemClock } from '#platform/clock.ts'
import type { Envelope } from '#platform/events/event.ts'
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

async function open(
  finality?: Finality,
  url?: string,
): Promise<{ lab: ChainLab; watcher: Watcher }> {
  const lab = await ChainLab.open(suite, ...(url === undefined ? [] : [url]))
  cleanups.push(() => lab.close())
  const watcher = await lab.watcher(finality)
  cleanups.push(() => watcher.stop())
  return { lab, watcher }
}

async function blockNumber(): Promise<number> {
  return await suite.provider.getBlockNumber()
}

async function reached(lab: ChainLab, number: number): Promise<void> {
  await until(async () => (await lab.service.head().catch(() => undefined))?.number === number)
}

/** Something that leaves a log of ours: the admin pauses or unpauses the clearing house. */
async function toggle(): Promise<{ name: string; hash: string }> {
  const house = suite.contract('ClearingHouse', ADMIN_KEY)
  const isPaused: unknown = await house.getFunction('paused')()
  const verb = isPaused === true ? 'unpause' : 'pause'
  const sent = await house.getFunction(verb)()
  await sent.wait()
  return { name: isPaused === true ? 'Unpaused' : 'Paused', hash: sent.hash }
}

const short = (type: string): string => type.replace('chain.block_', '').replace('.v1', '')

function story(events: readonly Envelope[], from: number): readonly string[] {
  return events
    .filter(({ data }) => Number(data['number']) >= from)
    .map(({ type, data }) => `${short(type)} ${Number(data['number'])}`)
}

it('applies every block from the deployment on, with its decoded events, and finalises by depth', async () => {
  const { lab } = await open({ rule: { depth: 2 } })
  const paused = await toggle()
  await suite.mine(3)
  const head = await blockNumber()
  await reached(lab, head)
  await until(async () => (await lab.service.head()).finalNumber === head - 2)
  const events = await lab.events()
  const applied = events.filter(({ type }) => type === 'chain.block_applied.v1')
  const { deployedAt } = suite.deployment
  expect(applied.map(({ data }) => data['number'])).toEqual(
    Array.from({ length: head - deployedAt + 1 }, (_, place) => deployedAt + place),
  )
  const finalized = events.filter(({ type }) => type === 'chain.block_finalized.v1')
  expect(finalized.map(({ data }) => data['number'])).toEqual(
    applied.slice(0, -2).map(({ data }) => data['number']),
  )
  const tx = await suite.provider.getTransactionReceipt(paused.hash)
  const block = applied.find(({ data }) => data['number'] === tx?.blockNumber)
  expect(block?.data['events']).toMatchObject([
    { contract: 'ClearingHouse', name: paused.name, tx_hash: paused.hash, log_index: 0 },
  ])
  const listed = applied.flatMap(({ data }) =>
    Array.isArray(data['events']) ? data['events'] : [],
  )
  expect(listed).toContainEqual(
    expect.objectContaining({
      name: 'ExternalListed',
      args: expect.objectContaining({ asset: 0, token: suite.deployment.contracts['CashToken'] }),
    }),
  )
})

it('retracts in reverse order with the very bodies that were applied, and applies the new blocks', async () => {
  const { lab } = await open({ rule: { depth: 1000 } })
  await suite.mine(1)
  const base = await blockNumber()
  const snapshot = await suite.chain.rpc('evm_snapshot')
  await toggle()
  await suite.mine(2)
  await reached(lab, base + 3)
  await suite.chain.rpc('evm_revert', [snapshot])
  // Other timestamps, so that the hashes differ.
  await suite.chain.rpc('evm_increaseTime', [1000])
  await suite.mine(4)
  await reached(lab, base + 4)
  const events = await lab.events()
  expect(story(events, base + 1)).toEqual([
    ...[1, 2, 3].map((place) => `applied ${base + place}`),
    ...[3, 2, 1].map((place) => `retracted ${base + place}`),
    ...[1, 2, 3, 4].map((place) => `applied ${base + place}`),
  ])
  const bodies = (type: string) =>
    events
      .filter((event) => short(event.type) === type && Number(event.data['number']) > base)
      .map(({ data }) => data)
  expect(bodies('retracted').toReversed()).toEqual(bodies('applied').slice(0, 3))
  expect(bodies('retracted').at(-1)?.['events']).toHaveLength(1)
  const seqs = events.map(({ seq }) => seq)
  expect(seqs).toEqual(seqs.map((_, place) => BigInt(place + 1)))
})

it('takes a shorter head for a slow endpoint and goes on when it has caught up', async () => {
  const { lab, watcher } = await open({ rule: { depth: 1000 } })
  const snapshot = await suite.chain.rpc('evm_snapshot')
  const base = await blockNumber()
  await suite.mine(5)
  await reached(lab, base + 5)
  await suite.chain.rpc('evm_revert', [snapshot])
  await until(() => watcher.health().detail?.includes('endpoint is at'))
  expect(watcher.health().ok).toBe(true)
  expect((await lab.service.head()).number).toBe(base + 5)
  expect(story(await lab.events(), base).filter((line) => line.startsWith('retracted'))).toEqual([])
})

it('believes a shorter head when the launcher announces a new chain instance', async () => {
  const lab = await ChainLab.open(suite)
  cleanups.push(() => lab.close())
  const first = await lab.watcher({ rule: { depth: 1000 }, chainInstance: 'one' })
  const snapshot = await suite.chain.rpc('evm_snapshot')
  const base = await blockNumber()
  await suite.mine(3)
  await reached(lab, base + 3)
  await first.stop()
  await lab.resign()
  await suite.chain.rpc('evm_revert', [snapshot])
  const second = await lab.watcher({ rule: { depth: 1000 }, chainInstance: 'two' })
  cleanups.push(() => second.stop())
  await reached(lab, base)
  expect(story(await lab.events(), base + 1).slice(-3)).toEqual(
    [3, 2, 1].map((place) => `retracted ${base + place}`),
  )
})

it('finalises only what the chain has on disk', async () => {
  let durable = 0
  const { lab } = await open({ rule: { depth: 1 }, durableBlock: () => durable })
  await suite.mine(4)
  const head = await blockNumber()
  await reached(lab, head)
  expect((await lab.service.head()).finalNumber).toBe(suite.deployment.deployedAt - 1)
  durable = head - 3
  await until(async () => (await lab.service.head()).finalNumber === head - 3)
  durable = head
  await until(async () => (await lab.service.head()).finalNumber === head - 1)
})

it('undoes a reorg of 64 blocks', async () => {
  const { lab } = await open({ rule: { depth: 1000 } })
  const snapshot = await suite.chain.rpc('evm_snapshot')
  const base = await blockNumber()
  await suite.mine(64)
  await reached(lab, base + 64)
  await suite.chain.rpc('evm_revert', [snapshot])
  await suite.chain.rpc('evm_increaseTime', [1000])
  await suite.mine(65)
  await reached(lab, base + 65)
  const lines = story(await lab.events(), base + 1)
  expect(lines).toHaveLength(64 + 64 + 65)
  expect(lines[64]).toBe(`retracted ${base + 64}`)
})

it('halts at a reorg beyond finality and says so', async () => {
  const { lab, watcher } = await open({ rule: { depth: 1 } })
  const snapshot = await suite.chain.rpc('evm_snapshot')
  const base = await blockNumber()
  await suite.mine(4)
  await until(
    async () => (await lab.service.head().catch(() => undefined))?.finalNumber === base + 3,
  )
  const before = (await lab.events()).length
  await suite.chain.rpc('evm_revert', [snapshot])
  await suite.chain.rpc('evm_increaseTime', [1000])
  await suite.mine(6)
  const health = await until(() => !watcher.health().ok && watcher.health())
  expect(health.detail).toContain('beyond finality')
  expect(await lab.events()).toHaveLength(before)
})

it('halts at a log of our own contract that cannot be read', async () => {
  const proxy = await startProxy(suite.chain.url, async (body) => {
    if (!body.includes('eth_getLogs')) return undefined
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(suite.chain.url, { method: 'POST', body, headers })
    return (await answer.text()).replaceAll(/"data":"0x[0-9a-f]+"/g, '"data":"0x1234"')
  })
  cleanups.push(() => proxy.stop())
  const { watcher } = await open(undefined, proxy.url)
  const health = await until(() => !watcher.health().ok && watcher.health())
  expect(health.detail).toContain('cannot be read')
})

it('catches up with a long chain by ranges, and by smaller ones where an endpoint finds them too wide', async () => {
  await toggle()
  await suite.mine(400)
  await toggle()
  const head = await blockNumber()
  const asked: string[] = []
  const proxy = await startProxy(suite.chain.url, (body) => {
    if (!body.includes('eth_getLogs')) return undefined
    asked.push(body.includes('fromBlock') ? 'range' : 'block')
    if (asked.length !== 1) return undefined
    const { id } = JSON.parse(body)
    return JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32_000, message: 'too wide' } })
  })
  cleanups.push(() => proxy.stop())
  const ranged = await open({ rule: { depth: 5 } }, proxy.url)
  await reached(ranged.lab, head)
  expect(asked.slice(0, 3)).toEqual(['range', 'range', 'range'])
  const near = await open({ rule: { depth: 5 } })
  await reached(near.lab, head)
  const bodies = async (lab: ChainLab) =>
    (await lab.events())
      .filter(({ type }) => type === 'chain.block_applied.v1')
      .map(({ data }) => data)
  expect(await bodies(ranged.lab)).toEqual(await bodies(near.lab))
  const found = (await bodies(ranged.lab)).flatMap(({ events }) => events)
  expect(found.length).toBeGreaterThanOrEqual(3)
})

it('refuses the write of a former leader', async () => {
  const { lab, watcher } = await open()
  await reached(lab, await blockNumber())
  await watcher.stop()
  const [fence] = await lab.database.query<{ epoch: bigint }>(
    `SELECT epoch FROM platform.fence WHERE role = 'watcher'`,
  )
  const cursor = present(await findCursor(lab.database), 'cursor')
  const writer = new BlockWriter({
    database: lab.database,
    clock: new SystemClock(),
    chainId: cursor.chainId,
    chainInstance: null,
  })
  const step = { retract: [], apply: [], head: cursor.head, finalTo: cursor.head.number }
  const former = present(fence, 'fence').epoch - 1n
  await expect(writer.commit(cursor, former, step)).rejects.toMatchObject({
    code: 'platform.fenced',
  })
  expect(await findCursor(lab.database)).toEqual(cursor)
})

it('goes on by itself when an endpoint that was away returns', async () => {
  let isAway = false
  const proxy = await startProxy(suite.chain.url, () =>
    isAway ? '<html>bad gateway</html>' : undefined,
  )
  cleanups.push(() => proxy.stop())
  const { lab, watcher } = await open(undefined, proxy.url)
  await reached(lab, await blockNumber())
  isAway = true
  const health = await until(() => !watcher.health().ok && watcher.health())
  expect(health.detail).toContain('the chain is away')
  await suite.mine(2)
  isAway = false
  await reached(lab, await blockNumber())
  await until(() => watcher.health().ok)
})
