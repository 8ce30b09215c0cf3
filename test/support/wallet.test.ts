import { HDNodeWallet, Mnemonic } from 'ethers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startAnvil, type TestChain } from './chain.ts'
import { ChainWallet } from './wallet.ts'

/** The first account of anvil, which holds coins. */
const KEY = HDNodeWallet.fromMnemonic(
  Mnemonic.fromPhrase('test test test test test test test test test test test junk'),
  `m/44'/60'/0'/0/0`,
).privateKey
const NOWHERE = `0x${'11'.repeat(20)}`

describe('a wallet that waits for a block', () => {
  let chain: TestChain
  let wallet: ChainWallet

  beforeEach(async () => {
    chain = await startAnvil({ args: ['--no-mining'] })
    const abi = [{ type: 'function', name: 'nothing', inputs: [] }]
    const contracts = { CashToken: { address: NOWHERE, abi } }
    wallet = new ChainWallet(chain.url, KEY, { chain_id: chain.chainId, contracts })
  })

  afterEach(async () => {
    wallet.close()
    await chain.stop()
  })

  /** The transaction waits for a block, and the wallet with it. */
  async function untilPooled(): Promise<void> {
    const status = async () => await chain.rpc('txpool_status')
    await expect.poll(status).toMatchObject({ pending: '0x1' })
  }

  it('hears of the block', async () => {
    const sent = wallet.send('CashToken', 'nothing')
    await untilPooled()
    await chain.rpc('evm_mine')
    expect((await sent).status).toBe(1)
  })

  it('fails by itself, and not its process, when it is closed meanwhile', async () => {
    const sent = wallet.send('CashToken', 'nothing')
    const refusal = expect(sent).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' })
    await untilPooled()
    wallet.close()
    await refusal
  })

  it('fails by itself, and not its process, when the chain goes away', async () => {
    const sent = wallet.send('CashToken', 'nothing')
    const refusal = expect(sent).rejects.toMatchObject({ code: expect.stringMatching(/^ECONN/) })
    await untilPooled()
    await Promise.all([chain.stop(), refusal])
  })
})
