import { present } from '#kernel/assert.ts'
import { uuidOf } from '#kernel/id.ts'
import type { Breaker, BreakerName } from '#chain/breaker.ts'
import { encodeRegister } from '#chain/contracts/investor-registry.ts'
import { RpcClient } from '#chain/rpc-adapter.ts'
import type { ManagedTransaction, TransactionRequest } from '#chain/service.ts'
import type { TxManager, TxManagerOptions } from '#chain/tx-manager.ts'
import { TransactionService } from '#chain/tx-service.ts'
import { inTransaction } from '#platform/db/transaction.ts'
import { silentLog } from '../support/database.ts'
import { ChainLab, startProxy, startSuite, until, type SuiteChain } from './chain-lab.ts'

export const ORDER = { reason: 'asked for', actor: 'operator' }

interface Attempt {
  readonly kind: string
  readonly nonce: bigint
  readonly hash: string
  readonly raw: string
  readonly max_fee_wei: string
}

/** A chain, a database, and what operators and contexts do with transactions. */
export class TxRig {
  readonly suite: SuiteChain
  readonly lab: ChainLab
  readonly desk: TransactionService
  readonly #cleanups: (() => Promise<void>)[] = []

  constructor(suite: SuiteChain, lab: ChainLab) {
    this.suite = suite
    this.lab = lab
    this.desk = new TransactionService({ database: lab.database, rpc: lab.rpc, log: silentLog })
  }

  static async start(): Promise<TxRig> {
    const suite = await startSuite()
    return new TxRig(suite, await ChainLab.open(suite))
  }

  async stop(): Promise<void> {
    for (const clean of this.#cleanups.splice(0).toReversed()) await clean()
    await this.lab.close()
    await this.suite.stop()
  }

  /** Resolves when the chain was read, so that no breaker finds that it lags. */
  async watch(depth = 2): Promise<void> {
    const watcher = await this.lab.watcher({ rule: { depth } })
    this.#cleanups.push(() => watcher.stop())
    const head = await this.suite.provider.getBlockNumber()
    const read = async () => (await this.lab.service.head().catch(() => undefined))?.number ?? -1
    await until(async () => (await read()) >= head, 'the chain was read')
  }

  async manage(options: Partial<TxManagerOptions> = {}): Promise<TxManager> {
    const manager = await this.lab.txManager(options)
    this.#cleanups.push(() => manager.stop())
    return manager
  }

  /** An endpoint that answers by itself where `answer` gives a text. */
  async rpcThrough(answer: (body: string) => string | undefined): Promise<RpcClient> {
    const proxy = await startProxy(this.suite.chain.url, answer)
    const rpc = new RpcClient({ urls: [proxy.url], log: silentLog, rounds: 1, timeoutMs: 2000 })
    this.#cleanups.push(async () => {
      await rpc.close()
      await proxy.stop()
    })
    return rpc
  }

  /** Asks for the registration of an account; answers the bare UUID. */
  async register(account: number, key = `register:${account}`, to = account): Promise<string> {
    const wanted: TransactionRequest = {
      signer: 'registrar',
      key,
      to: present(this.suite.deployment.contracts['InvestorRegistry'], 'InvestorRegistry'),
      data: encodeRegister({
        account,
        wallet: walletOf(to),
        class: 1,
        expiry: 0n,
        identityHash: `0x${'11'.repeat(32)}`,
      }),
    }
    const { database, service } = this.lab
    const id = await inTransaction(database, (tx) => service.requestTransaction(tx, wanted))
    return uuidOf('transaction', id)
  }

  async isRegistered(account: number): Promise<boolean> {
    const registry = this.suite.contract('InvestorRegistry')
    return (await registry.getFunction('accountOf')(walletOf(account))) === BigInt(account)
  }

  async find(key: string): Promise<ManagedTransaction> {
    return present(await this.lab.service.findTransaction(this.lab.database, key), key)
  }

  async state(key: string, wanted: ManagedTransaction['state']): Promise<ManagedTransaction> {
    return await until(async () => {
      const found = await this.find(key)
      return found.state === wanted && found
    }, `${key} ${wanted}`)
  }

  async attempts(id: string): Promise<readonly Attempt[]> {
    return await this.lab.database.query<Attempt & Record<string, unknown>>(
      `SELECT kind, nonce, hash, raw, max_fee_wei::text FROM chain.tx_attempt
       WHERE request = $1 ORDER BY attempt`,
      [id],
    )
  }

  async openBreakers(): Promise<readonly Breaker[]> {
    return (await this.desk.listBreakers()).filter(({ isOpen }) => isOpen)
  }

  async breaker(name: BreakerName, isOpen: boolean): Promise<void> {
    await until(
      async () => {
        const open = (await this.openBreakers()).map((breaker) => breaker.name)
        return open.includes(name) === isOpen
      },
      `${name} ${isOpen ? 'open' : 'closed'}`,
    )
  }

  /** Mines blocks that are too dear for what waits. */
  async mineDear(blocks: number): Promise<void> {
    await this.suite.chain.rpc('anvil_setNextBlockBaseFeePerGas', ['0x174876e800'])
    await this.suite.mine(blocks)
  }
}

export function walletOf(account: number): string {
  return `0x${account.toString(16).padStart(40, '0')}`
}

/** Says that it took what was sent, and forgets it. */
export function swallow(body: string): string | undefined {
  if (!body.includes('eth_sendRawTransaction')) return undefined
  const { id } = JSON.parse(body)
  return JSON.stringify({ jsonrpc: '2.0', id, result: `0x${'00'.repeat(32)}` })
}
