import type { Interface, Result } from 'ethers'
import { at, rows, show, type Body } from '../body.ts'
import { ScriptFailure } from '../sandbox-access.ts'

const BLOCKS_PER_CALL = 5000

/** A chain over plain JSON-RPC. */
export class Chain {
  readonly #rpc: string

  constructor(rpc: string) {
    this.#rpc = rpc
  }

  async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const response = await fetch(this.#rpc, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const answer: unknown = await response.json()
    const refusal = at(answer, 'error', 'message')
    if (refusal !== undefined) throw new ScriptFailure(`${method}: ${show(refusal)}`)
    return at(answer, 'result')
  }

  async blockNumber(): Promise<number> {
    return Number(await this.call('eth_blockNumber'))
  }

  /** Logs of a contract up to and including a block, in chain order. */
  async logs(address: string, last: number): Promise<readonly Body[]> {
    const logs: Body[] = []
    for (let first = 0; first <= last; first += BLOCKS_PER_CALL) {
      const toBlock = hex(Math.min(first + BLOCKS_PER_CALL - 1, last))
      logs.push(
        ...rows(await this.call('eth_getLogs', { address, fromBlock: hex(first), toBlock })),
      )
    }
    return logs
  }

  /** The first value that a view answers as of a block. */
  async view(
    {
      abi,
      address,
      block,
    }: { readonly abi: Interface; readonly address: string; readonly block: number },
    method: string,
    ...args: readonly unknown[]
  ): Promise<unknown> {
    const call = { to: address, data: abi.encodeFunctionData(method, [...args]) }
    const answer = String(await this.call('eth_call', call, hex(block)))
    const result: Result = abi.decodeFunctionResult(method, answer)
    return result[0]
  }
}

/** The topics of a log, as ethers takes them. */
export function topicsOf(log: Body): string[] {
  const topics = at(log, 'topics')
  return Array.isArray(topics) ? topics.map(String) : []
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
