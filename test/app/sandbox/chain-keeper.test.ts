import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AnvilRpc, type BlockSummary } from '#app/sandbox/anvil-rpc.ts'
import { ChainFiles } from '#app/sandbox/chain-files.ts'
import { ChainKeeper } from '#app/sandbox/chain-keeper.ts'
import { startAnvil, type TestChain } from '../../support/chain.ts'

const DEPTH = 2
/** First account of anvil's well-known mnemonic. */
const SENDER = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'

/** Lets something happen on the chain just before a chosen question for its head. */
class InterruptedRpc extends AnvilRpc {
  #questions = 0
  #interruption: { readonly question: number; readonly work: () => Promise<unknown> } | undefined

  interruptBefore(question: number, work: () => Promise<unknown>): void {
    this.#questions = 0
    this.#interruption = { question, work }
  }

  override async head(): Promise<BlockSummary> {
    this.#questions += 1
    if (this.#questions === this.#interruption?.question) await this.#interruption.work()
    return super.head()
  }
}

let chain: TestChain
let home: string

beforeEach(async () => {
  chain = await startAnvil()
  home = mkdtempSync(join(tmpdir(), 'mooring-keeper-'))
})

afterEach(async () => {
  await chain.stop()
  rmSync(home, { recursive: true, force: true })
})

async function pay(): Promise<void> {
  const head = Number(await chain.rpc('eth_blockNumber'))
  await chain.rpc('eth_sendTransaction', [{ from: SENDER, to: SENDER, value: '0x1' }])
  await expect
    .poll(async () => Number(await chain.rpc('eth_blockNumber')), { interval: 2 })
    .toBe(head + 1)
}

describe('ChainKeeper', () => {
  it.each([1, 2, 3, 4])(
    'makes a transaction final that comes before look %s at the head in a turn',
    async (question) => {
      const rpc = new InterruptedRpc(chain.url)
      const files = new ChainFiles(home)
      files.prepare()
      const keeper = new ChainKeeper({ rpc, files, finalityDepth: DEPTH, log: () => undefined })
      const { number } = await keeper.begin()
      rpc.interruptBefore(question, pay)
      keeper.touch()
      await expect.poll(() => keeper.durableBlock, { interval: 2 }).toBeGreaterThan(number)
      const block = await rpc.block(number + 1)
      if (block !== undefined) keeper.see(block)
      await expect.poll(() => keeper.durableBlock, { interval: 2 }).toBe(number + 1 + DEPTH)
      await keeper.finish()
    },
  )
})
