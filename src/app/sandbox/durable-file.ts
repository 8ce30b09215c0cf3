import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Finality } from '#chain/finality.ts'
import { isJsonObject, parseJson } from '#kernel/json.ts'
import { SANDBOX_CHAIN_ID } from './anvil.ts'

interface DurableChain {
  readonly instance: string
  /** Highest block that a dump on disk contains. */
  readonly block: number
}

function pathIn(folder: string): string {
  return join(folder, 'durable.json')
}

/** Tells other processes how far the sandbox chain is safe; a write that is lost only delays them. */
export function writeDurableBlock(folder: string, chain: DurableChain): void {
  const path = pathIn(folder)
  writeFileSync(`${path}.new`, JSON.stringify(chain), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** For a node beside a running sandbox: final blocks are those that its chain cannot lose. */
export function durableFinality(
  home: string,
  chainId: number,
): Pick<Finality, 'durableBlock' | 'chainInstance'> {
  const folder = join(home, 'chain')
  const first = chainId === SANDBOX_CHAIN_ID ? readDurableChain(folder) : undefined
  if (first === undefined) return {}
  return {
    chainInstance: first.instance,
    durableBlock: () => readDurableChain(folder)?.block ?? 0,
  }
}

function readDurableChain(folder: string): DurableChain | undefined {
  try {
    const value = parseJson(readFileSync(pathIn(folder), 'utf8'))
    if (!isJsonObject(value)) return undefined
    const { instance, block } = value
    if (typeof instance !== 'string' || typeof block !== 'number') return undefined
    return { instance, block }
  } catch {
    return undefined
  }
}
