import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { anvilBinary, SANDBOX_CHAIN_ID } from '#app/sandbox/anvil.ts'
import { EVENT_LAYOUTS } from '#chain/decoders.ts'
import type { Deployment } from '#chain/deployment.ts'

const address = (digit: number): string => `0x${digit.toString(16).repeat(40)}`
const HOUSE = address(0xc)
/** The first test account of every anvil, which it signs for. */
const SENDER = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'
const ACCOUNTS = 64

/** Where the node believes its contracts to be; only the clearing house says anything. */
export const LOG_DEPLOYMENT: Deployment = {
  chainId: SANDBOX_CHAIN_ID,
  deployedAt: 1,
  contracts: {
    ClearingHouse: HOUSE,
    InvestorRegistry: address(0xa),
    AssetRegistry: address(0xb),
    SupplyController: address(0xd),
  },
}

/**
 * Code that emits as many `Deposited(account, 0, amount)` as its argument says, i = n … 1: account
 * 16 + (i & 63), amount 1000 + i.
 */
function depositorCode(): string {
  const topic = EVENT_LAYOUTS.find(({ name }) => name === 'Deposited')?.topic.slice(2) ?? ''
  const loop = [
    '5b', // loop: [i]
    '8015604757', // i == 0 → end
    '806103e801600052', // memory[0] = i + 1000
    '6000', // asset
    `81${`60${(ACCOUNTS - 1).toString(16)}`}16601001`, // account
    `7f${topic}`,
    '60206000a3', // LOG3
    '60019003', // i - 1
    '600356', // → loop
    '5b00', // end
  ].join('')
  return `0x600035${loop}`
}

/** A local chain whose blocks hold one transaction with many deposits each. */
export class LogChain {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(url: string, child: ChildProcess) {
    this.url = url
    this.#child = child
  }

  static async start(port: number): Promise<LogChain> {
    const chainId = `${SANDBOX_CHAIN_ID}`
    const args = ['--port', `${port}`, '--chain-id', chainId, '--quiet', '--no-mining']
    const child = spawn(anvilBinary(), args, { stdio: 'ignore' })
    process.once('exit', () => child.kill('SIGKILL'))
    const chain = new LogChain(`http://127.0.0.1:${port}`, child)
    while ((await chain.rpc('eth_chainId').catch(() => undefined)) === undefined) await sleep(20)
    await chain.rpc('anvil_setCode', HOUSE, depositorCode())
    return chain
  }

  async rpc(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const [answer] = await this.#post([{ jsonrpc: '2.0', id: 1, method, params }])
    return answer
  }

  /** Mines blocks of `logs` deposits. */
  async mine(blocks: number, logs: number): Promise<void> {
    const data = `0x${logs.toString(16).padStart(64, '0')}`
    const transaction = { from: SENDER, to: HOUSE, gas: '0xf42400', data }
    for (let mined = 0; mined < blocks; mined += 1) {
      await this.rpc('eth_sendTransaction', transaction)
      await this.rpc('evm_mine')
    }
  }

  async head(): Promise<number> {
    return Number(await this.rpc('eth_blockNumber'))
  }

  async stop(): Promise<void> {
    const exit = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.kill('SIGKILL')
    await exit
  }

  async #post(calls: readonly object[]): Promise<readonly unknown[]> {
    const response = await fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(calls),
    })
    const answers: unknown = await response.json()
    if (!Array.isArray(answers)) throw new TypeError('no batch of answers')
    return answers.map((answer: { result?: unknown; error?: { message: string } }) => {
      if (answer.error !== undefined) throw new TypeError(answer.error.message)
      return answer.result
    })
  }
}
