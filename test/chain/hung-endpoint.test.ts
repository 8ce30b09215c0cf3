import { createServer } from 'node:http'
import { afterEach, expect, it } from 'vitest'
import { RpcClient, type RpcOptions } from '#chain/rpc-adapter.ts'
import { TransactionEndpoint } from '#chain/tx-endpoint-adapter.ts'
import { silentLog } from '../support/database.ts'
import { freePort } from '../../scripts/free-port.ts'

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

interface Endpoint {
  readonly url: string
  /** How many requests came in. */
  asked(): number
  /** How many of them nobody has given up. */
  open(): number
}

/** An endpoint that gives each call the same reply; one without a reply takes calls and is silent. */
async function endpoint(
  reply?: object,
  { delayMs = 0, busyTimes = 0, hangUps = 0 } = {},
): Promise<Endpoint> {
  const port = await freePort()
  let [asked, open] = [0, 0]
  const server = createServer((request, response) => {
    open += 1
    response.on('close', () => (open -= 1))
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      asked += 1
      if (asked <= hangUps) request.socket.destroy()
      if (asked <= busyTimes) response.writeHead(429)
      if (reply === undefined) return
      const body: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'))
      const calls = (Array.isArray(body) ? body : [body]) as { id: number }[]
      const answers = calls.map(({ id }) => ({ jsonrpc: '2.0', id, ...reply }))
      const text = JSON.stringify(Array.isArray(body) ? answers : answers[0])
      setTimeout(() => response.end(text), delayMs)
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  cleanups.push(async () => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return { url: `http://127.0.0.1:${port}`, asked: () => asked, open: () => open }
}

function client(urls: readonly string[], options: Partial<RpcOptions> = {}): RpcClient {
  const rpc = new RpcClient({ urls, log: silentLog, probeMs: 1_000_000, ...options })
  cleanups.push(() => rpc.close())
  return rpc
}

async function durationOf(work: Promise<unknown>): Promise<number> {
  const begunMs = performance.now()
  await work.catch(() => undefined)
  return performance.now() - begunMs
}

/** An endpoint whose answer comes byte by byte, and never whole. */
async function drip(): Promise<Pick<Endpoint, 'url' | 'asked'>> {
  const port = await freePort()
  let asked = 0
  const server = createServer((_, response) => {
    asked += 1
    const timer = setInterval(() => response.write(' '), 100)
    response.on('close', () => clearInterval(timer))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  cleanups.push(async () => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return { url: `http://127.0.0.1:${port}`, asked: () => asked }
}

const SIGNED = { raw: '0x00', hashes: [], from: '0x00', nonce: 0 } as const

it.each([
  ['takes', { result: `0x${'00'.repeat(32)}` }],
  ['knows', { error: { code: -32_000, message: 'already known' } }],
])('sends to all, and goes on once one %s the bytes while another hangs', async (_, reply) => {
  const hung = await endpoint()
  const good = await endpoint(reply)
  const rpc = client([hung.url, good.url])
  expect(await new TransactionEndpoint(rpc).send(SIGNED)).toEqual({ type: 'taken' })
  expect([hung.asked(), hung.open()]).toEqual([1, 1])
})

it('gives up an answer that never ends, and asks another endpoint', async () => {
  const slow = await drip()
  const good = await endpoint({ result: '0x1' })
  const rpc = client([slow.url, good.url], { timeoutMs: 300 })
  expect(await rpc.call('eth_chainId')).toBe('0x1')
  expect(slow.asked()).toBeLessThanOrEqual(2)
})

it('does not take the quick refusal of one endpoint for that of all', async () => {
  const poor = await endpoint({ error: { code: -32_000, message: 'transaction underpriced' } })
  const good = await endpoint({ result: `0x${'00'.repeat(32)}` }, { delayMs: 800 })
  const sent = await new TransactionEndpoint(client([poor.url, good.url])).send(SIGNED)
  expect(sent).toEqual({ type: 'taken' })
})

it('asks one line once, and the next one is another endpoint', async () => {
  const hung = await endpoint()
  const good = await endpoint({ result: '0x7' })
  const rpc = client([hung.url, good.url], { timeoutMs: 1500 })
  const calls = [{ method: 'eth_blockNumber', params: [] }]
  const line = rpc.line() ?? expect.fail('no line')
  await expect(line.batch(calls)).rejects.toMatchObject({ code: 'platform.unavailable' })
  // Once by the line, and once by the comparison of all endpoints.
  expect(hung.asked()).toBeLessThanOrEqual(2)
  expect(await rpc.line()?.batch(calls)).toEqual(['0x7'])
})

it('asks one line again where it only wants to be asked less', async () => {
  const busy = await endpoint({ result: '0x7' }, { busyTimes: 2 })
  const other = await endpoint({ result: '0x8' })
  const rpc = client([busy.url, other.url])
  const line = rpc.line() ?? expect.fail('no line')
  expect(await line.batch([{ method: 'eth_blockNumber', params: [] }])).toEqual(['0x7'])
})

it('gives one that is silent less time while another one answers', async () => {
  // Once for the line, and once for the comparison of all endpoints.
  const hung = await endpoint(undefined, { hangUps: 2 })
  const good = await endpoint({ result: '0x7' })
  // No test lasts as long as that.
  const rpc = client([hung.url, good.url], { timeoutMs: 3_600_000 })
  const calls = [{ method: 'eth_blockNumber', params: [] }]
  const line = rpc.line() ?? expect.fail('no line')
  const away = { code: 'platform.unavailable' }
  await expect(line.batch(calls)).rejects.toMatchObject(away)
  const before = hung.asked()
  await expect(line.batch(calls)).rejects.toMatchObject(away)
  expect(hung.asked()).toBe(before + 1)
})

it('gives one its whole time that was not silent before', async () => {
  const hung = await endpoint()
  const good = await endpoint({ result: '0x7' })
  const rpc = client([hung.url, good.url], { timeoutMs: 4000 })
  const line = rpc.line() ?? expect.fail('no line')
  const tookMs = await durationOf(line.batch([{ method: 'eth_blockNumber', params: [] }]))
  expect(tookMs).toBeGreaterThan(3500)
})

it('waits as long as ever where nobody else is left', async () => {
  const hung = await endpoint()
  const rpc = client([hung.url], { timeoutMs: 3500, rounds: 1 })
  const calls = [{ method: 'eth_blockNumber', params: [] }]
  const line = rpc.line() ?? expect.fail('no line')
  await durationOf(line.batch(calls))
  expect(await durationOf(line.batch(calls))).toBeGreaterThan(3000)
})
