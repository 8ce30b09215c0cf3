import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AnvilRpc } from './anvil-rpc.ts'
import type { ChainFiles } from './chain-files.ts'
import { sandboxErrors } from './errors.ts'

/** Chain id that marks a throwaway chain; demo keys are refused on any other. */
export const SANDBOX_CHAIN_ID = 31_337

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }
const READY_TIMEOUT_MS = 60_000
/** States of past blocks that stay in memory; calls at older blocks fail. */
const KEPT_STATES = 256
const BLOCK_GAS_LIMIT = 60_000_000

/**
 * Path of anvil itself. The package's wrapper script is passed over: killed, it leaves an orphan.
 * Error: `sandbox.chain_unsupported`.
 */
export function anvilBinary(): string {
  const name = `@foundry-rs/anvil-${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
    return join(dirname(manifest), 'bin', 'anvil')
  } catch (cause) {
    const advice = `${name} is not installed; run \`npm ci\`, or set RPC_URLS to a chain`
    throw sandboxErrors.chain_unsupported(advice, { cause })
  }
}

/** Starts anvil on the state of the folder; the process outlives a killed parent. */
export function spawnAnvil(files: ChainFiles, port: number): ChildProcess {
  const output = openSync(files.log, 'w', 0o600)
  try {
    return spawn(anvilBinary(), anvilArguments(files, port), {
      cwd: files.folder,
      // Its own process group: Ctrl-C in a terminal is the node's to handle, in its order.
      detached: true,
      stdio: ['ignore', output, output],
    })
  } finally {
    closeSync(output)
  }
}

/** Resolves when anvil answers; `sandbox.chain_failed` with its last words when it ends instead. */
export async function whenAnswering(
  child: ChildProcess,
  rpc: AnvilRpc,
  log: string,
): Promise<void> {
  let failure: string | undefined
  child.once('error', (error) => (failure = error.message))
  for (let waitedMs = 0; waitedMs < READY_TIMEOUT_MS; waitedMs += 10) {
    if (failure !== undefined || child.exitCode !== null || child.signalCode !== null) break
    const answered = await rpc.call('eth_chainId').catch(() => undefined)
    if (answered !== undefined) return
    await sleep(10)
  }
  const words = failure ?? readFileSync(log, 'utf8').trim().split('\n').at(-1)
  throw sandboxErrors.chain_failed(`${words ?? ''} (${log}); \`npm run reset\` starts afresh`)
}

/** The port itself if it is free, a free one for 0; error `sandbox.chain_port_taken`. */
export async function claimPort(port: number): Promise<number> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host: '127.0.0.1', exclusive: true }, resolve)
    })
  } catch (cause) {
    const advice = `port ${port} is taken; set CHAIN_RPC_PORT to another port, or to 0 for any`
    throw sandboxErrors.chain_port_taken(advice, { cause })
  }
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return typeof address === 'object' && address !== null ? address.port : port
}

function anvilArguments(files: ChainFiles, port: number): string[] {
  const options: Readonly<Record<string, string | number>> = {
    '--host': '127.0.0.1',
    '--port': port,
    '--chain-id': SANDBOX_CHAIN_ID,
    '--hardfork': 'osaka',
    '--gas-limit': BLOCK_GAS_LIMIT,
    '--prune-history': KEPT_STATES,
    '--slots-in-an-epoch': 1,
    // Holds nothing with pruned history; its path is what an orphan of this folder is known by.
    '--cache-path': files.cache,
    ...(files.hasState() ? { '--load-state': files.state } : {}),
  }
  return ['--quiet', ...Object.entries(options).flatMap(([name, value]) => [name, String(value)])]
}
