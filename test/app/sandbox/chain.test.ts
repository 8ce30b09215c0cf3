import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { findProcesses, isRunning, sendSignal } from '#platform/process-identity.ts'
import { SandboxChain, type ChainStart } from '#app/sandbox/chain.ts'
import { rpc } from '../../support/chain.ts'
import { freePort } from '../../../scripts/free-port.ts'

const CHILD = fileURLToPath(new URL('../../support/sandbox-chain-child.ts', import.meta.url))
const DEPTH = 2
/** First account of anvil's well-known mnemonic. */
const SENDER = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'
const RECEIVER = '0x00000000000000000000000000000000000000aa'

interface Receipt {
  readonly blockNumber: string
  readonly blockHash: string
}

const chains: SandboxChain[] = []
const children: ChildProcess[] = []
const folders: string[] = []

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const chain of chains.splice(0)) await chain.stop()
  for (const path of folders.splice(0)) {
    await new SandboxChain({
      home: path,
      port: 0,
      finalityDepth: DEPTH,
      log: () => undefined,
    }).remove()
    rmSync(path, { recursive: true, force: true })
  }
})

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'mooring chain '))
  chmodSync(path, 0o700)
  folders.push(path)
  return path
}

function chainIn(home: string, port = 0): SandboxChain {
  const chain = new SandboxChain({ home, port, finalityDepth: DEPTH, log: () => undefined })
  chains.push(chain)
  return chain
}

