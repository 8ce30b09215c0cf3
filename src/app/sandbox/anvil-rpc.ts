import { sandboxErrors } from './errors.ts'

export interface BlockSummary {
  readonly number: number
  readonly hash: string
  readonly transactions: number
}

const CALL_TIMEOUT_MS = 60_000

/** The few calls that keep a sandbox chain; error `sandbox.chain_away` when it does not answer. */
export class AnvilRpc {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  /** One JSON-RPC call; the result is unchecked. */
  async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      })
      return resultOf(await response.json())
    } catch (cause) {
      throw sandboxErrors.chain_away(`${method} at ${this.#url}: ${String(cause)}`, { cause })
    }
  }

  async head(): Promise<BlockSummary> {
    const block = parseBlock(await this.call('eth_getBlockByNumber', 'latest', false))
    if (block === undefined) throw sandboxErrors.chain_away('the chain has no latest block')
    return block
  }

  async block(number: number): Promise<BlockSummary | undefined> {
    return parseBlock(await this.call('eth_getBlockByNumber', hex(number), false))
  }

  async mine(blocks: number): Promise<void> {
    if (blocks > 0) await this.call('anvil_mine', hex(blocks))
  }

  /** The whole state as gzipped JSON, which unzipped is what `--load-state` reads. */
  async dump(): Promise<Buffer> {
    const result = await this.call('anvil_dumpState')
    if (typeof result !== 'string')
      throw sandboxErrors.chain_away('anvil_dumpState answered no text')
    return Buffer.from(result.slice(2), 'hex')
  }
}

/** A quantity as JSON-RPC writes it. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`
}

/** Reads number, hash and transaction count of a block or a header; undefined for anything else. */
export function parseBlock(value: unknown): BlockSummary | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (!('number' in value) || !('hash' in value)) return undefined
  if (typeof value.number !== 'string' || typeof value.hash !== 'string') return undefined
  const listed: unknown = 'transactions' in value ? value.transactions : undefined
  const transactions = Array.isArray(listed) ? listed.length : 0
  return { number: Number(value.number), hash: value.hash, transactions }
}

function resultOf(answer: unknown): unknown {
  if (typeof answer === 'object' && answer !== null && 'result' in answer) return answer.result
  throw sandboxErrors.chain_away(JSON.stringify(answer))
}
