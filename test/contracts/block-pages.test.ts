import { ZeroHash } from 'ethers'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { readPages } from '../../deploy/operations/block-pages.ts'
import { grantRole } from '../../deploy/operations/grant.ts'
import { listScheduled } from '../../deploy/operations/delayed-call.ts'
import { contractOf } from '../../deploy/operations/operation.ts'
import { readEvents } from '../../deploy/operations/event-log.ts'
import { startProxy } from '../chain/chain-lab.ts'
import { ADMIN, OperatorChain, REGISTRAR, providerOf } from '../support/operator-chain.ts'
import type { JsonRpcProvider } from 'ethers'
import type { Operation } from '../../deploy/operations/operation.ts'

const MOST_BLOCKS = 50
const BLOCKS = 400
const WORDINGS = [
  'exceed maximum block range: 50',
  'Log response size exceeded. You can make eth_getLogs requests with up to a 50 block range',
  'query returned more than 10000 results',
  'eth_getLogs is limited to a 50 blocks range',
] as const

let suite: OperatorChain
let endpoint: { readonly url: string; stop(): Promise<void> }
let limited: JsonRpcProvider
/** Blocks of each question for logs, in order. */
let asked: number[] = []
let wording: string = ''

/** The widest question in a body, which may hold several. */
function spanOf(body: string): number {
  const calls = [parseJson(body)].flat().filter((call) => isJsonObject(call))
  const spans = calls.flatMap(({ method, params }) => {
    const [filter]: unknown[] = Array.isArray(params) ? params : []
    if (method !== 'eth_getLogs' || !isJsonObject(filter)) return []
    return [Number(filter['toBlock']) - Number(filter['fromBlock']) + 1]
  })
  return Math.max(0, ...spans)
}

beforeAll(async () => {
  suite = await OperatorChain.start(3_600)
  for (const account of [16, 17, 18]) {
    await suite.chain.rpc('anvil_mine', [`0x${(BLOCKS / 4).toString(16)}`])
    const terms = [account, suite.wallet(String(account - 11)).address, 1, 0, ZeroHash]
    await suite.send(REGISTRAR, 'InvestorRegistry', 'register', ...terms)
  }
  await suite.chain.rpc('anvil_mine', [`0x${(BLOCKS / 4).toString(16)}`])
  endpoint = await startProxy(suite.chain.url, (body) => {
    const span = spanOf(body)
    if (span > 0) asked.push(span)
    if (span <= MOST_BLOCKS) return undefined
    const error = { code: -32_005, message: wording }
    const answers = [parseJson(body)].flat().map((call) => ({
      jsonrpc: '2.0',
      id: isJsonObject(call) ? call['id'] : null,
      error,
    }))
    return JSON.stringify(body.startsWith('[') ? answers : answers[0])
  })
  limited = providerOf(endpoint.url, suite.chain.chainId)
})

beforeEach(() => {
  asked = []
  wording = WORDINGS[0]
})

afterAll(async () => {
  limited.destroy()
  await endpoint.stop()
  await suite.stop()
})

const operation = (changes: Partial<Operation> = {}): Operation =>
  suite.operation(ADMIN, { provider: limited, ...changes })

const accountsFound = async (from: Operation): Promise<readonly number[]> => {
  const logs = await readEvents(from, contractOf(from, 'InvestorRegistry'), 'AccountRegistered')
  return logs.map(({ topics }) => Number(topics[1]))
}

it.each(WORDINGS)('asks for fewer blocks of an endpoint that says "%s"', async (words) => {
  wording = words
  expect(await accountsFound(operation())).toEqual([16, 17, 18])
  expect(asked.filter((span) => span <= MOST_BLOCKS).length).toBeGreaterThan(BLOCKS / MOST_BLOCKS)
})

it('asks once where nothing is refused', async () => {
  const free = suite.operation(ADMIN)
  let questions = 0
  const count = (info: { readonly action: string }) => {
    if (info.action === 'sendRpcPayload' && JSON.stringify(info).includes('eth_getLogs'))
      questions += 1
  }
  await suite.provider.on('debug', count)
  expect(await accountsFound(free)).toEqual([16, 17, 18])
  await suite.provider.off('debug', count)
  expect(questions).toBe(1)
})

it('lists what is scheduled over such an endpoint', async () => {
  const grant = { role: 'ISSUER', to: suite.wallet('6').address, delaySeconds: 0 } as const
  expect(await grantRole(operation(), grant)).toBe('scheduled')
  const open = await listScheduled(operation())
  expect(open).toEqual(await listScheduled(suite.operation(ADMIN)))
  expect(open).toHaveLength(1)
  expect(Math.max(...asked)).toBeGreaterThan(MOST_BLOCKS)
})

it('shows how far it is while there is more than one page, and takes that away at the end', async () => {
  const shown: string[] = []
  await accountsFound(operation({ progress: (text) => void shown.push(text) }))
  expect(shown.length).toBeGreaterThan(BLOCKS / MOST_BLOCKS)
  expect(shown[0]).toMatch(/^AccountRegistered: block \d+ of \d+$/)
  expect(shown.at(-1)).toBe('')
  shown.length = 0
  await accountsFound(suite.operation(ADMIN, { progress: (text) => void shown.push(text) }))
  expect(shown).toEqual([])
})

it('says what the endpoint said where no range is small enough, or something else is wrong', async () => {
  const pages = async (read: (first: number, last: number) => Promise<readonly string[]>) =>
    await readPages({ first: 1, last: 9 }, read)
  const refusing = async () => await Promise.reject(new TypeError('block range too large'))
  await expect(pages(refusing)).rejects.toMatchObject({
    code: 'deploy.events_refused',
    detail: 'block 1: block range too large',
  })
  const broken = new TypeError('connection refused')
  await expect(pages(async () => await Promise.reject(broken))).rejects.toBe(broken)
})

it('takes each block once, widens while it is served and tries again after many answers', async () => {
  const ranges: (readonly [number, number])[] = []
  let refusals = 0
  let most = 4_096 * 8
  const numbers = await readPages({ first: 7, last: 200_000 }, async (first, last) => {
    if (last - first >= most) {
      refusals += 1
      return await Promise.reject(new TypeError('block range too large'))
    }
    ranges.push([first, last])
    if (first > 100_000) most = 64_000
    return [first, last]
  })
  expect(numbers).toEqual(ranges.flat())
  const [head] = ranges
  expect(head).toEqual([7, 4_102])
  for (const [index, [first]] of ranges.entries())
    expect(first).toBe(index === 0 ? 7 : (ranges[index - 1]?.[1] ?? 0) + 1)
  expect(ranges.at(-1)?.[1]).toBe(200_000)
  expect(refusals).toBe(1)
})