/** Sends one wei and answers the receipt. */
async function pay(url: string): Promise<Receipt> {
  const hash = await rpc(url, 'eth_sendTransaction', [{ from: SENDER, to: RECEIVER, value: '0x1' }])
  for (;;) {
    const receipt = await rpc(url, 'eth_getTransactionReceipt', [hash])
    if (receipt !== null) return JSON.parse(JSON.stringify(receipt))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

async function headOf(url: string): Promise<number> {
  return Number(await rpc(url, 'eth_blockNumber'))
}

async function whenDurable(chain: SandboxChain, block: number): Promise<void> {
  await expect.poll(() => chain.durableBlock(), { interval: 5 }).toBeGreaterThanOrEqual(block)
}

/** Runs a chain in a process of its own, which can be killed. */
async function startInChild(
  home: string,
): Promise<{ child: ChildProcess; start: ChainStart; durable: () => number }> {
  const child = spawn(process.execPath, [CHILD, home, String(DEPTH)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const lines: string[] = []
  let rest = ''
  child.stdout.on('data', (part: Buffer) => {
    const pieces = (rest + part.toString()).split('\n')
    rest = pieces.pop() ?? ''
    lines.push(...pieces)
  })
  await expect.poll(() => lines.length, { interval: 10 }).toBeGreaterThan(0)
  return { child, start: JSON.parse(lines[0] ?? ''), durable: () => Number(lines.at(-1)) || 0 }
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGKILL')
  await exit
}

describe('SandboxChain', () => {
  it('mines the blocks that make a transaction final, puts them on disk, and then rests', async () => {
    const chain = chainIn(folder())
    const { url, chainId, head } = await chain.start()
    expect(chainId).toBe(31_337)
    expect(head.number).toBe(DEPTH + 1)
    const { blockNumber } = await pay(url)
    await whenDurable(chain, Number(blockNumber) + DEPTH)
    const rest = await headOf(url)
    expect(rest).toBe(Number(blockNumber) + DEPTH)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await headOf(url)).toBe(rest)
    expect(chain.durableBlock()).toBe(rest)
  })

  it('goes on after a clean stop as the same instance with the same blocks and receipts', async () => {
    const home = folder()
    const first = chainIn(home)
    const before = await first.start()
    const receipt = await pay(before.url)
    const hash = await rpc(before.url, 'eth_getBlockByNumber', ['latest', false])
    await first.stop()

    const second = chainIn(home)
    const after = await second.start()
    expect(after).toMatchObject({ instance: before.instance, resumed: true })
    const block = await rpc(after.url, 'eth_getBlockByHash', [receipt.blockHash, false])
    expect(block).toMatchObject({ number: receipt.blockNumber, hash: receipt.blockHash })
    const head = JSON.parse(JSON.stringify(hash))
    expect(await rpc(after.url, 'eth_getBlockByNumber', [head.number, false])).toMatchObject({
      hash: head.hash,
    })
    expect(await rpc(after.url, 'eth_getBalance', [RECEIVER, 'latest'])).toBe('0x1')
    const final = `0x${(after.head.number - DEPTH).toString(16)}`
    expect(await rpc(after.url, 'eth_getBalance', [RECEIVER, final])).toBe('0x1')
  })

  it('keeps every final block when node and chain are killed, and announces a new instance', async () => {
    const home = folder()
    const { child, start, durable } = await startInChild(home)
    const { blockNumber, blockHash } = await pay(start.url)
    await expect.poll(durable, { interval: 5 }).toBeGreaterThanOrEqual(Number(blockNumber) + DEPTH)
    const [anvil] = findProcesses(join(home, 'chain', 'cache'))
    await kill(child)
    if (anvil !== undefined) sendSignal(anvil.pid, 'SIGKILL')

    const { url, instance, resumed } = await chainIn(home).start()
    expect(resumed).toBe(true)
    expect(instance).not.toBe(start.instance)
    expect(await rpc(url, 'eth_getBlockByNumber', [blockNumber, false])).toMatchObject({
      hash: blockHash,
    })
  })

  it('starts a chain that is killed under a running node again, longer than the lost one', async () => {
    const home = folder()
    const chain = chainIn(home, await freePort())
    const { url, instance } = await chain.start()
    const { blockNumber, blockHash } = await pay(url)
    await whenDurable(chain, Number(blockNumber) + DEPTH)
    const lost = await headOf(url)
    const [anvil] = findProcesses(join(home, 'chain', 'cache'))
    if (anvil !== undefined) sendSignal(anvil.pid, 'SIGKILL')
    await expect
      .poll(async () => headOf(url).catch(() => 0), { interval: 20 })
      .toBeGreaterThan(lost)
    const block = await rpc(url, 'eth_getBlockByNumber', [blockNumber, false])
    expect(block).toMatchObject({ hash: blockHash })
    const next = await pay(url)
    await whenDurable(chain, Number(next.blockNumber) + DEPTH)
    await chain.stop()
    const again = await chain.start()
    expect(again.instance).toBe(instance)
    expect(await rpc(url, 'eth_getBlockByNumber', [next.blockNumber, false])).toMatchObject({
      hash: next.blockHash,
    })
  })

  it('tells when a chain that died stays down', async () => {
    const home = folder()
    const told = Promise.withResolvers<void>()
    const chain = new SandboxChain({
      home,
      port: 0,
      finalityDepth: DEPTH,
      log: () => undefined,
      onExit: () => told.resolve(),
    })
    chains.push(chain)
    await chain.start()
    writeFileSync(join(home, 'chain', 'state.json'), 'torn')
    for (const anvil of findProcesses(join(home, 'chain', 'cache')))
      sendSignal(anvil.pid, 'SIGKILL')
    await told.promise
    expect(findProcesses(join(home, 'chain', 'cache'))).toEqual([])
  })

  it('recognises and stops the chain that a killed node left behind', async () => {
    const home = folder()
    const { child, start } = await startInChild(home)
    await kill(child)
    const orphans = findProcesses(join(home, 'chain', 'cache'))
    expect(orphans).toHaveLength(1)
    const port = Number(new URL(start.url).port)
    const { url } = await chainIn(home, port).start()
    expect(orphans.some(isRunning)).toBe(false)
    expect(new URL(url).port).toBe(String(port))
  })

  it('writes dumps in which blocks and state agree, under a stream of transactions', async () => {
    const home = folder()
    const { child, start, durable } = await startInChild(home)
    let sending = true
    const sender = (async () => {
      while (sending) await pay(start.url).catch(() => (sending = false))
    })()
    await expect.poll(durable, { interval: 5 }).toBeGreaterThan(start.head.number + 150)
    await kill(child)
    for (const anvil of findProcesses(join(home, 'chain', 'cache')))
      sendSignal(anvil.pid, 'SIGKILL')
    sending = false
    await sender

    const { url, head } = await chainIn(home).start()
    let transactions = 0
    for (let number = 0; number <= head.number; number += 1) {
      const count = await rpc(url, 'eth_getBlockTransactionCountByNumber', [
        `0x${number.toString(16)}`,
      ])
      transactions += Number(count)
    }
    expect(Number(await rpc(url, 'eth_getTransactionCount', [SENDER, 'latest']))).toBe(transactions)
    expect(Number(await rpc(url, 'eth_getBalance', [RECEIVER, 'latest']))).toBe(transactions)
  })

  it('takes durability back when a block is replaced', async () => {
    const chain = chainIn(folder())
    const { url } = await chain.start()
    const { blockNumber } = await pay(url)
    await whenDurable(chain, Number(blockNumber) + DEPTH)
    await rpc(url, 'anvil_reorg', [1, []])
    await expect
      .poll(async () => chain.durableBlock() === (await headOf(url)), {
        interval: 5,
      })
      .toBe(true)
    const head = JSON.parse(
      JSON.stringify(await rpc(url, 'eth_getBlockByNumber', ['latest', false])),
    )
    await chain.stop()
    const again = await chain.start()
    expect(await rpc(again.url, 'eth_getBlockByNumber', [head.number, false])).toMatchObject({
      hash: head.hash,
    })
  })

  it('gives gas coin that outlives a restart', async () => {
    const chain = chainIn(folder())
    await chain.start()
    await chain.setBalance(RECEIVER, 10n ** 20n)
    await chain.stop()
    const { url } = await chain.start()
    expect(await rpc(url, 'eth_getBalance', [RECEIVER, 'latest'])).toBe('0x56bc75e2d63100000')
  })

  it('refuses a folder that another live process uses', async () => {
    const home = folder()
    const { child } = await startInChild(home)
    await expect(chainIn(home).start()).rejects.toMatchObject({ code: 'sandbox.chain_in_use' })
    await kill(child)
    chains.splice(0)
  })

  it('says which port is taken and how to change it', async () => {
    const port = await freePort()
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    try {
      await expect(chainIn(folder(), port).start()).rejects.toMatchObject({
        code: 'sandbox.chain_port_taken',
        detail: expect.stringMatching(new RegExp(`${port}.*CHAIN_RPC_PORT`)),
      })
    } finally {
      server.close()
    }
  })
})
