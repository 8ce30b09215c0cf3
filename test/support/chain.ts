import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { anvilBinary, SANDBOX_CHAIN_ID } from '#app/sandbox/anvil.ts'
import { freePort } from '../../scripts/free-port.ts'

export interface TestChain {
  readonly url: string
  readonly chainId: number
  /** One JSON-RPC call; throws `RpcRefusal` when the node answers with an error. */
  rpc(method: string, params?: readonly unknown[]): Promise<unknown>
  stop(): Promise<void>
}

/** What a JSON-RPC server answered instead of a result. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal'
  readonly code: number

  constructor(method: string, code: number, message: string) {
    super(`${method}: ${message}`)
    this.code = code
  }
}

/**
 * A throwaway chain that keeps nothing and mines each transaction at once. `args` are further
 * options of anvil, for example `['--no-mining']`.
 */
export async function startAnvil(
  options: { port?: number; args?: readonly string[] } = {},
): Promise<TestChain> {
  const port = options.port ?? (await freePort())
  const args = [
    '--port',
    String(port),
    '--chain-id',
    String(SANDBOX_CHAIN_ID),
    '--hardfork',
    'osaka',
    '--quiet',
  ]
  const child = spawn(anvilBinary(), [...args, ...(options.args ?? [])], { stdio: 'ignore' })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const url = `http://127.0.0.1:${port}`
  await whenReady(url, child)
  return {
    url,
    chainId: SANDBOX_CHAIN_ID,
    rpc: (method, params = []) => rpc(url, method, params),
    stop: async () => {
      process.off('exit', kill)
      await ended(child)
    },
  }
}

/** Calls a JSON-RPC endpoint. */
export async function rpc(
  url: string,
  method: string,
  params: readonly unknown[] = [],
): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const answer: unknown = await response.json()
  if (isRefusal(answer)) throw new RpcRefusal(method, answer.error.code, answer.error.message)
  return typeof answer === 'object' && answer !== null && 'result' in answer
    ? answer.result
    : undefined
}

async function whenReady(url: string, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new RpcRefusal('anvil', 0, 'did not start')
    try {
      await rpc(url, 'eth_chainId')
      return
    } catch {
      await sleep(10)
    }
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGKILL')
  await exit
}

function isRefusal(value: unknown): value is { error: { code: number; message: string } } {
  return typeof value === 'object' && value !== null && 'error' in value
}
